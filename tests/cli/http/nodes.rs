//! A member asked through another one: over HTTP and with `--node`.

use std::fs;

use serde_json::{Value, json};
use tests::support::{Node, Yard, until};

use super::{ask, get, key, post, serving};

/// jerry, who serves HTTP and has this key, and tom, an operator of the same mesh with a job.
fn pair(yard: &Yard) -> (Node, String, Node) {
    let jerry = serving(yard, "jerry", "127.0.0.1:0");
    let tom = yard.member("tom", &jerry, "operator");
    let source = yard.path("toms");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("a"), b"a").expect("a file");
    tom.add_job("toms", &source, &[]);
    let key = key(&jerry, &["phone"]);
    (jerry, key, tom)
}

fn until_ran(node: &Node, run: &Value) {
    until("the run has ended well", || {
        node.json(&["run", "show", &run.to_string()], "run")["run"]["state"] == "success"
    });
}

#[test]
fn jobs_of_another_member_are_listed_and_run_from_here() {
    let yard = Yard::new();
    let (jerry, phone, tom) = pair(&yard);
    let jobs = get(&jerry, "/nodes/tom/jobs", &phone);
    assert_eq!((jobs.status, &jobs.body["jobs"][0]["name"]), (200, &json!("toms")), "{jobs:?}");
    assert_eq!(get(&jerry, "/jobs", &phone).body["jobs"], json!([]));
    assert_eq!(get(&jerry, "/nodes/jerry/jobs", &phone).body["jobs"], json!([]));
    let health = get(&jerry, "/nodes/tom/health", &phone);
    assert_eq!(health.body["instance_name"], "tom", "{health:?}");

    let run = ask(&jerry, "POST", "/nodes/tom/jobs/1/run", &phone);
    assert_eq!(run.status, 202, "{run:?}");
    until_ran(&tom, &run.body["run_id"]);
    let shown = get(&jerry, &format!("/nodes/tom/runs/{}", run.body["run_id"]), &phone);
    assert_eq!(shown.body["status"], "success", "{shown:?}");

    let ended = jerry.json(&["job", "run", "toms", "--wait", "--node", "tom"], "run_ended");
    assert!(ended["archive"].is_string(), "{ended:#}");
    let there = tom.json(&["run", "list"], "runs");
    assert_eq!(jerry.json(&["run", "list", "--node", "tom"], "runs"), there);
    assert_eq!(there.as_array().map(Vec::len), Some(2));
    assert_eq!(jerry.json(&["run", "list"], "runs"), json!([]));

    // A job is added, changed and removed there; the keys there are its own business.
    let notes = yard.path("toms");
    let notes = notes.to_str().expect("plain");
    jerry.done(&["job", "add", "custom_dir", "more", notes, "--node", "tom"]);
    jerry.done(&["job", "edit", "more", "--copies", "1", "--node", "tom"]);
    assert_eq!(tom.json(&["job", "show", "more"], "job")["job"]["spec"]["copies"], 1);
    jerry.done(&["--node", "tom", "job", "remove", "more"]);
    jerry.ask(&["key", "list", "--node", "tom"]).fails_with(2, &["own machine"]).hints();
    let rebuild = jerry.ask(&["store", "rebuild", "--node", "tom"]);
    rebuild.fails_with(1, &["on the server itself only"]).hints();
    jerry.ask(&["status", "--node", "nobody"]).fails_with(1, &["nobody"]).hints();
}

#[test]
fn what_the_other_member_does_not_grant_is_refused_there_with_its_words() {
    let yard = Yard::new();
    let (jerry, phone, tom) = pair(&yard);
    let watch = key(&jerry, &["watch", "--read-only"]);
    assert_eq!(get(&jerry, "/nodes/tom/jobs", &watch).status, 200);
    assert_eq!(ask(&jerry, "POST", "/nodes/tom/jobs/1/run", &watch).status, 403);

    tom.done(&["mesh", "grant", "jerry", "--deny", "run-job"]);
    let refused = ask(&jerry, "POST", "/nodes/tom/jobs/1/run", &phone);
    assert_eq!((refused.status, &refused.body["error"]), (403, &json!("refused")), "{refused:?}");
    let words = "tom does not allow jerry to run-job";
    assert!(refused.body["message"].as_str().is_some_and(|text| text.contains(words)));
    jerry.ask(&["job", "run", "toms", "--node", "tom"]).fails_with(1, &[words]).hints();
    let body = json!({ "name": "x", "config": { "type": "custom_dir", "source_path": "/etc" } });
    assert_eq!(post(&jerry, "/nodes/tom/jobs", &phone, &body).status, 403);
    assert_eq!(get(&jerry, "/nodes/tom/jobs", &phone).status, 200);
    assert_eq!(tom.json(&["run", "list"], "runs"), json!([]));
    let upload = json!({ "filename": "a.tar", "total_size": 1, "checksum": "00".repeat(32) });
    assert_eq!(post(&jerry, "/nodes/tom/archives/upload/start", &phone, &upload).status, 501);

    // A friend who keeps copies asks nothing.
    let friend = yard.member("friend", &jerry, "storage");
    friend.ask(&["status", "--node", "jerry"]).fails_with(1, &["may ask jerry nothing"]).hints();
    assert_eq!(get(&jerry, "/nodes/nobody/jobs", &phone).status, 404);
}

#[test]
fn a_member_that_is_killed_in_the_middle_or_away_is_a_clear_failure() {
    let yard = Yard::new();
    let (jerry, phone, mut tom) = pair(&yard);
    let source = yard.path("toms");
    tom.add_job("slow", &source, &["--before", "sleep 300"]);
    let waiting = jerry.command(&["job", "run", "slow", "--wait", "--node", "tom"]);
    let waiting = { waiting }.spawn().expect("it runs");
    until("the job runs", || tom.json(&["run", "list"], "runs")[0]["state"] == "running");
    tom.kill();
    let output = waiting.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tom: it went away before it answered"), "{said}");
    assert!(said.contains("hint: ") && said.contains("not known"), "{said}");

    until("jerry has noticed", || !jerry.sees(&tom));
    let away = get(&jerry, "/nodes/tom/jobs", &phone);
    assert_eq!((away.status, &away.body["error"]), (502, &json!("unreachable")), "{away:?}");
    assert!(away.body["hint"].is_string(), "{away:?}");
    let known = get(&jerry, "/nodes/tom", &phone);
    assert_eq!((known.status, &known.body["connection"]), (200, &json!("offline")), "{known:?}");
    jerry.ask(&["status", "--node", "tom"]).fails_with(1, &["not connected"]).hints();

    tom.restart();
    until("they are connected again", || jerry.sees(&tom));
    assert_eq!(get(&jerry, "/nodes/tom/jobs", &phone).status, 200);
    jerry.done(&["mesh", "expel", "tom", "--yes"]);
    assert_eq!(get(&jerry, "/nodes/tom/jobs", &phone).status, 409);
}

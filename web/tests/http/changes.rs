//! What changes something.

use protocol::{
    Time,
    control::{Failure, FailureCode, Request},
};
use serde_json::json;

use crate::support::{Fake, JOB, RUN, Server};

#[tokio::test]
async fn a_job_is_run_and_its_run_is_named() {
    let server = Server::start(Fake::new()).await;
    let answer = server.ask("POST", "/api/v1/jobs/3/run").await;
    assert_eq!(answer.header("location"), Some("/api/v1/runs/42"));
    let started = answer.ok(202);
    assert_eq!(started["run_id"], RUN + 1);
    assert_eq!(started["run"]["status"], "running");
    let Request::JobRun(asked) = server.fake.last() else { panic!("a run") };
    assert_eq!((asked.job.as_str(), asked.wait), ("cloud", false));
    server.ask("POST", "/api/v1/jobs/4/run").await.refused(404, "not_found");
}

#[tokio::test]
async fn a_job_that_runs_is_not_run_again() {
    let fake = Fake::saying(|request| {
        let busy = || Failure::new(FailureCode::Busy, "cannot run job cloud", "run 41 is at work");
        matches!(request, Request::JobRun(_)).then(|| Err(busy()))
    });
    let server = Server::start(fake).await;
    server.ask("POST", "/api/v1/jobs/3/run").await.refused(409, "busy");
}

#[tokio::test]
async fn jobs_are_made_changed_and_removed() {
    let server = Server::start(Fake::new()).await;
    let spec = json!({ "name": "www", "config": { "type": "custom_dir", "source_path": "/srv" } });
    let answer = server.send("POST", "/api/v1/jobs", &spec.to_string()).await;
    assert_eq!(answer.header("location"), Some("/api/v1/jobs/3"));
    let made = answer.ok(201);
    assert_eq!((&made["name"], &made["type"]), (&json!("www"), &json!("custom_dir")));
    assert_eq!((&made["retention_mode"], &made["cron_expr"]), (&json!("all"), &json!(null)));
    let edit = json!({ "based_on": 17, "spec": spec }).to_string();
    server.send("PUT", "/api/v1/jobs/3", &edit).await.ok(200);
    let Request::JobEdit(asked) = server.fake.last() else { panic!("an edit") };
    assert_eq!((asked.job.as_str(), asked.based_on_ms), ("cloud", Time(17)));
    let removed = server.ask("DELETE", "/api/v1/jobs/3").await.ok(200);
    assert_eq!(removed, json!({ "id": JOB, "name": "cloud" }));
    assert_eq!(server.fake.last(), Request::JobRemove { job: "cloud".parse().unwrap() });
}

#[tokio::test]
async fn a_job_that_makes_no_sense_is_refused_before_the_node_is_asked() {
    let server = Server::start(Fake::new()).await;
    let job = |more: &str| {
        format!(r#"{{"name":"w","config":{{"type":"custom_dir","source_path":"/s"}}{more}}}"#)
    };
    for wrong in [
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        job(r#","colour":"red""#),
        job(r#","name":"x""#),
        job(r#","level":90"#),
        job(r#","copies":-1"#),
        job(r#","schedule":{"cron":"never"}"#),
        job("").replace("\"w\"", "\"../w\""),
        job("").replace("\"/s\"", "\"s\""),
        job("").replace("custom_dir", "everything"),
    ] {
        server.send("POST", "/api/v1/jobs", &wrong).await.refused(400, "invalid");
        server.send("PUT", "/api/v1/jobs/3", &wrong).await.refused(400, "invalid");
    }
    let asked = server.fake.asked.lock().unwrap().iter().any(|asked| !asked.only_looks());
    assert!(!asked);
}

#[tokio::test]
async fn a_list_is_not_taken_for_an_object() {
    let server = Server::start(Fake::new()).await;
    let sum = "5".repeat(64);
    for (path, body) in [
        ("/archives/jerry_nextcloud_20260508/transfer", json!(["tom", "auto"])),
        ("/archives/upload/start", json!(["a.tar", 1, 1, sum])),
        ("/archives/jerry_nextcloud_20260508/restore", json!([["app"], [], null, false, true])),
    ] {
        let path = format!("/api/v1{path}");
        server.send("POST", &path, &body.to_string()).await.refused(400, "invalid");
    }
    assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
}

#[tokio::test]
async fn a_run_is_cancelled() {
    let server = Server::start(Fake::new()).await;
    let run = server.ask("POST", "/api/v1/runs/41/cancel").await.ok(200);
    assert_eq!((&run["id"], &run["job_id"]), (&json!(RUN), &json!(JOB)));
}

#[tokio::test]
async fn an_archive_is_removed_and_the_way_there_can_be_tried() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/jerry_nextcloud_20260508";
    let tried = server.ask("DELETE", &format!("{path}?dry_run=1")).await.ok(200);
    assert_eq!(tried["dry_run"], true);
    assert!(server.fake.last().only_looks());
    let removed = server.ask("DELETE", path).await.ok(200);
    assert_eq!(removed["name"], "jerry_nextcloud_20260508");
    assert!(!server.fake.last().only_looks());
    server.ask("DELETE", "/api/v1/archives/none").await.refused(404, "not_found");
    server.ask("DELETE", &format!("{path}?dry_run=maybe")).await.refused(400, "invalid");
    server.ask("DELETE", &format!("{path}?dryrun=1")).await.refused(400, "invalid");
}

#[tokio::test]
async fn a_pinned_archive_is_not_removed() {
    let fake = Fake::saying(|request| {
        let pinned = || Failure::new(FailureCode::Conflict, "cannot remove it", "it is pinned");
        matches!(request, Request::ArchiveRemove(_)).then(|| Err(pinned().hint("unpin it first")))
    });
    let server = Server::start(fake).await;
    let path = "/api/v1/archives/jerry_nextcloud_20260508";
    let told = server.ask("DELETE", path).await.refused(409, "conflict");
    assert_eq!(told["hint"], "unpin it first");
}

#[tokio::test]
async fn an_archive_is_pinned_and_let_go() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/jerry_nextcloud_20260508/pin";
    assert_eq!(server.ask("PUT", path).await.ok(200)["pinned"], true);
    assert_eq!(server.ask("DELETE", path).await.ok(200)["pinned"], false);
}

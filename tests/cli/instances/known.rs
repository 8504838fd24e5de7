//! Instances that a node knows.

use tests::support::{
    Instance, Yard,
    instance::{KEY, job},
    tree,
};

use super::acquainted;

#[test]
fn an_instance_is_known_with_its_jobs_and_runs_them_and_its_key_is_nowhere_in_clear() {
    let yard = Yard::new();
    let tom = Instance::plain();
    tom.world(|world| world.jobs = vec![job(3, "nightly"), job(4, "weekly")]);
    let mut jerry = acquainted(&yard, &tom);
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    assert_eq!((&shown["state"], &shown["instance_name"]), (&"online".into(), &"tom".into()));
    assert_eq!(shown["jobs"][0]["last_run"]["archive"], "tom_nightly_20260508", "{shown:#}");
    let jobs = jerry.done(&["instance", "jobs", "tom"]).out;
    assert!(jobs.contains("nightly") && jobs.contains("2.0 KiB"), "{jobs}");

    let started = jerry.json(&["instance", "run", "tom", "nightly"], "instance_run_started");
    assert_eq!((&started["job"], &started["run"]), (&"nightly".into(), &41.into()));
    assert_eq!(tom.asked("POST /api/v1/jobs/3/run"), 1);
    jerry.done(&["instance", "run", "tom", "4"]);
    assert_eq!(tom.asked("POST /api/v1/jobs/4/run"), 1);
    jerry.ask(&["instance", "run", "tom", "other"]).fails_with(1, &["no such job"]).hints();

    let workers = jerry.done(&["workers"]).out;
    assert!(workers.contains("instances") && workers.contains("1 of 1 online"), "{workers}");
    assert_eq!(tree::find_bytes(&jerry.data, &[KEY.as_bytes()]), None);
    assert!(!jerry.log().contains(KEY) && !shown.to_string().contains(&KEY[8..]));

    jerry.kill();
    jerry.restart();
    let again = jerry.json(&["instance", "list"], "instances");
    assert_eq!((&again[0]["name"], &again[0]["jobs"]), (&"tom".into(), &serde_json::json!([])));
    jerry.done(&["instance", "run", "tom", "nightly"]);
    jerry.done(&["instance", "remove", "tom", "--yes"]);
    jerry.ask(&["instance", "show", "tom"]).fails_with(1, &["tom", "there is none"]).hints();
}

#[test]
fn who_does_not_answer_or_not_as_it_should_is_known_to() {
    let yard = Yard::new();
    let tom = Instance::plain();
    let jerry = yard.node("jerry");
    let wrong = KEY.replace('5', "6");
    let added = jerry.tell(&["instance", "add", "wrong", &tom.url, "--json"], &wrong);
    let added = added.exits(0).json("instance");
    assert_eq!(added["state"], "error", "{added:#}");
    assert!(added["why"].as_str().expect("a reason").contains("does not accept the key"));
    assert_eq!(added["last_seen_ms"], serde_json::Value::Null);

    let tom = (jerry.tell(&["instance", "add", "tom", &tom.url], KEY).exits(0), tom).1;
    tom.world(|world| world.is_down = true);
    let ran = jerry.ask(&["instance", "run", "tom", "1"]);
    ran.fails_with(1, &["tom", "broke"]).hints();
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    assert_eq!(shown["state"], "offline", "{shown:#}");
    assert!(shown["last_seen_ms"].is_u64(), "{shown:#}");
    tom.world(|world| world.is_down = false);
    let _ = jerry.ask(&["instance", "run", "tom", "1"]).exits(1);
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    assert_eq!((&shown["state"], &shown["why"]), (&"online".into(), &serde_json::Value::Null));

    let url = tom.url.clone();
    drop(tom);
    let added = jerry.tell(&["instance", "add", "late", &url, "--json"], KEY).json("instance");
    assert_eq!(added["state"], "offline", "{added:#}");
}

#[test]
fn an_address_or_key_that_is_none_is_refused_before_anything_is_sent() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    let plain = ["instance", "add", "tom", "http://tom.example.org"];
    jerry.tell(&plain, KEY).fails_with(1, &["not https"]).hints();
    let ran = jerry.tell(&["instance", "add", "tom", "https://tom.example.org"], &KEY[1..]);
    let ran = ran.fails_with(2, &["64 hex digits"]);
    assert!(!ran.err.contains(&KEY[1..]), "{ran:#?}");
    for url in ["https://key@tom.example.org", "tom.example.org", "https://tom.example.org/?k=1"] {
        assert_eq!(jerry.tell(&["instance", "add", "tom", url], KEY).code, Some(2), "{url}");
    }
    let pin = ["instance", "add", "tom", "https://tom.example.org", "--pin", "12"];
    assert_eq!(jerry.tell(&pin, KEY).code, Some(2));
    assert_eq!(jerry.json(&["instance", "list"], "instances"), serde_json::json!([]));
}

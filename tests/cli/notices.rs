//! What people are told, and that it is still there after a restart.

use std::fs;

use serde_json::{Value, json};
use tests::support::{Node, Yard};

/// The notice of failed runs: on a machine with a full disk it is not the only one.
fn notice(node: &Node) -> Value {
    let told = node.json(&["notices"], "notices");
    let all = told["notices"].as_array().expect("a list").iter();
    let failed: Vec<_> = all.filter(|one| one["kind"] == "run_failed").collect();
    assert_eq!(failed.len(), 1, "{told:#}");
    failed[0].clone()
}

#[test]
fn a_run_that_fails_again_and_again_is_one_notice_over_restarts() {
    let yard = Yard::new();
    let source = yard.path("notes");
    fs::create_dir(&source).expect("a folder");
    let mut jerry = yard.node("jerry");
    jerry.add_job("notes", &source, &["--before", "exit 3"]);
    for _ in 0..2 {
        jerry.run_fails("notes", &[]);
    }
    let told = notice(&jerry);
    assert_eq!((&told["subject"], &told["count"]), (&json!("notes"), &json!(2)), "{told:#}");
    assert_eq!((&told["level"], &told["read"]), (&json!("error"), &json!(false)));
    let id = told["id"].as_u64().expect("a number").to_string();
    jerry.done(&["notices", "--read", &id]);
    jerry.stop();
    jerry.restart();
    assert_eq!(notice(&jerry)["read"], true);
    jerry.run_fails("notes", &[]);
    let told = notice(&jerry);
    assert_eq!((&told["count"], &told["read"]), (&json!(3), &json!(false)));
    let text = jerry.done(&["notices", "--unread"]).out;
    assert!(text.contains("The job notes failed: before command 1"), "{text}");
    jerry.done(&["notices", "--read-all"]);
    let text = jerry.done(&["notices", "--unread"]).out;
    assert!(text.contains("no notices"), "{text}");
    jerry.ask(&["notices", "--read", "99"]).fails_with(1, &["cannot find notice 99"]);
}

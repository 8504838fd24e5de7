//! Jobs that run by themselves, under a clock that is moved.

use std::fs;

use serde_json::Value;
use tests::support::{Clock, Node, Yard, until};

fn runs(node: &Node) -> Vec<Value> {
    node.json(&["run", "list"], "runs").as_array().cloned().expect("a list")
}

#[test]
fn a_moved_clock_makes_up_for_months_once_and_going_back_repeats_nothing() {
    let yard = Yard::new();
    let source = yard.path("notes");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("a"), "one").expect("a file");
    let mut jerry = Node::stopped("jerry", &yard.path("jerry"), &yard.path("jerry-archives"));
    let clock = Clock::new(&yard, &mut jerry, "2026-01-10 02:58:00");
    jerry.restart();
    jerry.add_job("notes", &source, &["--cron", "0 3 * * *", "--time-zone", "Europe/Paris"]);
    let job = jerry.json(&["job", "show", "notes"], "job");
    let next = job["next_runs"][0].as_u64().expect("a time");
    assert_eq!(next, 1_768_010_400_000, "2026-01-10 03:00 in Paris is 02:00 in UTC");
    assert_eq!(runs(&jerry).len(), 0);

    clock.set("2026-01-10 03:00:05");
    until("it runs when it is due", || {
        runs(&jerry).first().is_some_and(|run| run["state"] == "success")
    });
    assert_eq!(runs(&jerry)[0]["trigger"], "schedule");

    clock.set("2026-04-20 12:00:00");
    until("it makes up for the months", || runs(&jerry).len() == 2);
    until("it ends", || runs(&jerry)[0]["state"] == "success");
    assert_eq!(runs(&jerry)[0]["trigger"], "catch_up");

    clock.set("2026-04-20 02:59:30");
    jerry.stop();
    jerry.restart();
    clock.set("2026-04-20 03:00:30");
    // Another job shows that the worker has looked at this time.
    jerry.add_job("other", &source, &["--cron", "1 3 * * *", "--time-zone", "Europe/Paris"]);
    clock.set("2026-04-20 03:01:10");
    until("the other runs", || runs(&jerry).iter().any(|run| run["job"] == "other"));
    let again = runs(&jerry).iter().filter(|run| run["job"] == "notes").count();
    assert_eq!(again, 2, "a time that was seen does not come again");
}

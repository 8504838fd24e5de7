//! Orders between whole nodes: one is down, one is killed, one is not allowed.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

use serde_json::Value;
use tests::support::{Node, Yard, awaited, until};

/// Issues an order on `from`; its id.
fn issue(from: &Node, line: &[&str]) -> String {
    let order = from.json(&[&["order", "issue"], line].concat(), "order");
    assert_eq!(order["state"], "waiting", "{order:#}");
    order["id"].as_str().expect("an id").to_owned()
}

fn show(node: &Node, id: &str) -> Value {
    node.json(&["order", "show", id], "order")
}

/// Waits until an order has ended; how.
fn ended(node: &Node, id: &str) -> Value {
    awaited("the order ends", || {
        let order = show(node, id);
        let open = ["waiting", "running"].iter().any(|state| order["state"] == *state);
        (!open).then_some(order)
    })
}

fn runs(node: &Node) -> Vec<Value> {
    node.json(&["run", "list"], "runs").as_array().expect("a list").clone()
}

/// A folder with a file.
fn notes(yard: &Yard) -> std::path::PathBuf {
    let source = yard.path("notes");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("a"), b"a").expect("a file");
    source
}

#[test]
fn an_order_to_a_node_that_is_down_is_done_once_when_it_is_up_again() {
    let yard = Yard::new();
    let source = notes(&yard);
    let jerry = yard.node("jerry");
    let mut tom = yard.member("tom", &jerry, "operator");
    let ann = yard.member("ann", &jerry, "storage");
    tom.add_job("verysecretname", &source, &[]);
    tom.stop();
    let id = issue(&jerry, &["tom", "job", "run", "verysecretname", "--wait"]);
    let taken_back = issue(&jerry, &["tom", "job", "run", "verysecretname"]);
    let cancelled = jerry.json(&["order", "cancel", &taken_back], "order");
    assert_eq!(cancelled["state"], "cancelled");
    jerry.ask(&["order", "show", &taken_back]).fails_with(1, &["cannot find order"]).hints();

    tom.restart();
    let order = ended(&jerry, &id);
    assert_eq!(order["state"], "done", "{order:#}");
    assert_eq!(order["request"], "job_run");
    let text = order["text"].as_str().expect("a text");
    assert!(text.contains("run 1 of verysecretname went well and made tom_"), "{text}");
    tom.stop();
    tom.restart();
    until("they are connected again", || tom.sees(&jerry) && jerry.sees(&tom));
    assert_eq!(ended(&tom, &id)["state"], "done", "both sides know");
    assert_eq!(runs(&tom).len(), 1, "it ran once: {:#?}", runs(&tom));

    // Who passes it on reads nothing of it.
    assert!(ann.json(&["order", "list"], "orders").as_array().expect("a list").is_empty());
    for node in [&ann, &jerry] {
        let state = fs::read(node.data.join("state.redb")).expect("a state file");
        let told = state.windows(14).any(|bytes| bytes == b"verysecretname");
        assert!(!told, "{} has it in clear", node.name);
    }
}

/// Takes what waits on a pipe out of its way.
fn let_go(pipe: &Path) {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    // Nobody may be waiting any more.
    let _ = fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(pipe);
}

#[test]
fn an_order_that_kill_9_cut_off_is_interrupted_and_not_repeated() {
    let yard = Yard::new();
    let source = notes(&yard);
    let jerry = yard.node("jerry");
    let mut tom = yard.member("tom", &jerry, "operator");
    let (pipe, count) = (yard.path("pipe"), yard.path("count"));
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let before = format!("echo x >> {}; cat {}", count.display(), pipe.display());
    tom.add_job("slow", &source, &["--before", &before]);
    let id = issue(&jerry, &["tom", "job", "run", "slow", "--wait"]);
    until("tom is at work", || count.exists());
    until("jerry knows that it is", || show(&jerry, &id)["state"] == "running");
    jerry.ask(&["order", "cancel", &id]).fails_with(1, &["has begun"]).hints();
    tom.kill();
    let_go(&pipe);
    tom.restart();
    let order = ended(&jerry, &id);
    assert_eq!(order["state"], "interrupted", "{order:#}");
    assert_eq!(ended(&tom, &id)["state"], "interrupted");
    let all = runs(&tom);
    assert_eq!((all.len(), &all[0]["state"]), (1, &Value::from("interrupted")), "{all:#?}");
    assert_eq!(fs::read_to_string(&count).expect("a count"), "x\n", "it was repeated");
    until("people are told", || {
        let notices = jerry.json(&["notices", "--unread"], "notices");
        notices["notices"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|one| one["kind"] == "order_failed" && one["subject"] == "job_run → tom")
    });
    let_go(&pipe);
}

#[test]
fn an_order_whose_deadline_passed_is_not_done_any_more() {
    let yard = Yard::new();
    let source = notes(&yard);
    let jerry = yard.node("jerry");
    let mut tom = yard.member("tom", &jerry, "operator");
    tom.add_job("notes", &source, &[]);
    tom.stop();
    let id = issue(&jerry, &["--within", "1s", "tom", "job", "run", "notes"]);
    assert_eq!(ended(&jerry, &id)["state"], "expired");
    jerry.ask(&["order", "cancel", &id]).fails_with(1, &["it has ended"]);
    tom.restart();
    // Another one arrives after it, and is done.
    let other = issue(&jerry, &["tom", "store", "check"]);
    let order = ended(&jerry, &other);
    assert_eq!(order["state"], "done", "{order:#}");
    assert_eq!(show(&jerry, &id)["state"], "expired");
    assert!(runs(&tom).is_empty());
}

#[test]
fn what_is_not_granted_and_what_a_storage_member_orders_is_refused_with_the_reason() {
    let yard = Yard::new();
    let source = notes(&yard);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    let ann = yard.member("ann", &jerry, "storage");
    tom.add_job("notes", &source, &[]);
    jerry.add_job("notes", &source, &[]);
    tom.done(&["mesh", "grant", "jerry", "--deny", "run-job"]);
    let id = issue(&jerry, &["tom", "job", "run", "notes"]);
    let refused = ended(&jerry, &id);
    assert_eq!(refused["state"], "refused", "{refused:#}");
    let why = refused["failure"]["why"].as_str().expect("a reason");
    assert_eq!(why, "jerry has no right to run-job at this node");
    let hint = refused["failure"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("mesh grant jerry"), "{hint}");
    tom.done(&["mesh", "grant", "jerry", "--allow", "run-job"]);
    let id = issue(&jerry, &["tom", "job", "run", "notes", "--wait"]);
    assert_eq!(ended(&jerry, &id)["state"], "done");

    let id = issue(&ann, &["jerry", "job", "run", "notes"]);
    let refused = ended(&ann, &id);
    assert_eq!(refused["state"], "refused", "{refused:#}");
    let why = refused["failure"]["why"].as_str().expect("a reason");
    assert!(why.contains("ann is a storage member"), "{why}");
    assert!(runs(&jerry).is_empty());
}

#[test]
fn what_cannot_be_ordered_is_refused_before_it_leaves() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    for line in [
        &["tom", "status"][..],
        &["tom", "key", "create", "x"],
        &["tom", "serve", "--data", "/nowhere"],
        &["tom", "mesh", "invite", "--role", "operator"],
        &["tom", "store", "rebuild"],
        &["tom", "run", "list"],
        &["tom", "archive", "restore", "a"],
        &["tom", "order", "issue", "jerry", "store", "gc"],
    ] {
        let ran = jerry.ask(&[&["order", "issue"], line].concat());
        ran.fails_with(2, &["cannot order this"]).hints();
    }
    jerry.ask(&["order", "issue", "tom", "store", "gc"]).fails_with(1, &["cannot find node tom"]);
    jerry.ask(&["order", "issue", "jerry", "store", "gc"]).fails_with(1, &["it is this node"]);
    jerry.ask(&["order", "issue", "--within", "31d", "tom", "store", "gc"]).exits(2);
}

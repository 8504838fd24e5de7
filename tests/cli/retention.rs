//! Which archives stay, over months.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use tests::support::{Clock, Node, Yard, until};

fn names(node: &Node) -> BTreeSet<String> {
    let list = node.json(&["archive", "list"], "archives");
    let archives = list["archives"].as_array().expect("a list").iter();
    archives.map(|archive| archive["name"].as_str().expect("a name").to_owned()).collect()
}

fn verdicts(node: &Node) -> Vec<Value> {
    let pruned = node.json(&["retention", "preview"], "pruned");
    pruned["verdicts"].as_array().cloned().expect("a list")
}

#[test]
fn sons_fathers_and_grandfathers_stay_and_each_verdict_says_why() {
    let yard = Yard::new();
    let source = yard.path("notes");
    fs::create_dir(&source).expect("a folder");
    let mut jerry = Node::stopped("jerry", &yard.path("jerry"), &yard.path("jerry-archives"));
    let clock = Clock::new(&yard, &mut jerry, "2026-03-01 12:00:00");
    jerry.restart();
    jerry.add_job("notes", &source, &[]);
    let days = (1..=31).map(|day| format!("2026-03-{day:02}"));
    let days: Vec<_> = days.chain((1..=14).map(|day| format!("2026-04-{day:02}"))).collect();
    for day in &days {
        clock.set(&format!("{day} 12:00:00"));
        fs::write(source.join("day"), day).expect("a file");
        let _ = jerry.back_up("notes");
    }
    assert_eq!(names(&jerry).len(), days.len(), "nothing goes before a retention is set");
    jerry.done(&["archive", "pin", "jerry_notes_20260303"]);
    jerry.done(&["job", "edit", "notes", "--retention", "gfs:7,4,3"]);

    let preview = verdicts(&jerry);
    assert_eq!(preview.len(), days.len());
    assert!(preview.iter().all(|verdict| verdict["reason"].as_str() > Some("")), "{preview:#?}");
    let keep = preview.iter().filter(|verdict| verdict["keep"] == true);
    let keep: BTreeSet<_> =
        keep.map(|verdict| verdict["archive"].as_str().expect("a name").to_owned()).collect();
    for kept in ["20260408", "20260414", "20260405", "20260329", "20260331", "20260303"] {
        assert!(keep.contains(&format!("jerry_notes_{kept}")), "{kept}: {keep:?}");
    }
    assert!(!keep.contains("jerry_notes_20260402"), "{keep:?}");

    let _ = jerry.done(&["retention", "apply"]);
    until("what was to go is gone", || names(&jerry) == keep);
    let refused = jerry.ask(&["archive", "remove", "jerry_notes_20260303", "--yes"]).exits(1);
    assert!(refused.err.contains("pinned"), "{refused:#?}");

    // Every run fails for half a year; the last good archive stays all the same.
    jerry.done(&["archive", "unpin", "jerry_notes_20260303"]);
    fs::remove_dir_all(&source).expect("it can go");
    clock.set("2026-12-01 12:00:00");
    jerry.run_fails("notes", &[]);
    let _ = jerry.done(&["retention", "apply"]);
    until("only the last good one stays", || names(&jerry).len() == 1);
    assert!(names(&jerry).contains("jerry_notes_20260414"));
}

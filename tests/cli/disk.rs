//! Disks that are full.

use std::fs;

use tests::support::{Node, Tmpfs, Yard, assert_same, below, tree, until};

fn last_error(node: &Node, worker: &str) -> String {
    let workers = node.json(&["workers"], "workers");
    let all = workers.as_array().expect("a list").iter();
    let one = all.clone().find(|one| one["name"] == worker).expect("the worker");
    one["last_error"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_run_into_a_full_disk_fails_clearly_and_works_once_there_is_room() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 40 << 20);
    let _disk = Tmpfs::mount(&yard.path("jerry"), "160m");
    let filler = yard.path("jerry/filler");
    fs::write(&filler, vec![1; 135 << 20]).expect("written");
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    jerry.run_fails("files", &["no room", "free space"]);
    assert!(!jerry.status().is_null(), "the daemon lives");

    fs::remove_file(&filler).expect("removed");
    let archive = jerry.back_up("files");
    jerry.restore(&archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
    jerry.done(&["store", "check", "--read-data"]);
}

#[test]
fn a_restore_into_a_full_disk_fails_clearly_and_leaves_no_half_file_under_its_name() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 20 << 20);
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let archive = jerry.back_up("files");
    let to = yard.path("to");
    let disk = Tmpfs::mount(&to, "8m");
    let text = to.to_str().expect("plain");
    let ran = jerry.ask(&["archive", "restore", &archive, "--to", text]).exits(1);
    assert!(["full", "space", "room"].iter().any(|word| ran.err.contains(word)), "{ran:#?}");
    let noise = below(&to, &source).join("noise.bin");
    assert!(!noise.exists(), "half a file has the name of a whole one");
    disk.resize("64m");
    jerry.restore(&archive, &to, &[]);
    assert_same(&source, &below(&to, &source));
}

#[test]
fn a_fetch_into_a_full_disk_is_reported_and_goes_on_once_there_is_room() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 40 << 20);
    let jerry = yard.node("jerry");
    let disk = Tmpfs::mount(&yard.path("tom"), "30m");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    let archive = jerry.back_up("files");
    until("tom reports it", || {
        let error = last_error(&tom, "replicate");
        ["full", "space", "room"].iter().any(|word| error.contains(word))
    });
    assert!(!tom.is_held(&archive, &tom));
    disk.resize("200m");
    tom.until_held(&archive, &tom);
    tom.done(&["archive", "verify", &archive]);
}

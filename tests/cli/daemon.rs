//! Daemons that cannot start, and commands without one.

use std::fs;

use tests::support::{Node, Yard};

#[test]
fn a_second_daemon_on_the_same_data_is_refused_and_the_first_goes_on() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    let mut other = Node::stopped("other", &jerry.data, &yard.path("other-archives"));
    other.launch();
    let (code, log) = other.ended();
    assert_eq!(code, Some(11), "{log}");
    assert!(log.contains("error: ") && log.contains("another daemon uses"), "{log}");
    assert!(log.contains("hint: "), "{log}");
    assert_eq!(jerry.status()["node"]["name"], "jerry");
}

#[test]
fn data_of_another_version_is_refused_and_left_as_it_is() {
    let yard = Yard::new();
    let mut jerry = yard.node("jerry");
    jerry.stop();
    fs::write(jerry.data.join("format"), "backupmanager data 7\n").expect("written");
    let state = fs::read(jerry.data.join("state.redb")).expect("the state");
    jerry.launch();
    let (code, log) = jerry.ended();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("backupmanager data 7") && log.contains("hint: "), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(fs::read(jerry.data.join("state.redb")).expect("the state"), state);
    fs::write(jerry.data.join("format"), "backupmanager data 1\n").expect("written");
    jerry.restart();
}

#[test]
fn commands_without_a_daemon_say_so() {
    let yard = Yard::new();
    let mut jerry = Node::stopped("jerry", &yard.path("jerry"), &yard.path("archives"));
    let lines: [&[&str]; 4] =
        [&["status"], &["job", "list"], &["archive", "restore", "x"], &["store", "check"]];
    for line in lines {
        jerry.ask(line).fails_with(10, &["cannot ask the daemon"]).hints();
    }
    jerry.restart();
    jerry.kill();
    let ran = jerry.ask(&["status", "--json"]).fails_with(10, &[]);
    assert_eq!(ran.json("failure")["code"], "unreachable");
    jerry.restart();
}

#[test]
fn the_identity_and_the_name_are_those_of_the_first_start() {
    let yard = Yard::new();
    let mut jerry = yard.node("jerry");
    let before = jerry.status();
    jerry.stop();
    jerry.restart();
    assert_eq!(jerry.status()["node"], before["node"]);
}

#[test]
fn the_demonstration_of_a_small_folder_ends_well_and_leaves_nothing() {
    let yard = Yard::new();
    let (source, scratch) = (yard.path("source"), yard.path("scratch"));
    tests::support::tree::awkward(&source);
    fs::create_dir(&scratch).expect("a folder");
    let program = tests::support::program();
    let mut command = std::process::Command::new("timeout");
    command.arg("120").arg(&program).arg("demo").arg(&source).env("TMPDIR", &scratch);
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("every byte, owner, mode"), "{text}");
    assert_eq!(fs::read_dir(&scratch).expect("a folder").count(), 0, "something is left");
    let left = fs::read_dir("/proc").expect("processes").filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let source = source.as_os_str().as_encoded_bytes();
        line.windows(source.len()).any(|window| window == source).then_some(line)
    });
    assert_eq!(left.count(), 0, "a process is left");
}

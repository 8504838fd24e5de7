//! The process around a command: signals, environment, help, completions.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal};

use crate::daemon::{Daemon, Ended, program};

fn waiting(daemon: &Daemon) -> Child {
    let child = daemon
        .command("store rebuild")
        .env("SSLKEYLOGFILE", "/nonexistent/keys")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    daemon.began.recv().unwrap();
    child
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn an_interrupt_stops_the_work_waits_for_the_answer_and_exits_with_130() {
    for number in [Signal::INT, Signal::TERM] {
        let daemon = Daemon::start();
        let child = waiting(&daemon);
        signal(&child, number);
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.out.as_str()), (130, ""));
        assert!(ended.err.contains("press Ctrl-C again"), "{}", ended.err);
        assert!(!ended.err.contains("error:"), "{}", ended.err);
    }
}

#[test]
fn no_process_keeps_the_wish_to_log_session_keys() {
    let daemon = Daemon::start();
    let child = waiting(&daemon);
    let environment = std::fs::read(format!("/proc/{}/environ", child.id())).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    signal(&child, Signal::INT);
    child.wait_with_output().unwrap();
    assert!(environment.contains("TZ=UTC"), "the rest stays");
    assert!(!environment.contains("SSLKEYLOGFILE"));
}

#[test]
fn wrong_usage_exits_with_two_and_points_at_the_help() {
    let ended = Ended::from(program(&["job", "frobnicate"]).output().unwrap());
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("Usage: backupmanager job"), "{}", ended.err);
    let nothing = Ended::from(program(&[]).output().unwrap());
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("First steps"), "{}", nothing.err);
}

#[test]
fn help_and_version_are_answers() {
    let ended = Ended::from(program(&["--help"]).output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.contains("Exit codes: 0 done"), "{}", ended.out);
    let ended = Ended::from(program(&["--version"]).output().unwrap());
    assert_eq!(ended.out, format!("backupmanager {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Ended::from(program(&["completions", shell]).output().unwrap());
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains("workers") && ended.out.contains("read-data"), "{shell}");
    }
}

#[test]
fn a_wrong_configuration_stops_the_daemon_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "archive = \"/srv\"\n").unwrap();
    let ended = program(&["serve", "--config"]).arg(&file).output().unwrap();
    let ended = Ended::from(ended);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unknown field `archive`"), "{}", ended.err);
    assert!(ended.err.contains("hint: the keys are: data, name"), "{}", ended.err);
}

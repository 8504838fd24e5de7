//! What instances and transfers look like to a person, and what the commands ask.

use protocol::{
    Time,
    control::{
        CertificatePin, Failure, FailureCode, InstanceJob, InstanceJobRun, InstanceReport,
        InstanceRunStarted, InstanceState, Reply, Request, TransferMode, TransferReport,
        TransferState,
    },
};

use crate::daemon::{Daemon, program};

/// 2026-05-08 01:00 UTC.
const AT: Time = Time(1_778_202_000_000);

fn shown(line: &str, reply: Reply) -> String {
    let ended = Daemon::answering(Ok(reply)).run(line);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}");
    ended.out
}

fn instance() -> InstanceReport {
    let last_run = InstanceJobRun {
        run: 40,
        status: "success".into(),
        started_ms: Some(AT),
        ended_ms: None,
        archive: Some("tom_nightly_20260508".into()),
        bytes: Some(2_048),
    };
    let job = |number, name: &str, last_run| InstanceJob {
        number,
        name: name.into(),
        kind: "custom_dir".into(),
        enabled: number == 3,
        last_run,
    };
    InstanceReport {
        number: 1,
        name: "tom".parse().unwrap(),
        url: "https://tom.example.org".parse().unwrap(),
        pin: Some(CertificatePin([0xab; 32])),
        ssh: None,
        state: InstanceState::Offline,
        why: Some("cannot connect".into()),
        last_seen_ms: Some(AT),
        asked_ms: Some(AT),
        instance_name: Some("tom\u{1b}[31m".into()),
        version: Some("1.0.0".into()),
        jobs: vec![job(3, "nightly", Some(last_run)), job(4, "weekly", None)],
        jobs_ms: Some(AT),
        created_ms: AT,
    }
}

fn transfer(state: TransferState) -> TransferReport {
    TransferReport {
        id: 7,
        archive: "jerry_notes_20260508".into(),
        instance: "tom".parse().unwrap(),
        mode: TransferMode::Auto,
        way: TransferMode::Http,
        state,
        bytes_done: 1 << 20,
        bytes_total: 3 << 20,
        sha256: None,
        failures: 2,
        failure: Some(Failure::new(FailureCode::Unreachable, "cannot", "it broke").hint("wait")),
        next_ms: Some(AT),
        started_ms: AT,
        ended_ms: None,
    }
}

#[test]
fn an_instance_is_shown_with_its_jobs_and_nothing_that_a_terminal_would_act_on() {
    assert_eq!(
        shown("instance show tom", Reply::Instance(Box::new(instance()))),
        format!(
            "\
name:         tom
number:       1
url:          https://tom.example.org
pinned:       {}
state:        offline
why:          cannot connect
last seen:    2026-05-08 01:00:00
calls itself: tom\u{fffd}[31m
version:      1.0.0
added:        2026-05-08 01:00:00

{JOBS}",
            "ab".repeat(32)
        )
    );
    assert_eq!(shown("instance jobs tom", Reply::Instance(Box::new(instance()))), JOBS);
}

const JOBS: &str = "\
ID  NAME               TYPE        LAST RUN             RESULT   ARCHIVE                  SIZE
 3  nightly            custom_dir  2026-05-08 01:00:00  success  tom_nightly_20260508  2.0 KiB
 4  weekly (disabled)  custom_dir  -                    -        -                           -
";

#[test]
fn lists_of_instances_and_transfers_are_tables() {
    assert_eq!(
        shown("instance list", Reply::Instances(vec![instance()])),
        "\
NAME  URL                      STATE    LAST SEEN            WHY
tom   https://tom.example.org  offline  2026-05-08 01:00:00  cannot connect
"
    );
    assert_eq!(
        shown("transfer list", Reply::Transfers(vec![transfer(TransferState::Retrying)])),
        "\
ID  ARCHIVE               TO   BY    STATE     DONE  BEGUN                WHY
 7  jerry_notes_20260508  tom  http  retrying  33 %  2026-05-08 01:00:00  it broke
"
    );
    assert!(shown("instance list", Reply::Instances(Vec::new())).contains("instance add"));
    assert!(shown("transfer list", Reply::Transfers(Vec::new())).contains("--to-instance"));
}

#[test]
fn a_transfer_says_how_far_it_is_and_what_went_wrong() {
    assert_eq!(
        shown("transfer show 7", Reply::Transfer(Box::new(transfer(TransferState::Retrying)))),
        "\
transfer: 7
archive:  jerry_notes_20260508
to:       tom
by:       http
state:    retrying
done:     33 % (1.0 MiB of 3.0 MiB)
begun:    2026-05-08 01:00:00
next try: 2026-05-08 01:00:00
failures: 2
why:      it broke
hint:     wait
"
    );
    let started = InstanceRunStarted {
        instance: "tom".parse().unwrap(),
        job: "nightly".into(),
        run: Some(41),
    };
    let said = shown("instance run tom nightly", Reply::InstanceRunStarted(started));
    assert_eq!(said, "nightly of tom has begun, run 41\n");
}

#[test]
fn commands_ask_what_they_say() {
    let daemon = Daemon::start();
    for line in [
        "archive transfer a --to-instance tom --mode http",
        "transfer cancel 7",
        "instance remove tom --yes",
    ] {
        assert_eq!(daemon.run(line).code, 0, "{line}");
    }
    let seen = daemon.seen();
    assert!(matches!(&seen[0], Request::TransferStart(start) if start.mode == TransferMode::Http));
    assert_eq!(seen[1], Request::TransferCancel { transfer: 7 });
    assert!(matches!(&seen[2], Request::InstanceRemove { .. }));
}

#[test]
fn an_ssh_account_is_asked_for_as_it_is_written() {
    let daemon = Daemon::start();
    let file = daemon.folder.path().join("key");
    std::fs::write(&file, "5a".repeat(32)).unwrap();
    let add = |more: &str| {
        let file = file.display();
        daemon.run(&format!("instance add tom https://tom.example.org --key-file {file} {more}"))
    };
    assert_eq!(add("--ssh bm@tom.example.org:2222 --ssh-path /a --ssh-host-key SHA256:x").code, 0);
    assert_eq!(add("--ssh bm@[::1]").code, 0);
    let asked = daemon.seen().into_iter().map(|request| match request {
        Request::InstanceAdd(add) => add.ssh.unwrap(),
        other => panic!("{other:?}"),
    });
    let asked: Vec<_> = asked.collect();
    assert_eq!(asked[0].account.to_string(), "bm@tom.example.org:2222");
    assert_eq!(asked[0].account.path, "/a");
    assert_eq!(asked[0].fingerprint.as_deref(), Some("SHA256:x"));
    let second = &asked[1].account;
    assert_eq!((second.host.as_str(), second.port), ("::1", 22));
    assert_eq!(second.path, "/home/yunohost.backup/archives");
    for wrong in ["--ssh tom", "--ssh bm@tom:x", "--ssh-path /a", "--ssh-host-key SHA256:x"] {
        assert_eq!(add(wrong).code, 2, "{wrong}");
    }
}

#[test]
fn the_key_is_read_from_a_file_and_is_no_argument() {
    let daemon = Daemon::start();
    let file = daemon.folder.path().join("key");
    std::fs::write(&file, format!("{}\n", "5A".repeat(32))).unwrap();
    let line = format!("instance add tom https://tom.example.org --key-file {}", file.display());
    assert_eq!(daemon.run(&line).code, 0);
    let seen = daemon.seen();
    let Request::InstanceAdd(add) = &seen[0] else { panic!("{seen:?}") };
    assert_eq!(add.key.reveal(), "5a".repeat(32));
    let missing = daemon.run("instance add tom https://tom.example.org --key-file /nowhere/key");
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.err.contains("/nowhere/key"), "{missing:?}");
    let key = "5a".repeat(32);
    let ended = program(&["instance", "add", "tom", "https://tom.example.org", &key]).output();
    assert_eq!(ended.unwrap().status.code(), Some(2));
}

//! What is answered is what is printed, and how the command ends.

use std::{io::Read, process::Stdio};

use protocol::{
    ArchiveId, MeshId, NodeId, Time,
    control::{
        ArchiveReport, Archives, Contents, ContentsEntry, EntryKind, Event, Failure, FailureCode,
        Holder, HolderState, Invited, Issue, Issues, NodeName, Progress, RawPath, Reply, Restored,
        Role, RunReport, RunState, StoreChecked,
    },
    tar::FileTime,
};

use crate::daemon::{Daemon, Ended, program};

fn node(name: &str, byte: u8) -> NodeName {
    NodeName { id: NodeId([byte; 32]), name: name.into() }
}

fn archive(name: &str) -> ArchiveReport {
    let holder = |node, state| Holder { node, state, have_bytes: 100, locked_until_ms: None };
    ArchiveReport {
        pinned: false,
        tar: None,
        id: ArchiveId([3; 16]),
        origin: node("jerry", 1),
        name: Some(name.into()),
        kind: None,
        source: None,
        job: Some("notes".into()),
        created_ms: Time(1_778_202_000_000),
        stream_bytes: Some(3 << 20),
        entries: Some(12),
        sha256: None,
        sealed_bytes: 1 << 20,
        copies_wanted: 2,
        holders: vec![
            holder(node("jerry", 1), HolderState::Whole),
            holder(node("tom", 2), HolderState::Whole),
            holder(node("ann", 3), HolderState::Fetching),
        ],
        notes: Vec::new(),
    }
}

fn run(state: RunState, warnings: u64) -> RunReport {
    RunReport {
        ended_ms: Some(Time(3_500)),
        archive: Some("jerry_notes_20260508".into()),
        entries: 4,
        stream_bytes: 10_240,
        stored_bytes: 2_048,
        warnings,
        ..RunReport::new(12, "notes", state, Time(1_000))
    }
}

#[test]
fn lists_are_tables_over_all_pages() {
    let daemon = Daemon::start();
    let page = |name, next| Ok(Reply::Archives(Archives { archives: vec![archive(name)], next }));
    daemon.then(Vec::new(), page("jerry_notes_20260508", Some(1)));
    daemon.then(Vec::new(), page("jerry_notes_20260509", None));
    let ended = daemon.run("archive list");
    assert_eq!(ended.code, 0);
    assert_eq!(
        ended.out,
        "\
NAME                  ORIGIN  CREATED                 SIZE   SEALED  COPIES  HELD BY
jerry_notes_20260508  jerry   2026-05-08 01:00:00  3.0 MiB  1.0 MiB  1 of 2  jerry tom
jerry_notes_20260509  jerry   2026-05-08 01:00:00  3.0 MiB  1.0 MiB  1 of 2  jerry tom
"
    );
    assert_eq!(daemon.seen().len(), 2);
}

#[test]
fn json_is_one_document_with_stable_keys() {
    let page = Archives { archives: vec![archive("a")], next: None };
    let ended = Daemon::answering(Ok(Reply::Archives(page))).run("archive list --json");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let archive = &json["archives"]["archives"][0];
    assert_eq!(archive["created_ms"], 1_778_202_000_000_u64);
    assert_eq!(archive["holders"][2]["state"], "fetching");
    assert_eq!(archive["origin"]["id"], "01".repeat(32));
    let keys: Vec<_> = archive.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "copies_wanted",
            "created_ms",
            "entries",
            "holders",
            "id",
            "job",
            "kind",
            "name",
            "notes",
            "origin",
            "pinned",
            "sealed_bytes",
            "sha256",
            "source",
            "stream_bytes",
            "tar"
        ]
    );
    let ended = Daemon::start().run("status --json");
    assert_eq!(ended.out, "\"done\"\n");
}

fn entry(path: &[u8], kind: EntryKind) -> ContentsEntry {
    ContentsEntry {
        path: RawPath(path.to_vec()),
        kind,
        link: RawPath(b"there".to_vec()),
        mode: 0o4755,
        uid: 0,
        gid: 33,
        bytes: 2_048,
        mtime: FileTime { seconds: 1_778_202_000, nanos: 5 },
    }
}

fn contents(daemon: &Daemon) {
    let page = |entries, next| Ok(Reply::Contents(Contents { archive: "a".into(), entries, next }));
    daemon.then(Vec::new(), page(vec![entry(b"data/x\x1b[2J", EntryKind::File)], Some(9)));
    daemon.then(Vec::new(), page(vec![], Some(10)));
    daemon.then(Vec::new(), page(vec![entry(b"l\xff", EntryKind::Symlink)], None));
}

#[test]
fn contents_come_page_by_page_and_cannot_play_with_the_terminal() {
    let daemon = Daemon::start();
    contents(&daemon);
    let ended = daemon.run("archive contents a");
    assert_eq!(
        ended.out,
        "\
-rwsr-xr-x      0     33    2.0 KiB 2026-05-08 01:00:00 data/x\\x1b[2J
lrwsr-xr-x      0     33    2.0 KiB 2026-05-08 01:00:00 l\\xff -> there
"
    );
    contents(&daemon);
    let ended = daemon.run("archive contents a --json");
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["contents"]["entries"].as_array().unwrap().len(), 2);
    assert_eq!(json["contents"]["entries"][1]["path"], "l\\xff");
    assert_eq!(json["contents"]["next"], serde_json::Value::Null);
}

#[test]
fn a_failure_says_what_why_and_what_helps_and_nothing_else() {
    let failure = Failure::new(FailureCode::NotFound, "cannot show a", "no archive of that name")
        .hint("`backupmanager archive list` shows all");
    let daemon = Daemon::answering(Err(failure.clone()));
    let ended = daemon.run("archive show a");
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert_eq!(
        ended.err,
        "error: cannot show a: no archive of that name\n\
         hint: `backupmanager archive list` shows all\n"
    );
    daemon.then(Vec::new(), Err(failure));
    let ended = daemon.run("archive show a --json");
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["failure"]["code"], "not_found");
    assert_eq!(ended.code, 1);
}

#[test]
fn exit_codes_say_how_it_went() {
    let failed = |code| Err(Failure::new(code, "a", "b"));
    let checked = StoreChecked {
        packs: 1,
        objects: 1,
        bytes: 1,
        read_data: false,
        damaged: Vec::new(),
        damaged_total: 1,
        missing_total: 0,
        duration_ms: 1,
    };
    for (line, answer, code) in [
        ("job run n --wait", Ok(Reply::RunEnded(run(RunState::Success, 0))), 0),
        ("job run n --wait", Ok(Reply::RunEnded(run(RunState::Warnings, 2))), 3),
        ("job run n --wait", Ok(Reply::RunEnded(run(RunState::Failed, 0))), 1),
        ("run show 1", Ok(Reply::Runs(vec![run(RunState::Failed, 0)])), 0),
        ("job run n", failed(FailureCode::Busy), 11),
        ("job run n", failed(FailureCode::Refused), 1),
        ("store check", Ok(Reply::StoreChecked(checked)), 1),
    ] {
        let ended = Daemon::answering(answer).run(line);
        assert_eq!(ended.code, code, "{line}: {ended:?}");
    }
}

#[test]
fn warnings_and_progress_go_to_the_error_stream_and_warnings_count() {
    let events = || {
        vec![
            Event::Progress(Progress { what: "reading".into(), done: 3, ..Progress::default() }),
            Event::Line { text: "half-way".into() },
            Event::Warning { what: "/srv/a".into(), why: "vanished".into() },
        ]
    };
    let daemon = Daemon::start();
    daemon.then(events(), Ok(Reply::Done));
    let ended = daemon.run("store gc");
    assert_eq!((ended.code, ended.out.as_str()), (3, "done\n"));
    assert_eq!(ended.err, "half-way\nwarning: /srv/a: vanished\nreading · 3\n");
    daemon.then(events(), Ok(Reply::Done));
    assert_eq!(daemon.run("store gc --quiet").err, "warning: /srv/a: vanished\n");
}

#[test]
fn a_restore_lists_what_could_not_be_set() {
    let mut not_set = Issues::default();
    let path = RawPath(b"data/x".to_vec());
    not_set.push(Issue { path, what: "owner".into(), why: "not permitted".into() });
    not_set.total = 3;
    let restored = Restored {
        archive: "a".into(),
        destination: RawPath(b"/tmp/out".to_vec()),
        entries: 5,
        bytes: 4_096,
        kept: 0,
        fetched_bytes: 2_048,
        compared: true,
        differs: Issues::default(),
        not_set,
        steps: Vec::new(),
        safety: None,
        run: None,
        duration_ms: 1_500,
    };
    let ended = Daemon::answering(Ok(Reply::Restored(restored))).run("archive restore a --to out");
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.out,
        "\
a: 5 members, 4.0 KiB restored to /tmp/out in 1.5s
2.0 KiB fetched from other nodes
read again and compared: all as in the archive

Could not be set (3):
  data/x: owner: not permitted
  … and 2 more
"
    );
}

#[test]
fn an_invitation_in_a_pipe_is_the_ticket_alone() {
    let invited = Invited {
        id: NodeId([4; 32]),
        ticket: "bm1-secret".parse().unwrap(),
        mesh: MeshId([9; 32]),
        founded: true,
        role: Role::Storage,
        quota_bytes: Some(200 << 30),
        expires_at_ms: Time(1_778_202_000_000),
        addresses: vec!["/ip4/192.0.2.1/tcp/7979".into()],
    };
    let ended = Daemon::answering(Ok(Reply::Invited(invited))).run("mesh invite --role storage");
    assert_eq!(ended.out, "bm1-secret\n");
    for wanted in ["once, until 2026-05-08 01:00:00", "up to 200.0 GiB", "mesh join -"] {
        assert!(ended.err.contains(wanted), "{}", ended.err);
    }
    assert!(!ended.err.contains("bm1-secret"));
}

#[test]
fn without_a_daemon_the_exit_code_is_ten_and_the_hint_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let ended: Ended =
        program(&["status"]).env("BACKUPMANAGER_DATA", folder.path()).output().unwrap().into();
    assert_eq!(ended.code, 10);
    assert!(ended.err.starts_with("error: cannot ask the daemon: cannot reach"), "{}", ended.err);
    assert!(ended.err.contains("hint: start it with `backupmanager serve"), "{}", ended.err);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let daemon = Daemon::start();
    let many = (0..4_000).map(|n| entry(format!("{n}").as_bytes(), EntryKind::File)).collect();
    let contents = Contents { archive: "a".into(), entries: many, next: None };
    daemon.then(Vec::new(), Ok(Reply::Contents(contents)));
    let mut child = daemon
        .command("archive contents a")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

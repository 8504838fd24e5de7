//! Restores as they are typed: what is planned, shown, confirmed, and then asked.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use protocol::control::{
    ArchiveRestore, Component, Issue, Issues, NodeName, Overwrite, RawPath, Reply, Request,
    RestorePlan, RestoreStep, Restored, RunReport, RunState, StepReport, StepState,
};
use protocol::{NodeId, Time};

use crate::daemon::{Daemon, Ended};

/// What the plan is called.
const CONSENT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Another.
const OTHER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn step(component: Option<Component>, what: &str, detail: &[&str]) -> RestoreStep {
    let detail = detail.iter().map(|&line| line.to_owned()).collect();
    RestoreStep { component, what: what.into(), detail }
}

fn plan() -> RestorePlan {
    RestorePlan {
        archive: "a".into(),
        origin: NodeName { id: NodeId([1; 32]), name: "jerry".into() },
        hostile: false,
        components: vec![Component::SystemUser, Component::Files],
        destination: RawPath(b"/".to_vec()),
        entries: 5,
        bytes: 4_096,
        creates: 3,
        replaces: 2,
        keeps: 0,
        fetch_bytes: 0,
        fetch_from: Vec::new(),
        steps: vec![
            step(None, "make a safety archive", &[]),
            step(Some(Component::SystemUser), "make the account hermes", &["home /opt/hermes"]),
            step(Some(Component::Files), "put 5 files back", &[]),
        ],
        conflicts: Issues::default(),
        concerns: Issues::default(),
        consent: CONSENT.into(),
    }
}

fn restored() -> Restored {
    let report = |step, state, said: &[&str]| StepReport {
        step,
        state,
        said: said.iter().map(|&line| line.to_owned()).collect(),
    };
    let [safety, user, files] = plan().steps.try_into().unwrap();
    Restored {
        archive: "a".into(),
        destination: RawPath(b"/".to_vec()),
        entries: 5,
        bytes: 4_096,
        kept: 0,
        fetched_bytes: 0,
        compared: true,
        differs: Issues::default(),
        not_set: Issues::default(),
        steps: vec![
            report(safety, StepState::Done, &[]),
            report(user, StepState::Unchanged, &["it is there already"]),
            report(files, StepState::Done, &[]),
        ],
        safety: Some("jerry_safety_20260508".into()),
        run: Some(13),
        duration_ms: 1_500,
    }
}

fn issue(what: &str, why: &str) -> Issues {
    let mut issues = Issues::default();
    issues.push(Issue { path: RawPath(Vec::new()), what: what.into(), why: why.into() });
    issues
}

/// The restore that a line asks for first.
fn asked(line: &str) -> ArchiveRestore {
    let daemon = Daemon::start();
    let ended = daemon.run(line);
    assert_eq!(ended.code, 0, "{line}: {ended:?}");
    match daemon.seen().into_iter().next() {
        Some(Request::ArchiveRestore(restore)) => restore,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_option_is_asked_as_it_is_typed() {
    let line = "archive restore a --node-of tom --path x --path y --overwrite always \
                --component files,databases --component commands --rename-database old=new \
                --no-safety --trust --confirm-commands --no-wait --yes --quiet";
    let all = asked(line);
    assert_eq!(all.archive.node_of, Some("tom".parse().unwrap()));
    assert_eq!(all.patterns, ["x", "y"]);
    assert_eq!((all.overwrite, all.to.as_ref()), (Overwrite::Always, None));
    let parts = [Component::Files, Component::Databases, Component::Commands];
    assert_eq!(all.components, parts.into());
    assert_eq!(all.rename_databases, [("old".to_owned(), "new".to_owned())].into());
    assert!(all.no_safety && all.trust && all.confirm_commands && !all.wait && !all.plan);
    let plain = asked("archive restore a --plan");
    assert_eq!(plain, ArchiveRestore { plan: true, ..ArchiveRestore::all(plain.archive.clone()) });
    assert_eq!(all.consent, None, "nothing was shown");
    let bound = asked(&format!("archive restore a --yes --quiet --consent {OTHER}"));
    assert_eq!(bound.consent.as_deref(), Some(OTHER));
    let to = asked("archive restore a --to here").to.unwrap();
    assert!(to.0.starts_with(b"/") && to.0.ends_with(b"/here"), "{to}");
    let twice = "archive restore a --rename-database o=a --rename-database o=b";
    let ended = Daemon::start().run(twice);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("\"o\" is given two new names"), "{}", ended.err);
}

#[test]
fn a_plan_shows_steps_conflicts_concerns_and_whom_not_to_trust() {
    let concerns = issue("owner", "no account of that name");
    let conflicts = issue("space", "4.0 KiB are needed, 1.0 KiB are free");
    let shown = RestorePlan { hostile: true, concerns, conflicts, ..plan() };
    let ended = Daemon::answering(Ok(Reply::RestorePlan(shown))).run("archive restore a --plan");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(
        ended.out,
        "\
archive:      a of jerry
has:          system_user, files
destination:  /
restores:     5 members, 4.0 KiB
creates:      3
replaces:     2
leaves alone: 0
fetches:      nothing, all of it is here

WARNING: this archive was made by jerry, and nobody here has said that it can be trusted.
Accounts, units and commands that come with it could take this machine over. Read the
steps; --trust and --confirm-commands let them happen.

Steps:
   1. make a safety archive
   2. make the account hermes
       home /opt/hermes
   3. put 5 files back

Stands in the way (1):
  space: 4.0 KiB are needed, 1.0 KiB are free

Concerns (1):
  owner: no account of that name

Nothing was changed. To restore this and nothing else, say
--consent 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
"
    );
}

#[test]
fn in_place_the_plan_comes_first_and_without_a_terminal_a_yes_is_needed() {
    let daemon = Daemon::answering(Ok(Reply::RestorePlan(plan())));
    let ended = daemon.run("archive restore a");
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("2. make the account hermes"), "{}", ended.err);
    assert!(ended.err.contains("there is no terminal to ask at"), "{}", ended.err);
    assert!(ended.err.contains("hint: look at it with --plan, then say --yes"), "{}", ended.err);
    assert_eq!(daemon.seen().len(), 1, "only the plan was asked for");

    daemon.then(Vec::new(), Ok(Reply::RestorePlan(plan())));
    daemon.then(Vec::new(), Ok(Reply::Restored(restored())));
    let ended = daemon.run("archive restore a --yes");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("3. put 5 files back"), "{}", ended.err);
    let plans: Vec<bool> = daemon
        .seen()
        .iter()
        .map(|request| match request {
            Request::ArchiveRestore(restore) => restore.plan,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(plans, [true, false]);
    assert_eq!(
        ended.out,
        "\
a: 5 members, 4.0 KiB restored to / in 1.5s
read again and compared: all as in the archive

Steps:
  done       make a safety archive
  unchanged  make the account hermes
             it is there already
  done       put 5 files back

What was there before is in jerry_safety_20260508; \
`backupmanager archive restore jerry_safety_20260508` brings it back
"
    );
}

#[test]
fn what_was_shown_is_what_is_asked_for_unless_an_earlier_plan_is_named() {
    let consents = |line: &str| {
        let daemon = Daemon::answering(Ok(Reply::RestorePlan(plan())));
        daemon.then(Vec::new(), Ok(Reply::Restored(restored())));
        assert_eq!(daemon.run(line).code, 0, "{line}");
        let consents = daemon.seen().into_iter().map(|request| match request {
            Request::ArchiveRestore(restore) => (restore.plan, restore.consent),
            other => panic!("{other:?}"),
        });
        consents.collect::<Vec<_>>()
    };
    let (shown, named) = (Some(CONSENT.to_owned()), Some(OTHER.to_owned()));
    assert_eq!(consents("archive restore a --yes"), [(true, None), (false, shown)]);
    let line = format!("archive restore a --yes --consent {OTHER}");
    assert_eq!(consents(&line), [(true, named.clone()), (false, named)]);

    for wrong in ["", "x", &OTHER[1..], "--plan"] {
        let daemon = Daemon::start();
        let line = match wrong {
            "--plan" => format!("archive restore a --plan --consent {OTHER}"),
            wrong => format!("archive restore a --yes --consent={wrong}"),
        };
        assert_eq!(daemon.run(&line).code, 2, "{line}");
        assert!(daemon.seen().is_empty(), "{line}");
    }
    let json =
        Daemon::answering(Ok(Reply::RestorePlan(plan()))).run("archive restore a --plan --json");
    assert!(json.out.contains(&format!("\"consent\": \"{CONSENT}\"")), "{}", json.out);
}

#[test]
fn nothing_is_begun_while_something_stands_in_the_way() {
    let conflicts = issue("wiki", "the app is installed in another version");
    for more in ["", " --yes", " --overwrite never"] {
        let conflicts = conflicts.clone();
        let daemon = Daemon::answering(Ok(Reply::RestorePlan(RestorePlan { conflicts, ..plan() })));
        let ended = daemon.run(&format!("archive restore a{more}"));
        assert_eq!(ended.code, 1, "{more}: {ended:?}");
        assert!(ended.err.contains("wiki: the app is installed in another"), "{}", ended.err);
        assert!(ended.err.contains("error: cannot restore a: 1 things stand"), "{}", ended.err);
        assert_eq!(daemon.seen().len(), 1, "{more}");
    }
}

#[test]
fn what_replaces_nothing_needs_no_yes() {
    let files = step(Some(Component::Files), "put 5 files back", &[]);
    let only_files = RestorePlan { steps: vec![files], ..plan() };
    let daemon = Daemon::answering(Ok(Reply::RestorePlan(only_files)));
    assert_eq!(daemon.run("archive restore a --overwrite never").code, 0);
    assert_eq!(daemon.seen().len(), 2);
    daemon.then(Vec::new(), Ok(Reply::RestorePlan(plan())));
    let ended = daemon.run("archive restore a --overwrite never");
    assert_eq!(ended.code, 2, "an account is made: {ended:?}");
    assert_eq!(daemon.seen().len(), 1);
    assert_eq!(daemon.run("archive restore a --to out").code, 0);
    assert_eq!(daemon.seen().len(), 1, "a folder of its own needs no plan");
}

#[test]
fn a_restore_that_is_not_waited_for_says_which_run_it_is() {
    let run = RunReport::new(13, "notes", RunState::Running, Time(1_000));
    let daemon = Daemon::answering(Ok(Reply::RunStarted(run)));
    let ended = daemon.run("archive restore a --yes --quiet --no-wait");
    assert_eq!(ended.code, 0);
    assert_eq!(ended.out, "run 13 of notes has begun; `backupmanager run show 13` follows it\n");
}

#[test]
fn a_step_that_failed_fails_the_command() {
    let mut failed = restored();
    failed.steps[2].state = StepState::Failed;
    failed.steps[2].said = vec!["the disk is full".into()];
    let daemon = Daemon::answering(Ok(Reply::Restored(failed)));
    let ended = daemon.run("archive restore a --yes --quiet");
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("  failed     put 5 files back\n             the disk is full\n"));
}

/// The command at a terminal, where a person types an answer; what both saw, and how it ended.
fn at_a_terminal(daemon: &Daemon, line: &str, answer: &str) -> (i32, String) {
    let data = daemon.data();
    let program = env!("CARGO_BIN_EXE_backupmanager");
    let typed = format!("{program} {line} --data {}", data.display());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &typed, "/dev/null"])
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    (ended.code, ended.out)
}

#[test]
fn a_person_at_a_terminal_sees_the_plan_and_decides() {
    let daemon = Daemon::answering(Ok(Reply::RestorePlan(plan())));
    let (code, seen) = at_a_terminal(&daemon, "archive restore a", "n\n");
    assert_eq!(code, 1, "{seen}");
    assert!(seen.contains("2. make the account hermes"), "{seen}");
    assert!(seen.contains("Put a back like that? [y/N]"), "{seen}");
    assert!(seen.contains("nothing was done: it was not confirmed"), "{seen}");
    assert_eq!(daemon.seen().len(), 1);

    daemon.then(Vec::new(), Ok(Reply::RestorePlan(plan())));
    daemon.then(Vec::new(), Ok(Reply::Restored(restored())));
    let (code, seen) = at_a_terminal(&daemon, "archive restore a", "y\n");
    assert_eq!((code, daemon.seen().len()), (0, 2), "{seen}");
}

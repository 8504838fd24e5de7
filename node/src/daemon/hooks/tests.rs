//! Real commands through an agent of this process.

use std::{path::Path, sync::Mutex};

use protocol::{
    JobId, Time,
    job::{CustomDir, JobConfig, JobSpec},
};

use super::*;
use crate::{agent::LocalAgent, socket::CancelSwitch};

/// A job with commands, and what they said.
struct Case {
    job: Job,
    agent: LocalAgent,
    said: Mutex<Vec<String>>,
    switch: CancelSwitch,
    cancel: Cancel,
}

impl Case {
    fn new(before: &[&str], after: &[&str]) -> Self {
        let config = JobConfig::CustomDir(CustomDir::new("/srv"));
        let mut spec = JobSpec::new("docs".parse().unwrap(), config);
        let commands = |lines: &[&str]| lines.iter().map(|line| Command::new(*line)).collect();
        (spec.before, spec.after) = (commands(before), commands(after));
        let job = Job { id: JobId([1; 16]), spec, created_ms: Time(0), updated_ms: Time(0) };
        let (switch, cancel) = CancelSwitch::new();
        let agent = LocalAgent::new("/no/such/folder");
        Self { job, agent, said: Mutex::default(), switch, cancel }
    }

    fn with<T>(&self, work: impl FnOnce(Hooks<'_>) -> T) -> T {
        let tell = |text: String| self.said.lock().unwrap().push(text);
        let Self { agent, job, cancel, .. } = self;
        work(Hooks { agent, run: 7, job, cancel, tell: &tell })
    }

    fn before(&self) -> Result<(), Failure> {
        self.with(|hooks| hooks.before())
    }

    fn after(&self, state: RunState, archive: Option<&str>) -> Vec<String> {
        self.with(|hooks| hooks.after(Outcome { state, archive }))
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

fn touch(path: &Path) -> String {
    format!("touch {}", path.display())
}

#[test]
fn commands_run_in_order_with_the_job_and_the_run_and_their_lines_are_told() {
    let case = Case::new(&["echo $BACKUPMANAGER_JOB", "echo $BACKUPMANAGER_RUN >&2"], &[]);
    case.before().unwrap();
    let told = ["before command 1 of 2 (at most 600 s)", "docs"];
    assert_eq!(case.said(), [&told[..], &["before command 2 of 2 (at most 600 s)", "7"]].concat());
    let case = Case::new(&[], &[]);
    case.before().unwrap();
    assert!(case.after(RunState::Success, None).is_empty() && case.said().is_empty());
}

#[test]
fn a_before_command_that_fails_stops_the_run_and_those_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second");
    let case = Case::new(&["echo locked >&2; exit 3", &touch(&path)], &[]);
    let failure = case.before().unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal);
    let why = "before command 1 of 2: the command failed (exit code 3): locked";
    assert_eq!((failure.what.as_str(), failure.why.as_str()), ("cannot run docs", why));
    assert!(!path.exists());
    let mut case = Case::new(&["true"], &[]);
    case.job.spec.before[0].user = Some("no-such-user".into());
    let failure = case.before().unwrap_err();
    assert!(failure.why.contains("no-such-user") && failure.code == FailureCode::Invalid);
    assert!(case.said()[0].contains("as no-such-user, at most"));
    case.job.spec.before = vec![Command { timeout_s: 1, ..Command::new("sleep 1000") }];
    assert!(case.before().unwrap_err().why.contains("longer than 1 s"));
}

#[test]
fn an_after_command_that_fails_is_a_warning_and_the_next_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second");
    let case = Case::new(&[], &["echo no >&2; exit 1", &touch(&path)]);
    let warnings = case.after(RunState::Success, Some("a"));
    assert_eq!(warnings, ["after command 1 of 2: the command failed (exit code 1): no"]);
    assert!(path.exists());
}

#[test]
fn after_commands_know_how_the_run_ended_and_what_it_made() {
    let case = Case::new(&[], &["echo \"$BACKUPMANAGER_STATE <$BACKUPMANAGER_ARCHIVE>\""]);
    for (state, archive, told) in [
        (RunState::Success, Some("docs_20261121"), "success <docs_20261121>"),
        (RunState::Warnings, Some("docs_20261121"), "warnings <docs_20261121>"),
        (RunState::Failed, None, "failed <>"),
        (RunState::Interrupted, None, "failed <>"),
        (RunState::Cancelled, None, "cancelled <>"),
    ] {
        assert!(case.after(state, archive).is_empty());
        assert_eq!(case.said()[1], told);
    }
}

#[test]
fn a_run_that_was_stopped_runs_nothing_before_and_all_that_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    let case = Case::new(&[&touch(&before)], &[&touch(&after)]);
    case.switch.cancel();
    assert_eq!(case.before().unwrap_err().code, FailureCode::Cancelled);
    assert!(case.after(RunState::Cancelled, None).is_empty());
    assert!(!before.exists() && after.exists());
}

#[test]
fn stopping_ends_a_command_that_runs_and_none_of_those_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("second");
    let case = Case::new(&["echo on; sleep 1000"], &["echo on; sleep 1000", &touch(&path)]);
    let cancel_when_on = |text: String| {
        if text == "on" {
            case.switch.cancel();
        }
    };
    let Case { agent, job, cancel, .. } = &case;
    let hooks = Hooks { agent, run: 7, job, cancel, tell: &cancel_when_on };
    let warnings = hooks.after(Outcome { state: RunState::Success, archive: None });
    assert_eq!(warnings, ["after command 1 of 2: it was stopped"]);
    assert!(path.exists());
    let case = Case::new(&["echo on; sleep 1000"], &[]);
    let Case { agent, job, cancel, .. } = &case;
    let cancel_when_on = |text: String| {
        if text == "on" {
            case.switch.cancel();
        }
    };
    let hooks = Hooks { agent, run: 7, job, cancel, tell: &cancel_when_on };
    assert_eq!(hooks.before().unwrap_err().code, FailureCode::Cancelled);
}

#[test]
fn neither_variables_nor_the_command_line_are_told_and_many_lines_are_counted() {
    let mut case = Case::new(&["PW=hunter23; echo login $DB_PW; seq 1000"], &[]);
    case.job.spec.before[0].env.insert("DB_PW".into(), "hunter22".into());
    case.before().unwrap();
    let said = case.said();
    assert!(!said.iter().any(|line| line.contains("hunter")), "{said:?}");
    assert_eq!(said[1], "login ***");
    assert_eq!(said.len(), LINES_MAX + 2);
    assert!(said.last().unwrap().starts_with("(701 more lines"), "{said:?}");
}

//! A whole service, from a real archive, with the real extractor.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::{
    JobId, Time,
    control::{
        ArchiveRef, ArchiveRestore, Component, Failure, FailureCode, RawPath, Reply, Restored,
        RunKind, RunState, StepState, Trigger,
    },
    job::{CustomDir, Job, JobConfig, JobSpec, RestoreBlock},
};
use tempfile::TempDir;

use super::{agent::Scribe, block};
use crate::{
    agent::LocalAgent,
    daemon::{
        execute::Execution,
        handle::archive::{Opened, open},
        live,
        node::Node,
        rebuild::{self, Rebuild, Teller},
        runs::NewRun,
    },
    db::RunsOf,
    socket::{CancelSwitch, EventSink},
    tasks::{Answer, TaskError},
};

/// A node with an archive of a service whose job is not stored any more.
pub(super) struct Scene {
    pub(super) dir: TempDir,
    pub(super) node: Arc<Node>,
    pub(super) agent: Arc<Scribe>,
    pub(super) archive: String,
    /// The node's own folder.
    _data: TempDir,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let (dir, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut node = live::tests::node(&data, "jerry").await;
        let archives = dir.path().join("archives");
        fs::create_dir(&archives).unwrap();
        let agent = Scribe::new(LocalAgent::new(archives));
        Arc::get_mut(&mut node).expect("nobody else has it yet").agent = agent.clone();
        let source = dir.path().join("hermes");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("hermes.service"), "[Service]\n").unwrap();
        fs::write(source.join("data"), "as it was").unwrap();
        let archive = back_up(&node, &source, COMMAND).await;
        Self { dir, node, agent, archive, _data: data }
    }

    pub(super) fn source(&self) -> PathBuf {
        self.dir.path().join("hermes")
    }

    pub(super) fn request(&self) -> ArchiveRestore {
        let archive = ArchiveRef { name: self.archive.parse().unwrap(), node_of: None };
        ArchiveRestore { confirm_commands: true, ..ArchiveRestore::all(archive) }
    }

    pub(super) async fn ask(&self, request: ArchiveRestore) -> Result<Reply, Failure> {
        rebuild::restore(Arc::clone(&self.node), request, EventSink::deaf()).await
    }

    pub(super) async fn restore(&self) -> Restored {
        match self.ask(self.request()).await.unwrap() {
            Reply::Restored(restored) => restored,
            other => panic!("{other:?}"),
        }
    }
}

/// A restore at work, for what is tested without a plan.
pub(super) async fn at_work<T: Send + 'static>(
    scene: &Scene,
    work: impl FnOnce(&Rebuild<'_>, Opened) -> T + Send + 'static,
) -> T {
    let wanted = ArchiveRef { name: scene.archive.parse().unwrap(), node_of: None };
    let opened = open(&scene.node, &wanted).await.unwrap();
    let (node, request) = (Arc::clone(&scene.node), scene.request());
    let work = move || {
        let events = EventSink::deaf();
        let (switch, stop) = CancelSwitch::new();
        let (kind, trigger) = (RunKind::Restore, Trigger::Hand);
        let new = NewRun { job: "hermes", job_id: None, kind, trigger };
        let run = node.runs.begin(new, switch).unwrap().run;
        let teller = Teller { node: &node, run, events: &events, stop };
        let (halt, tar_made) = (Arc::default(), false.into());
        let rebuild = Rebuild { node: &node, request: &request, teller, halt, tar_made };
        let result = work(&rebuild, opened);
        node.runs.end(run, |_| {}).unwrap();
        result
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The command that its archive brings.
const COMMAND: &str = "systemctl restart hermes";

/// Makes an archive of the service, with a command that ends its restore.
pub(super) async fn back_up(node: &Arc<Node>, source: &Path, command: &str) -> String {
    let text = source.to_str().unwrap();
    let block = RestoreBlock { post_restore_commands: vec![command.to_owned()], ..block(text) };
    let dir = CustomDir { restore: Some(block), ..CustomDir::new(text) };
    let spec = JobSpec::new("hermes".parse().unwrap(), JobConfig::CustomDir(dir));
    let job = Job { id: JobId([9; 16]), spec, created_ms: Time(1), updated_ms: Time(1) };
    let node = Arc::clone(node);
    let work = move || {
        let (kind, trigger) = (RunKind::Backup, Trigger::Hand);
        let new = NewRun { job: "hermes", job_id: Some(job.id), kind, trigger };
        let run = node.runs.begin(new, CancelSwitch::new().0).unwrap().run;
        let (events, progress) = (EventSink::deaf(), Arc::default());
        let (node, job, events) = (&node, &job, &events);
        let execution = Execution { node, job, run, events, progress, safety: false };
        let made = execution.execute().unwrap();
        node.runs.end(run, |_| {}).unwrap();
        made.name
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn states(restored: &Restored) -> Vec<StepState> {
    restored.steps.iter().map(|step| step.state).collect()
}

const ALL: [&str; 5] = [
    "user hermes",
    "files",
    "permissions hermes hermes:hermes 750",
    "unit hermes true",
    "run systemctl restart hermes",
];

pub(super) fn without_yunohost(word: &str) -> Option<Result<Answer, TaskError>> {
    let missing = || TaskError::Missing { program: "yunohost".to_owned() };
    (word == "apps").then(|| Err(missing()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_rebuilt_in_order_and_rebuilding_it_again_changes_nothing() {
    let scene = Scene::new().await;
    scene.agent.plays(|word, _| without_yunohost(word));
    fs::remove_dir_all(scene.source()).unwrap();
    let plan = ArchiveRestore { plan: true, ..scene.request() };
    let Reply::RestorePlan(plan) = scene.ask(plan).await.unwrap() else { panic!("no plan") };
    assert!(scene.agent.take().is_empty() && !scene.source().exists(), "the plan did something");
    assert_eq!((plan.steps.len(), plan.conflicts.total), (7, 0), "{plan:#?}");

    let restored = scene.restore().await;
    assert_eq!(scene.agent.take(), ALL);
    assert_eq!(fs::read_to_string(scene.source().join("data")).unwrap(), "as it was");
    use StepState::{Done, Warnings};
    let expected = [Done, Done, Done, Done, Warnings, Warnings, Done];
    assert_eq!(states(&restored), expected, "{restored:#?}");
    let run = scene.node.runs.show(restored.run.unwrap()).unwrap().unwrap();
    assert_eq!((run.run.kind, run.run.state), (RunKind::Restore, RunState::Warnings));
    let said: Vec<_> = run.transcript.iter().map(|line| line.text.trim()).collect();
    assert!(said.contains(&"make the account hermes"), "{said:?}");
    assert!(said.contains(&"a program said this"), "{said:?}");

    let again = scene.restore().await;
    assert_eq!(scene.agent.take(), ALL);
    assert_eq!((again.safety, again.bytes), (None, 0), "nothing was there to lose");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_step_nothing_more_is_done_and_the_next_restore_goes_on() {
    let scene = Scene::new().await;
    fs::remove_dir_all(scene.source()).unwrap();
    scene.agent.plays(|word, _| {
        let failed = TaskError::TimedOut { program: "systemctl".to_owned(), seconds: 9 };
        without_yunohost(word).or_else(|| word.starts_with("unit").then_some(Err(failed)))
    });
    let restored = scene.restore().await;
    assert_eq!(scene.agent.take(), ALL[..4]);
    use StepState::{Done, Failed, Skipped};
    assert_eq!(states(&restored), [Done, Done, Done, Failed, Skipped, Skipped, Skipped]);
    let said = restored.steps[3].said.join("\n");
    assert!(said.contains("longer than 9 s") && said.contains("run it again"), "{said}");
    let run = scene.node.runs.show(restored.run.unwrap()).unwrap().unwrap().run;
    assert_eq!(run.state, RunState::Failed);
    assert!(run.failure.unwrap().why.contains("install, enable and start"));

    scene.agent.plays(|word, _| {
        let there = word.starts_with("user") || word.starts_with("permissions");
        without_yunohost(word).or_else(|| there.then_some(Ok(Answer::Unchanged)))
    });
    let restored = scene.restore().await;
    assert_eq!(scene.agent.take(), ALL);
    assert_eq!(restored.steps[0].state, StepState::Unchanged);
    assert_eq!(restored.steps[6].state, Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_is_in_the_safety_archive() {
    let scene = Scene::new().await;
    scene.agent.plays(|word, _| without_yunohost(word));
    fs::write(scene.source().join("data"), "written since").unwrap();
    fs::write(scene.source().join("beside"), "not in the archive").unwrap();
    let restored = scene.restore().await;
    assert_eq!(fs::read_to_string(scene.source().join("data")).unwrap(), "as it was");
    let safety = restored.safety.expect("something was lost");
    let to = scene.dir.path().join("back");
    let archive = ArchiveRef { name: safety.parse().unwrap(), node_of: None };
    let to_path = RawPath(to.to_str().unwrap().as_bytes().to_vec());
    let back = ArchiveRestore { to: Some(to_path), ..ArchiveRestore::all(archive) };
    let Reply::Restored(back) = scene.ask(back).await.unwrap() else { panic!("not restored") };
    let saved = to.join(scene.source().strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(saved.join("data")).unwrap(), "written since");
    assert!(!saved.join("beside").exists(), "only what is replaced is saved");
    assert_eq!(back.safety, None);
    let unwanted = ArchiveRestore { no_safety: true, ..scene.request() };
    fs::write(scene.source().join("data"), "again").unwrap();
    let Reply::Restored(restored) = scene.ask(unwanted).await.unwrap() else { panic!("no") };
    assert_eq!(restored.safety, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_step_that_fails_is_a_failure_and_its_files_are_untouched() {
    let scene = Scene::new().await;
    fs::remove_dir_all(scene.source()).unwrap();
    scene.agent.plays(|word, _| {
        let denied = TaskError::Missing { program: "useradd".to_owned() };
        without_yunohost(word).or_else(|| word.starts_with("user").then_some(Err(denied)))
    });
    let failure = scene.ask(scene.request()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unsupported);
    assert!(!scene.source().exists());
    let newest = scene.node.runs.list(RunsOf::All, None, 1).unwrap().remove(0);
    assert_eq!((newest.kind, newest.state), (RunKind::Restore, RunState::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_alone_does_that_alone_and_a_conflict_begins_nothing() {
    let scene = Scene::new().await;
    scene.agent.plays(|word, _| without_yunohost(word));
    let alone = ArchiveRestore { components: [Component::Permissions].into(), ..scene.request() };
    assert!(matches!(scene.ask(alone).await.unwrap(), Reply::Restored(_)));
    assert_eq!(scene.agent.take(), ALL[2..3]);
    let runs = scene.node.runs.list(RunsOf::All, None, 10).unwrap().len();
    let unconfirmed = ArchiveRestore { confirm_commands: false, ..scene.request() };
    assert_eq!(scene.ask(unconfirmed).await.unwrap_err().code, FailureCode::Refused);
    assert!(scene.agent.take().is_empty());
    assert_eq!(scene.node.runs.list(RunsOf::All, None, 10).unwrap().len(), runs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_nobody_waits_for_can_be_stopped_between_its_steps() {
    let scene = Scene::new().await;
    fs::remove_dir_all(scene.source()).unwrap();
    let node = Arc::clone(&scene.node);
    scene.agent.plays(move |word, _| {
        // While its account is made, somebody stops it.
        if word.starts_with("user") {
            let running = node.runs.list(RunsOf::All, None, 1).unwrap().remove(0).run;
            assert!(node.runs.cancel(running));
        }
        without_yunohost(word)
    });
    let request = ArchiveRestore { wait: false, ..scene.request() };
    let Reply::RunStarted(started) = scene.ask(request).await.unwrap() else { panic!("waited") };
    scene.node.runs.ended(started.run).await;
    let run = scene.node.runs.show(started.run).unwrap().unwrap().run;
    assert_eq!(run.state, RunState::Cancelled);
    assert_eq!(scene.agent.take(), ALL[..1]);
    assert!(!scene.source().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_panics_ends_as_a_failed_run_and_keeps_no_other_waiting() {
    let scene = Scene::new().await;
    fs::remove_dir_all(scene.source()).unwrap();
    scene.agent.plays(|word, _| {
        assert!(!word.starts_with("user"), "a bug");
        without_yunohost(word)
    });
    let failure = scene.ask(scene.request()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal);
    let newest = scene.node.runs.list(RunsOf::All, None, 1).unwrap().remove(0);
    assert_eq!((newest.kind, newest.state), (RunKind::Restore, RunState::Failed));
    assert!(newest.ended_ms.is_some());
    let (kind, trigger) = (RunKind::Restore, Trigger::Hand);
    let next = NewRun { job: "hermes", job_id: newest.job_id, kind, trigger };
    assert!(scene.node.runs.begin(next, CancelSwitch::new().0).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_told_by_its_number_and_its_line_is_in_no_history() {
    let scene = Scene::new().await;
    scene.agent.plays(|word, _| {
        let (program, status) = ("the command".to_owned(), "exit code 7".to_owned());
        let failed = TaskError::Failed { program, status, said: "denied".to_owned() };
        without_yunohost(word).or_else(|| word.starts_with("run").then_some(Err(failed)))
    });
    let commands = [Component::Permissions, Component::Commands];
    let request = ArchiveRestore { components: commands.into(), ..scene.request() };
    let Reply::Restored(restored) = scene.ask(request).await.unwrap() else { panic!("no report") };
    assert_eq!(restored.steps[1].state, StepState::Failed);
    let run = scene.node.runs.show(restored.run.unwrap()).unwrap().unwrap();
    let (failure, said) = (run.run.failure.unwrap().to_string(), format!("{:?}", run.transcript));
    assert!(said.contains("exit code 7") && failure.contains("exit code 7"), "{failure}: {said}");
    for text in [failure, said, restored.steps[1].said.join("; ")] {
        assert!(!text.contains("systemctl restart"), "{text}");
    }
    let alone = ArchiveRestore { components: [Component::Commands].into(), ..scene.request() };
    let failure = scene.ask(alone).await.unwrap_err();
    assert_eq!(failure.what, "command 1 of 1 failed");
}

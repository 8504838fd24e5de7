use protocol::{
    job::{CustomDir, JobConfig},
    schedule::Schedule,
};
use tempfile::TempDir;

use super::*;
use crate::{daemon::live::tests::node, socket::Cancel};

/// A job that backs up a folder with one file.
fn spec(dir: &TempDir) -> JobSpec {
    let source = dir.path().join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("a"), b"a").unwrap();
    let config = JobConfig::CustomDir(CustomDir::new(source.to_str().unwrap()));
    JobSpec::new("docs".parse().unwrap(), config)
}

/// As many runs of other jobs as may be at work at once.
fn busy(node: &Node) -> Vec<u64> {
    let begin = |id: u8| {
        let new = NewRun {
            job: "other",
            job_id: Some(JobId([id; 16])),
            kind: RunKind::Backup,
            trigger: Trigger::Hand,
        };
        node.runs.begin(new, CancelSwitch::new().0).unwrap().run
    };
    vec![begin(1), begin(2)]
}

#[tokio::test]
async fn a_time_zone_that_does_not_exist_is_refused_when_adding_and_when_editing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let mut wrong = spec(&dir);
    let zone = Some("Europe/Pariss".to_owned());
    wrong.schedule = Some(Schedule { zone, ..Schedule::new("@daily") });
    let refused = add(&node, wrong.clone()).await.unwrap_err();
    assert_eq!(refused.code, FailureCode::Invalid);
    assert_eq!(refused.why, "there is no time zone \"Europe/Pariss\"");
    assert!(refused.hint.is_some() && node.jobs().is_empty());
    let added = add(&node, spec(&dir)).await.unwrap().job;
    let job = added.spec.name.clone();
    let change = JobEdit { job, spec: wrong, based_on_ms: added.updated_ms };
    assert_eq!(edit(&node, change.clone()).await.unwrap_err().code, FailureCode::Invalid);
    assert_eq!(*node.job(&added.spec.name).unwrap(), added);
    let mut right = change;
    right.spec.schedule.as_mut().unwrap().zone = Some("Europe/Paris".to_owned());
    assert!(!edit(&node, right).await.unwrap().next_runs.is_empty());
}

#[tokio::test]
async fn runs_are_found_by_the_name_a_job_has_or_had() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let docs = add(&node, spec(&dir)).await.unwrap().job;
    let started = start_run(&node, Arc::new(docs.clone()), Trigger::Hand, EventSink::deaf());
    let ended = started.unwrap().ended().await.unwrap();
    assert_eq!(ended.state, RunState::Success, "{:?}", ended.failure);
    let list = |job: &str| {
        let list = RunList { job: Some(job.parse().unwrap()), before: None, limit: 9 };
        runs(&node, &list).unwrap().len()
    };
    let mut renamed = docs.spec.clone();
    renamed.name = "papers".parse().unwrap();
    let job = docs.spec.name.clone();
    edit(&node, JobEdit { job, spec: renamed, based_on_ms: docs.updated_ms }).await.unwrap();
    assert_eq!((list("papers"), list("docs"), list("mail")), (1, 1, 0));
    remove(&node, &"papers".parse().unwrap()).await.unwrap();
    assert_eq!((list("papers"), list("docs")), (0, 1));
}

#[tokio::test]
async fn a_run_waits_for_its_turn_and_can_be_stopped_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let docs = Arc::new(add(&node, spec(&dir)).await.unwrap().job);
    let others = busy(&node);
    let start = |events| start_run(&node, Arc::clone(&docs), Trigger::Hand, events).unwrap();
    let queued = start(EventSink::deaf());
    assert_eq!(queued.run.state, RunState::Queued);
    let stopped = cancel(&node, queued.run.run).await.unwrap();
    assert_eq!(stopped.state, RunState::Cancelled);
    assert_eq!(queued.ended().await.unwrap(), stopped);
    // The same when the one who waits for it goes.
    let (caller, gone) = CancelSwitch::new();
    let queued = start(EventSink::deaf().stopped_by(gone));
    caller.cancel();
    assert_eq!(queued.ended().await.unwrap().state, RunState::Cancelled);
    // And one that nobody stops works when there is room.
    let queued = start(EventSink::deaf().stopped_by(Cancel::never()));
    node.runs.end(others[0], |run| run.state = RunState::Success).unwrap();
    let ended = queued.ended().await.unwrap();
    assert_eq!(ended.state, RunState::Success, "{:?}", ended.failure);
}

#[tokio::test]
async fn a_disabled_job_runs_when_somebody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let mut disabled = spec(&dir);
    disabled.enabled = false;
    let job = add(&node, disabled).await.unwrap().job.spec.name;
    let ask = JobRun { job, wait: true };
    let Reply::RunEnded(run) = self::run(node, ask, EventSink::deaf()).await.unwrap() else {
        panic!("it did not wait")
    };
    assert_eq!((run.state, run.trigger), (RunState::Success, Trigger::Hand));
}

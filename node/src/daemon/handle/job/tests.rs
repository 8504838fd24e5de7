use protocol::{
    control::Request,
    job::{CustomDir, JobConfig},
    schedule::Schedule,
};
use tempfile::TempDir;

use super::*;
use crate::{
    daemon::{handle::Answers, live::tests::node, numbers::Numbers},
    socket::{Caller, Cancel, Handler as _},
};

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

async fn named(node: &Arc<Node>, dir: &TempDir, name: &str) -> JobReport {
    let name = name.parse().unwrap();
    add(node, JobSpec { name, ..spec(dir) }).await.unwrap()
}

/// What a client of the socket is answered.
async fn answer(node: &Arc<Node>, request: Request) -> Result<Reply, Failure> {
    let caller = Caller::Local { uid: 0, pid: None };
    Answers(Arc::clone(node)).handle(caller, request, EventSink::deaf()).await
}

#[tokio::test]
async fn a_number_stays_with_its_job_and_is_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let one = named(&node, &dir, "zz").await;
    let two = named(&node, &dir, "aa").await;
    assert_eq!((one.number, two.number), (1, 2));
    let mut renamed = two.job.spec.clone();
    renamed.name = "mm".parse().unwrap();
    let job = two.job.spec.name.clone();
    let edited = JobEdit { job, spec: renamed, based_on_ms: two.job.updated_ms };
    assert_eq!(edit(&node, edited).await.unwrap().number, 2);
    assert_eq!(numbered(&node, 2).unwrap().job.id, two.job.id);
    remove(&node, &"mm".parse().unwrap()).await.unwrap();
    assert_eq!(named(&node, &dir, "mm").await.number, 3);
    let gone = numbered(&node, 2).unwrap_err();
    assert_eq!((gone.code, gone.hint.is_some()), (FailureCode::NotFound, true), "{gone}");
    for unknown in [0, 4, u64::MAX] {
        assert_eq!(numbered(&node, unknown).unwrap_err().code, FailureCode::NotFound);
    }
    let listed = list(&node, Page { from: 0, limit: 9 }).unwrap().jobs;
    assert_eq!(listed.iter().map(|job| job.number).collect::<Vec<_>>(), [3, 1]);

    let again = Numbers::open(Arc::clone(&node.db)).unwrap();
    assert_eq!((again.of(&one.job.id), again.job(2)), (Some(1), Some(two.job.id)));
    let new = Job { id: JobId([9; 16]), ..one.job };
    again.see(std::iter::once(&new));
    assert_eq!(again.of(&new.id), Some(4), "a restart begins no new count");
}

#[tokio::test]
async fn jobs_of_a_time_before_numbers_get_theirs_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let job = named(&node, &dir, "docs").await.job;
    let [young, old] = [(1, 9), (2, 7)].map(|(id, created)| Job {
        id: JobId([id; 16]),
        created_ms: Time(created),
        ..job.clone()
    });
    node.numbers.see([&young, &old, &job].into_iter());
    assert_eq!((node.numbers.of(&old.id), node.numbers.of(&young.id)), (Some(2), Some(3)));
}

#[tokio::test]
async fn every_run_that_is_told_of_has_the_number_of_its_job_also_when_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    named(&node, &dir, "first").await;
    let docs = named(&node, &dir, "docs").await.job.spec.name;
    let ask = Request::JobRun(JobRun { job: docs.clone(), wait: true });
    let Ok(Reply::RunEnded(run)) = answer(&node, ask).await else { panic!("it did not run") };
    assert_eq!(run.job_number, Some(2));
    assert_eq!(node.db.run(run.run).unwrap().unwrap().job_number, None, "it is not stored");
    let Ok(Reply::Job(job)) = answer(&node, Request::JobNumbered { number: 2 }).await else {
        panic!("it has a number")
    };
    assert_eq!((job.number, job.last_run.unwrap().job_number), (2, Some(2)));
    let page = Request::JobList(Page { from: 0, limit: 9 });
    let Ok(Reply::Jobs(jobs)) = answer(&node, page).await else { panic!("no list") };
    assert_eq!(jobs.jobs[0].last_run.as_ref().unwrap().job_number, Some(2));

    remove(&node, &docs).await.unwrap();
    let list = Request::RunList(RunList { job: None, before: None, limit: 9 });
    let Ok(Reply::Runs(runs)) = answer(&node, list).await else { panic!("no list") };
    assert_eq!((runs.len(), runs[0].job_number), (1, Some(2)));
    let show = Request::RunShow { run: run.run };
    let Ok(Reply::Run(detail)) = answer(&node, show).await else { panic!("no run") };
    assert_eq!(detail.run.job_number, Some(2));
}

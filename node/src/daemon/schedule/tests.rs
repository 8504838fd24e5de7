use protocol::{
    JobId,
    control::{RunKind, RunState, Trigger},
    job::{CustomDir, JobConfig, JobSpec},
    schedule::Schedule,
};
use tempfile::TempDir;

use super::*;
use crate::{
    daemon::{handle::job, live::tests::node, runs::NewRun},
    db::{Handled, RunsOf},
    socket::CancelSwitch,
};

const HOUR_MS: u64 = 3_600_000;

/// A job that ran each hour, and whose last hours were missed.
async fn overdue(dir: &TempDir, node: &Arc<Node>) -> JobId {
    let source = dir.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("a"), b"a").unwrap();
    let config = JobConfig::CustomDir(CustomDir::new(source.to_str().unwrap()));
    let mut spec = JobSpec::new("docs".parse().unwrap(), config);
    spec.schedule = Some(Schedule::new("@hourly"));
    let added = job::add(node, spec.clone()).await.unwrap();
    let until = Time(sys::now().0 - 3 * HOUR_MS - HOUR_MS / 2);
    let handled = Handled { until, schedule: spec.schedule };
    node.db.set_handled(&[(added.job.id, handled)]).unwrap();
    added.job.id
}

async fn one_round(node: &Arc<Node>) -> (Plan, String) {
    let node = Arc::clone(node);
    blocking(move || round(&node, None)).await.map(|(_, plan, skipped)| (plan, skipped)).unwrap()
}

#[tokio::test]
async fn what_was_missed_is_run_once_and_its_transcript_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let job = overdue(&dir, &node).await;
    let (plan, skipped) = one_round(&node).await;
    assert_eq!((plan.due.len(), skipped.as_str()), (1, ""));
    let run = node.runs.last_of(&job).unwrap().unwrap().run;
    node.runs.ended(run).await;
    let done = node.runs.show(run).unwrap().unwrap();
    assert_eq!(done.run.state, RunState::Success, "{:?}", done.run.failure);
    assert_eq!(done.run.archive.as_deref().map(|name| &name[..11]), Some("jerry_docs_"));
    let caught_up = done.run.trigger == Trigger::CatchUp;
    let said = done.transcript.iter().any(|line| line.text.starts_with("it was due at "));
    // Within a minute of the full hour the newest one is on time; the others are told all the same.
    assert!(said && (caught_up || sys::now().0 % HOUR_MS < 2 * 60_000), "{:?}", done.transcript);
    let (again, _) = one_round(&node).await;
    assert!(again.due.is_empty());
    assert_eq!(node.runs.list(RunsOf::Job(&job), None, 9).unwrap().len(), 1);
}

#[tokio::test]
async fn a_time_that_comes_while_the_job_still_runs_is_skipped_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let id = overdue(&dir, &node).await;
    let new =
        NewRun { job: "docs", job_id: Some(id), kind: RunKind::Backup, trigger: Trigger::Hand };
    let run = node.runs.begin(new, CancelSwitch::new().0).unwrap().run;
    let mut worker = Worker { agenda: None, skipped: String::new() };
    let next = worker.round(&node).await.unwrap();
    assert!(next.is_some_and(|next| next > sys::now()));
    let told = node.workers.list().pop().unwrap().what.unwrap();
    let expected = format!("; skipped docs: run {run} of it is at work");
    assert!(told.starts_with("next docs at ") && told.ends_with(&expected), "{told}");
    assert_eq!(node.runs.list(RunsOf::All, None, 9).unwrap().len(), 1, "a run that failed");
    node.runs.end(run, |run| run.state = RunState::Success).unwrap();
    assert!(one_round(&node).await.0.due.is_empty(), "it was caught up after all");
}

#[tokio::test]
async fn the_worker_hears_of_a_job_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let stop = Cancel::default();
    let worker = tokio::spawn(run(Arc::clone(&node), stop.clone()));
    let mut spec =
        JobSpec::new("docs".parse().unwrap(), JobConfig::CustomDir(CustomDir::new("/srv/docs")));
    spec.schedule = Some(Schedule::new("@yearly"));
    job::add(&node, spec).await.unwrap();
    let told = async {
        loop {
            let workers = node.workers.list();
            let what = workers.iter().find(|w| w.name == WORKER).and_then(|w| w.what.clone());
            if what.is_some_and(|what| what.starts_with("next docs at ")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LOOK_EVERY / 2, told).await.unwrap();
    stop.cancel();
    worker.await.unwrap();
}

#[test]
fn the_next_times_are_told_also_those_that_wait_for_their_delay() {
    let config = JobConfig::CustomDir(CustomDir::new("/srv/docs"));
    let mut spec = JobSpec::new("docs".parse().unwrap(), config);
    let job = |spec: &JobSpec| Job {
        id: JobId([1; 16]),
        spec: spec.clone(),
        created_ms: Time(1),
        updated_ms: Time(1),
    };
    let now = Time(20_000 * 24 * HOUR_MS + 1);
    assert_eq!(next_runs(&job(&spec), now), []);
    let zone = Some("Etc/UTC".to_owned());
    spec.schedule = Some(Schedule { zone, ..Schedule::new("@daily") });
    let next = next_runs(&job(&spec), now);
    let days = (1..=NEXT_RUNS_TOLD as u64).map(|day| Time((20_000 + day) * 24 * HOUR_MS));
    assert_eq!(next, days.collect::<Vec<_>>());
    spec.schedule.as_mut().unwrap().delay_s = 86_399;
    let waits = next_runs(&job(&spec), now);
    assert!(waits[0] > now && waits[0] < next[0], "{waits:?}");
    assert_eq!(waits.len(), NEXT_RUNS_TOLD);
    spec.enabled = false;
    assert_eq!(next_runs(&job(&spec), now), []);
}

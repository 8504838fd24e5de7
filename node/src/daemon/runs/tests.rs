use tempfile::TempDir;

use super::*;

const DOCS: JobId = JobId([1; 16]);
const MAIL: JobId = JobId([2; 16]);

fn new(job: &str, id: JobId) -> NewRun<'_> {
    NewRun { job, job_id: Some(id), kind: RunKind::Backup, trigger: Trigger::Hand }
}

fn open(dir: &TempDir, parallel: usize) -> Runs {
    Runs::open(Arc::new(Db::open(&dir.path().join("state.redb")).unwrap()), parallel).unwrap()
}

fn begin(runs: &Runs, new: NewRun<'_>) -> RunReport {
    runs.begin(new, CancelSwitch::new().0).unwrap()
}

fn refused(runs: &Runs, new: NewRun<'_>) -> Failure {
    runs.begin(new, CancelSwitch::new().0).unwrap_err()
}

fn succeed(runs: &Runs, id: u64) {
    runs.end(id, |run| run.state = RunState::Success).unwrap();
}

fn states(runs: &Runs) -> Vec<(u64, RunState)> {
    let listed = runs.list(RunsOf::All, None, 10).unwrap();
    listed.iter().map(|run| (run.run, run.state)).collect()
}

#[test]
fn a_run_that_a_crash_cut_off_is_reported_as_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(&dir, 1);
    let done = begin(&first, new("docs", DOCS)).run;
    succeed(&first, done);
    let cut = begin(&first, new("docs", DOCS)).run;
    let queued = begin(&first, new("mail", MAIL)).run;
    assert_eq!(first.show(queued).unwrap().unwrap().run.state, RunState::Queued);
    drop(first);
    let second = open(&dir, 1);
    let expected =
        [(queued, RunState::Interrupted), (cut, RunState::Interrupted), (done, RunState::Success)];
    assert_eq!(states(&second), expected);
    let why = second.show(cut).unwrap().unwrap().run.failure.unwrap().why;
    assert_eq!(why, "the daemon stopped while it was at work");
    let next = begin(&second, new("docs", DOCS));
    assert_eq!((next.run, next.state), (queued + 1, RunState::Running));
}

#[test]
fn one_job_runs_once_at_a_time_and_another_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 2);
    let (switch, cancel) = CancelSwitch::new();
    let run = runs.begin(new("docs", DOCS), switch).unwrap().run;
    // Also under a new name, because the job is the same.
    let busy = refused(&runs, new("papers", DOCS));
    assert_eq!((busy.code, busy.why.as_str()), (FailureCode::Busy, "run 1 of it is at work"));
    begin(&runs, new("mail", MAIL));
    assert!(runs.cancel(run) && cancel.is_set());
    assert_eq!(runs.show(run).unwrap().unwrap().run.state, RunState::Running);
    runs.line(run, "stopping");
    runs.end(run, |run| run.state = RunState::Cancelled).unwrap();
    assert_eq!(runs.show(run).unwrap().unwrap().transcript[0].text, "stopping");
    assert!(!runs.cancel(run));
    assert_eq!(runs.list(RunsOf::Job(&DOCS), None, 10).unwrap().len(), 1);
    begin(&runs, new("papers", DOCS));
    assert_eq!(runs.last_of(&DOCS).unwrap().unwrap().job, "papers");
}

#[tokio::test]
async fn more_runs_than_may_work_at_once_wait_in_the_order_they_came() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 1);
    let jobs: Vec<_> = (1..=3).map(|id| JobId([id; 16])).collect();
    let ids: Vec<_> = jobs.iter().map(|job| begin(&runs, new("job", *job)).run).collect();
    let state = |id| runs.show(id).unwrap().unwrap().run.state;
    assert_eq!(runs.running(), 1);
    assert_eq!(state(ids[1]), RunState::Queued);
    let busy = refused(&runs, new("job", jobs[1]));
    assert_eq!(busy.why, format!("run {} of it waits for its turn", ids[1]));
    let never = Cancel::never();
    runs.await_turn(ids[0], &never).await.unwrap();
    let second = runs.await_turn(ids[1], &never);
    tokio::pin!(second);
    assert!(futures::poll!(&mut second).is_pending());
    succeed(&runs, ids[0]);
    second.await.unwrap();
    assert_eq!((state(ids[1]), state(ids[2])), (RunState::Running, RunState::Queued));
    let late = begin(&runs, new("job", jobs[0]));
    assert_eq!(late.state, RunState::Queued);
    succeed(&runs, ids[1]);
    assert_eq!((state(ids[2]), state(late.run)), (RunState::Running, RunState::Queued));
}

#[tokio::test]
async fn a_queued_run_that_is_cancelled_ends_at_once_and_never_works() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 1);
    let working = begin(&runs, new("docs", DOCS)).run;
    let queued = begin(&runs, new("mail", MAIL)).run;
    let never = Cancel::never();
    let turn = runs.await_turn(queued, &never);
    tokio::pin!(turn);
    assert!(futures::poll!(&mut turn).is_pending());
    assert!(runs.cancel(queued));
    assert_eq!(turn.await.unwrap_err().code, FailureCode::Cancelled);
    assert_eq!(states(&runs), [(queued, RunState::Cancelled), (working, RunState::Running)]);
    // The same when who waits for it goes.
    let queued = begin(&runs, new("mail", MAIL)).run;
    let (switch, cancel) = CancelSwitch::new();
    switch.cancel();
    let stopped = runs.await_turn(queued, &cancel).await.unwrap_err();
    assert_eq!(stopped.code, FailureCode::Cancelled);
    assert_eq!(runs.show(queued).unwrap().unwrap().run.state, RunState::Cancelled);
    // Its place is free for others, and the end of the first gives no turn to who has gone.
    let next = begin(&runs, new("mail", MAIL)).run;
    succeed(&runs, working);
    assert_eq!(runs.show(next).unwrap().unwrap().run.state, RunState::Running);
}

#[test]
fn a_restore_does_not_wait_and_neither_does_its_safety_archive() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 1);
    begin(&runs, new("mail", MAIL));
    let restore = NewRun { kind: RunKind::Restore, ..new("docs", DOCS) };
    assert_eq!(begin(&runs, restore).state, RunState::Running);
    assert_eq!(refused(&runs, new("docs", DOCS)).code, FailureCode::Busy);
    let safety = NewRun { trigger: Trigger::Safety, ..new("docs", DOCS) };
    let safety_run = begin(&runs, safety);
    assert_eq!(safety_run.state, RunState::Running);
    assert_eq!(refused(&runs, safety).code, FailureCode::Busy);
    // None of them took the place of a backup.
    succeed(&runs, safety_run.run);
    let other = begin(&runs, new("other", JobId([3; 16])));
    assert_eq!(other.state, RunState::Queued);
}

#[test]
fn runs_of_archives_without_a_job_here_are_told_apart_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 2);
    let restore =
        |job| NewRun { job, job_id: None, kind: RunKind::Restore, trigger: Trigger::Hand };
    begin(&runs, restore("docs"));
    begin(&runs, restore("mail"));
    assert_eq!(refused(&runs, restore("docs")).code, FailureCode::Busy);
    assert_eq!(begin(&runs, new("docs", DOCS)).state, RunState::Running);
    assert_eq!(runs.list(RunsOf::Named("docs"), None, 9).unwrap().len(), 2);
    assert_eq!(runs.list(RunsOf::Job(&DOCS), None, 9).unwrap().len(), 1);
}

#[test]
fn the_last_backup_is_neither_a_restore_nor_the_one_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 2);
    assert_eq!(runs.last_backup_of(&DOCS).unwrap(), None);
    let backup = begin(&runs, new("docs", DOCS)).run;
    succeed(&runs, backup);
    for _ in 0..3 {
        succeed(&runs, begin(&runs, NewRun { kind: RunKind::Restore, ..new("docs", DOCS) }).run);
    }
    let working = begin(&runs, new("docs", DOCS)).run;
    assert_eq!(runs.last_of(&DOCS).unwrap().unwrap().run, working);
    assert_eq!(runs.last_backup_of(&DOCS).unwrap().unwrap().run, backup);
}

#[test]
fn a_list_goes_on_where_the_one_before_ended() {
    let dir = tempfile::tempdir().unwrap();
    let runs = open(&dir, 1);
    let ids: Vec<_> = (1..=5).map(|id| begin(&runs, new("job", JobId([id; 16]))).run).collect();
    runs.progress(ids[0], Progress { done: 7, ..Progress::default() });
    let page = |before, limit| {
        let runs = runs.list(RunsOf::All, before, limit).unwrap();
        runs.into_iter().map(|run| run.run).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2), [5, 4]);
    assert_eq!(page(Some(4), 2), [3, 2]);
    assert_eq!(page(Some(2), 2), [1]);
    assert_eq!(page(Some(1), 2), [0; 0]);
    // What is at work is told as it is now, not as it began.
    let first = runs.list(RunsOf::All, Some(2), 1).unwrap().pop().unwrap();
    assert_eq!(first.progress.unwrap().done, 7);
}

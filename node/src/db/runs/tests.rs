use protocol::{Time, control::RunState};
use tempfile::TempDir;

use super::*;

fn db() -> (TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("state.redb")).unwrap();
    (dir, db)
}

fn run(id: u64, name: &str, job: Option<u8>) -> RunReport {
    let mut run = RunReport::new(id, name, RunState::Running, Time(id));
    run.job_id = job.map(|job| JobId([job; 16]));
    run
}

fn ids(runs: Vec<RunReport>) -> Vec<u64> {
    runs.into_iter().map(|run| run.run).collect()
}

#[test]
fn runs_are_found_by_job_by_name_and_by_age() {
    let (_dir, db) = db();
    assert_eq!(db.newest_run().unwrap(), 0);
    let runs = [
        run(1, "docs", Some(1)),
        run(2, "mail", Some(2)),
        run(3, "docs", Some(1)),
        run(4, "papers", Some(1)),
        run(5, "docs", None),
    ];
    for run in &runs {
        db.begin_run(run).unwrap();
    }
    assert_eq!(db.newest_run().unwrap(), 5);
    let job = JobId([1; 16]);
    let list = |of, before, limit| ids(db.runs(of, before, limit).unwrap());
    assert_eq!(list(RunsOf::All, u64::MAX, 3), [5, 4, 3]);
    assert_eq!(list(RunsOf::All, 3, 9), [2, 1]);
    assert_eq!(list(RunsOf::Job(&job), u64::MAX, 9), [4, 3, 1]);
    assert_eq!(list(RunsOf::Job(&job), 4, 1), [3]);
    assert_eq!(list(RunsOf::Named("docs"), u64::MAX, 9), [5, 3, 1]);
    assert_eq!(list(RunsOf::Named("doc"), u64::MAX, 9), [0; 0]);
    assert_eq!(db.run(4).unwrap(), Some(runs[3].clone()));
    assert_eq!(db.run(6).unwrap(), None);
}

#[test]
fn only_runs_that_have_not_ended_are_open() {
    let (_dir, db) = db();
    for id in 1..=3 {
        db.begin_run(&run(id, "docs", Some(1))).unwrap();
    }
    let said = [TranscriptLine { at_ms: Time(9), text: "done".to_owned() }];
    db.end_run(&run(2, "docs", Some(1)), &said).unwrap();
    assert_eq!(ids(db.open_runs().unwrap()), [1, 3]);
    assert_eq!(db.transcript(2).unwrap(), said);
    assert_eq!(db.transcript(1).unwrap(), []);
}

#[test]
fn the_oldest_runs_and_transcripts_go_with_all_that_leads_to_them() {
    let (_dir, db) = db();
    for id in 1..=5 {
        db.begin_runs(&[run(id, "docs", Some(1))], 3).unwrap();
        let said = [TranscriptLine { at_ms: Time(id), text: "x".to_owned() }];
        db.end_runs(&[(&run(id, "docs", Some(1)), &said)], 2).unwrap();
    }
    for of in [RunsOf::All, RunsOf::Job(&JobId([1; 16])), RunsOf::Named("docs")] {
        assert_eq!(ids(db.runs(of, u64::MAX, 9).unwrap()), [5, 4, 3], "{of:?}");
    }
    let told: Vec<_> = (1..=5).filter(|id| !db.transcript(*id).unwrap().is_empty()).collect();
    assert_eq!(told, [4, 5]);
    let tx = db.redb.begin_read().unwrap();
    assert_eq!(tx.open_table(RUNS_OF_JOB).unwrap().len().unwrap(), 3);
    assert_eq!(tx.open_table(RUNS_NAMED).unwrap().len().unwrap(), 3);
}

#[test]
fn a_history_of_an_older_shape_is_dropped_at_opening() {
    let (dir, db) = db();
    db.write("test", |tx| {
        tx.open_table(RUNS_1).unwrap().insert(1, b"old".as_slice()).unwrap();
        Ok(())
    })
    .unwrap();
    drop(db);
    let db = Db::open(&dir.path().join("state.redb")).unwrap();
    let gone = db.redb.begin_read().unwrap().open_table(RUNS_1);
    assert!(matches!(gone, Err(redb::TableError::TableDoesNotExist(_))));
}

/// A page costs what it holds, not what lies behind it. Thousands of rows do for every day;
/// `BACKUPMANAGER_BENCH_RUNS=1000000` measures a long history and prints the medians.
#[test]
fn pages_of_a_long_history_come_at_once() {
    let asked = std::env::var("BACKUPMANAGER_BENCH_RUNS").ok().and_then(|n| n.parse().ok());
    let (runs, jobs) = asked.map_or((5_000_u64, 500_u64), |runs| (runs, 10_000));
    let (_dir, db) = db();
    let all: Vec<_> = (1..=runs).map(|id| numbered(id, id % jobs)).collect();
    for batch in all.chunks(50_000) {
        db.begin_runs(batch, u64::MAX).unwrap();
    }
    let key = numbered(1, 7).job_id.unwrap();
    let mine = db.runs(RunsOf::Job(&key), u64::MAX, usize::MAX).unwrap();
    assert_eq!(mine.len() as u64, runs / jobs);
    assert!(mine.is_sorted_by(|a, b| a.run > b.run));
    let middle = median(&|| ids(db.runs(RunsOf::All, runs / 2, 100).unwrap()).len());
    let newest = median(&|| ids(db.runs(RunsOf::All, u64::MAX, 4_096).unwrap()).len());
    let of_job = median(&|| ids(db.runs(RunsOf::Job(&key), u64::MAX, 100).unwrap()).len());
    let lasts = median(&|| {
        let keys = (0..jobs).map(|job| numbered(1, job).job_id.unwrap());
        keys.filter(|key| db.runs(RunsOf::Job(key), u64::MAX, 1).unwrap().len() == 1).count()
    });
    println!("{runs} runs, {jobs} jobs: 100 from the middle {middle:?}, newest 4096 {newest:?}");
    println!("newest 100 of a job {of_job:?}, last of every job {lasts:?}");
}

fn numbered(id: u64, job: u64) -> RunReport {
    let mut run = run(id, &format!("job-{job}"), None);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&job.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    run.job_id = Some(JobId(key));
    run.archive = Some(format!("jerry_job-{job}_20260508"));
    run
}

fn median(work: &dyn Fn() -> usize) -> std::time::Duration {
    let mut took: Vec<_> = (0..11)
        .map(|_| {
            let start = std::time::Instant::now();
            assert!(work() > 0);
            start.elapsed()
        })
        .collect();
    took.sort();
    took[5]
}

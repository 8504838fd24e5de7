//! The history of runs: one entry per execution of a job, with its transcript.
//!
//! A run is written when it begins and when it ends. One that is found running at start was
//! interrupted by whatever stopped the daemon, and says so from then on.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::{
    Time, cbor,
    control::{
        Failure, FailureCode, Progress, RunDetail, RunReport, RunState, TRANSCRIPT_LINES_MAX,
        TranscriptLine,
    },
};

use crate::{
    db::{Db, DbError},
    socket::CancelSwitch,
    sys,
};

/// The largest stored run: a full transcript of long lines.
const RUN_BYTES_MAX: usize = 8 << 20;

/// Runs that a list looks through for those of one job.
const SCANNED_MAX: usize = 20_000;

/// The history, and what is running now.
pub struct Runs {
    db: Arc<Db>,
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Running>>,
    ends: tokio::sync::watch::Sender<u64>,
}

struct Running {
    detail: RunDetail,
    cancel: CancelSwitch,
}

impl Runs {
    /// Opens the history; runs that a crash cut off become interrupted ones.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let newest = db.runs(u64::MAX, 1)?.first().map_or(0, |(id, _)| *id);
        let (next, running) = (AtomicU64::new(newest + 1), Mutex::new(BTreeMap::new()));
        let runs = Self { db, next, running, ends: tokio::sync::watch::channel(0).0 };
        // Runs are numbered in order and few run at once, so the cut-off ones are among the last.
        for (id, bytes) in runs.db.runs(u64::MAX, 100)? {
            let Some(mut detail) = decode(&bytes) else { continue };
            if detail.run.state == RunState::Running {
                detail.run.state = RunState::Interrupted;
                detail.run.ended_ms = Some(sys::now());
                detail.run.progress = None;
                detail.run.failure = Some(interrupted(&detail.run.job));
                runs.db.write_run(id, &cbor::encode(&detail))?;
            }
        }
        Ok(runs)
    }

    /// A run of a job begins. The switch stops it.
    ///
    /// # Errors
    /// When one of that job is running, or the state file cannot be written.
    pub fn begin(&self, job: &str, cancel: CancelSwitch) -> Result<RunReport, Failure> {
        let mut running = self.lock();
        if let Some(other) = running.values().find(|other| other.detail.run.job == job) {
            let why = format!("run {} of it is at work", other.detail.run.run);
            return Err(Failure::new(FailureCode::Busy, format!("cannot run {job}"), why)
                .hint("wait for it, or stop it with `run cancel`"));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let run = report(id, job, RunState::Running, sys::now());
        let detail = RunDetail { run: run.clone(), transcript: Vec::new() };
        self.db.write_run(id, &cbor::encode(&detail)).map_err(|error| state_failed(&error))?;
        running.insert(id, Running { detail, cancel });
        Ok(run)
    }

    /// Adds a line to the transcript of a running run.
    pub fn line(&self, id: u64, text: impl Into<String>) {
        let (at_ms, text) = (sys::now(), text.into());
        if let Some(run) = self.lock().get_mut(&id)
            && run.detail.transcript.len() < TRANSCRIPT_LINES_MAX
        {
            run.detail.transcript.push(TranscriptLine { at_ms, text });
        }
    }

    /// How far a running run is.
    pub fn progress(&self, id: u64, progress: Progress) {
        if let Some(run) = self.lock().get_mut(&id) {
            run.detail.run.progress = Some(progress);
        }
    }

    /// A run ended; `change` says how.
    ///
    /// # Errors
    /// When the state file cannot be written; the run has ended all the same.
    pub fn end(&self, id: u64, change: impl FnOnce(&mut RunReport)) -> Result<RunReport, DbError> {
        let Some(mut running) = self.lock().remove(&id) else {
            return Ok(self.show(id)?.map(|detail| detail.run).unwrap_or_else(|| unknown(id)));
        };
        let run = &mut running.detail.run;
        run.ended_ms = Some(sys::now());
        run.progress = None;
        change(run);
        let written = self.db.write_run(id, &cbor::encode(&running.detail));
        self.ends.send_modify(|ends| *ends += 1);
        written.map(|()| running.detail.run)
    }

    /// Waits until a run is not running.
    pub async fn ended(&self, id: u64) {
        let mut ends = self.ends.subscribe();
        while self.lock().contains_key(&id) {
            if ends.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks a run to stop; `false` when it does not run.
    pub fn cancel(&self, id: u64) -> bool {
        let running = self.lock();
        running.get(&id).map(|run| run.cancel.cancel()).is_some()
    }

    /// How many run now.
    #[must_use]
    pub fn running(&self) -> u32 {
        u32::try_from(self.lock().len()).unwrap_or(u32::MAX)
    }

    /// One run with its transcript.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn show(&self, id: u64) -> Result<Option<RunDetail>, DbError> {
        if let Some(running) = self.lock().get(&id) {
            return Ok(Some(running.detail.clone()));
        }
        let found = self.db.runs(id.saturating_add(1), 1)?;
        Ok(found.first().filter(|(found, _)| *found == id).and_then(|(_, bytes)| decode(bytes)))
    }

    /// The newest runs first, of one job or of all.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn list(&self, job: Option<&str>, limit: usize) -> Result<Vec<RunReport>, DbError> {
        let scanned = if job.is_some() { SCANNED_MAX } else { limit };
        let running = self.lock();
        let of_job = |run: &RunReport| job.is_none_or(|job| run.job == job);
        let stored = self.db.runs(u64::MAX, scanned)?;
        let reports = stored.into_iter().filter_map(|(id, bytes)| {
            running.get(&id).map_or_else(
                || decode(&bytes).map(|detail| detail.run),
                |running| Some(running.detail.run.clone()),
            )
        });
        Ok(reports.filter(of_job).take(limit).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn decode(bytes: &[u8]) -> Option<RunDetail> {
    cbor::decode("run", bytes, RUN_BYTES_MAX).ok()
}

fn interrupted(job: &str) -> Failure {
    let why = "the daemon stopped while it was at work";
    Failure::new(FailureCode::Internal, format!("the run of {job} did not end"), why)
        .hint("run it again: what was stored already is not read or sent twice")
}

fn state_failed(error: &DbError) -> Failure {
    Failure::caused(FailureCode::Internal, "cannot note the run", error)
}

fn unknown(run: u64) -> RunReport {
    report(run, "", RunState::Interrupted, Time(0))
}

/// A run that has done nothing yet.
fn report(run: u64, job: &str, state: RunState, started_ms: Time) -> RunReport {
    RunReport {
        run,
        job: job.to_owned(),
        state,
        started_ms,
        ended_ms: None,
        archive: None,
        entries: 0,
        stream_bytes: 0,
        known_bytes: 0,
        stored_bytes: 0,
        warnings: 0,
        progress: None,
        failure: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(db: &Arc<Db>) -> Runs {
        Runs::open(Arc::clone(db)).unwrap()
    }

    #[test]
    fn a_run_that_a_crash_cut_off_is_reported_as_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
        let first = runs(&db);
        let done = first.begin("docs", CancelSwitch::new().0).unwrap().run;
        first.end(done, |run| run.state = RunState::Success).unwrap();
        let cut = first.begin("docs", CancelSwitch::new().0).unwrap().run;
        drop(first);
        let second = runs(&db);
        let listed = second.list(None, 10).unwrap();
        let states: Vec<_> = listed.iter().map(|run| (run.run, run.state)).collect();
        assert_eq!(states, [(cut, RunState::Interrupted), (done, RunState::Success)]);
        let next = second.begin("docs", CancelSwitch::new().0).unwrap();
        assert_eq!(next.run, cut + 1);
    }

    #[test]
    fn one_job_runs_once_at_a_time_and_another_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
        let runs = runs(&db);
        let (switch, cancel) = CancelSwitch::new();
        let run = runs.begin("docs", switch).unwrap().run;
        assert_eq!(runs.begin("docs", CancelSwitch::new().0).unwrap_err().code, FailureCode::Busy);
        runs.begin("mail", CancelSwitch::new().0).unwrap();
        assert!(runs.cancel(run) && cancel.is_set());
        runs.line(run, "stopping");
        runs.end(run, |run| run.state = RunState::Cancelled).unwrap();
        assert_eq!(runs.show(run).unwrap().unwrap().transcript[0].text, "stopping");
        assert!(!runs.cancel(run));
        assert_eq!(runs.list(Some("docs"), 10).unwrap().len(), 1);
    }
}

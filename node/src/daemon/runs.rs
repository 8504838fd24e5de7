//! The history of runs: one entry per execution of a job, with its transcript.
//!
//! A run is written when it begins and when it ends; what happens between is in memory. One that is
//! found at start without an end was interrupted by whatever stopped the daemon, and says so from
//! then on. How many run at once, and what waits, is decided by [`active`].

mod active;
mod ended;
mod latest;
mod transcript;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use protocol::{
    JobId, Time,
    control::{
        Failure, FailureCode, Happened, Progress, RunDetail, RunKind, RunReport, RunState,
        TranscriptLine, Trigger,
    },
};
use tracing::warn;

pub use self::ended::EndedBy;
use self::{
    active::Active,
    latest::{Known, Latest},
};
use super::{news::Bus, numbers::Numbers};
use crate::{
    db::{Db, DbError, RunsOf},
    socket::{Cancel, CancelSwitch},
    sys,
};

/// Runs of a job that are looked through for the last one of a kind.
const LOOKED_BACK_MAX: usize = 50;

/// A run that shall begin.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    /// The job's name; for a restore, of the job that the archive came from.
    pub job: &'a str,
    /// The job, where it is one of this node.
    pub job_id: Option<JobId>,
    /// What the run does.
    pub kind: RunKind,
    /// Why it begins.
    pub trigger: Trigger,
}

/// Lines of a transcript with their numbers, and the run when it has ended.
pub type SaidAfter = (Vec<(u64, TranscriptLine)>, Option<RunReport>);

/// The history, and what is running now.
pub struct Runs {
    db: Arc<Db>,
    next: AtomicU64,
    active: Mutex<Active>,
    /// Locked after `active`.
    latest: Mutex<Latest>,
    ends: tokio::sync::watch::Sender<u64>,
    /// Counts what runs say, and their ends.
    said: tokio::sync::watch::Sender<u64>,
    ended_by: EndedBy,
    news: Arc<Bus>,
    numbers: Option<Arc<Numbers>>,
}

impl Runs {
    /// Opens the history; runs that a crash cut off become interrupted ones. At most `parallel`
    /// runs are at work at once, and at least one.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn open(db: Arc<Db>, parallel: usize) -> Result<Self, DbError> {
        let next = AtomicU64::new(db.newest_run()? + 1);
        for mut run in db.open_runs()? {
            run.state = RunState::Interrupted;
            run.ended_ms = Some(sys::now());
            run.failure = Some(interrupted(&run.job));
            db.end_run(&run, &[])?;
        }
        let active = Mutex::new(Active::new(parallel));
        let (ends, said) = (tokio::sync::watch::Sender::new(0), tokio::sync::watch::Sender::new(0));
        let (ended_by, news, numbers) = (EndedBy::default(), Arc::default(), None);
        Ok(Self { db, next, active, latest: Mutex::default(), ends, said, ended_by, news, numbers })
    }

    /// The same, telling those who watch; jobs have their numbers there.
    #[must_use]
    pub fn telling(mut self, news: &Arc<Bus>, numbers: &Arc<Numbers>) -> Self {
        self.news = Arc::clone(news);
        self.numbers = Some(Arc::clone(numbers));
        self
    }

    /// A run as it is told.
    fn told(&self, run: &RunReport) -> Box<RunReport> {
        let number = |job| self.numbers.as_ref()?.of(&job);
        Box::new(RunReport { job_number: run.job_id.and_then(number), ..run.clone() })
    }

    /// A run begins, or waits for its turn. The switch stops it.
    ///
    /// # Errors
    /// When one of that job has not ended, or the state file cannot be written.
    pub fn begin(&self, new: NewRun<'_>, cancel: CancelSwitch) -> Result<RunReport, Failure> {
        let mut active = self.lock();
        active.admits(&new)?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut run = RunReport::new(id, new.job, active.state_of(&new), sys::now());
        (run.job_id, run.kind, run.trigger) = (new.job_id, new.kind, new.trigger);
        let noted = self.db.begin_run(&run);
        noted.map_err(|error| {
            Failure::caused(FailureCode::Internal, "cannot note the run", &error)
        })?;
        active.add(run.clone(), &new, cancel);
        self.latest().is(&run);
        self.news.tell(Happened::RunStarted(self.told(&run)));
        Ok(run)
    }

    /// Waits until it is a run's turn. When `cancel` is asked meanwhile, the run ends as cancelled.
    ///
    /// # Errors
    /// When it was cancelled; it has ended then.
    pub async fn await_turn(&self, id: u64, cancel: &Cancel) -> Result<(), Failure> {
        loop {
            let turn = match self.lock().get(id) {
                None => return Err(self.stopped(id)),
                Some(run) if run.report.state != RunState::Queued => return Ok(()),
                Some(run) => Arc::clone(&run.turn),
            };
            tokio::select! {
                () = turn.notified() => {}
                () = cancel.wait() => drop(self.cancel(id)),
            }
        }
    }

    fn stopped(&self, id: u64) -> Failure {
        let run = self.db.run(id).ok().flatten();
        run.and_then(|run| run.failure).unwrap_or_else(|| cancelled(&format!("run {id}")))
    }

    /// Adds what a run said to its transcript.
    pub fn line(&self, id: u64, text: impl AsRef<str>) {
        if let Some(run) = self.lock().get_mut(id) {
            run.transcript.say(sys::now(), text.as_ref());
            self.said.send_modify(|said| *said += 1);
        }
    }

    /// How far a run is.
    pub fn progress(&self, id: u64, progress: Progress) {
        if let Some(run) = self.lock().get_mut(id) {
            run.report.progress = Some(progress.clone());
            let (job, kind) = (run.report.job.clone(), run.report.kind);
            self.news.tell(Happened::RunProgress { run: id, job, kind, progress });
        }
    }

    /// A run ended; `change` says how. One that had ended before stays as it was.
    ///
    /// # Errors
    /// When the state file cannot be written; the run has ended all the same.
    pub fn end(&self, id: u64, change: impl FnOnce(&mut RunReport)) -> Result<RunReport, DbError> {
        match self.end_if(id, |_| true, change)? {
            Some(run) => Ok(run),
            None => Ok(self.db.run(id)?.unwrap_or_else(|| unknown(id))),
        }
    }

    fn end_if(
        &self,
        id: u64,
        applies: impl FnOnce(&RunReport) -> bool,
        change: impl FnOnce(&mut RunReport),
    ) -> Result<Option<RunReport>, DbError> {
        let mut active = self.lock();
        let Some(run) = active.get_mut(id).filter(|run| applies(&run.report)) else {
            return Ok(None);
        };
        run.report.ended_ms = Some(sys::now());
        run.report.progress = None;
        change(&mut run.report);
        let (report, said) = (run.report.clone(), run.transcript.lines());
        // Written before it is taken out, so that whoever looks meanwhile sees it one way or the
        // other.
        let written = self.db.end_run(&report, &said);
        match written {
            Ok(()) => self.latest().is(&report),
            Err(_) => self.latest().forget(&report),
        }
        let begun = active.remove(id, sys::now());
        self.news.tell(Happened::RunEnded(self.told(&report)));
        begun.iter().for_each(|run| self.news.tell(Happened::RunStarted(self.told(run))));
        drop(active);
        self.ended_by.count(report.state);
        self.ends.send_modify(|ends| *ends += 1);
        self.said.send_modify(|said| *said += 1);
        written.map(|()| Some(report))
    }

    /// Waits until a run has ended.
    pub async fn ended(&self, id: u64) {
        let mut ends = self.ends.subscribe();
        while self.lock().get(id).is_some() {
            if ends.changed().await.is_err() {
                return;
            }
        }
    }

    /// The run of a job that has not ended, and what it does.
    #[must_use]
    pub fn at_work_of(&self, job: &JobId) -> Option<(u64, RunKind)> {
        self.lock().of_job(job)
    }

    /// Asks a run to stop; one that waits for its turn ends at once. `false` when it has ended.
    pub fn cancel(&self, id: u64) -> bool {
        let active = self.lock();
        let Some(run) = active.get(id) else { return false };
        run.cancel.cancel();
        let queued = run.report.state == RunState::Queued;
        drop(active);
        if queued {
            // Its turn may have come since: then it stops by the switch, as any run does.
            self.end_queued(id);
        }
        true
    }

    fn end_queued(&self, id: u64) {
        let change = |run: &mut RunReport| {
            run.state = RunState::Cancelled;
            run.failure = Some(cancelled(&run.job));
        };
        let queued = |run: &RunReport| run.state == RunState::Queued;
        if let Err(error) = self.end_if(id, queued, change) {
            warn!(run = id, %error, "cannot note that a run was cancelled");
        }
    }

    /// How many are at work now.
    #[must_use]
    pub fn running(&self) -> u32 {
        u32::try_from(self.lock().at_work()).unwrap_or(u32::MAX)
    }

    /// How many wait for their turn.
    #[must_use]
    pub fn queued(&self) -> u32 {
        u32::try_from(self.lock().queued()).unwrap_or(u32::MAX)
    }

    /// How many ended since the start, in each way.
    #[must_use]
    pub fn ended_by(&self) -> &EndedBy {
        &self.ended_by
    }

    /// What a run said after a line; none when there is no such run.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn said_after(&self, id: u64, line: u64) -> Result<Option<SaidAfter>, DbError> {
        let after = |lines: &[TranscriptLine]| transcript::after(lines, line);
        if let Some(run) = self.lock().get(id) {
            return Ok(Some((run.transcript.after(line), None)));
        }
        let Some(run) = self.db.run(id)? else { return Ok(None) };
        let lines = after(&self.db.transcript(id)?);
        Ok(Some((lines, Some(*self.told(&run)))))
    }

    /// Changes when a run says something or ends.
    #[must_use]
    pub fn said(&self) -> tokio::sync::watch::Receiver<u64> {
        self.said.subscribe()
    }

    /// One run with its transcript.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn show(&self, id: u64) -> Result<Option<RunDetail>, DbError> {
        if let Some(run) = self.lock().get(id) {
            let (run, transcript) = (run.report.clone(), run.transcript.lines());
            return Ok(Some(RunDetail { run, transcript }));
        }
        let Some(run) = self.db.run(id)? else { return Ok(None) };
        Ok(Some(RunDetail { run, transcript: self.db.transcript(id)? }))
    }

    /// The newest runs first, older than `before` where that is said.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn list(
        &self,
        of: RunsOf<'_>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RunReport>, DbError> {
        let mut runs = self.db.runs(of, before.unwrap_or(u64::MAX), limit)?;
        let mut ended = Vec::new();
        let active = self.lock();
        for run in runs.iter_mut().filter(|run| is_open(run.state)) {
            match active.get(run.run) {
                Some(now) => run.clone_from(&now.report),
                None => ended.push(run),
            }
        }
        drop(active);
        // They ended after they were read.
        for run in ended {
            if let Some(now) = self.db.run(run.run)? {
                *run = now;
            }
        }
        Ok(runs)
    }

    /// The newest run of a job.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn last_of(&self, job: &JobId) -> Result<Option<RunReport>, DbError> {
        let active = self.lock();
        let last = self.known(&active, job)?.last;
        Ok(last.map(|run| active.get(run.run).map_or(run, |now| now.report.clone())))
    }

    /// The newest backup of a job that has ended, of its newest runs.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn last_backup_of(&self, job: &JobId) -> Result<Option<RunReport>, DbError> {
        Ok(self.known(&self.lock(), job)?.backup)
    }

    /// The last runs of a job. Nothing begins or ends while what is at work is locked.
    fn known(&self, _: &MutexGuard<'_, Active>, job: &JobId) -> Result<Known, DbError> {
        if let Some(known) = self.latest().get(job) {
            return Ok(known.clone());
        }
        let is_backup = |run: &RunReport| run.kind == RunKind::Backup && !is_open(run.state);
        let newest = |limit| self.db.runs(RunsOf::Job(job), u64::MAX, limit);
        let runs = newest(2)?;
        let mut backup = runs.iter().find(|run| is_backup(run)).cloned();
        if backup.is_none() && runs.len() == 2 {
            backup = newest(LOOKED_BACK_MAX)?.into_iter().find(is_backup);
        }
        let known = Known { last: runs.into_iter().next(), backup };
        self.latest().put(*job, known.clone());
        Ok(known)
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a run in this state has not ended.
fn is_open(state: RunState) -> bool {
    matches!(state, RunState::Queued | RunState::Running)
}

fn interrupted(job: &str) -> Failure {
    let why = "the daemon stopped while it was at work";
    Failure::new(FailureCode::Internal, format!("the run of {job} did not end"), why)
        .hint("run it again: what was stored already is not read or sent twice")
}

fn cancelled(job: &str) -> Failure {
    Failure::new(FailureCode::Cancelled, format!("cannot run {job}"), "somebody stopped it")
}

fn unknown(run: u64) -> RunReport {
    RunReport::new(run, "", RunState::Interrupted, Time(0))
}

#[cfg(test)]
mod tests;

//! Runs that have begun and not ended: at work, or waiting for their turn.
//!
//! A job has one run at a time. So many runs are at work at once as the configuration allows; the
//! others wait in the order in which they came. Restores do not wait, and neither do the safety
//! archives that they make: somebody sits in front of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use protocol::{
    JobId, Time,
    control::{Failure, FailureCode, RunKind, RunReport, RunState, Trigger},
};
use tokio::sync::Notify;

use super::{NewRun, transcript::Transcript};
use crate::socket::CancelSwitch;

/// Runs that wait for their turn.
const QUEUED_MAX: usize = 20_000;

/// A run that has not ended.
pub(super) struct Entry {
    pub(super) report: RunReport,
    pub(super) transcript: Transcript,
    pub(super) cancel: CancelSwitch,
    /// Told when its turn has come, and when it ended before that.
    pub(super) turn: Arc<Notify>,
}

/// All of them.
pub(super) struct Active {
    runs: BTreeMap<u64, Entry>,
    queue: BTreeSet<u64>,
    /// Runs at work that count for the limit.
    working: BTreeSet<u64>,
    parallel: usize,
}

impl Active {
    pub(super) fn new(parallel: usize) -> Self {
        let (queue, working) = (BTreeSet::new(), BTreeSet::new());
        Self { runs: BTreeMap::new(), queue, working, parallel: parallel.max(1) }
    }

    /// The run of a job, and what it does.
    pub(super) fn of_job(&self, job: &JobId) -> Option<(u64, RunKind)> {
        let of_job = |run: &&RunReport| run.job_id.as_ref() == Some(job);
        let found = self.runs.values().map(|run| &run.report).find(of_job)?;
        Some((found.run, found.kind))
    }

    /// Whether a run may begin beside those that are there.
    pub(super) fn admits(&self, new: &NewRun<'_>) -> Result<(), Failure> {
        let what = || format!("cannot run {}", new.job);
        if let Some(other) = self.runs.values().map(|run| &run.report).find(|run| new.rivals(run)) {
            let queued = other.state == RunState::Queued;
            let how = if queued { "waits for its turn" } else { "is at work" };
            let why = format!("run {} of it {how}", other.run);
            return Err(Failure::new(FailureCode::Busy, what(), why)
                .hint("wait for it, or stop it with `run cancel`"));
        }
        if new.waits() && self.queue.len() >= QUEUED_MAX {
            let why = format!("{QUEUED_MAX} runs wait for their turn already");
            return Err(Failure::new(FailureCode::Busy, what(), why));
        }
        Ok(())
    }

    /// How a run stands that begins now.
    pub(super) fn state_of(&self, new: &NewRun<'_>) -> RunState {
        let full = self.working.len() >= self.parallel || !self.queue.is_empty();
        if new.waits() && full { RunState::Queued } else { RunState::Running }
    }

    pub(super) fn add(&mut self, report: RunReport, new: &NewRun<'_>, cancel: CancelSwitch) {
        if report.state == RunState::Queued {
            self.queue.insert(report.run);
        } else if new.waits() {
            self.working.insert(report.run);
        }
        let (transcript, turn) = (Transcript::default(), Arc::default());
        self.runs.insert(report.run, Entry { report, transcript, cancel, turn });
    }

    /// Takes a run out, and lets those begin that now may; these.
    pub(super) fn remove(&mut self, id: u64, now: Time) -> Vec<RunReport> {
        let mut begun = Vec::new();
        let Some(entry) = self.runs.remove(&id) else { return begun };
        entry.turn.notify_one();
        self.queue.remove(&id);
        self.working.remove(&id);
        while self.working.len() < self.parallel {
            let Some(next) = self.queue.pop_first() else { break };
            let Some(entry) = self.runs.get_mut(&next) else { continue };
            entry.report.state = RunState::Running;
            entry.report.started_ms = now;
            entry.turn.notify_one();
            begun.push(entry.report.clone());
            self.working.insert(next);
        }
        begun
    }

    pub(super) fn get(&self, id: u64) -> Option<&Entry> {
        self.runs.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.runs.get_mut(&id)
    }

    /// Runs that wait for their turn.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Runs at work, those that do not count for the limit included.
    pub(super) fn at_work(&self) -> usize {
        self.runs.len() - self.queue.len()
    }
}

impl NewRun<'_> {
    /// Whether it counts for the limit, and waits when that is reached.
    fn waits(&self) -> bool {
        self.kind != RunKind::Restore && self.trigger != Trigger::Safety
    }

    /// Whether another run keeps this one from beginning: of the same job, or, where no job is
    /// known, of the same name. A safety archive is made in the middle of a restore.
    fn rivals(&self, other: &RunReport) -> bool {
        let same = match (self.job_id, other.job_id) {
            (None, None) => other.job == self.job,
            (mine, theirs) => mine == theirs,
        };
        let part_of_it = self.trigger == Trigger::Safety && other.kind == RunKind::Restore;
        same && !part_of_it
    }
}

//! The long-lived activities of a node, as people see them: name, state, progress, last error.

use std::{collections::BTreeMap, sync::Mutex};

use protocol::control::{Progress, WorkerReport, WorkerState};

use crate::sys;

/// All workers of this node.
#[derive(Debug, Default)]
pub struct Workers(Mutex<BTreeMap<&'static str, WorkerReport>>);

impl Workers {
    /// Every worker, by name.
    #[must_use]
    pub fn list(&self) -> Vec<WorkerReport> {
        self.lock().values().cloned().collect()
    }

    /// A worker exists and has nothing to do.
    pub fn idle(&self, name: &'static str) {
        self.change(name, |worker| {
            worker.state = WorkerState::Idle;
            worker.what = None;
            worker.progress = None;
        });
    }

    /// A worker began something.
    pub fn working(&self, name: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.change(name, |worker| {
            worker.state = WorkerState::Working;
            worker.what = Some(what);
            worker.progress = None;
            worker.worked_ms = Some(sys::now());
        });
    }

    /// How far it is.
    pub fn progress(&self, name: &'static str, progress: Progress) {
        self.change(name, |worker| worker.progress = Some(progress));
    }

    /// It waits for something: a holder, room on the disk.
    pub fn waiting(&self, name: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.change(name, |worker| {
            worker.state = WorkerState::Waiting;
            worker.what = Some(what);
            worker.progress = None;
        });
    }

    /// It did what it began.
    pub fn done(&self, name: &'static str) {
        self.change(name, |worker| {
            worker.errors_in_a_row = 0;
            worker.worked_ms = Some(sys::now());
        });
        self.idle(name);
    }

    /// It failed, and will try again.
    pub fn failed(&self, name: &'static str, error: impl Into<String>) {
        let error = error.into();
        self.change(name, |worker| {
            worker.state = WorkerState::Failing;
            worker.errors_in_a_row += 1;
            worker.last_error = Some(error);
            worker.progress = None;
        });
    }

    fn change(&self, name: &'static str, change: impl FnOnce(&mut WorkerReport)) {
        let mut workers = self.lock();
        change(workers.entry(name).or_insert_with(|| WorkerReport {
            name: name.to_owned(),
            state: WorkerState::Idle,
            what: None,
            progress: None,
            errors_in_a_row: 0,
            last_error: None,
            worked_ms: None,
        }));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, WorkerReport>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A rate over the last seconds, from a counter that grows.
#[derive(Debug)]
pub struct Meter {
    started: protocol::Time,
    last: (protocol::Time, u64),
    rate: u64,
}

/// How far back a rate looks.
const RATE_MS: u64 = 3_000;

impl Meter {
    /// A meter for a counter that is now at `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let now = sys::now();
        Self { started: now, last: (now, bytes), rate: 0 }
    }

    /// The progress of something that is at `bytes` of `total`.
    pub fn progress(&mut self, what: &str, bytes: u64, total: Option<u64>) -> Progress {
        let now = sys::now();
        let since = u64::try_from(now.since(self.last.0).as_millis()).unwrap_or(u64::MAX);
        if since >= RATE_MS || self.rate == 0 && since > 0 {
            self.rate = bytes.saturating_sub(self.last.1).saturating_mul(1_000) / since;
            if since >= RATE_MS {
                self.last = (now, bytes);
            }
        }
        let left = total.map(|total| total.saturating_sub(bytes));
        let eta_ms =
            left.filter(|_| self.rate > 0).map(|left| left.saturating_mul(1_000) / self.rate);
        Progress {
            what: what.to_owned(),
            bytes_done: bytes,
            bytes_total: total,
            rate_bytes: self.rate,
            eta_ms,
            ..Progress::default()
        }
    }

    /// Milliseconds since it was made.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(sys::now().since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

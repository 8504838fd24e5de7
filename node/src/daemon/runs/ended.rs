//! How many runs ended in which way, since the daemon started.

use std::sync::atomic::{AtomicU64, Ordering};

use protocol::control::RunState;

/// The ways in which a run ends, and what they are called.
const WAYS: [(RunState, &str); 5] = [
    (RunState::Success, "success"),
    (RunState::Warnings, "warnings"),
    (RunState::Failed, "failed"),
    (RunState::Cancelled, "cancelled"),
    (RunState::Interrupted, "interrupted"),
];

/// One counter for each way.
#[derive(Debug, Default)]
pub struct EndedBy([AtomicU64; WAYS.len()]);

impl EndedBy {
    pub(super) fn count(&self, state: RunState) {
        if let Some(at) = WAYS.iter().position(|(way, _)| *way == state) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each way with its count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        WAYS.iter().map(|(_, way)| *way).zip(counts)
    }
}

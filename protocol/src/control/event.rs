//! What a request tells while it is at work.

use serde::{Deserialize, Serialize};

/// One thing told before the reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// How far it is. Only the newest matters.
    Progress(Progress),
    /// A line for people.
    Line {
        /// Without a line break.
        text: String,
    },
    /// Something that did not stop the work and that somebody should know.
    Warning {
        /// What it is about: a file, a node.
        what: String,
        /// What happened.
        why: String,
    },
}

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// What is being done: `reading`, `fetching`, `checking`.
    pub what: String,
    /// Things done: files, objects, packs.
    pub done: u64,
    /// Of how many, when known.
    pub total: Option<u64>,
    /// Bytes done.
    pub bytes_done: u64,
    /// Of how many, when known.
    pub bytes_total: Option<u64>,
    /// Bytes per second, of late.
    pub rate_bytes: u64,
    /// How long it will still take, when that can be told.
    pub eta_ms: Option<u64>,
}

impl Progress {
    /// Thousandths done: by bytes when their total is known, otherwise by things.
    #[must_use]
    pub fn per_mille(&self) -> Option<u64> {
        let share = |done: u64, total: u64| {
            u64::try_from(u128::from(done) * 1_000 / u128::from(total)).unwrap_or(1_000).min(1_000)
        };
        match (self.bytes_total, self.total) {
            (Some(total), _) if total > 0 => Some(share(self.bytes_done, total)),
            (_, Some(total)) if total > 0 => Some(share(self.done, total)),
            _ => None,
        }
    }
}

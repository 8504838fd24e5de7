//! Transfers: copies of archives that are sent to instances, over days if need be.

use serde::{Deserialize, Serialize};

use super::{ArchiveRef, Failure};
use crate::{Time, job::Name};

/// Most transfers that have not ended.
pub const TRANSFERS_OPEN_MAX: usize = 1_000;

/// How many transfers that have ended are remembered.
pub const TRANSFERS_ENDED_MAX: usize = 1_000;

/// How an archive is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransferMode {
    /// As fits the instance, its settings, and the size of the archive.
    #[default]
    Auto,
    /// Sealed, to a member of the mesh.
    Mesh,
    /// As a plain tar in parts, by the HTTP contract.
    Http,
    /// As a plain tar with its description, by rsync to the ssh account.
    Ssh,
}

/// A transfer to be begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferStart {
    /// Which archive.
    pub archive: ArchiveRef,
    /// The instance, by its name or number; with [`TransferMode::Mesh`] the node.
    pub instance: Name,
    /// How.
    #[serde(default)]
    pub mode: TransferMode,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// It waits for its turn.
    Waiting,
    /// The archive is read for its SHA-256.
    Preparing,
    /// Bytes are on their way.
    Sending,
    /// All bytes are there; the instance checks them.
    Finishing,
    /// The last attempt failed, and there will be another.
    Retrying,
    /// The instance has the archive.
    Done,
    /// It was given up.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl TransferState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferReport {
    /// Its number.
    pub id: u64,
    /// Which archive.
    pub archive: String,
    /// The instance or node.
    pub instance: Name,
    /// How it was asked for.
    pub mode: TransferMode,
    /// How it is done; never [`TransferMode::Auto`].
    pub way: TransferMode,
    /// Where it stands.
    pub state: TransferState,
    /// Bytes that the other side has acknowledged.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// The SHA-256 of the tar, once it is known.
    pub sha256: Option<String>,
    /// Attempts that failed since bytes last got through.
    pub failures: u32,
    /// Why the last attempt failed, or why it was given up.
    pub failure: Option<Failure>,
    /// When it is tried again.
    pub next_ms: Option<Time>,
    /// When it was asked for.
    pub started_ms: Time,
    /// When it ended.
    pub ended_ms: Option<Time>,
}

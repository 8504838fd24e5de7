//! Why a fetch did not end well, and what can be said of a holder.

use std::fmt;

use protocol::{NodeId, SealedId, fetch::SessionError};

use super::{StoreFault, StreamError, Unreadable};

/// What a holder was caught at.
#[derive(Debug, thiserror::Error)]
pub enum Lie {
    /// Bytes of another hash.
    #[error("sent other bytes for {id}")]
    WrongBytes {
        /// What was asked for.
        id: SealedId,
    },
    /// A length that the link denies.
    #[error("sent {bytes} bytes for {id}, which has {bytes_wanted}")]
    WrongLength {
        /// What was asked for.
        id: SealedId,
        /// What it announced.
        bytes: usize,
        /// What the link says.
        bytes_wanted: usize,
    },
    /// An answer to a question that was not asked.
    #[error("answered for {id}, which was not asked of it next")]
    NotAsked {
        /// What it answered for.
        id: SealedId,
    },
    /// No frame, or one out of place.
    #[error("did not speak the protocol")]
    Garbage {
        /// How.
        #[source]
        source: StreamError,
    },
}

/// Why a holder is not used any more.
#[derive(Debug, thiserror::Error)]
pub enum HolderFault {
    /// No connection could be made.
    #[error("cannot be reached")]
    Unreachable {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Connections broke, again and again.
    #[error("broke off")]
    Broken {
        /// How, the last time.
        #[source]
        source: StreamError,
    },
    /// It closed the stream without a word, again and again.
    #[error("hung up")]
    HungUp,
    /// It said nothing for too long, again and again.
    #[error("fell silent")]
    Silent,
    /// It lied.
    #[error(transparent)]
    Lied(#[from] Lie),
}

/// Why the closure of a root is not all in the store. Everything that did arrive is, and is durable
/// unless the store itself failed: the next fetch goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody has it.
    #[error("{count} objects are missing, {} first: {}", .first.short(), Faults(.holders))]
    Missing {
        /// How many are known to be.
        count: u64,
        /// One of them.
        first: SealedId,
        /// All who were asked, with what became of them; no fault where the holder just lacks it.
        holders: Vec<(NodeId, Option<HolderFault>)>,
    },
    /// No honest origin makes such an archive.
    #[error("the archive is not one")]
    Closure {
        /// What is wrong with it.
        #[source]
        source: SessionError,
    },
    /// An object has the right hash and is none, so its origin made it so.
    #[error("object {id} cannot be read")]
    Unreadable {
        /// Which.
        id: SealedId,
        /// Why.
        #[source]
        source: Unreadable,
    },
    /// No room left.
    #[error("no room for more objects")]
    Full {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The store failed.
    #[error("the chunk store failed during a fetch")]
    Store {
        /// How.
        #[source]
        source: StoreFault,
    },
    /// It was asked to stop.
    #[error("the fetch was stopped")]
    Cancelled,
}

impl From<StoreFault> for FetchError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Full { source } => Self::Full { source },
            source @ StoreFault::Failed { .. } => Self::Store { source },
        }
    }
}

impl FetchError {
    /// Whether the same fetch may succeed later without anybody mending anything here.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Cancelled)
    }
}

/// `holder 1a2b… fell silent, holder 3c4d… has not got it`.
struct Faults<'a>(&'a [(NodeId, Option<HolderFault>)]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there is no holder");
        }
        for (nth, (node, fault)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { ", " };
            match fault {
                Some(fault) => write!(f, "{comma}holder {} {fault}", node.short())?,
                None => write!(f, "{comma}holder {} has not got it", node.short())?,
            }
        }
        Ok(())
    }
}

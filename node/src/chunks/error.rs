//! What can go wrong in the chunk store, and what a person can do about it.

use std::{io, path::PathBuf, time::Duration};

use protocol::id::SealedId;

/// The result of every call on the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What `gc` gets from its caller when the live objects could not be named to the end.
pub type LiveError = Box<dyn std::error::Error + Send + Sync>;

/// Which room ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullReason {
    /// The file system has no space left.
    Disk,
    /// Less would be left free than `StoreOptions::free_bytes_min`.
    Reserve,
    /// The packs would grow over `StoreOptions::bytes_max`.
    Quota,
}

/// Why a call on the chunk store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another part of this one, has the folder open.
    #[error("the chunk store {} is in use by another process", dir.display())]
    Locked {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The folder was written by a later version.
    #[error("{} is of format version {found}, this program knows {known}", path.display())]
    NewerVersion {
        /// The file that says so: `format`, or a pack.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// The latest version known here.
        known: u32,
    },
    /// The folder's file `format` is not ours, and no pack says otherwise.
    #[error("{} is not a chunk store", dir.display())]
    NotAStore {
        /// The folder.
        dir: PathBuf,
    },
    /// No such object here.
    #[error("object {id} is not in the store")]
    Missing {
        /// Its name.
        id: SealedId,
    },
    /// An object's bytes are not what they were. It counts as missing from now on.
    #[error("object {id} is damaged in pack {pack:08} at offset {offset}")]
    Damaged {
        /// Its name.
        id: SealedId,
        /// The pack.
        pack: u32,
        /// Where its frame begins in the pack.
        offset: u32,
        /// What the disk said, when reading itself failed.
        #[source]
        source: Option<io::Error>,
    },
    /// `put` got bytes whose hash is another name.
    #[error("the bytes given for object {id} have another hash")]
    WrongBytes {
        /// The name that was claimed.
        id: SealedId,
    },
    /// An object of no bytes, or of too many.
    #[error("object {id} has {bytes} bytes, which is not between 1 and {max}")]
    ObjectSize {
        /// Its name.
        id: SealedId,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// No room. What was acknowledged stays, and the store goes on once there is room.
    #[error("no room for {needed} bytes in {}: {free} bytes are left", dir.display())]
    Full {
        /// The store's folder.
        dir: PathBuf,
        /// How many bytes were to be written.
        needed: u64,
        /// How many can still be written there.
        free: u64,
        /// Which limit was met.
        reason: FullReason,
    },
    /// Ingest or fetch runs, so nothing can be collected now.
    #[error("the chunk store is in use by {holds} running transfers, after {waited:?} of waiting")]
    Busy {
        /// How many holds there are.
        holds: usize,
        /// How long was waited for them.
        waited: Duration,
    },
    /// Garbage is being collected, and the caller has no hold.
    #[error("the chunk store is being collected or rebuilt")]
    Collecting,
    /// A sync failed, so what was written since the last flush is in doubt.
    #[error("the disk failed to keep pack {pack:08}: the store takes nothing more until reopened")]
    SyncFailed {
        /// The pack that could not be synced.
        pack: u32,
    },
    /// The caller of `gc` could not name everything that is live; nothing was removed.
    #[error("cannot tell which objects are still needed")]
    Live(#[source] LiveError),
    /// The progress callback asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// The index refused.
    #[error("the index {} failed", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What redb said.
        #[source]
        source: redb::Error,
    },
    /// The index is damaged so badly that redb gave up in the middle.
    #[error("the index {} is damaged", path.display())]
    IndexDamaged {
        /// The index file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, …
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// What a person can do, when there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Locked { .. } => "stop the other daemon, or give this one its own --data",
            Self::NewerVersion { .. } => "upgrade backupmanager; nothing was changed here",
            Self::NotAStore { .. } => "check the path; nothing was changed here",
            Self::Damaged { .. } => "it is fetched again from a holder when there is one",
            Self::Full { reason: FullReason::Quota, .. } => {
                "raise the quota, or remove archives and run `backupmanager store gc`"
            }
            Self::Full { .. } => "free space on that disk, or run `backupmanager store gc`",
            Self::Busy { .. } | Self::Collecting => "try again when the running work has ended",
            Self::SyncFailed { .. } => "look at the disk's health, then restart the daemon",
            Self::Index { .. } | Self::IndexDamaged { .. } => "run `backupmanager store rebuild`",
            _ => return None,
        })
    }

    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// Whether an error of the file system says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

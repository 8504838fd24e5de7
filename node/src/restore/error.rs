//! What ends a restore, and what ends one member of it.

use std::path::PathBuf;

use rustix::io::Errno;

use super::select::SelectionError;

/// A restore that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The destination cannot be opened or made.
    #[error("cannot open the destination {path}")]
    Destination {
        /// The destination.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A pattern that is none.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A prefix to strip that no member can have.
    #[error("the prefix {prefix:?} is no path of a member")]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// No room. What was complete stays; nothing half has a final name, and a repeated restore goes on.
    #[error("the disk is full at {path}: it needs {bytes_needed} bytes, {bytes_free} are free")]
    DiskFull {
        /// The file that did not fit.
        path: PathBuf,
        /// Its size, bytes.
        bytes_needed: u64,
        /// What the file system had left, bytes.
        bytes_free: u64,
    },
    /// Everything was written, and the disk would not confirm it.
    #[error("cannot make sure that the files beneath {path} are on the disk")]
    Sync {
        /// The destination.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The stream to restore from failed or was not a tar stream.
    #[error("the archive cannot be read at byte {offset}")]
    Stream {
        /// Where in the stream.
        offset: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why one member was not restored; the others go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ItemError {
    #[error("its name is absolute")]
    Absolute,
    #[error("its name contains `..`")]
    DotDot,
    #[error("its name contains a NUL byte")]
    Nul,
    #[error("its name is empty")]
    Empty,
    #[error("its name has more than {0} parts")]
    Deep(usize),
    #[error("{0} is in the way: it is not a directory")]
    NotADirectory(String),
    #[error("{path} is a symbolic link and is not followed: {why}")]
    Link { path: String, why: &'static str },
    #[error("a directory is in the way")]
    DirectoryInTheWay,
    #[error("devices are not restored from this archive")]
    DeviceNotAllowed,
    #[error("it is a second name of {0}, which was not restored")]
    FirstName(String),
    #[error("the archive has fewer bytes of it than it says")]
    Short,
    #[error("the archive has more bytes of it than it says")]
    Long,
    #[error("its map of holes is not in order")]
    SparseMap,
    #[error("cannot {what}: {errno}")]
    Io { what: &'static str, errno: Errno },
}

impl ItemError {
    pub(super) fn io(what: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Io { what, errno }
    }

    /// Whether the rest would fail as well for want of room.
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { errno: Errno::NOSPC | Errno::DQUOT, .. })
    }
}

//! Why a source cannot be read at all.

use std::path::PathBuf;

/// A source that cannot be read; trouble with single files is a warning instead.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The path does not begin at the root, or has a `..` in it.
    #[error("the source path {} is not absolute", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// It does not exist, or may not be read.
    #[error("cannot read the source {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is a device, a pipe or a socket.
    #[error("the source {} is neither a directory nor a file", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
    },
    /// It is one of the directories that are never read.
    #[error("the source {} is the program's own data", path.display())]
    Own {
        /// The path.
        path: PathBuf,
    },
    /// An exclude pattern that is none.
    #[error("the exclude pattern {pattern:?} is not valid")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: ignore::Error,
    },
    /// The sink gave up.
    #[error("the archive cannot be written on")]
    Sink(#[source] std::io::Error),
}

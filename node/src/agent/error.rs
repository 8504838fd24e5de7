//! Why the agent did not do what was asked.

use std::{error::Error, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::archives::ArchivesError;
use crate::{restore::RestoreError, source::SourceError, tasks::TaskError};

/// How deep a chain of causes is told.
const CAUSES_MAX: usize = 10;

/// A request that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Reading a source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Restoring.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The archives folder.
    #[error(transparent)]
    Archives(#[from] ArchivesError),
    /// A task of programs.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The other process did not do it, and says why.
    #[error("{}", .0.message)]
    Remote(Failure),
    /// Nobody listens.
    #[error("cannot reach the agent at {}", socket.display())]
    Unreachable {
        /// Where.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It stopped talking.
    #[error("the connection to the agent broke")]
    Broken(#[source] io::Error),
    /// It was told to stop, and does not say that it has.
    #[error(
        "it was to stop, but after {seconds} s the agent is still at it, and may go on: wait until the \
         programs that the agent started have ended before this is done again"
    )]
    GoesOn {
        /// How long it was waited for.
        seconds: u64,
    },
    /// It said something that was not its turn to say.
    #[error("the agent gave an answer that does not belong here")]
    Unexpected,
}

impl AgentError {
    /// What sort of failure it is, wherever it happened.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Restore(RestoreError::DiskFull { .. }) => FailureKind::DiskFull,
            Self::Restore(RestoreError::Selection(_) | RestoreError::Prefix { .. })
            | Self::Archives(ArchivesError::Name { .. } | ArchivesError::Refused { .. })
            | Self::Source(SourceError::Pattern { .. }) => FailureKind::Invalid,
            Self::Archives(ArchivesError::Exists { .. }) => FailureKind::Exists,
            Self::Archives(ArchivesError::Busy { .. }) => FailureKind::Busy,
            Self::Remote(failure) => failure.kind,
            Self::GoesOn { .. } => FailureKind::Other,
            Self::Unreachable { .. } | Self::Broken(_) | Self::Unexpected => {
                FailureKind::Unreachable
            }
            Self::Task(error) => kind_of_task(error).unwrap_or_else(|| kind_of_cause(self)),
            Self::Source(_) | Self::Restore(_) | Self::Archives(_) => kind_of_cause(self),
        }
    }
}

fn kind_of_task(error: &TaskError) -> Option<FailureKind> {
    Some(match error {
        TaskError::Missing { .. } => FailureKind::Missing,
        TaskError::NotFound { .. } => FailureKind::NotFound,
        TaskError::NoServer { .. } => FailureKind::NoServer,
        TaskError::Conflict { .. } => FailureKind::Exists,
        TaskError::Busy { .. } => FailureKind::Busy,
        TaskError::Invalid { .. } => FailureKind::Invalid,
        TaskError::Cancelled => FailureKind::Cancelled,
        TaskError::Start { .. } | TaskError::Data(_) | TaskError::Io { .. } => return None,
        TaskError::Failed { .. }
        | TaskError::TimedOut { .. }
        | TaskError::Stuck { .. }
        | TaskError::Nonsense { .. } => FailureKind::Other,
    })
}

/// By the first cause that comes from the system.
fn kind_of_cause(error: &AgentError) -> FailureKind {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::NotFound => FailureKind::NotFound,
                io::ErrorKind::PermissionDenied => FailureKind::Denied,
                io::ErrorKind::StorageFull => FailureKind::DiskFull,
                io::ErrorKind::AlreadyExists => FailureKind::Exists,
                _ => FailureKind::Other,
            };
        }
        cause = error.source();
    }
    FailureKind::Other
}

/// A failure as it crosses the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// What to tell a person: the error and its causes.
    pub message: String,
}

impl Failure {
    pub(super) fn new(error: &AgentError) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        for _ in 0..CAUSES_MAX {
            let Some(error) = cause else { break };
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self { kind: error.kind(), message }
    }
}

/// Sorts of failures that a caller may treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// It does not exist.
    NotFound,
    /// Even the agent may not.
    Denied,
    /// No room.
    DiskFull,
    /// The name is taken.
    Exists,
    /// Somebody else is at it.
    Busy,
    /// The request makes no sense.
    Invalid,
    /// The agent did not answer.
    Unreachable,
    /// No database server answers.
    NoServer,
    /// A program is not installed.
    Missing,
    /// The caller wanted no more.
    Cancelled,
    /// Anything else.
    Other,
}

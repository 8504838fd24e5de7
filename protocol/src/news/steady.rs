//! What changes all the time.

use crate::control::{Happened, TransferState, UploadState};

/// Which thing it is that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Run(u64),
    Transfer(u64),
    Upload(String),
}

/// Whether a piece of news is one of many of its sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Steady {
    /// It is told alone.
    Not,
    /// It says all that the last one of the same stage said.
    Goes(Subject, u8),
    /// It is the last of its subject.
    Ends(Subject),
}

impl Steady {
    pub(super) fn of(what: &Happened) -> Self {
        match what {
            Happened::RunProgress { run, .. } => Self::Goes(Subject::Run(*run), 0),
            Happened::RunEnded(run) => Self::Ends(Subject::Run(run.run)),
            Happened::Transfer(transfer) => {
                let subject = Subject::Transfer(transfer.id);
                match transfer.state {
                    TransferState::Waiting => Self::Goes(subject, 0),
                    TransferState::Preparing => Self::Goes(subject, 1),
                    TransferState::Sending => Self::Goes(subject, 2),
                    TransferState::Finishing => Self::Goes(subject, 3),
                    TransferState::Retrying => Self::Goes(subject, 4),
                    TransferState::Done | TransferState::Failed | TransferState::Cancelled => {
                        Self::Ends(subject)
                    }
                }
            }
            Happened::Upload(upload) => {
                let subject = Subject::Upload(upload.id.clone());
                match upload.state {
                    Some(UploadState::Pending) => Self::Goes(subject, 0),
                    Some(UploadState::InProgress) => Self::Goes(subject, 1),
                    Some(UploadState::Finishing) => Self::Goes(subject, 2),
                    Some(UploadState::Complete | UploadState::Error) | None => Self::Ends(subject),
                }
            }
            _ => Self::Not,
        }
    }
}

//! Errors of the parts, as failures with what the reader can do about them.

use std::io;

use protocol::control::{Failure, FailureCode};

use super::live::MarkError;
use crate::{chunks::StoreError, db::DbError};

/// What the chunk store refused.
pub(in crate::daemon) fn store_failure(what: &str, error: &StoreError) -> Failure {
    if let StoreError::Live(cause) = error
        && let Some(cause) = cause.downcast_ref()
    {
        return mark_failure(what, cause);
    }
    let code = match error {
        StoreError::Full { .. } => FailureCode::NoSpace,
        StoreError::Busy { .. } | StoreError::Collecting | StoreError::Locked { .. } => {
            FailureCode::Busy
        }
        StoreError::Damaged { .. }
        | StoreError::Missing { .. }
        | StoreError::WrongBytes { .. }
        | StoreError::IndexDamaged { .. } => FailureCode::Damaged,
        StoreError::Stopped => FailureCode::Cancelled,
        StoreError::NewerVersion { .. } => FailureCode::Unsupported,
        _ => FailureCode::Internal,
    };
    let failure = Failure::caused(code, what, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Why it cannot be told what is live.
pub(in crate::daemon) fn mark_failure(what: &str, error: &MarkError) -> Failure {
    let code = match error {
        MarkError::Store(error) => return store_failure(what, error),
        MarkError::NotAMember | MarkError::OwnHistoryUnknown => FailureCode::Conflict,
        MarkError::RecordUnreadable { .. } => FailureCode::Unsupported,
        MarkError::RecordsDamaged { .. } | MarkError::Gap { .. } => FailureCode::Damaged,
    };
    Failure::caused(code, what, error).hint(error.hint())
}

/// What the state file refused.
pub(in crate::daemon) fn db_failure(what: &str, error: &DbError) -> Failure {
    let (code, hint) = match error {
        DbError::Schema { .. } => {
            (FailureCode::Unsupported, "use the version of backupmanager that made the file")
        }
        _ if is_full(error) => (FailureCode::NoSpace, "free space on the disk of the data folder"),
        _ => (FailureCode::Internal, "look at the health and the room of the data folder's disk"),
    };
    Failure::caused(code, what, error).hint(hint)
}

/// Whether redb failed for want of room.
fn is_full(error: &DbError) -> bool {
    let (DbError::Open { source, .. } | DbError::Io { source, .. }) = error else { return false };
    let redb::Error::Io(io) = &**source else { return false };
    matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::SealedId;

    use super::*;
    use crate::chunks::FullReason;

    #[test]
    fn a_store_that_is_full_busy_or_damaged_says_what_helps() {
        let id = SealedId([1; 32]);
        let full =
            StoreError::Full { dir: "/d".into(), needed: 2, free: 1, reason: FullReason::Quota };
        let busy = StoreError::Busy { holds: 1, waited: Duration::ZERO };
        let damaged = StoreError::Damaged { id, pack: 1, offset: 2, source: None };
        for (error, code) in [
            (full, FailureCode::NoSpace),
            (busy, FailureCode::Busy),
            (StoreError::Collecting, FailureCode::Busy),
            (damaged, FailureCode::Damaged),
            (StoreError::IndexDamaged { path: "/i".into() }, FailureCode::Damaged),
        ] {
            let failure = store_failure("cannot do it", &error);
            assert_eq!((failure.code, failure.hint.is_some()), (code, true), "{failure}");
        }
        assert_eq!(store_failure("x", &StoreError::Stopped).code, FailureCode::Cancelled);
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_state_file() {
        let failed = |kind: io::ErrorKind| DbError::Io {
            what: "write a run",
            source: Box::new(redb::Error::Io(kind.into())),
        };
        let full = db_failure("cannot note the run", &failed(io::ErrorKind::StorageFull));
        assert_eq!(full.code, FailureCode::NoSpace);
        let broken = db_failure("cannot note the run", &failed(io::ErrorKind::Other));
        assert_eq!(broken.code, FailureCode::Internal);
        assert!(broken.why.starts_with("cannot write a run in the state file: "), "{broken}");
    }
}

//! What a client may ask with nothing but a key.

use protocol::control::{Failure, FailureCode, Request};

use crate::socket::Caller;

/// What could not be done, whatever it was.
const WHAT: &str = "cannot do what was asked";

/// Whether a caller may ask this at all. The control socket may ask everything.
///
/// # Errors
/// When it may not.
pub(in crate::daemon) fn may(caller: &Caller, request: &Request) -> Result<(), Failure> {
    let Caller::Http(http) = caller else { return Ok(()) };
    if is_local_only(request) {
        let why = "it can be asked on the server itself only";
        return Err(Failure::new(FailureCode::Refused, WHAT, why)
            .hint("run the `backupmanager` command there, as root or as the daemon's user"));
    }
    if http.read_only && !request.only_looks() {
        return Err(only_looks());
    }
    Ok(())
}

/// What a key that changes nothing is told.
pub(super) fn only_looks() -> Failure {
    Failure::new(FailureCode::Refused, WHAT, "this key may look and change nothing")
        .hint("make another one: `backupmanager key create NAME`, without --read-only")
}

/// A key that may change things is as good as root here: jobs have commands, and restores write
/// anywhere. It does not make other keys all the same, so that revoking it ends what it was good
/// for; it does not take the node into another mesh; and it names no path of the server to write an
/// export to. A request that is new is decided on here, on purpose: the compiler asks.
fn is_local_only(request: &Request) -> bool {
    match request {
        Request::KeyCreate(_)
        | Request::KeyList
        | Request::KeyRevoke { .. }
        | Request::MeshJoin { .. }
        | Request::StoreRebuild
        | Request::ArchiveExport(_) => true,
        Request::Status
        | Request::Workers
        | Request::MeshList
        | Request::MeshShow { .. }
        | Request::JobAdd(_)
        | Request::JobEdit(_)
        | Request::JobList(_)
        | Request::JobChoices { .. }
        | Request::JobShow { .. }
        | Request::JobNumbered { .. }
        | Request::JobRun(_)
        | Request::JobRemove { .. }
        | Request::RunList(_)
        | Request::RunShow { .. }
        | Request::RunCancel { .. }
        | Request::Prune(_)
        | Request::ArchiveList(_)
        | Request::ArchiveShow(_)
        | Request::ArchiveInfo(_)
        | Request::ArchiveContents(_)
        | Request::ArchiveVerify(_)
        | Request::ArchiveRestore(_)
        | Request::ArchivePin { .. }
        | Request::ForeignList
        | Request::ForeignAdopt(_)
        | Request::ArchiveRemove(_)
        | Request::ArchiveTransfer(_)
        | Request::StoreStats
        | Request::StoreCheck { .. }
        | Request::StoreGc { .. }
        | Request::UploadStart(_)
        | Request::UploadList
        | Request::UploadShow { .. }
        | Request::UploadFinish { .. }
        | Request::UploadCancel { .. }
        | Request::InstanceList
        | Request::InstanceShow { .. }
        | Request::InstanceRun(_)
        | Request::TransferStart(_)
        | Request::TransferShow { .. }
        | Request::TransferList
        | Request::TransferCancel { .. }
        | Request::MeshInvite(_)
        | Request::MeshExpel(_)
        | Request::MeshGrant(_)
        | Request::InstanceAdd(_)
        | Request::InstanceRemove { .. }
        | Request::InviteList
        | Request::InviteCancel { .. }
        | Request::OrderIssue(_)
        | Request::OrderList
        | Request::OrderShow { .. }
        | Request::OrderCancel { .. }
        | Request::NoticeList(_)
        | Request::NoticeRead { .. }
        | Request::NoticeReadAll
        | Request::Metrics => false,
    }
}

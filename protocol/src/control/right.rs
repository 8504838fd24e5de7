//! What a member must be allowed at another one, for each request: the one place that says so.
//!
//! A request of another member comes at once, over a stream, or later, as an order. Whichever way,
//! the executing node decides by what it knows itself: the asker is an operator now, and its own
//! grants leave the asker every right that [`right_of`] names ([`may_ask`]).
//!
//! Who may do what: *see-status* looks at state, jobs, runs and lists; *run-job* makes the node work
//! (runs, checks, copies); *open* reads what is in archives; *restore* puts files in place, which is
//! as good as being root there; *delete* makes archives go. To change a job needs all of
//! [`CHANGE_JOBS`]: a job may run commands as root, and says what is read and what is dropped.

use super::{ArchiveRemove, ArchiveRestore, Prune, Request};
use crate::{
    NodeId,
    catalog::{Catalog, Refusal},
    record::{Right, Rights},
};

/// What is needed for whatever ends as commands of root: changing a job, and restoring an archive
/// whose own commands are trusted. It is all that an operator has, but for keeping replicas.
pub const CHANGE_JOBS: [Right; 5] =
    [Right::See, Right::Run, Right::Restore, Right::Delete, Right::Open];

/// Why a member may not ask something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No other node may ever ask it.
    #[error("it can be asked on the server itself only")]
    LocalOnly,
    /// A member that keeps replicas asks nothing.
    #[error("{who} is a storage member, and these may ask nothing")]
    NotAnOperator {
        /// Who asked.
        who: NodeId,
    },
    /// It is no member, or a grant does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Whether one member may ask this of another, by what that one knows.
///
/// # Errors
/// When it may not, with the first reason.
pub fn may_ask(
    catalog: &Catalog,
    at: &NodeId,
    who: &NodeId,
    request: &Request,
) -> Result<(), Denied> {
    let membership = catalog.membership();
    if !membership.is_member(who) {
        return Err(Refusal::NotAMember { who: *who }.into());
    }
    if !membership.is_operator(who) {
        return Err(Denied::NotAnOperator { who: *who });
    }
    let needed = right_of(request).ok_or(Denied::LocalOnly)?;
    for right in needed.iter() {
        catalog.allows(at, who, right)?;
    }
    Ok(())
}

/// Every right that a request of another member needs; `None` for what no other node may ask. A
/// request that is new is decided on here, on purpose: the compiler asks.
#[must_use]
pub fn right_of(request: &Request) -> Option<Rights> {
    let needed: &[Right] = match request {
        Request::Status
        | Request::Workers
        | Request::Metrics
        | Request::MeshList
        | Request::MeshShow { .. }
        | Request::JobList(_)
        | Request::JobShow { .. }
        | Request::JobNumbered { .. }
        | Request::RunList(_)
        | Request::RunShow { .. }
        | Request::Prune(Prune { dry_run: true, .. })
        | Request::ArchiveList(_)
        | Request::ArchiveShow(_)
        | Request::ForeignList
        | Request::ArchiveRemove(ArchiveRemove { dry_run: true, .. })
        | Request::StoreStats
        | Request::StoreGc { dry_run: true }
        | Request::UploadList
        | Request::UploadShow { .. }
        | Request::InstanceList
        | Request::InstanceShow { .. }
        | Request::TransferList
        | Request::TransferShow { .. }
        | Request::NoticeList(_) => &[Right::See],
        Request::JobChoices { .. }
        | Request::JobRun(_)
        | Request::RunCancel { .. }
        | Request::ForeignAdopt(_)
        | Request::ArchiveVerify(_)
        | Request::ArchivePin { pinned: true, .. }
        | Request::ArchiveTransfer(_)
        | Request::StoreCheck { .. }
        | Request::InstanceRun(_)
        | Request::TransferCancel { .. }
        | Request::NoticeRead { .. }
        | Request::NoticeReadAll => &[Right::Run],
        Request::ArchiveInfo(_) | Request::ArchiveContents(_) => &[Right::Open],
        // The instance gets the plain tar.
        Request::TransferStart(_) => &[Right::Run, Right::Open],
        Request::ArchiveRestore(ArchiveRestore { trust: false, .. }) => &[Right::Restore],
        Request::Prune(Prune { dry_run: false, .. })
        | Request::ArchivePin { pinned: false, .. }
        | Request::ArchiveRemove(ArchiveRemove { dry_run: false, .. })
        | Request::StoreGc { dry_run: false } => &[Right::Delete],
        Request::JobAdd(_)
        | Request::JobEdit(_)
        | Request::JobRemove { .. }
        | Request::ArchiveRestore(ArchiveRestore { trust: true, .. }) => &CHANGE_JOBS,
        Request::MeshInvite(_)
        | Request::MeshJoin { .. }
        | Request::MeshExpel(_)
        | Request::MeshGrant(_)
        | Request::ArchiveExport(_)
        | Request::StoreRebuild
        | Request::KeyCreate(_)
        | Request::KeyList
        | Request::KeyRevoke { .. }
        | Request::UploadStart(_)
        | Request::UploadFinish { .. }
        | Request::UploadCancel { .. }
        | Request::InstanceAdd(_)
        | Request::InstanceRemove { .. }
        | Request::InviteList
        | Request::InviteCancel { .. }
        | Request::OrderIssue(_)
        | Request::OrderList
        | Request::OrderShow { .. }
        | Request::OrderCancel { .. } => return None,
    };
    Some(needed.iter().copied().collect())
}

#[cfg(test)]
mod tests;

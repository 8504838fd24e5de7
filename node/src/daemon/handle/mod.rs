//! Answering requests: one place that decides who may, and one function for each request.

use std::sync::Arc;

use protocol::control::{Failure, Reply, Request};

use super::{
    choices,
    node::{Node, blocking},
    tars,
};
use crate::socket::{Caller, EventSink, Handler};

pub(super) mod archive;
pub(super) mod job;
mod mesh;
mod restore;
mod retention;
mod status;
pub(super) mod store;

/// The daemon, as the socket sees it.
pub(super) struct Answers(pub(super) Arc<Node>);

impl Handler for Answers {
    async fn handle(
        &self,
        caller: Caller,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        // The socket hears only root and the daemon's own user; both may do everything.
        let Caller::Local { .. } = caller;
        let node = Arc::clone(&self.0);
        match request {
            Request::Status => status::status(node).await.map(Reply::Status),
            Request::Workers => Ok(Reply::Workers(node.workers.list())),
            Request::MeshInvite(invite) => mesh::invite(&node, invite).await.map(Reply::Invited),
            Request::MeshJoin { ticket } => mesh::join(&node, ticket).await.map(Reply::Joined),
            Request::MeshList => Ok(Reply::Members(mesh::list(&node))),
            Request::MeshShow { node: wanted } => mesh::show(&node, &wanted).map(Reply::Member),
            Request::MeshExpel(expel) => mesh::expel(&node, expel).await.map(Reply::Expelled),
            Request::MeshGrant(change) => mesh::grant(&node, change).await.map(Reply::Member),
            Request::JobAdd(spec) => job::add(&node, spec).await.map(boxed_job),
            Request::JobEdit(edit) => job::edit(&node, edit).await.map(boxed_job),
            Request::JobList(page) => job::list(&node, page).map(Reply::Jobs),
            Request::JobChoices { kind } => {
                blocking(move || choices::of_kind(&node, &kind)).await.map(Reply::Choices)
            }
            Request::ForeignList => {
                blocking(move || tars::foreign::list(&node)).await.map(Reply::Foreign)
            }
            Request::ForeignAdopt(wanted) => job::adopt(node, wanted, events).await,
            Request::JobShow { job } => job::show(&node, &job).map(boxed_job),
            Request::JobRun(run) => job::run(node, run, events).await,
            Request::JobRemove { job } => job::remove(&node, &job).await.map(|()| Reply::Done),
            Request::RunList(list) => job::runs(&node, &list).map(Reply::Runs),
            Request::RunShow { run } => job::show_run(&node, run).map(Reply::Run),
            Request::RunCancel { run } => job::cancel(&node, run).await.map(Reply::RunEnded),
            Request::ArchiveList(list) => archive::list(&node, &list).map(Reply::Archives),
            Request::ArchiveShow(wanted) => archive::show(&node, &wanted).map(Reply::Archive),
            Request::ArchiveContents(wanted) => {
                archive::contents(node, wanted, events).await.map(Reply::Contents)
            }
            Request::ArchiveVerify(wanted) => {
                archive::verify(node, wanted, events).await.map(Reply::Verified)
            }
            Request::ArchiveExport(export) => {
                archive::export(node, export, events).await.map(Reply::Exported)
            }
            Request::ArchiveRestore(restore) => restore::restore(node, restore, events).await,
            Request::Prune(request) => retention::prune(&node, request).await.map(Reply::Pruned),
            Request::ArchivePin { archive, pinned } => {
                retention::pin(&node, &archive, pinned).await.map(Reply::Archive)
            }
            Request::ArchiveRemove(remove) => {
                archive::remove(&node, remove).await.map(Reply::Removed)
            }
            Request::ArchiveTransfer(transfer) => {
                archive::transfer(node, transfer, events).await.map(Reply::Transferred)
            }
            Request::StoreStats => store::stats(node).await.map(Reply::StoreStats),
            Request::StoreCheck { read_data } => {
                store::check(node, read_data, events).await.map(Reply::StoreChecked)
            }
            Request::StoreRebuild => store::rebuild(node, events).await.map(Reply::StoreRebuilt),
            Request::StoreGc { dry_run } => {
                store::collect(node, dry_run, events).await.map(Reply::StoreCollected)
            }
        }
    }
}

fn boxed_job(job: protocol::control::JobReport) -> Reply {
    Reply::Job(Box::new(job))
}

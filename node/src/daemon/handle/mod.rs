//! Answering requests: one place that decides who may, and one function for each request.

use std::sync::Arc;

use protocol::control::{Failure, FailureCode, NodeRef, Reply, Request};

use tracing::info;

use super::{
    asking, choices, http, keys, metrics,
    node::{Node, blocking},
    orders, tars, transfers, uploads,
};
use crate::socket::{Caller, EventSink, Handler};

pub(super) mod archive;
mod instance;
pub(super) mod job;
mod mesh;
mod restore;
mod retention;
pub(super) mod status;
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
        self.may(&caller, &request)?;
        if let Caller::Node(peer) = &caller
            && !request.only_looks()
        {
            let request = http::word_of(&request);
            info!(peer.id = %peer.short(), request, "a member changes something");
        }
        let mut reply = self.answer(request, events).await?;
        self.0.numbers.fill(&mut reply);
        if let Caller::Node(peer) = caller {
            asking::veil(&self.0, peer, &mut reply);
        }
        Ok(reply)
    }

    async fn pass_on(
        &self,
        caller: Caller,
        node: NodeRef,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        if matches!(caller, Caller::Node(_)) {
            let why = "a member is asked by who wants something of it, not through another one";
            return Err(Failure::new(FailureCode::Refused, "cannot do what was asked", why));
        }
        // What a key may ask is decided here, what this node may ask there.
        self.may(&caller, &request)?;
        match asking::pass_on(&self.0, &node, &request, &events).await {
            Some(answered) => answered,
            None => self.handle(caller, request, events).await,
        }
    }
}

impl Answers {
    /// The socket hears only root and the daemon's own user; both may do everything.
    fn may(&self, caller: &Caller, request: &Request) -> Result<(), Failure> {
        http::may(caller, request)?;
        match caller {
            Caller::Node(peer) => asking::may(&self.0, *peer, request),
            Caller::Local { .. } | Caller::Http(_) => Ok(()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a line or two for each request")]
    async fn answer(&self, request: Request, events: EventSink) -> Result<Reply, Failure> {
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
            Request::JobNumbered { number } => job::numbered(&node, number).map(boxed_job),
            Request::JobRun(run) => job::run(node, run, events).await,
            Request::JobRemove { job } => job::remove(&node, &job).await.map(|()| Reply::Done),
            Request::RunList(list) => job::runs(&node, &list).map(Reply::Runs),
            Request::RunShow { run } => job::show_run(&node, run).map(Reply::Run),
            Request::RunCancel { run } => job::cancel(&node, run).await.map(Reply::RunEnded),
            Request::ArchiveList(list) => archive::list(&node, &list).map(Reply::Archives),
            Request::ArchiveShow(wanted) => archive::show(&node, &wanted).map(Reply::Archive),
            Request::ArchiveInfo(wanted) => {
                archive::info(node, wanted).await.map(|info| Reply::ArchiveInfo(Box::new(info)))
            }
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
            Request::KeyCreate(create) => keys::create(node, create).await.map(Reply::KeyCreated),
            Request::KeyList => keys::list(node).await.map(Reply::Keys),
            Request::KeyRevoke { key } => keys::revoke(node, key).await.map(|()| Reply::Done),
            Request::UploadStart(start) => uploads::start(node, start).await.map(boxed_upload),
            Request::UploadList => uploads::list(node).await.map(Reply::Uploads),
            Request::UploadShow { upload } => uploads::show(node, upload).await.map(boxed_upload),
            Request::UploadFinish { upload } => {
                uploads::finish(node, upload).await.map(boxed_upload)
            }
            Request::UploadCancel { upload } => {
                uploads::cancel(node, upload).await.map(|()| Reply::Done)
            }
            Request::InstanceAdd(add) => instance::add(node, add).await.map(boxed_instance),
            Request::InstanceList => Ok(Reply::Instances(node.instances.list())),
            Request::InstanceShow { instance } => {
                node.instances.find(&instance).map(boxed_instance)
            }
            Request::InstanceRemove { instance } => {
                instance::remove(node, instance).await.map(|()| Reply::Done)
            }
            Request::InstanceRun(run) => {
                instance::run(node, run).await.map(Reply::InstanceRunStarted)
            }
            Request::TransferStart(start) => {
                transfers::start(node, start).await.map(boxed_transfer)
            }
            Request::TransferShow { transfer } => node.transfers.show(transfer).map(boxed_transfer),
            Request::TransferList => Ok(Reply::Transfers(node.transfers.list())),
            Request::TransferCancel { transfer } => {
                transfers::cancel(node, transfer).await.map(boxed_transfer)
            }
            Request::Metrics => metrics::metrics(node).await.map(|text| Reply::Metrics { text }),
            Request::InviteList => Ok(Reply::Invites(mesh::invites::list(&node))),
            Request::InviteCancel { invite } => {
                mesh::invites::cancel(&node, invite).await.map(|()| Reply::Done)
            }
            Request::OrderIssue(issue) => orders::issue(node, *issue).await.map(boxed_order),
            Request::OrderList => orders::list(node).await.map(Reply::Orders),
            Request::OrderShow { order } => orders::show(node, order).await.map(boxed_order),
            Request::OrderCancel { order } => orders::cancel(node, order).await.map(boxed_order),
            Request::NoticeList(list) => Ok(Reply::Notices(node.notices.list(list))),
            Request::NoticeRead { notice } => {
                node.notices.read(notice).map(|notice| Reply::Notice(Box::new(notice)))
            }
            Request::NoticeReadAll => {
                node.notices.read_all();
                Ok(Reply::Done)
            }
        }
    }
}

fn boxed_instance(instance: protocol::control::InstanceReport) -> Reply {
    Reply::Instance(Box::new(instance))
}

fn boxed_transfer(transfer: protocol::control::TransferReport) -> Reply {
    Reply::Transfer(Box::new(transfer))
}

fn boxed_upload(upload: protocol::control::UploadReport) -> Reply {
    Reply::Upload(Box::new(upload))
}

fn boxed_order(order: protocol::control::OrderReport) -> Reply {
    Reply::Order(Box::new(order))
}

fn boxed_job(job: protocol::control::JobReport) -> Reply {
    Reply::Job(Box::new(job))
}

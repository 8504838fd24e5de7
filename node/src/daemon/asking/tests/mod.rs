//! Two whole nodes on loopback, of which one asks the other.

mod faults;
mod rights;
mod ways;

use std::sync::{Arc, Mutex};

use protocol::{
    NodeId,
    control::{
        Asked, Event, Failure, FailureCode, GrantChange, MeshInvite, NodeRef, Reply, Request,
        Right, Role,
    },
};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle};

use super::*;
use crate::{
    daemon::{
        handle::Answers,
        live::tests::{Asks, node_and_asks},
        node::Node,
    },
    socket::{Caller, Cancel, CancelSwitch, EventSink, Handler, Work},
};

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

/// One node, with what it answers itself.
struct Peer {
    _dir: TempDir,
    node: Arc<Node>,
    answers: Arc<Answers>,
}

impl Peer {
    async fn new(name: &str) -> (Self, Asks) {
        let dir = tempfile::tempdir().unwrap();
        let (node, asks) = node_and_asks(&dir, name).await;
        let answers = Arc::new(Answers(Arc::clone(&node)));
        (Self { _dir: dir, node, answers }, asks)
    }

    fn id(&self) -> NodeId {
        self.node.id()
    }

    /// Asks it as its own administrator does.
    async fn done(&self, request: Request) -> Reply {
        let local = Caller::Local { uid: 0, pid: None };
        soon(self.answers.handle(local, request, EventSink::deaf())).await.unwrap()
    }

    /// Has it ask a member, as its own administrator does.
    fn begin(&self, of: &str, request: Request) -> Work {
        let asked = Asked { of: Some(of.parse().unwrap()), request };
        let local = Caller::Local { uid: 0, pid: None };
        Work::start(Arc::clone(&self.answers), local, asked, Cancel::never(), ())
    }

    async fn ask(&self, of: &str, request: Request) -> Result<Reply, Failure> {
        soon(self.begin(of, request).told(drop)).await
    }

    async fn refused(&self, of: &str, request: Request) -> Failure {
        let failure = self.ask(of, request).await.unwrap_err();
        assert!(failure.hint.is_some(), "{failure:?}");
        failure
    }

    async fn grant(&self, to: &str, allow: &[Right], deny: &[Right]) {
        let (allow, deny) = (allow.iter().copied().collect(), deny.iter().copied().collect());
        let node = to.parse().unwrap();
        let change = GrantChange { node, allow, deny, quota_bytes: None, unlimited: false };
        self.done(Request::MeshGrant(change)).await;
    }

    async fn until_sees(&self, other: &Self) {
        let mut changes = self.node.mesh.changes();
        soon(async {
            while !self.node.mesh.connected().contains_key(&other.id()) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }

    async fn until_not_sees(&self, other: &Self) {
        let mut changes = self.node.mesh.changes();
        soon(async {
            while self.node.mesh.connected().contains_key(&other.id()) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }
}

/// tom, who founded the mesh, and jerry, whom he let in; what members ask tom comes out here.
async fn pair(role: Role) -> (Peer, Peer, Asks) {
    let ((tom, asks), (jerry, _)) = (Peer::new("tom").await, Peer::new("jerry").await);
    let invite = MeshInvite { role, quota_bytes: None, expires_ms: 60_000 };
    let Reply::Invited(invited) = tom.done(Request::MeshInvite(invite)).await else { panic!() };
    jerry.done(Request::MeshJoin { ticket: invited.ticket }).await;
    // Nobody tells addresses here: that is a worker's business.
    let addresses = tom.node.mesh.listening().into_iter().collect();
    jerry.node.mesh.net().dial(tom.id(), addresses).await.unwrap();
    jerry.until_sees(&tom).await;
    tom.until_sees(&jerry).await;
    (tom, jerry, asks)
}

/// Has somebody answer what members ask; it ends with the switch.
fn serving<H: Handler>(handler: Arc<H>, asks: Asks) -> (CancelSwitch, JoinHandle<()>) {
    let (switch, stop) = CancelSwitch::new();
    (switch, tokio::spawn(serve(handler, asks, stop)))
}

/// The same pair, with tom answering for himself.
async fn answering(role: Role) -> (Peer, Peer, CancelSwitch) {
    let (tom, jerry, asks) = pair(role).await;
    let (switch, _) = serving(Arc::clone(&tom.answers), asks);
    (tom, jerry, switch)
}

/// `StoreCheck` and `StoreGc` are at work until they are let go or stopped; all else is done.
#[derive(Default)]
struct Script {
    began: Notify,
    go: Notify,
    ended: Notify,
    ends: Mutex<Vec<&'static str>>,
    callers: Mutex<Vec<Caller>>,
}

impl Script {
    fn ends(&self) -> Vec<&'static str> {
        self.ends.lock().unwrap().clone()
    }
}

impl Handler for Script {
    async fn handle(
        &self,
        caller: Caller,
        request: Request,
        events: EventSink,
    ) -> Result<Reply, Failure> {
        self.callers.lock().unwrap().push(caller);
        for number in 0..10 {
            events.line(format!("line {number}"));
        }
        events.warning("a", "changed while it was read");
        if !matches!(request, Request::StoreCheck { .. } | Request::StoreGc { .. }) {
            return Ok(Reply::Done);
        }
        self.began.notify_one();
        let end = tokio::select! {
            () = events.cancel().wait() => "stopped",
            () = self.go.notified() => "done",
        };
        self.ends.lock().unwrap().push(end);
        self.ended.notify_one();
        match end {
            "done" => Ok(Reply::Done),
            _ => Err(Failure::new(FailureCode::Cancelled, "cannot check", "somebody stopped it")),
        }
    }

    async fn pass_on(
        &self,
        _: Caller,
        node: NodeRef,
        _: Request,
        _: EventSink,
    ) -> Result<Reply, Failure> {
        panic!("a member had {node} asked")
    }
}

const CHECK: Request = Request::StoreCheck { read_data: true };
const GC: Request = Request::StoreGc { dry_run: false };

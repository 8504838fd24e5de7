//! This node's part in the mesh: the engine, the network, and the one task that joins them.
//!
//! The *driver* feeds the engine with what happens and carries out what it says, in order: what is
//! to be stored is durable before anything after it is sent or acknowledged. Everybody else looks at
//! the catalog through [`Mesh::look`] and says things through [`Mesh::publish`], which returns when
//! they are on disk.
//!
//! A node always belongs to a mesh: at its first start it founds one of its own. Joining another is
//! possible as long as nobody else is in it; its jobs and archives come along (see [`join`]).

mod dialing;
mod driver;
mod join;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p::Multiaddr;
use protocol::{
    NodeId,
    catalog::Catalog,
    control::{Failure, FailureCode},
    engine::{Engine, EngineError},
    membership::Ticket,
    record::{Fact, RecordKey, Role},
};
use tokio::sync::{mpsc, oneshot, watch};

pub use driver::{MeshConfig, MeshError};
pub use state::{MeshState, StateError};

use crate::net::{NetError, NetHandle};

/// Commands that wait for the driver.
const COMMANDS_MAX: usize = 256;

/// Something this node wants to say.
#[derive(Clone, Debug)]
pub enum Change {
    /// This holds.
    Say(Fact),
    /// What was said under this key holds no more.
    Unsay(RecordKey),
}

/// What a new ticket is for.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// What the new node shall be.
    pub role: Role,
    /// How much it may be given to hold, bytes.
    pub quota_bytes: Option<u64>,
    /// How long the ticket is good.
    pub valid: Duration,
}

/// What a join led to.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Who let this node in.
    pub inviter: NodeId,
    /// To compare on both sides.
    pub words: [&'static str; 4],
}

enum Command {
    Publish { changes: Vec<Change>, done: oneshot::Sender<Result<(), Failure>> },
    Invite { invitation: Invitation, done: oneshot::Sender<Result<Ticket, Failure>> },
    CancelTicket { ticket: NodeId, done: oneshot::Sender<Result<(), Failure>> },
    Expel { node: NodeId, done: oneshot::Sender<Result<(), Failure>> },
    Join { ticket: Box<Ticket>, done: oneshot::Sender<Result<Joined, Failure>> },
    Stop { done: oneshot::Sender<()> },
}

/// What the driver and those who look share.
struct Shared {
    engine: Mutex<Engine>,
    net: Mutex<NetHandle>,
    peers: Mutex<BTreeMap<NodeId, Multiaddr>>,
    listening: Mutex<BTreeSet<Multiaddr>>,
    words: Mutex<BTreeMap<NodeId, [&'static str; 4]>>,
    changed: watch::Sender<u64>,
}

/// This node's part in the mesh.
#[derive(Clone)]
pub struct Mesh {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

impl Mesh {
    /// Looks at the catalog. Short: the driver waits meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Catalog) -> T) -> T {
        look(lock(&self.shared.engine).catalog())
    }

    /// Looks at the engine. Short: the driver waits meanwhile.
    pub fn engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(&lock(&self.shared.engine))
    }

    /// Says many things at once that are neither stored nor told: thousands of commits take minutes.
    #[cfg(test)]
    pub fn say_unstored(&self, facts: Vec<protocol::record::Fact>) {
        let mut engine = lock(&self.shared.engine);
        for fact in facts {
            let input = protocol::engine::Input::Publish { fact };
            engine.handle(input, crate::sys::now(), &mut crate::sys::OsEntropy).expect("a fact");
            while engine.poll().is_some() {}
        }
    }

    /// Says things; returns when they are durable here.
    ///
    /// # Errors
    /// When this node may not say them, or they cannot be stored.
    pub async fn publish(&self, changes: Vec<Change>) -> Result<(), Failure> {
        self.ask(|done| Command::Publish { changes, done }).await
    }

    /// As [`Mesh::publish`], from a blocking thread.
    ///
    /// # Errors
    /// As there.
    pub fn publish_blocking(&self, changes: Vec<Change>) -> Result<(), Failure> {
        let (done, result) = oneshot::channel();
        self.commands.blocking_send(Command::Publish { changes, done }).map_err(|_| stopping())?;
        result.blocking_recv().map_err(|_| stopping())?
    }

    /// Makes a ticket.
    ///
    /// # Errors
    /// When this node may not invite.
    pub async fn invite(&self, invitation: Invitation) -> Result<Ticket, Failure> {
        self.ask(|done| Command::Invite { invitation, done }).await
    }

    /// A ticket shall let nobody in any more.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn cancel_ticket(&self, ticket: NodeId) -> Result<(), Failure> {
        self.ask(|done| Command::CancelTicket { ticket, done }).await
    }

    /// Turns a member out.
    ///
    /// # Errors
    /// When this node may not, or there is no such member.
    pub async fn expel(&self, node: NodeId) -> Result<(), Failure> {
        self.ask(|done| Command::Expel { node, done }).await
    }

    /// Leaves the mesh of its own and joins the ticket's.
    ///
    /// # Errors
    /// When others are in this node's mesh, the inviter cannot be reached, or refuses.
    pub async fn join(&self, ticket: Ticket) -> Result<Joined, Failure> {
        self.ask(|done| Command::Join { ticket: Box::new(ticket), done }).await
    }

    /// Ends the driver and the network.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        if self.commands.send(Command::Stop { done }).await.is_ok() {
            let _ = ended.await;
        }
    }

    /// The network as it is now; joining replaces it.
    #[must_use]
    pub fn net(&self) -> NetHandle {
        lock(&self.shared.net).clone()
    }

    /// Members that are connected, with the address at the other end.
    #[must_use]
    pub fn connected(&self) -> BTreeMap<NodeId, Multiaddr> {
        lock(&self.shared.peers).clone()
    }

    /// Where this node can be dialled.
    #[must_use]
    pub fn listening(&self) -> BTreeSet<Multiaddr> {
        lock(&self.shared.listening).clone()
    }

    /// The words that both sides of a join show.
    #[must_use]
    pub fn words_of(&self, node: &NodeId) -> Option<[&'static str; 4]> {
        lock(&self.shared.words).get(node).copied()
    }

    /// Counts what changes, in the catalog or in who is connected.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Command,
    ) -> Result<T, Failure> {
        let (done, result) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| stopping())?;
        result.await.map_err(|_| stopping())?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopping() -> Failure {
    Failure::new(FailureCode::Busy, "cannot do what was asked", "the daemon is stopping")
}

fn engine_failure(what: &str, error: &EngineError) -> Failure {
    let code = match error {
        EngineError::NotAnOperator => FailureCode::Refused,
        EngineError::NotAMember { .. } => FailureCode::NotFound,
        EngineError::ExpelsItself | EngineError::TooMany => FailureCode::Conflict,
        _ => FailureCode::Internal,
    };
    Failure::caused(code, what, error)
}

fn net_failure(what: &str, error: &NetError) -> Failure {
    let code = match error {
        NetError::TicketRefused { .. } | NetError::Refused { .. } => FailureCode::Refused,
        _ => FailureCode::Unreachable,
    };
    Failure::caused(code, what, error)
}

//! The machine that owns what a node knows of its mesh.
//!
//! One rule: call [`Engine::handle`] with one input, then take everything out with
//! [`Engine::poll`], and carry it out *in that order*, before the next input. A
//! [`Output::Persist`] or [`Output::Tickets`] must be durable before anything after it is carried
//! out; several in a row may share one commit. When the last output was carried out, what the
//! input asked for is acknowledged.
//!
//! The engine never waits and has no thread, clock or socket. [`Output::Wait`], always the last
//! one, says when it wants [`Input::Tick`] at the latest.
//!
//! What it does not do: place replicas, fetch, run jobs. Those look at [`Engine::catalog`] when a
//! [`CatalogEvent`] tells them that something changed.

mod admit;
mod author;
mod machine;
mod orders;
mod peers;
mod talk;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

pub use machine::Engine;

use crate::{
    MeshId, NodeId, OrderId, Time,
    catalog::{CatalogEvent, NotTaken},
    key::NodeSecret,
    limits::MEMBERS_MAX,
    membership::{Outstanding, Ticket},
    order::ReadOrder,
    record::{Fact, RecordError, RecordKey, Role},
};

/// How often two connected nodes compare what they know, besides on connection.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(180);

/// Up to this much is added to it, so that a mesh does not talk in step.
pub const RECONCILE_JITTER: Duration = Duration::from_secs(60);

/// How soon after news that others may lack, or a change of members, they compare.
pub const RECONCILE_SOON: Duration = Duration::from_secs(2);

/// What an engine begins with.
pub struct Config {
    /// This node's key.
    pub secret: NodeSecret,
    /// The mesh it belongs to.
    pub mesh: MeshId,
    /// The mesh's first node; this one, or from the ticket.
    pub founder: NodeId,
    /// The name for the founder's own invitation. Others have theirs from joining.
    pub name: String,
    /// What the last [`Output::Tickets`] said.
    pub tickets: Vec<Outstanding>,
    /// What an order asks for, as this node reads it.
    pub read_order: ReadOrder,
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer is connected (for the first of several connections).
    Connected {
        /// Who, as the transport authenticated it.
        peer: NodeId,
    },
    /// The last connection to a peer is gone.
    Disconnected {
        /// Who.
        peer: NodeId,
    },
    /// A control frame came.
    Frame {
        /// From whom.
        from: NodeId,
        /// What.
        bytes: Vec<u8>,
    },
    /// A gossiped record came.
    Gossip {
        /// From whom it came here; not its author.
        from: NodeId,
        /// The signed record.
        bytes: Vec<u8>,
    },
    /// This node has something to say. Nothing happens when it says so already.
    Publish {
        /// What.
        fact: Fact,
    },
    /// What this node said of a key holds no more.
    Remove {
        /// Which.
        key: RecordKey,
    },
    /// Make a ticket.
    Invite {
        /// What the new node shall be.
        role: Role,
        /// How much it may be given to hold, bytes.
        quota_bytes: Option<u64>,
        /// How long the ticket is good.
        valid: Duration,
        /// Where this node can be reached.
        addresses: Vec<String>,
    },
    /// A ticket shall not be good any more.
    CancelTicket {
        /// Its id, [`Ticket::peer`].
        peer: NodeId,
    },
    /// Turn a node out.
    Expel {
        /// Which.
        node: NodeId,
    },
    /// Somebody came with a ticket's key.
    JoinRequest {
        /// The key it came with, as the transport authenticated it.
        ticket: NodeId,
        /// A signed [`crate::membership::JoinRequest`].
        bytes: Vec<u8>,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Store a record, in place of the one with the same author and key. Durably before going on.
    Persist {
        /// Whose.
        author: NodeId,
        /// Its key.
        key: Arc<str>,
        /// The signed bytes, for [`Engine::new`] at the next start.
        bytes: Arc<[u8]>,
    },
    /// Store these in place of what was stored of tickets. Durably before going on. The transport
    /// is to let in whoever comes with the key of an open one, for joining only.
    Tickets(Vec<Outstanding>),
    /// Send a control frame, if the peer is still connected.
    Send {
        /// To whom.
        to: NodeId,
        /// At most [`crate::limits::FRAME_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Spread a record.
    Gossip {
        /// At most [`crate::limits::RECORD_BYTES_MAX`].
        bytes: Arc<[u8]>,
    },
    /// Who may connect from now on; hang up on others. This node is among them.
    Members(BTreeSet<NodeId>),
    /// A ticket was made. The only time that its secret is told.
    Invited(Ticket),
    /// Answer somebody who came with a ticket.
    JoinAnswer {
        /// The key it came with.
        ticket: NodeId,
        /// A [`crate::membership::JoinAnswer`].
        bytes: Vec<u8>,
    },
    /// Something happened that others want to know.
    Event(Event),
    /// Nothing more now. Give [`Input::Tick`] at this time at the latest.
    Wait(Time),
}

/// What others want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The catalog is other than before.
    Catalog(CatalogEvent),
    /// Execute this order, once, and publish its [`Fact::Result`]. That it was begun is already
    /// written down.
    OrderArrived {
        /// Who issued it.
        issuer: NodeId,
        /// Which; look it up in the catalog.
        order: OrderId,
    },
    /// A node joined with a ticket of this one; both sides show these words.
    Joined {
        /// Which.
        node: NodeId,
        /// The ticket's id.
        ticket: NodeId,
        /// To compare.
        words: [&'static str; 4],
    },
    /// Peers knew records of this node that it had lost: it was put back from an old copy. What
    /// depends on its own records (jobs, archives) is to be read from the catalog anew.
    OwnHistoryLearned {
        /// How many came at once.
        records: usize,
    },
    /// This node was expelled.
    Expelled,
    /// A peer sent so much rubbish that it is not listened to for a while.
    PeerIgnored {
        /// Who.
        peer: NodeId,
    },
}

/// Why something that this node wanted did not happen.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The record cannot be written.
    #[error("the record cannot be written")]
    Record(#[source] RecordError),
    /// This node's own record does not count.
    #[error("this node may not say anything in the mesh")]
    NotTaken(#[source] NotTaken),
    /// Only operators do this.
    #[error("this node is not an operator of the mesh")]
    NotAnOperator,
    /// There is no such member.
    #[error("{node} is not a member of the mesh")]
    NotAMember {
        /// Who is not.
        node: NodeId,
    },
    /// A node cannot turn itself out.
    #[error("a node cannot expel itself; let another operator do it")]
    ExpelsItself,
    /// The mesh or the node has as many as it may.
    #[error("there are too many open tickets, or the mesh has {MEMBERS_MAX} members")]
    TooMany,
    /// This node has used up its version numbers.
    #[error("this node's version numbers are used up")]
    NoVersionLeft,
}

/// What went wrong since the start, for the status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Stored records that could not be read at the start; they come again from peers.
    pub damaged_at_start: u64,
    /// Frames that were not as they must be.
    pub bad_frames: u64,
    /// Records that were not as they must be, forged ones among them.
    pub bad_records: u64,
    /// Records of strangers, of expelled nodes, of other meshes, or too many of one author.
    pub not_taken: u64,
    /// Frames dropped because their sender sent too many, or is being ignored.
    pub frames_dropped: u64,
    /// Two different records with one version for one key.
    pub equivocations: u64,
}

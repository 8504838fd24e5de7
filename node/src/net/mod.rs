//! Everything libp2p: who may connect, control frames, gossip, bulk streams, joining.
//!
//! Words. A *frame* is one message of at most [`FRAME_BYTES_MAX`] bytes to one peer, answered with
//! an acknowledgement or a numbered [`Refusal`]. *Gossip* is one signed record pushed to the whole
//! mesh. A *bulk stream* is a long-lived pair of byte streams to one peer. A *ticket* is the peer id
//! of a one-time key; whoever holds the key may connect, for one thing: to ask to join.
//!
//! [`start`] runs one network task on the caller's tokio runtime and returns a [`NetHandle`] (clone
//! it freely) and the [`NetEvents`], which the driver must keep reading. This module never looks
//! into a frame, a record or a join request, and never decides whom to dial when.
//!
//! Who may speak. A connection is refused right after the security handshake, before any protocol
//! of ours exists on it, unless its key is a member or an outstanding ticket. A ticket's connection
//! has the join protocol and nothing else. Expelled members lose their connections at once.
//!
//! Back-pressure. Every queue is bounded ([`limits`]). When the driver is slow, frames wait on the
//! wire or are refused with [`Refusal::Busy`] (senders try again for a while), gossip is dropped
//! (reconciling fills the gap), bulk streams wait, and connection events wait their turn; when even
//! those are too many, the network stands still until the driver reads on. Commands are carried out
//! meanwhile, so a driver may await every command except [`NetHandle::send`] and
//! [`NetHandle::open_bulk`], which depend on the peer: give those a task of their own.
//!
//! Order. Frames to one peer can overtake each other; gossip and frames do so anyway.
//!
//! [`FRAME_BYTES_MAX`]: protocol::limits::FRAME_BYTES_MAX

mod behaviour;
mod bulk;
mod command;
mod dial;
mod error;
mod event;
mod frame;
mod gate;
mod handle;
mod identity;
mod join;
pub mod limits;
mod outbox;
mod peers;
mod service;
mod swarm_event;
#[cfg(test)]
mod tests;
mod tickets;
mod traffic;
mod transport;

pub use bulk::BulkStream;
pub use error::{NetError, Refusal};
pub use event::{GossipId, NetEvent, NetEvents, Verdict};
pub use handle::NetHandle;
pub use identity::{node_id, peer_id};
pub use join::join;
pub use libp2p::{Multiaddr, PeerId};
pub use service::{NetConfig, start};

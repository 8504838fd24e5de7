//! The Unix socket between the daemon and the commands of this machine, and what it shares with
//! others who ask: HTTP clients, and members over the mesh.
//!
//! The daemon [`Server::bind`]s `control.sock` in its data folder and answers each connection's one
//! request through its [`Handler`]. Only root and the daemon's own user are heard: the file's mode
//! says so, and the kernel's word on who connected is asked again for each connection. While a
//! request is at work its [`EventSink`] tells the caller how far it is; a caller that reads slowly,
//! or not at all, never slows the work down.
//!
//! A caller cancels with a frame. One that simply goes away cancels only what is of no use without
//! it ([`Request::ends_with_its_caller`](protocol::control::Request::ends_with_its_caller)): a
//! backup or a restore does not die with somebody's terminal.

mod address;
mod bound;
mod cancel;
mod client;
mod converse;
mod events;
mod frames;
mod server;
mod work;

use std::future::Future;

use protocol::{
    NodeId,
    control::{Failure, NodeRef, Reply, Request},
};

pub use address::{AddressError, SOCKET_FILE};
pub use bound::ServerError;
pub(crate) use bound::{Bound, SocketFile};
pub use cancel::{Cancel, CancelSwitch};
pub use client::{ClientError, ask};
pub(crate) use converse::{Listening, Patience, answer, hear, not_understood, put, tell_end};
pub use events::EventSink;
pub(crate) use frames::{FrameError, Waits};
pub(crate) use server::STOP_WAIT;
pub use server::{CONNECTIONS_MAX, Server};
pub(crate) use work::{Work, validate};

/// A client of the HTTP interface, whose key was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCaller {
    /// The first digits of its key.
    pub key: String,
    /// It may look and change nothing.
    pub read_only: bool,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A process of this machine, as the kernel knows it.
    Local {
        /// Its user: root or the daemon's own.
        uid: u32,
        /// Its number, for the log.
        pid: Option<i32>,
    },
    /// A client of the HTTP interface.
    Http(HttpCaller),
    /// Another member of the mesh, as the transport or the signature of its order says.
    Node(NodeId),
}

/// What answers requests: the daemon.
pub trait Handler: Send + Sync + 'static {
    /// Carries one request out. It runs in a task of its own and is never dropped half-way, except
    /// when the daemon ends; it should look at [`EventSink::cancel`] where it can stop.
    fn handle(
        &self,
        caller: Caller,
        request: Request,
        events: EventSink,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// Has another member carry it out, as [`Handler::handle`] otherwise. It is dropped half-way
    /// when the daemon ends: what changes something goes on there.
    fn pass_on(
        &self,
        caller: Caller,
        node: NodeRef,
        request: Request,
        events: EventSink,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;
}

#[cfg(test)]
mod tests;

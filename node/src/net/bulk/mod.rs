//! Bulk streams: byte streams to a peer, for chunks and for requests, each a protocol of its own.
//!
//! libp2p's own stream behaviour drops inbound streams without a word when nobody is waiting for
//! one, after the opener was told that all is well. So a stream of ours begins with a greeting: the
//! opener sends its version, the acceptor answers with a code once its driver's queue has taken the
//! stream; and the opener picks a connection on purpose, not at random.
//!
//! ```text
//! opener:   version u8 (1)          acceptor: code u8 (0 = accepted, else a refusal)
//! then, each way: pieces of length u32, big endian (1 … 65532) | bytes;  length 0 ends the way
//! ```
//!
//! Pieces are there because yamux shows a lost connection and a reset stream as a normal end. With
//! them, an end without the ending piece is an error, so a truncated transfer cannot look whole.

mod behaviour;
mod greeting;
mod handler;
mod stream;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Sealed objects.
    Bulk,
    /// One request and its answer.
    Ask,
}

pub(super) use behaviour::{Behaviour, Inbound, OpenError, Opener};
pub(super) use greeting::{accept, greet};
pub use stream::BulkStream;

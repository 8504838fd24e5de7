//! Talking to an instance: a server that speaks the HTTP contract and is no member of a mesh.
//!
//! [`Client`] makes one connection per call, over TLS unless the address is without it. It follows
//! no redirect, uses no proxy, keeps no cookies, and gives the key to nobody but the host of the
//! address, in one header; errors never repeat it. Everything that comes back is hostile: heads and
//! bodies are bounded, each wait has an end, texts are cut, and numbers are compared with what they
//! must be. What an answer has beyond that is ignored, and what may be missing may be missing,
//! because the contract is implemented by more than one program.

mod answers;
mod calls;
pub(crate) mod decoders;
mod error;
mod http;
mod part;
mod tls;

pub use answers::{Archive, Health, Job, Run, Started, Upload};
pub use calls::{Client, NewUpload};
pub use error::{ClientError, Retry};
pub use part::{PIECE_BYTES, PartBody, PartFeed, part};

use std::time::Duration;

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the connection is there, encrypted.
    pub connect: Duration,
    /// Until a short question is answered.
    pub answer: Duration,
    /// Between two pieces of a part, and until its answer.
    pub part: Duration,
    /// Until an upload is checked as a whole.
    pub finish: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(30),
            part: Duration::from_secs(120),
            finish: Duration::from_secs(900),
        }
    }
}

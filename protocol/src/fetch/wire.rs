//! Frames of the bulk protocol, to and from bytes. WIRE.md describes them.
//!
//! A frame is a kind, a length and that many bytes. The *requester* opens a stream, says hello,
//! and sends want-lists; the *responder* answers each wanted id in order, with the object or with
//! its absence. Nothing here reads or writes: the shell reads [`HEADER_BYTES`], asks
//! [`Header::decode`] whether the rest may follow, reads it, and decodes it. The bytes of an object
//! are never copied through here.

use super::WANT_LINKS_MAX;
use crate::{SealedId, limits::OBJECT_BYTES_MAX, object::Link};

mod error;
mod frame;
#[cfg(test)]
mod tests;

pub use error::{ErrorCode, WireError};

/// The version spoken here.
pub const VERSION: u16 = 1;

/// Bytes of the head of every frame.
pub const HEADER_BYTES: usize = 5;

/// Bytes of an object frame before the object: its id.
pub const OBJECT_ID_BYTES: usize = SealedId::BYTES;

/// The longest text of an error frame, bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 200;

const MAGIC: [u8; 4] = *b"BMbk";
const HELLO_BYTES: usize = 7;
const WELCOME_BYTES: usize = 2;
const WANT_BYTES: usize = SealedId::BYTES + 4;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The requester wants objects.
    Fetch = 1,
}

/// What kind of frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Requester: the first frame.
    Hello = 1,
    /// Responder: the answer to it.
    Welcome = 2,
    /// Requester: a want-list.
    Want = 3,
    /// Responder: an object.
    Object = 4,
    /// Responder: it has not got an object.
    Absent = 5,
    /// Either: something is wrong; the stream ends here.
    Error = 6,
    /// Either: the stream ends here, and all is well.
    Bye = 7,
    /// Either: a sign of life, not answered.
    Alive = 8,
}

/// The head of a frame, within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// How many bytes of it.
    pub bytes: usize,
}

/// A frame, without the bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// See [`Kind::Hello`].
    Hello {
        /// The newest version the requester speaks.
        version: u16,
        /// What it opened the stream for.
        purpose: Purpose,
    },
    /// See [`Kind::Welcome`].
    Welcome {
        /// The version that is spoken from here on: not above the requester's.
        version: u16,
    },
    /// See [`Kind::Want`].
    Want(Vec<Link>),
    /// See [`Kind::Absent`].
    Absent(SealedId),
    /// See [`Kind::Error`].
    Error {
        /// What went wrong.
        code: ErrorCode,
        /// The same for people.
        text: String,
    },
    /// See [`Kind::Bye`].
    Bye,
    /// See [`Kind::Alive`].
    Alive,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Hello,
            Self::Welcome,
            Self::Want,
            Self::Object,
            Self::Absent,
            Self::Error,
            Self::Bye,
            Self::Alive,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    /// How many bytes may follow the head.
    fn bounds(self) -> (usize, usize) {
        match self {
            Self::Hello => (HELLO_BYTES, HELLO_BYTES),
            Self::Welcome => (WELCOME_BYTES, WELCOME_BYTES),
            Self::Want => (WANT_BYTES, WANT_BYTES * WANT_LINKS_MAX),
            Self::Object => (OBJECT_ID_BYTES + 1, OBJECT_ID_BYTES + OBJECT_BYTES_MAX),
            Self::Absent => (SealedId::BYTES, SealedId::BYTES),
            Self::Error => (2, 2 + ERROR_TEXT_BYTES_MAX),
            Self::Bye | Self::Alive => (0, 0),
        }
    }
}

impl Header {
    /// Reads the head of a frame.
    ///
    /// # Errors
    /// When the kind is unknown, or the length not one that this kind can have.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let [kind, length @ ..] = *bytes;
        let kind = Kind::from_byte(kind).ok_or(WireError::UnknownKind { kind })?;
        let length = u32::from_be_bytes(length);
        let (bytes_min, bytes_max) = kind.bounds();
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if (bytes_min..=bytes_max).contains(&bytes) {
            Ok(Self { kind, bytes })
        } else {
            Err(WireError::BadLength { kind, bytes: length })
        }
    }

    /// Writes the head of a frame.
    ///
    /// # Panics
    /// When a frame larger than its bound is to be written, which is a programmer's error.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let (bytes_min, bytes_max) = self.kind.bounds();
        assert!((bytes_min..=bytes_max).contains(&self.bytes), "{self:?} is out of bounds");
        let mut out = [self.kind as u8; HEADER_BYTES];
        let length = u32::try_from(self.bytes).unwrap_or(u32::MAX);
        out[1..].copy_from_slice(&length.to_be_bytes());
        out
    }
}

/// The beginning of an object frame; the object's bytes follow it.
///
/// # Panics
/// When the object is empty or larger than any object may be.
#[must_use]
pub fn object_head(link: Link) -> [u8; HEADER_BYTES + OBJECT_ID_BYTES] {
    let bytes = OBJECT_ID_BYTES.saturating_add(link.bytes as usize);
    let mut out = [0; HEADER_BYTES + OBJECT_ID_BYTES];
    out[..HEADER_BYTES].copy_from_slice(&Header { kind: Kind::Object, bytes }.encode());
    out[HEADER_BYTES..].copy_from_slice(&link.id.0);
    out
}

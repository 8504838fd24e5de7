//! Making sealed objects from plaintext, and opening them again.
//!
//! A [`Sealer`] compresses, derives a key that belongs to exactly these bytes, encrypts and names.
//! An [`Opener`] does the reverse and believes nothing: the tag, the length and at the end the
//! [`crate::ChunkId`] must all hold. Equal plaintext of one origin gives equal sealed bytes (with
//! the same build and settings), so that chunks are found again without anybody else being able to tell
//! what they are.
//!
//! Words: *payload*, what is encrypted (the plaintext, or its compressed form); *salt*, a keyed
//! hash of the payload and all that surrounds it, from which the key of this one object derives;
//! *delta*, a leaf that is compressed with another chunk, its *base*, in front. FORMAT.md, chapter
//! 4, says why no key and nonce ever meet two payloads.
//!
//! One [`Sealer`] or [`Opener`] per worker thread; both reuse their zstd contexts.

mod delta;
mod keys;
mod meta;
mod opener;
mod sealer;
mod zip;

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
mod tests;

use crate::{ChunkId, SealedId, object::ObjectError};

pub use meta::{META_OVERHEAD_BYTES, open_meta, seal_meta};
pub use opener::Opener;
pub use sealer::{SealChoice, SealedObject, Sealer};

/// How many bases may stand behind one another. Each is one more object to fetch and unzip.
pub const DELTA_DEPTH_MAX: usize = 4;

/// The level that is a good bargain on the machines this runs on.
pub const ZSTD_LEVEL: i32 = 3;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The bytes are no sealed object.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A leaf where a branch belongs, or the reverse.
    #[error("{chunk:?} is not the kind of object it should be")]
    Kind {
        /// What was to be opened.
        chunk: ChunkId,
    },
    /// Larger than its kind may be.
    #[error("{what} has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The tag does not hold: another key, another chunk, or changed bytes.
    #[error("{chunk:?} cannot be decrypted: it was changed, or sealed with another archive key")]
    Tag {
        /// What was to be opened.
        chunk: ChunkId,
    },
    /// Opened, but the plaintext is not the one that was asked for.
    #[error("{chunk:?} opens to bytes that are not its own")]
    WrongPlaintext {
        /// What was to be opened.
        chunk: ChunkId,
    },
    /// zstd refused; its reason is in the error.
    #[error("zstd: {0}")]
    Zstd(&'static str),
    /// What was unzipped is not what the frame states, or there is more than one frame.
    #[error("a compressed payload does not have the length it states")]
    ZippedLength,
    /// More bases behind one another than allowed.
    #[error("{chunk:?} stands on more than {DELTA_DEPTH_MAX} bases")]
    TooDeep {
        /// The base that is one too many.
        chunk: ChunkId,
    },
    /// The base of a delta could not be had.
    #[error("the base {chunk:?} of a chunk cannot be read")]
    Base {
        /// The base by its plaintext.
        chunk: ChunkId,
        /// The base by its sealed bytes.
        sealed: SealedId,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The private part of a record cannot be opened.
    #[error("the private part of a record was changed, or sealed with another archive key")]
    Meta,
}

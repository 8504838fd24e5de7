//! The ordered list of chunks that an archive is, in pages, so that a terabyte needs no more memory
//! than a megabyte and two nights share most of it.
//!
//! A *page* is a branch that lists some thousand chunks and, after them, the bases that deltas
//! among them stand on: so all that an archive needs is reached from its root through links of branches,
//! by anybody. Pages end where a chunk's id says so, not at a count, so that an insertion moves
//! nothing. The *root* lists the pages of the manifest and of the contents.
//!
//! Written by [`ManifestWriter`] as chunks come; read through [`Root::open`] and [`open_page`]. A
//! writer can leave a *gap* for one chunk of a known length, whose bytes follow from what comes after
//! it (a header that states the length of its data), and fill it later with a page of its own.

mod page;
mod root;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::object::ChunkRef;
pub use page::{PageRef, decode_page, open_page};
pub use root::{Root, RootRef};
pub use writer::ManifestWriter;

use crate::{
    SealedId,
    cbor::CborError,
    object::{Link, sealed_id},
    seal::SealError,
};

/// The most chunks a page lists; on average it is a quarter of that.
pub const PAGE_CHUNKS_MAX: usize = 4_096;

/// The most pages of a manifest: about 20 TB of archive.
pub const PAGES_MAX: usize = 65_536;

/// The most pages of contents: some 15 million members.
pub const CONTENTS_PAGES_MAX: usize = 32_768;

/// Why a manifest cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The bytes are not the object that was asked for.
    #[error("the object {id:?} of a manifest was asked for, other bytes came")]
    WrongObject {
        /// What was asked for.
        id: SealedId,
    },
    /// The root's private part is not what it should be.
    #[error("the root of a manifest cannot be read")]
    Root(#[source] CborError),
    /// What is listed does not fit together.
    #[error("a {what} of a manifest contradicts itself: {why}")]
    Contradiction {
        /// Which sort of object.
        what: &'static str,
        /// In which way.
        why: &'static str,
    },
    /// A chunk of a length that no chunk has.
    #[error("a chunk cannot have {plain_bytes} bytes, or {sealed_bytes} sealed")]
    ChunkBytes {
        /// Its part of the stream.
        plain_bytes: u32,
        /// What is stored.
        sealed_bytes: u32,
    },
    /// A gap was left, filled or finished in the wrong order.
    #[error("a gap of a manifest {0}")]
    Gap(&'static str),
    /// The archive is larger than a root can describe.
    #[error("an archive needs more than {pages_max} {what}")]
    TooManyPages {
        /// Of what.
        what: &'static str,
        /// The bound.
        pages_max: usize,
    },
}

/// Whether bytes are the object a link names.
pub(crate) fn check_object(link: &Link, bytes: &[u8]) -> Result<(), ManifestError> {
    if bytes.len() as u64 == u64::from(link.bytes) && sealed_id(bytes) == link.id {
        Ok(())
    } else {
        Err(ManifestError::WrongObject { id: link.id })
    }
}

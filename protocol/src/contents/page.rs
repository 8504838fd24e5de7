//! How the root names a page of contents, and opening it.

use super::{ContentsError, Entry, codec::decode_contents};
use crate::{
    ChunkId,
    object::{Link, sealed_id},
    seal::Opener,
};

/// How much of the lowest and the highest path the root keeps.
pub(super) const HINT_BYTES: usize = 64;

/// A page of contents, and what it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentsPageRef {
    /// Its private name.
    pub chunk: ChunkId,
    /// Its public name.
    pub link: Link,
    /// How many members it lists.
    pub entries: u32,
    /// Where its first member begins in the stream, bytes.
    pub offset: u64,
    /// The beginning of the lowest path in it, byte by byte.
    pub low: Vec<u8>,
    /// The beginning of the highest path in it.
    pub high: Vec<u8>,
}

impl ContentsPageRef {
    /// Whether this path may be listed there; false is certain.
    #[must_use]
    pub fn may_hold(&self, path: &[u8]) -> bool {
        self.low.as_slice() <= path && &path[..path.len().min(HINT_BYTES)] <= self.high.as_slice()
    }

    /// Whether a path that begins so may be listed there; false is certain.
    #[must_use]
    pub fn may_hold_below(&self, prefix: &[u8]) -> bool {
        let low = &self.low[..self.low.len().min(prefix.len())];
        low <= prefix && &prefix[..prefix.len().min(HINT_BYTES)] <= self.high.as_slice()
    }
}

/// All pages of an archive's contents, for [`crate::manifest::ManifestWriter::finish`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ContentsPages(pub(super) Vec<ContentsPageRef>);

impl ContentsPages {
    pub(crate) fn into_pages(self) -> Vec<ContentsPageRef> {
        self.0
    }
}

/// The members a page lists, in the order of the stream, with offsets in the stream.
///
/// # Errors
/// When the bytes are not this page, or it disagrees with what the root says of it.
pub fn open_contents_page(
    opener: &mut Opener,
    page: &ContentsPageRef,
    bytes: &[u8],
) -> Result<Vec<Entry>, ContentsError> {
    if bytes.len() as u64 != u64::from(page.link.bytes) || sealed_id(bytes) != page.link.id {
        return Err(ContentsError::WrongObject { id: page.link.id });
    }
    let (links, private) = opener.open_branch(&page.chunk, bytes)?;
    if !links.is_empty() {
        return Err(ContentsError::Malformed("it has links"));
    }
    let entries = decode_contents(&private, page.offset)?;
    if entries.len() as u64 == u64::from(page.entries) {
        Ok(entries)
    } else {
        Err(ContentsError::Malformed("the root counts its entries otherwise"))
    }
}

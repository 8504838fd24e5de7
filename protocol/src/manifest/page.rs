//! One page: some thousand chunks in the order of the stream.

use std::collections::BTreeSet;

use super::{ChunkRef, ManifestError, PAGE_CHUNKS_MAX, check_object};
use crate::{
    ChunkId,
    limits::CHUNK_BYTES_MAX,
    object::{LEAF_BYTES_MAX, Link, OBJECT_BYTES_MIN},
    seal::{DELTA_DEPTH_MAX, Opener, SealError, SealedObject, Sealer},
};

/// The first byte of a page's private part.
const TAG: u8 = 1;
const REF_BYTES: usize = ChunkId::BYTES + 4;

/// A page, and the part of the archive it describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRef {
    /// Its private name.
    pub chunk: ChunkId,
    /// Its public name.
    pub link: Link,
    /// How many chunks come before it.
    pub first_chunk: u64,
    /// How many it lists.
    pub chunks: u32,
    /// Where its first chunk begins in the stream, bytes.
    pub offset: u64,
    /// How much of the stream it describes, bytes.
    pub bytes: u64,
}

/// The chunks of a page, in order.
///
/// # Errors
/// When the bytes are not this page, or it disagrees with what the root says of it.
pub fn open_page(
    opener: &mut Opener,
    page: &PageRef,
    bytes: &[u8],
) -> Result<Vec<ChunkRef>, ManifestError> {
    check_object(&page.link, bytes)?;
    let (links, private) = opener.open_branch(&page.chunk, bytes)?;
    let refs = decode_page(&links, &private)?;
    let sum: u64 = refs.iter().map(|r| u64::from(r.plain_bytes)).sum();
    if refs.len() as u64 != u64::from(page.chunks) || sum != page.bytes {
        return Err(contradiction("the root counts otherwise"));
    }
    Ok(refs)
}

/// The chunks of a page from its links and private bytes, as [`Opener::open_branch`] gives them.
///
/// # Errors
/// When they are no page.
pub fn decode_page(links: &[Link], private: &[u8]) -> Result<Vec<ChunkRef>, ManifestError> {
    let Some((&TAG, rest)) = private.split_first() else {
        return Err(contradiction("it is no page of version 1"));
    };
    let (count, rest) =
        rest.split_first_chunk::<4>().ok_or(contradiction("it ends before its first chunk"))?;
    let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
    if count == 0 || count > PAGE_CHUNKS_MAX || rest.len() != count * REF_BYTES {
        return Err(contradiction("the number of its chunks is wrong"));
    }
    if links.len() < count || links.len() - count > count * DELTA_DEPTH_MAX {
        return Err(contradiction("the number of its links is wrong"));
    }
    links.iter().zip(rest.as_chunks::<REF_BYTES>().0).map(|(l, r)| decode_ref(l, r)).collect()
}

fn decode_ref(link: &Link, bytes: &[u8; REF_BYTES]) -> Result<ChunkRef, ManifestError> {
    let (id, plain) = bytes.split_first_chunk().expect("a reference begins with an id");
    let plain = plain.try_into().expect("and goes on with a length");
    let chunk = ChunkRef {
        chunk: ChunkId(*id),
        sealed: link.id,
        plain_bytes: u32::from_le_bytes(plain),
        sealed_bytes: link.bytes,
    };
    check_ref(&chunk)?;
    Ok(chunk)
}

/// Refuses lengths that no chunk has.
pub(super) fn check_ref(chunk: &ChunkRef) -> Result<(), ManifestError> {
    let within = |bytes: u32, min, max| (min..=max).contains(&(bytes as usize));
    if within(chunk.plain_bytes, 1, CHUNK_BYTES_MAX)
        && within(chunk.sealed_bytes, OBJECT_BYTES_MIN, LEAF_BYTES_MAX)
    {
        return Ok(());
    }
    let &ChunkRef { plain_bytes, sealed_bytes, .. } = chunk;
    Err(ManifestError::ChunkBytes { plain_bytes, sealed_bytes })
}

pub(super) fn seal_page(
    refs: &[ChunkRef],
    bases: &BTreeSet<Link>,
    sealer: &mut Sealer,
) -> Result<SealedObject, SealError> {
    let links: Vec<Link> = refs.iter().map(ChunkRef::link).chain(bases.iter().copied()).collect();
    let mut private = Vec::with_capacity(5 + refs.len() * REF_BYTES);
    private.push(TAG);
    private.extend(u32::try_from(refs.len()).expect("a page has a bound").to_le_bytes());
    for chunk in refs {
        private.extend(chunk.chunk.0);
        private.extend(chunk.plain_bytes.to_le_bytes());
    }
    sealer.seal_branch(&links, &private)
}

fn contradiction(why: &'static str) -> ManifestError {
    ManifestError::Contradiction { what: "page", why }
}

//! The root: which pages an archive consists of.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{CONTENTS_PAGES_MAX, ManifestError, PAGE_CHUNKS_MAX, PAGES_MAX, PageRef, check_object};
use crate::{
    ChunkId, cbor,
    contents::{CONTENTS_ENTRIES_MAX, ContentsPageRef},
    limits::{CHUNK_BYTES_MAX, OBJECT_BYTES_MAX},
    object::Link,
    seal::{Opener, SealError, SealedObject, Sealer},
};

/// The first byte of a root's private part.
const TAG: u8 = 3;

/// What names an archive's bytes: the link is public, in its record; the chunk id is private.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootRef {
    /// The root's private name.
    pub chunk: ChunkId,
    /// The root's public name.
    pub link: Link,
}

/// An archive's manifest and contents, by page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Root {
    /// The length of the tar stream.
    pub stream_bytes: u64,
    /// How many chunks it is.
    pub chunks: u64,
    /// The pages of the manifest, in the order of the stream.
    pub pages: Vec<PageRef>,
    /// The pages of the contents, in the order of the stream.
    pub contents: Vec<ContentsPageRef>,
}

/// The private part, as CBOR: what the links do not say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    stream_bytes: u64,
    chunks: u64,
    /// Id, chunks, bytes.
    pages: Vec<(ChunkId, u32, u64)>,
    /// Id, entries, offset, lowest and highest path.
    contents: Vec<(ChunkId, u32, u64, ByteBuf, ByteBuf)>,
}

impl Root {
    /// Opens a root.
    ///
    /// # Errors
    /// When the bytes are not this root, or contradict themselves.
    pub fn open(opener: &mut Opener, root: &RootRef, bytes: &[u8]) -> Result<Self, ManifestError> {
        check_object(&root.link, bytes)?;
        let (links, private) = opener.open_branch(&root.chunk, bytes)?;
        Self::decode(&links, &private)
    }

    /// A root from its links and its private bytes, as [`Opener::open_branch`] gives them.
    ///
    /// # Errors
    /// When they are no root, or its numbers contradict one another.
    pub fn decode(links: &[Link], private: &[u8]) -> Result<Self, ManifestError> {
        let Some((&TAG, body)) = private.split_first() else {
            return Err(contradiction("it is no root of version 1"));
        };
        let body: Body = cbor::decode("the root of a manifest", body, OBJECT_BYTES_MAX)
            .map_err(ManifestError::Root)?;
        check_count("pages", body.pages.len(), PAGES_MAX)?;
        check_count("pages of contents", body.contents.len(), CONTENTS_PAGES_MAX)?;
        if links.len() != body.pages.len() + body.contents.len() {
            return Err(contradiction("the number of its links is wrong"));
        }
        let (page_links, contents_links) = links.split_at(body.pages.len());
        let pages = place_pages(page_links, &body)?;
        let contents = place_contents(contents_links, body.contents, body.stream_bytes)?;
        Ok(Self { stream_bytes: body.stream_bytes, chunks: body.chunks, pages, contents })
    }

    pub(super) fn seal(&self, sealer: &mut Sealer) -> Result<SealedObject, SealError> {
        let pages = self.pages.iter().map(|p| p.link);
        let links: Vec<Link> = pages.chain(self.contents.iter().map(|p| p.link)).collect();
        let contents = self.contents.iter().map(|p| {
            let (low, high) = (p.low.clone(), p.high.clone());
            (p.chunk, p.entries, p.offset, ByteBuf::from(low), ByteBuf::from(high))
        });
        let body = Body {
            stream_bytes: self.stream_bytes,
            chunks: self.chunks,
            pages: self.pages.iter().map(|p| (p.chunk, p.chunks, p.bytes)).collect(),
            contents: contents.collect(),
        };
        sealer.seal_branch(&links, &[&[TAG][..], &cbor::encode(&body)].concat())
    }

    /// Which of [`Root::pages`] describes this place of the stream.
    #[must_use]
    pub fn page_at_offset(&self, offset: u64) -> Option<usize> {
        let page = self.pages.partition_point(|p| p.offset + p.bytes <= offset);
        (page < self.pages.len()).then_some(page)
    }

    /// Which of [`Root::pages`] lists the chunk with this number.
    #[must_use]
    pub fn page_of_chunk(&self, index: u64) -> Option<usize> {
        let page = self.pages.partition_point(|p| p.first_chunk + u64::from(p.chunks) <= index);
        (page < self.pages.len()).then_some(page)
    }
}

/// Adds the pages up; bounded counts and lengths keep the sums far from overflowing.
fn place_pages(links: &[Link], body: &Body) -> Result<Vec<PageRef>, ManifestError> {
    let (mut first_chunk, mut offset) = (0, 0);
    let mut pages = Vec::with_capacity(links.len());
    for (&link, &(chunk, chunks, bytes)) in links.iter().zip(&body.pages) {
        let count = u64::from(chunks);
        if count == 0
            || count > PAGE_CHUNKS_MAX as u64
            || !(count..=count * CHUNK_BYTES_MAX as u64).contains(&bytes)
        {
            return Err(contradiction("a page cannot be that long"));
        }
        pages.push(PageRef { chunk, link, first_chunk, chunks, offset, bytes });
        first_chunk += count;
        offset += bytes;
    }
    if (first_chunk, offset) != (body.chunks, body.stream_bytes) {
        return Err(contradiction("its pages do not add up to the stream"));
    }
    Ok(pages)
}

type ContentsBody = Vec<(ChunkId, u32, u64, ByteBuf, ByteBuf)>;

fn place_contents(
    links: &[Link],
    body: ContentsBody,
    stream_bytes: u64,
) -> Result<Vec<ContentsPageRef>, ManifestError> {
    let mut before = 0;
    let mut pages = Vec::with_capacity(links.len());
    for (&link, (chunk, entries, offset, low, high)) in links.iter().zip(body) {
        if entries == 0 || entries as usize > CONTENTS_ENTRIES_MAX {
            return Err(contradiction("a page of contents cannot have that many entries"));
        }
        if offset < before || offset >= stream_bytes {
            return Err(contradiction("its pages of contents are not in the order of the stream"));
        }
        before = offset;
        let (low, high) = (low.into_vec(), high.into_vec());
        pages.push(ContentsPageRef { chunk, link, entries, offset, low, high });
    }
    Ok(pages)
}

pub(super) fn check_count(
    what: &'static str,
    count: usize,
    pages_max: usize,
) -> Result<(), ManifestError> {
    if count <= pages_max { Ok(()) } else { Err(ManifestError::TooManyPages { what, pages_max }) }
}

fn contradiction(why: &'static str) -> ManifestError {
    ManifestError::Contradiction { what: "root", why }
}

//! Writing a manifest while the chunks of its archive come.

use std::collections::BTreeSet;

use super::{
    CONTENTS_PAGES_MAX, ChunkRef, ManifestError, PAGE_CHUNKS_MAX, PAGES_MAX, PageRef, Root,
    RootRef,
    page::{check_ref, seal_page},
    root::check_count,
};
use crate::{
    ChunkId, SealedId,
    contents::ContentsPages,
    limits::CHUNK_BYTES_MAX,
    object::Link,
    seal::{DELTA_DEPTH_MAX, SealedObject, Sealer},
};

/// A page ends after a chunk whose id is divisible by this: ids are keyed hashes already.
const PAGE_CHUNKS_AVG: u32 = 1_024;

/// Collects references to chunks and seals a page when one is full.
#[derive(Debug, Default)]
pub struct ManifestWriter {
    refs: Vec<ChunkRef>,
    bases: BTreeSet<Link>,
    root: Root,
    /// Which of the root's pages is a gap, when one is.
    gap: Option<usize>,
}

impl ManifestWriter {
    /// A manifest without chunks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next chunk of the stream, with the bases it stands on, nearest first (none for
    /// most). When that fills a page, the page is what the caller stores next.
    ///
    /// # Errors
    /// When the lengths are impossible, sealing fails, or the archive is too large.
    pub fn push(
        &mut self,
        chunk: &ChunkRef,
        bases: &[Link],
        sealer: &mut Sealer,
    ) -> Result<Option<SealedObject>, ManifestError> {
        check_ref(chunk)?;
        if bases.len() > DELTA_DEPTH_MAX {
            let why = "a chunk stands on too many bases";
            return Err(ManifestError::Contradiction { what: "page", why });
        }
        self.refs.push(*chunk);
        self.bases.extend(bases);
        if ends_page(&chunk.chunk) || self.refs.len() == PAGE_CHUNKS_MAX {
            self.seal_page(sealer).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Leaves room for one chunk of `plain_bytes` here, whose bytes are not known yet; the chunks
    /// pushed from now on come after it. The page before it, where there is one, is what the caller
    /// stores next.
    ///
    /// # Errors
    /// When another gap is not filled yet, the length is impossible, sealing fails, or the archive
    /// is too large.
    pub fn leave_gap(
        &mut self,
        plain_bytes: u32,
        sealer: &mut Sealer,
    ) -> Result<Option<SealedObject>, ManifestError> {
        if self.gap.is_some() {
            return Err(ManifestError::Gap("is left while another is open"));
        }
        if plain_bytes == 0 || plain_bytes as usize > CHUNK_BYTES_MAX {
            return Err(ManifestError::ChunkBytes { plain_bytes, sealed_bytes: 0 });
        }
        let before = if self.refs.is_empty() { None } else { Some(self.seal_page(sealer)?) };
        check_count("pages", self.root.pages.len() + 1, PAGES_MAX)?;
        self.gap = Some(self.root.pages.len());
        let nothing = Link { id: SealedId([0; SealedId::BYTES]), bytes: 0 };
        self.append_page(ChunkId([0; ChunkId::BYTES]), nothing, 1, u64::from(plain_bytes));
        Ok(before)
    }

    /// Fills the gap with its chunk, which must be as long as was said. The page that lists it
    /// alone is what the caller stores next.
    ///
    /// # Errors
    /// When there is no gap, the length is another, or sealing fails.
    pub fn fill_gap(
        &mut self,
        chunk: &ChunkRef,
        sealer: &mut Sealer,
    ) -> Result<SealedObject, ManifestError> {
        check_ref(chunk)?;
        let Some(at) = self.gap else { return Err(ManifestError::Gap("is filled but not there")) };
        let gap = &mut self.root.pages[at];
        if gap.bytes != u64::from(chunk.plain_bytes) {
            return Err(ManifestError::Gap("is filled with a chunk of another length"));
        }
        let page = seal_page(&[*chunk], &BTreeSet::new(), sealer)?;
        (gap.chunk, gap.link) = (page.chunk, page.link());
        self.gap = None;
        Ok(page)
    }

    /// Seals what is left and the root: the last page where there is one, the root last. They must
    /// be durable before the root is announced.
    ///
    /// # Errors
    /// When a gap was not filled, sealing fails, or the archive is too large.
    pub fn finish(
        mut self,
        contents: ContentsPages,
        sealer: &mut Sealer,
    ) -> Result<(Vec<SealedObject>, RootRef), ManifestError> {
        let mut objects = Vec::new();
        if self.gap.is_some() {
            return Err(ManifestError::Gap("was never filled"));
        }
        if !self.refs.is_empty() {
            objects.push(self.seal_page(sealer)?);
        }
        self.root.contents = contents.into_pages();
        check_count("pages of contents", self.root.contents.len(), CONTENTS_PAGES_MAX)?;
        let root = self.root.seal(sealer)?;
        let root_ref = RootRef { chunk: root.chunk, link: root.link() };
        objects.push(root);
        Ok((objects, root_ref))
    }

    fn seal_page(&mut self, sealer: &mut Sealer) -> Result<SealedObject, ManifestError> {
        check_count("pages", self.root.pages.len() + 1, PAGES_MAX)?;
        let page = seal_page(&self.refs, &self.bases, sealer)?;
        let bytes = self.refs.iter().map(|r| u64::from(r.plain_bytes)).sum();
        let chunks = u32::try_from(self.refs.len()).expect("a page has a bound");
        self.append_page(page.chunk, page.link(), chunks, bytes);
        self.refs.clear();
        self.bases.clear();
        Ok(page)
    }

    fn append_page(&mut self, chunk: ChunkId, link: Link, chunks: u32, bytes: u64) {
        let (first_chunk, offset) = (self.root.chunks, self.root.stream_bytes);
        self.root.pages.push(PageRef { chunk, link, first_chunk, chunks, offset, bytes });
        self.root.chunks += u64::from(chunks);
        self.root.stream_bytes += bytes;
    }
}

fn ends_page(chunk: &ChunkId) -> bool {
    let first = chunk.0.first_chunk().expect("an id has 32 bytes");
    u32::from_le_bytes(*first).is_multiple_of(PAGE_CHUNKS_AVG)
}

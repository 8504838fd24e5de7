//! Writing a manifest while the chunks of its archive come.

use std::collections::BTreeSet;

use super::{
    CONTENTS_PAGES_MAX, ChunkRef, ManifestError, PAGE_CHUNKS_MAX, PAGES_MAX, PageRef, Root,
    RootRef,
    page::{check_ref, seal_page},
    root::check_count,
};
use crate::{
    ChunkId,
    contents::ContentsPages,
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

    /// Seals what is left and the root: the last page where there is one, the root last. They must
    /// be durable before the root is announced.
    ///
    /// # Errors
    /// When sealing fails, or the archive is too large.
    pub fn finish(
        mut self,
        contents: ContentsPages,
        sealer: &mut Sealer,
    ) -> Result<(Vec<SealedObject>, RootRef), ManifestError> {
        let mut objects = Vec::new();
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
        self.root.pages.push(PageRef {
            chunk: page.chunk,
            link: page.link(),
            first_chunk: self.root.chunks,
            chunks,
            offset: self.root.stream_bytes,
            bytes,
        });
        self.root.chunks += u64::from(chunks);
        self.root.stream_bytes += bytes;
        self.refs.clear();
        self.bases.clear();
        Ok(page)
    }
}

fn ends_page(chunk: &ChunkId) -> bool {
    let first = chunk.0.first_chunk().expect("an id has 32 bytes");
    u32::from_le_bytes(*first).is_multiple_of(PAGE_CHUNKS_AVG)
}

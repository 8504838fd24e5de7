//! Reading an archive back from its objects, wherever they lie.
//!
//! An [`ArchiveReader`] holds the root and opens pages as they are needed, so a terabyte archive
//! costs no more memory than a megabyte one. Objects come from an [`Objects`]: this node's store,
//! or a store with holders behind it. Every object is verified by who hands it out, and opened
//! with the origin's key here; a wrong byte is an error, never data.

mod stream;

use std::{io, sync::Arc};

use protocol::{
    SealedId,
    contents::{self, ContentsError, ContentsPageRef, Entry},
    key::ArchiveKey,
    manifest::{self, ManifestError, Root, RootRef},
    object::{self, ChunkRef, Link},
    seal::{Opener, SealError},
};

pub use stream::ArchiveStream;

/// A place to get sealed objects from. Blocking; called from several threads at once.
pub trait Objects: Send + Sync {
    /// The verified bytes of an object.
    ///
    /// # Errors
    /// When nobody that can be reached has it whole.
    fn get(&self, link: &Link) -> Result<Vec<u8>, MissingObject>;

    /// These will be wanted soon, in this order. A hint: nothing need be done.
    fn prefetch(&self, _links: Vec<Link>) {}
}

/// An object that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("object {} is missing: {why}", id.short())]
pub struct MissingObject {
    /// Which.
    pub id: SealedId,
    /// Damaged here, absent at every holder, no holder in reach.
    pub why: String,
}

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An object of it is nowhere.
    #[error("the archive is not complete")]
    Missing(#[from] MissingObject),
    /// A page does not say what a page says.
    #[error("a page of the archive is damaged")]
    Page(#[source] ManifestError),
    /// A page of the contents does not say what one says.
    #[error("a page of the archive's contents is damaged")]
    Contents(#[source] ContentsError),
    /// A chunk does not open: another key, or damage that its hash did not show.
    #[error("a chunk of the archive does not open")]
    Chunk(#[source] SealError),
    /// A chunk is not as long as the manifest says.
    #[error("a chunk of the archive has {found} bytes, the manifest says {stated}")]
    Length {
        /// By the manifest.
        stated: u32,
        /// Opened.
        found: usize,
    },
    /// A reading thread ended.
    #[error("a reading thread stopped without saying why")]
    ThreadLost,
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}

/// A stretch of the tar stream, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub from: u64,
    /// The byte after the last one.
    pub to: u64,
}

/// An open archive.
#[derive(Clone)]
pub struct ArchiveReader {
    objects: Arc<dyn Objects>,
    key: ArchiveKey,
    root: Arc<Root>,
}

impl ArchiveReader {
    /// Opens the root.
    ///
    /// # Errors
    /// When it cannot be had or does not open with this key.
    pub fn open(
        objects: Arc<dyn Objects>,
        key: &ArchiveKey,
        root: &RootRef,
    ) -> Result<Self, ArchiveError> {
        let bytes = objects.get(&root.link)?;
        let opened = Root::open(&mut Opener::new(key), root, &bytes).map_err(ArchiveError::Page)?;
        Ok(Self { objects, key: key.clone(), root: Arc::new(opened) })
    }

    /// Bytes of the tar stream.
    #[must_use]
    pub fn stream_bytes(&self) -> u64 {
        self.root.stream_bytes
    }

    /// The pages of the contents, in the order of the stream.
    #[must_use]
    pub fn contents_pages(&self) -> &[ContentsPageRef] {
        &self.root.contents
    }

    /// The members of a page of the contents, in the order of the stream.
    ///
    /// # Errors
    /// When it cannot be had or read.
    pub fn entries_of(&self, page: &ContentsPageRef) -> Result<Vec<Entry>, ArchiveError> {
        let bytes = self.objects.get(&page.link)?;
        contents::open_contents_page(&mut Opener::new(&self.key), page, &bytes)
            .map_err(ArchiveError::Contents)
    }

    /// Hands out every member in the order of the stream, until `visit` answers `false`.
    ///
    /// # Errors
    /// When a page of the contents cannot be had or read.
    pub fn entries(&self, mut visit: impl FnMut(Entry) -> bool) -> Result<(), ArchiveError> {
        for page in self.contents_pages() {
            if !self.entries_of(page)?.into_iter().all(&mut visit) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands out every chunk in order, until `visit` answers `false`.
    ///
    /// # Errors
    /// When a page of the manifest cannot be had or read.
    pub fn chunks(&self, mut visit: impl FnMut(&ChunkRef) -> bool) -> Result<(), ArchiveError> {
        let mut opener = Opener::new(&self.key);
        for page in &self.root.pages {
            let bytes = self.objects.get(&page.link)?;
            let refs =
                manifest::open_page(&mut opener, page, &bytes).map_err(ArchiveError::Page)?;
            if !refs.iter().all(&mut visit) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The bytes of some spans, one after the other, with `threads` chunks being opened at once.
    ///
    /// The spans must ascend and not overlap.
    #[must_use]
    pub fn stream(&self, spans: Vec<Span>, threads: usize) -> ArchiveStream {
        ArchiveStream::start(
            Arc::clone(&self.objects),
            &self.key,
            Arc::clone(&self.root),
            spans,
            threads,
        )
    }

    /// The whole tar stream.
    #[must_use]
    pub fn whole(&self, threads: usize) -> ArchiveStream {
        self.stream(vec![Span { from: 0, to: self.root.stream_bytes }], threads)
    }
}

/// Opens one chunk, with its base where it is stored as a difference.
fn open_chunk(
    objects: &dyn Objects,
    opener: &mut Opener,
    chunk: &ChunkRef,
) -> Result<Vec<u8>, ArchiveError> {
    let sealed = objects.get(&chunk.link())?;
    let mut base = base_of(&sealed);
    let opened = opener.open_chain(&chunk.chunk, &sealed, &mut |chunk, id| {
        let fail = |source: MissingObject| SealError::Base {
            chunk: *chunk,
            sealed: *id,
            source: Box::new(source),
        };
        let none = || MissingObject { id: *id, why: "nothing says how long it is".to_owned() };
        let link = base.filter(|link| link.id == *id).ok_or_else(none).map_err(fail)?;
        let sealed = objects.get(&link).map_err(fail)?;
        base = base_of(&sealed);
        Ok(sealed)
    });
    let plain = opened.map_err(ArchiveError::Chunk)?;
    if plain.len() == chunk.plain_bytes as usize {
        Ok(plain)
    } else {
        Err(ArchiveError::Length { stated: chunk.plain_bytes, found: plain.len() })
    }
}

/// The base that a leaf names in its header, where it is stored as a difference.
fn base_of(sealed: &[u8]) -> Option<Link> {
    object::parse(sealed).ok()?.links.first().copied()
}

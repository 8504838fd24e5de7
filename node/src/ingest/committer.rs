//! The end of the pipeline: everything in the order of the stream.

use std::sync::{atomic::Ordering, mpsc::Receiver};

use protocol::{
    ArchiveId,
    contents::{ContentsWriter, Entry},
    manifest::ManifestWriter,
    object::{ChunkRef, Link},
    seal::{SealedObject, Sealer},
};
use sha2::{Digest, Sha256};

use super::{
    IngestError, Ingested,
    intake::{Reused, Slot},
    pool::{Shared, Stored},
    reuse::ReuseBuilder,
};
use crate::{chunks::Put, source::Fingerprint};

/// Takes slots until the stream is complete; `None` when it was broken off before.
pub(super) fn commit(
    shared: &Shared<'_>,
    archive: ArchiveId,
    slots: Receiver<Slot>,
) -> Result<Option<Ingested>, IngestError> {
    let mut committer = Committer::new(shared);
    for slot in slots {
        match slot {
            Slot::Begin => committer.begin(),
            Slot::Chunk(result) => {
                committer.stored(result.recv().map_err(|_| IngestError::ThreadLost)??)?;
            }
            Slot::Reused(batch) => batch.iter().try_for_each(|chunk| committer.reused(chunk))?,
            Slot::End(entries, fingerprint) => committer.end(entries, fingerprint)?,
            Slot::Finish => return committer.finish(archive).map(Some),
        }
    }
    Ok(None)
}

struct Committer<'a> {
    shared: &'a Shared<'a>,
    sealer: Sealer,
    manifest: ManifestWriter,
    contents: ContentsWriter,
    reuse: ReuseBuilder,
    /// Absent as soon as a part of the stream was not read.
    sha256: Option<Sha256>,
    /// Number of the first chunk of the segment at hand.
    segment_first: u64,
    /// Where that segment begins in the stream.
    segment_offset: u64,
    offset: u64,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    members: u64,
    read_bytes: u64,
    new_bytes: u64,
    stored_bytes: u64,
    sealed_bytes: u64,
    objects: u64,
}

impl<'a> Committer<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            sealer: Sealer::new(shared.key, shared.options.seal, shared.options.level),
            manifest: ManifestWriter::new(),
            contents: ContentsWriter::new(),
            reuse: ReuseBuilder::default(),
            sha256: Some(Sha256::new()),
            segment_first: 0,
            segment_offset: 0,
            offset: 0,
            totals: Totals::default(),
        }
    }

    fn begin(&mut self) {
        self.segment_first = self.reuse.chunks();
        self.segment_offset = self.offset;
    }

    fn end(
        &mut self,
        entries: Vec<Entry>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<(), IngestError> {
        if let Some(fingerprint) = fingerprint {
            self.reuse.segment(fingerprint, self.segment_first, &entries);
        }
        self.totals.members += entries.len() as u64;
        for mut entry in entries {
            entry.offset += self.segment_offset;
            let page =
                self.contents.push(entry, &mut self.sealer).map_err(IngestError::Contents)?;
            page.map_or(Ok(()), |page| self.put(&page))?;
        }
        Ok(())
    }

    fn stored(&mut self, stored: Stored) -> Result<(), IngestError> {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&stored.plain);
        }
        self.totals.read_bytes += stored.plain.len() as u64;
        if stored.new {
            self.totals.new_bytes += stored.plain.len() as u64;
            self.totals.stored_bytes += u64::from(stored.chunk.sealed_bytes);
        }
        self.chunk(&stored.chunk, stored.base, stored.likeness)
    }

    fn reused(&mut self, reused: &Reused) -> Result<(), IngestError> {
        self.sha256 = None;
        self.chunk(&reused.chunk, reused.base, reused.likeness)
    }

    fn chunk(
        &mut self,
        chunk: &ChunkRef,
        base: Option<ChunkRef>,
        likeness: u64,
    ) -> Result<(), IngestError> {
        self.offset += u64::from(chunk.plain_bytes);
        self.shared.progress.stream_bytes.store(self.offset, Ordering::Relaxed);
        self.totals.count(chunk.sealed_bytes);
        let bases = base.map(|base| Link { id: base.sealed, bytes: base.sealed_bytes });
        bases.iter().for_each(|base| self.totals.count(base.bytes));
        self.reuse.chunk(likeness, base);
        let page = self
            .manifest
            .push(chunk, bases.as_slice(), &mut self.sealer)
            .map_err(IngestError::Manifest)?;
        page.map_or(Ok(()), |page| self.put(&page))
    }

    /// Stores a page of the manifest or the contents.
    fn put(&mut self, page: &SealedObject) -> Result<(), IngestError> {
        let bytes = u32::try_from(page.bytes.len()).unwrap_or(u32::MAX);
        self.totals.count(bytes);
        let put = self.shared.store.put_trusted(&page.sealed, &page.bytes);
        if put.map_err(IngestError::Store)? == Put::New {
            self.totals.stored_bytes += u64::from(bytes);
        }
        Ok(())
    }

    fn finish(mut self, archive: ArchiveId) -> Result<Ingested, IngestError> {
        let contents = std::mem::take(&mut self.contents);
        let (last, pages) = contents.finish(&mut self.sealer).map_err(IngestError::Contents)?;
        last.iter().try_for_each(|page| self.put(page))?;
        let manifest = std::mem::take(&mut self.manifest);
        let (objects, root) =
            manifest.finish(pages, &mut self.sealer).map_err(IngestError::Manifest)?;
        objects.iter().try_for_each(|object| self.put(object))?;
        self.shared.store.flush().map_err(IngestError::Store)?;
        self.shared.db.remember(&self.shared.recent.take()).map_err(IngestError::Db)?;
        let chunks = self.reuse.chunks();
        Ok(Ingested {
            root,
            stream_bytes: self.offset,
            chunks,
            members: self.totals.members,
            read_bytes: self.totals.read_bytes,
            new_bytes: self.totals.new_bytes,
            stored_bytes: self.totals.stored_bytes,
            sealed_bytes: self.totals.sealed_bytes,
            objects: self.totals.objects,
            sha256: self.sha256.map(|sha256| sha256.finalize().into()),
            reuse: self.reuse.finish(archive, root),
        })
    }
}

impl Totals {
    fn count(&mut self, sealed_bytes: u32) {
        self.objects += 1;
        self.sealed_bytes += u64::from(sealed_bytes);
    }
}

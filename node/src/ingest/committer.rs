//! The end of the pipeline: everything in the order of the stream.

use std::{
    collections::HashSet,
    sync::{atomic::Ordering, mpsc::Receiver},
};

use protocol::{
    ArchiveId, SealedId,
    contents::{ContentsWriter, Entry},
    manifest::ManifestWriter,
    object::{ChunkRef, Link},
    seal::{SealedObject, Sealer},
    tar::STREAMED_HEADER_BYTES,
};
use sha2::{Digest, Sha256};

use super::{
    IngestError, Ingested,
    intake::{Reused, Slot},
    pool::{Shared, Stored},
    reuse::ReuseBuilder,
};
use crate::{chunks::Put, source::Fingerprint};

/// Objects of one archive that are told apart, so that a repeated one counts once: some 18 MiB at
/// most. In an archive with more, what repeats after that many counts each time.
const COUNTED_MAX: usize = 1 << 20;

/// Takes slots until the stream is complete; `None` when it was broken off before.
pub(super) fn commit(
    shared: &Shared<'_>,
    archive: ArchiveId,
    slots: Receiver<Slot>,
) -> Result<Option<Ingested>, IngestError> {
    let mut committer = Committer::new(shared);
    for slot in slots {
        match slot {
            Slot::Begin { payload } => committer.begin(payload),
            Slot::Gap => committer.leave_gap()?,
            Slot::Fill(result) => {
                committer.fill_gap(&result.recv().map_err(|_| IngestError::ThreadLost)??)?;
            }
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
    /// Whether it is something that is backed up.
    payload: bool,
    offset: u64,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    members: u64,
    read_bytes: u64,
    new_bytes: u64,
    payload_new_bytes: u64,
    stored_bytes: u64,
    sealed_bytes: u64,
    objects: u64,
    /// The beginnings of the ids that were counted.
    counted: HashSet<u64>,
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
            payload: false,
            offset: 0,
            totals: Totals::default(),
        }
    }

    fn begin(&mut self, payload: bool) {
        self.segment_first = self.reuse.chunks();
        self.segment_offset = self.offset;
        self.payload = payload;
    }

    /// A streamed member begins. Its header comes last, and so no hash of the stream is possible.
    fn leave_gap(&mut self) -> Result<(), IngestError> {
        self.begin(true);
        self.sha256 = None;
        let bytes = u32::try_from(STREAMED_HEADER_BYTES).unwrap_or(u32::MAX);
        let page =
            self.manifest.leave_gap(bytes, &mut self.sealer).map_err(IngestError::Manifest)?;
        page.map_or(Ok(()), |page| self.put(&page))?;
        self.reuse.chunk(0, None);
        self.offset += u64::from(bytes);
        Ok(())
    }

    fn fill_gap(&mut self, header: &Stored) -> Result<(), IngestError> {
        self.payload = false;
        self.read(header);
        self.totals.count(&header.chunk.sealed, header.chunk.sealed_bytes);
        let page = self.manifest.fill_gap(&header.chunk, &mut self.sealer);
        self.put(&page.map_err(IngestError::Manifest)?)
    }

    /// Counts a chunk that was not taken from the last archive.
    fn read(&mut self, stored: &Stored) {
        let bytes = stored.plain.len() as u64;
        self.totals.read_bytes += bytes;
        if stored.new {
            self.totals.new_bytes += bytes;
            self.totals.payload_new_bytes += if self.payload { bytes } else { 0 };
            self.totals.stored_bytes += u64::from(stored.chunk.sealed_bytes);
        }
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
        self.read(&stored);
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
        self.totals.count(&chunk.sealed, chunk.sealed_bytes);
        let bases = base.map(|base| Link { id: base.sealed, bytes: base.sealed_bytes });
        bases.iter().for_each(|base| self.totals.count(&base.id, base.bytes));
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
        self.totals.count(&page.sealed, bytes);
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
            payload_new_bytes: self.totals.payload_new_bytes,
            stored_bytes: self.totals.stored_bytes,
            sealed_bytes: self.totals.sealed_bytes,
            objects: self.totals.objects,
            sha256: self.sha256.map(|sha256| sha256.finalize().into()),
            reuse: self.reuse.finish(archive, root),
        })
    }
}

impl Totals {
    fn count(&mut self, id: &SealedId, sealed_bytes: u32) {
        let first = id.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        if self.counted.contains(&first) {
            return;
        }
        if self.counted.len() < COUNTED_MAX {
            self.counted.insert(first);
        }
        self.objects += 1;
        self.sealed_bytes += u64::from(sealed_bytes);
    }
}

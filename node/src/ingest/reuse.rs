//! What a job's next run needs to know of its last archive, in one small file per job.
//!
//! Four tables; a chunk is its number in the last archive's manifest: *segments* (fingerprint →
//! where its chunks and spans are), *spans* (how long each member is, in blocks, as LEB128), *likeness* (one number per chunk that a later
//! version of the same data will have too), *differences* (chunks that are stored as a difference,
//! with the whole chunk they rest on). It is a cache: without it the next run reads everything and
//! stores nothing twice. Layout, little endian: `BMREUSE1`, the tables as counts and rows, and the
//! BLAKE3 of all of it.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use protocol::{
    ArchiveId, ChunkId, SealedId,
    contents::Entry,
    manifest::RootRef,
    object::{ChunkRef, Link},
    tar::BLOCK_BYTES,
};

use crate::source::Fingerprint;

const MAGIC: &[u8; 8] = b"BMREUSE1";

/// Rows of a table; 2 Mi rows take 64 MiB. What does not fit is read again next time.
const ROWS_MAX: usize = 2 << 20;

/// A reuse file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReuseError {
    /// The disk refused.
    #[error("cannot {what} {path}")]
    Io {
        /// Read or write.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Cut off, changed, or of another version. The next run reads everything.
    #[error("{path} is damaged or of another version")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Chunks that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRange {
    /// The first one's number in the manifest.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u32,
}

/// One segment of the last archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentRow {
    /// Its chunks.
    pub(super) chunks: ChunkRange,
    /// Where its members' spans begin in the table of spans.
    spans_at: u64,
    /// How many members begin in it.
    members: u32,
}

/// What the next run can reuse of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReuseIndex {
    /// The archive the numbers belong to.
    pub archive: ArchiveId,
    /// Its root.
    pub root: RootRef,
    /// Sorted by fingerprint.
    segments: Vec<(Fingerprint, SegmentRow)>,
    /// The spans of all members, one after the other.
    spans: Vec<u8>,
    /// By chunk number; 0 where a chunk has none.
    likeness: Vec<u64>,
    /// Chunk number of each likeness, sorted by it.
    by_likeness: Vec<(u64, u32)>,
    /// Sorted by chunk number.
    differences: Vec<(u64, ChunkRef)>,
}

impl ReuseIndex {
    /// A segment that did not change.
    pub(super) fn segment(&self, fingerprint: &Fingerprint) -> Option<SegmentRow> {
        let at = self.segments.binary_search_by_key(fingerprint, |(f, _)| *f).ok()?;
        Some(self.segments[at].1)
    }

    /// The spans of a segment's members, bytes.
    pub(super) fn spans(&self, row: &SegmentRow) -> Option<Vec<u64>> {
        let mut rest = self.spans.get(usize::try_from(row.spans_at).ok()?..)?;
        (0..row.members).map(|_| take_span(&mut rest)).collect()
    }

    /// A chunk of the last archive that is probably an older version of this one.
    pub(super) fn alike(&self, likeness: u64) -> Option<u64> {
        if likeness == 0 {
            return None;
        }
        let at = self.by_likeness.binary_search_by_key(&likeness, |(l, _)| *l).ok()?;
        Some(u64::from(self.by_likeness[at].1))
    }

    /// The likeness that was noted for a chunk; 0 where none was.
    pub(super) fn likeness_of(&self, chunk: u64) -> u64 {
        usize::try_from(chunk).ok().and_then(|at| self.likeness.get(at)).copied().unwrap_or(0)
    }

    /// The whole chunk that a chunk is stored as a difference to.
    pub(super) fn base_of(&self, chunk: u64) -> Option<ChunkRef> {
        let at = self.differences.binary_search_by_key(&chunk, |(c, _)| *c).ok()?;
        Some(self.differences[at].1)
    }

    /// Writes the file whole, or leaves the old one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, path: &Path) -> Result<(), ReuseError> {
        let fail = |source| ReuseError::Io { what: "write", path: path.to_owned(), source };
        let temporary = path.with_extension("tmp");
        let write = || {
            let mut file = fs::File::create(&temporary)?;
            file.write_all(&self.encode())?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(fail)
    }

    /// Reads a file that [`ReuseIndex::save`] wrote; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is not whole.
    pub fn load(path: &Path) -> Result<Option<Self>, ReuseError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(ReuseError::Io { what: "read", path: path.to_owned(), source });
            }
        };
        Self::decode(&bytes).map(Some).ok_or_else(|| ReuseError::Damaged { path: path.to_owned() })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.archive.0);
        out.extend(self.root.chunk.0);
        out.extend(self.root.link.id.0);
        out.extend(self.root.link.bytes.to_le_bytes());
        put_count(&mut out, self.segments.len());
        for (fingerprint, row) in &self.segments {
            out.extend(fingerprint.0);
            out.extend(row.chunks.first.to_le_bytes());
            out.extend(row.chunks.count.to_le_bytes());
            out.extend(row.spans_at.to_le_bytes());
            out.extend(row.members.to_le_bytes());
        }
        put_count(&mut out, self.spans.len());
        out.extend(&self.spans);
        put_count(&mut out, self.likeness.len());
        self.likeness.iter().for_each(|likeness| out.extend(likeness.to_le_bytes()));
        put_count(&mut out, self.differences.len());
        for (chunk, base) in &self.differences {
            out.extend(chunk.to_le_bytes());
            out.extend(base.chunk.0);
            out.extend(base.sealed.0);
            out.extend(base.plain_bytes.to_le_bytes());
            out.extend(base.sealed_bytes.to_le_bytes());
        }
        let hash = blake3::hash(&out);
        out.extend(hash.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, hash) = bytes.split_last_chunk::<32>()?;
        if blake3::hash(body) != *hash {
            return None;
        }
        let mut rows = Rows(body.strip_prefix(MAGIC)?);
        let archive = ArchiveId(rows.array()?);
        let chunk = ChunkId(rows.array()?);
        let root =
            RootRef { chunk, link: Link { id: SealedId(rows.array()?), bytes: rows.u32()? } };
        let segments = rows.table(|rows| {
            let fingerprint = Fingerprint(rows.array()?);
            let chunks = ChunkRange { first: rows.u64()?, count: rows.u32()? };
            let row = SegmentRow { chunks, spans_at: rows.u64()?, members: rows.u32()? };
            Some((fingerprint, row))
        })?;
        let spans = rows.bytes()?;
        let likeness = rows.table(Rows::u64)?;
        let differences = rows.table(|rows| {
            let chunk = rows.u64()?;
            let base = ChunkRef {
                chunk: ChunkId(rows.array()?),
                sealed: SealedId(rows.array()?),
                plain_bytes: rows.u32()?,
                sealed_bytes: rows.u32()?,
            };
            Some((chunk, base))
        })?;
        let by_likeness = by_likeness(&likeness);
        rows.0.is_empty().then_some(Self {
            archive,
            root,
            segments,
            spans,
            likeness,
            by_likeness,
            differences,
        })
    }
}

/// Spans are whole blocks; most are below 64 KiB and so one byte.
fn put_span(out: &mut Vec<u8>, span: u64) {
    let mut blocks = span / BLOCK_BYTES as u64;
    while blocks >= 0x80 {
        out.push(u8::try_from(blocks & 0x7f).unwrap_or(0) | 0x80);
        blocks >>= 7;
    }
    out.push(u8::try_from(blocks).unwrap_or(0));
}

fn take_span(rest: &mut &[u8]) -> Option<u64> {
    let mut blocks = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        blocks |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return blocks.checked_mul(BLOCK_BYTES as u64);
        }
    }
    None
}

fn by_likeness(likeness: &[u64]) -> Vec<(u64, u32)> {
    let numbered = likeness.iter().zip(0_u32..).filter(|(likeness, _)| **likeness != 0);
    let mut sorted: Vec<_> = numbered.map(|(likeness, chunk)| (*likeness, chunk)).collect();
    sorted.sort_unstable();
    sorted.dedup_by_key(|(likeness, _)| *likeness);
    sorted
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend((count as u64).to_le_bytes());
}

/// What is left of an encoded file.
struct Rows<'a>(&'a [u8]);

impl Rows<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let count = usize::try_from(self.u64()?).ok()?;
        let (first, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(first.to_vec())
    }

    fn table<T>(&mut self, row: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u64()?).ok().filter(|count| *count <= ROWS_MAX)?;
        (0..count).map(|_| row(self)).collect()
    }
}

/// Collects the index of the archive that is being made.
#[derive(Debug, Default)]
pub(super) struct ReuseBuilder {
    segments: Vec<(Fingerprint, SegmentRow)>,
    spans: Vec<u8>,
    likeness: Vec<u64>,
    differences: Vec<(u64, ChunkRef)>,
    chunks: u64,
}

impl ReuseBuilder {
    /// Chunks so far; the next one's number.
    pub(super) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The next chunk of the stream.
    pub(super) fn chunk(&mut self, likeness: u64, base: Option<ChunkRef>) {
        if self.likeness.len() < ROWS_MAX {
            self.likeness.push(likeness);
        }
        if let Some(base) = base.filter(|_| self.differences.len() < ROWS_MAX) {
            self.differences.push((self.chunks, base));
        }
        self.chunks += 1;
    }

    /// A segment that may be reused: its chunks are those since number `first`, its members'
    /// spans those of `entries`.
    pub(super) fn segment(&mut self, fingerprint: Fingerprint, first: u64, entries: &[Entry]) {
        let counts = (u32::try_from(self.chunks - first), u32::try_from(entries.len()));
        if let (Ok(count), Ok(members)) = counts
            && self.segments.len() < ROWS_MAX
        {
            let (chunks, spans_at) = (ChunkRange { first, count }, self.spans.len() as u64);
            entries.iter().for_each(|entry| put_span(&mut self.spans, entry.span));
            self.segments.push((fingerprint, SegmentRow { chunks, spans_at, members }));
        }
    }

    /// The finished index.
    pub(super) fn finish(mut self, archive: ArchiveId, root: RootRef) -> ReuseIndex {
        self.segments.sort_unstable_by_key(|(fingerprint, row)| (*fingerprint, row.chunks.first));
        self.segments.dedup_by_key(|(fingerprint, _)| *fingerprint);
        let by_likeness = by_likeness(&self.likeness);
        let Self { segments, spans, likeness, differences, .. } = self;
        ReuseIndex { archive, root, segments, spans, likeness, by_likeness, differences }
    }
}

#[cfg(test)]
mod tests {
    use protocol::tar::{FileTime, MemberKind};

    use super::*;

    fn reference(n: u8) -> ChunkRef {
        let (chunk, sealed) = (ChunkId([n; 32]), SealedId([n + 1; 32]));
        ChunkRef { chunk, sealed, plain_bytes: 10, sealed_bytes: 9 }
    }

    fn member(span: u64) -> Entry {
        Entry {
            path: b"a".to_vec(),
            kind: MemberKind::File,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            real_bytes: 0,
            mtime: FileTime::default(),
            offset: 0,
            span,
        }
    }

    fn index() -> ReuseIndex {
        let mut builder = ReuseBuilder::default();
        builder.chunk(0, None);
        let first = builder.chunks();
        builder.chunk(70, None);
        builder.chunk(50, Some(reference(4)));
        builder.segment(Fingerprint([9; 16]), first, &[member(512), member(3 << 40)]);
        let link = Link { id: SealedId([6; 32]), bytes: 99 };
        builder.finish(ArchiveId([1; 16]), RootRef { chunk: ChunkId([5; 32]), link })
    }

    #[test]
    fn a_saved_index_answers_as_the_one_that_was_built() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job");
        assert_eq!(ReuseIndex::load(&path).unwrap(), None);
        index().save(&path).unwrap();
        let loaded = ReuseIndex::load(&path).unwrap().unwrap();
        assert_eq!(loaded, index());
        let row = loaded.segment(&Fingerprint([9; 16])).unwrap();
        assert_eq!(row.chunks, ChunkRange { first: 1, count: 2 });
        assert_eq!(loaded.spans(&row), Some(vec![512, 3 << 40]));
        assert_eq!(loaded.segment(&Fingerprint([8; 16])), None);
        assert_eq!((loaded.alike(50), loaded.alike(51), loaded.alike(0)), (Some(2), None, None));
        assert_eq!(loaded.base_of(2), Some(reference(4)));
        assert_eq!((loaded.likeness_of(1), loaded.likeness_of(99)), (70, 0));
    }

    #[test]
    fn a_file_with_any_byte_changed_or_cut_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job");
        let whole = index().encode();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            assert!(ReuseIndex::load(&path).is_err(), "byte {at} changed");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(ReuseIndex::load(&path).is_err(), "cut at {at}");
        }
    }
}

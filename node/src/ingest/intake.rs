//! The source's side of the pipeline: segments in, slots and work out.

mod streamed;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{self, Receiver, SyncSender},
    },
};

use protocol::{
    chunk::{Cutter, Gear},
    contents::Entry,
    object::ChunkRef,
    tar::Member,
};

use self::streamed::Streamed;
use super::{
    IngestError, SLOTS_MAX,
    pool::{Likeness, Shared, Stored, Work},
    reuse::{ChunkRange, SegmentRow},
};
use crate::source::{
    self, Fingerprint, SegmentEnd, SegmentHead, SegmentKind, SourceSink, SourceWarning, Verdict,
};

/// References of a reused segment that travel in one slot.
const REUSED_BATCH: u32 = 1_024;

/// The next thing in the order of the stream.
pub(super) enum Slot {
    /// A segment begins here.
    Begin {
        /// Whether it is something that is backed up, rather than what this program adds.
        payload: bool,
    },
    /// A streamed member begins: room is left for its header.
    Gap,
    /// The header that belongs there.
    Fill(Receiver<Result<Stored, IngestError>>),
    /// A chunk that a worker has in hand.
    Chunk(Receiver<Result<Stored, IngestError>>),
    /// Chunks of the last archive.
    Reused(Vec<Reused>),
    /// The segment ends. These members began in it, offsets counted from its beginning; it may be
    /// reused next time when it has a fingerprint.
    End(Vec<Entry>, Option<Fingerprint>),
    /// The stream is complete.
    Finish,
}

/// A chunk that is used again without being read.
pub(super) struct Reused {
    pub(super) chunk: ChunkRef,
    pub(super) base: Option<ChunkRef>,
    pub(super) likeness: u64,
}

/// The sink that a source feeds.
pub(super) struct Intake<'a> {
    shared: &'a Shared<'a>,
    slots: SyncSender<Slot>,
    work: SyncSender<Work>,
    gear: Arc<Gear>,
    segment: Option<Segment>,
    /// The streamed member at hand.
    streamed: Option<Streamed>,
    /// Why the last call failed, when the cause is ours and not the source's.
    failed: Option<IngestError>,
}

/// The segment at hand.
struct Segment {
    fingerprint: Option<Fingerprint>,
    /// Cuts file data; absent where the source's pieces are the chunks.
    cutter: Option<Cutter>,
    /// What the last archive says of it, when it is reused.
    reused: Option<SegmentRow>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        gear: Arc<Gear>,
    ) -> (Self, Receiver<Slot>, Mutex<Receiver<Work>>) {
        let (slots, slots_out) = mpsc::sync_channel(SLOTS_MAX);
        // The slot of a chunk is sent first, so this queue is bounded by that one.
        let (work, work_out) = mpsc::sync_channel(SLOTS_MAX);
        let intake =
            Self { shared, slots, work, gear, segment: None, streamed: None, failed: None };
        (intake, slots_out, Mutex::new(work_out))
    }

    /// Feeds the whole source, then closes the stream.
    pub(super) fn run<R>(
        mut self,
        feed: impl FnOnce(&mut dyn SourceSink) -> Result<R, IngestError>,
    ) -> Result<R, IngestError> {
        let fed = feed(&mut self);
        if let Some(cause) = self.failed.take() {
            return Err(cause);
        }
        let fed = fed?;
        self.slots.send(Slot::Finish).map_err(|_| IngestError::ThreadLost)?;
        Ok(fed)
    }

    fn send(&self, slot: Slot) -> io::Result<()> {
        self.slots.send(slot).map_err(|_| stopped())
    }

    fn chunk(&self, plain: Vec<u8>, likeness: Likeness) -> io::Result<()> {
        let read = plain.len() as u64;
        self.shared.progress.read_bytes.fetch_add(read, Ordering::Relaxed);
        let (done, result) = mpsc::sync_channel(1);
        self.send(Slot::Chunk(result))?;
        self.work.send(Work { plain, likeness, done }).map_err(|_| stopped())
    }

    /// Cuts file data; sends the chunks that are complete.
    fn cut(&self, cutter: &mut Cutter, bytes: &[u8]) -> io::Result<()> {
        let mut sent = Ok(());
        cutter.push(bytes, &mut |chunk| {
            if sent.is_ok() {
                sent = self.chunk(chunk, Likeness::Tail);
            }
        });
        sent
    }

    /// Sends what is left in a cutter.
    fn cut_end(&self, cutter: &mut Cutter) -> io::Result<()> {
        let mut sent = Ok(());
        cutter.finish(&mut |chunk| {
            if sent.is_ok() {
                sent = self.chunk(chunk, Likeness::Tail);
            }
        });
        sent
    }

    fn check_cancelled(&mut self) -> io::Result<()> {
        if self.shared.progress.is_cancelled() {
            self.failed = Some(IngestError::Cancelled);
            return Err(stopped());
        }
        Ok(())
    }

    /// Takes a segment's chunks from the last archive when all of them are there.
    fn reuse(&self, fingerprint: Option<Fingerprint>) -> Result<Option<SegmentRow>, IngestError> {
        let Some(previous) = &self.shared.previous else { return Ok(None) };
        let Some(row) = fingerprint.and_then(|f| previous.index.segment(&f)) else {
            return Ok(None);
        };
        let mut batches = Vec::new();
        let end = row.chunks.first + u64::from(row.chunks.count);
        for first in (row.chunks.first..end).step_by(REUSED_BATCH as usize) {
            let count = u32::try_from(end - first).unwrap_or(u32::MAX).min(REUSED_BATCH);
            match self.stored(ChunkRange { first, count })? {
                Some(batch) => batches.push(batch),
                None => return Ok(None),
            }
        }
        let lost = |_| IngestError::ThreadLost;
        self.slots.send(Slot::Begin { payload: true }).map_err(lost)?;
        for batch in batches {
            self.slots.send(Slot::Reused(batch)).map_err(lost)?;
        }
        Ok(Some(row))
    }

    /// The chunks of a range, unless the store lost one of them or of their bases.
    fn stored(&self, range: ChunkRange) -> Result<Option<Vec<Reused>>, IngestError> {
        let Some(previous) = &self.shared.previous else { return Ok(None) };
        let chunks = previous.chunks(range)?;
        if chunks.len() != range.count as usize {
            return Ok(None);
        }
        let numbered = (range.first..).zip(chunks);
        let reused: Vec<_> = numbered
            .map(|(number, chunk)| Reused {
                chunk,
                base: previous.index.base_of(number),
                likeness: previous.index.likeness_of(number),
            })
            .collect();
        let needed: Vec<_> = reused
            .iter()
            .flat_map(|r| [Some(r.chunk.sealed), r.base.map(|b| b.sealed)])
            .flatten()
            .collect();
        let there = self.shared.store.has_all(&needed).map_err(IngestError::Store)?;
        Ok(there.into_iter().all(|there| there).then_some(reused))
    }

    /// Gives reused members the offsets and spans they had.
    fn placed(&self, row: &SegmentRow, entries: &mut [Entry]) -> bool {
        let spans = self.shared.previous.as_ref().and_then(|previous| previous.index.spans(row));
        spans.is_some_and(|spans| source::place(entries, &spans))
    }
}

impl SourceSink for Intake<'_> {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        if self.streamed.is_some() {
            return Err(out_of_order());
        }
        self.check_cancelled()?;
        let reused = self.reuse(head.fingerprint).map_err(|error| {
            self.failed = Some(error);
            stopped()
        })?;
        let verdict = if reused.is_some() { Verdict::Reused } else { Verdict::Read };
        let cuts = head.kind == SegmentKind::FileData && reused.is_none();
        let cutter = cuts.then(|| Cutter::new(Arc::clone(&self.gear)));
        self.segment = Some(Segment { fingerprint: head.fingerprint, cutter, reused });
        if verdict == Verdict::Read {
            self.send(Slot::Begin { payload: head.kind != SegmentKind::Frame })?;
        }
        Ok(verdict)
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if self.streamed.is_some() {
            return self.streamed_data(&bytes);
        }
        let Some(mut segment) = self.segment.take() else { return Err(out_of_order()) };
        let result = match &mut segment.cutter {
            None => self.chunk(bytes, Likeness::FirstPath),
            Some(cutter) => self.cut(cutter, &bytes),
        };
        self.segment = Some(segment);
        result
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        let Some(mut segment) = self.segment.take() else { return Err(out_of_order()) };
        let mut entries = end.entries;
        if let Some(row) = &segment.reused
            && !self.placed(row, &mut entries)
        {
            return Err(io::Error::other("a reused segment has other members than last time"));
        }
        if let Some(cutter) = &mut segment.cutter {
            self.cut_end(cutter)?;
        }
        let members = entries.len() as u64;
        self.shared.progress.members.fetch_add(members, Ordering::Relaxed);
        self.send(Slot::End(entries, segment.fingerprint.filter(|_| end.stable)))
    }

    fn begin_streamed(&mut self, member: Member) -> io::Result<()> {
        self.streamed_begin(member)
    }

    fn end_streamed(&mut self) -> io::Result<()> {
        self.streamed_end()
    }

    /// Warnings are the run's to tell: it listens between the source and this sink.
    fn warning(&mut self, _warning: SourceWarning) {}
}

/// What the source is told when the pipeline has ended; the cause is reported elsewhere.
fn stopped() -> io::Error {
    io::Error::other("the archive is not being written any more")
}

fn out_of_order() -> io::Error {
    io::Error::other("data without a segment")
}

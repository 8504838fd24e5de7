//! The bytes of an archive in order, opened by several threads ahead of the reader.

use std::{
    io::{self, Read},
    ops::Range,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use bytes::Bytes;
use protocol::{
    key::ArchiveKey,
    manifest::{self, Root},
    object::ChunkRef,
    seal::Opener,
};

use super::{ArchiveError, Objects, Span, open_chunk};

/// Chunks that may wait opened, per thread.
const AHEAD_PER_THREAD: usize = 4;

type Opened = Result<Vec<u8>, ArchiveError>;

/// One chunk on its way: the bytes of it that are wanted, and where they will arrive.
struct Slot {
    wanted: Range<usize>,
    opened: Receiver<Opened>,
}

struct Work {
    chunk: ChunkRef,
    opened: SyncSender<Opened>,
}

/// A reader of spans of an archive's tar stream. Dropping it ends its threads.
pub struct ArchiveStream {
    slots: Receiver<Result<Slot, ArchiveError>>,
    piece: Vec<u8>,
    at: usize,
    end: usize,
}

impl ArchiveStream {
    pub(super) fn start(
        objects: Arc<dyn Objects>,
        key: &ArchiveKey,
        root: Arc<Root>,
        spans: Vec<Span>,
        threads: usize,
    ) -> Self {
        let threads = threads.max(1);
        let ahead = threads * AHEAD_PER_THREAD;
        let (slots_in, slots) = mpsc::sync_channel(ahead);
        let (work_in, work) = mpsc::sync_channel::<Work>(ahead);
        let work = Arc::new(Mutex::new(work));
        for _ in 0..threads {
            let (objects, work) = (Arc::clone(&objects), Arc::clone(&work));
            let mut opener = Opener::new(key);
            thread::spawn(move || {
                loop {
                    let next = work.lock().expect("no panic under this lock").recv();
                    let Ok(work) = next else { return };
                    let opened = open_chunk(&*objects, &mut opener, &work.chunk);
                    // The reader may be gone; then the queue closes next.
                    let _ = work.opened.send(opened);
                }
            });
        }
        let opener = Opener::new(key);
        thread::spawn(move || {
            let mut walk = Walk { objects, opener, root, slots: slots_in, work: work_in };
            if let Err(error) = walk.run(&spans) {
                let _ = walk.slots.send(Err(error));
            }
        });
        Self { slots, piece: Vec::new(), at: 0, end: 0 }
    }

    /// The next stretch of bytes without copying them; empty at the end.
    ///
    /// # Errors
    /// When an object is missing or does not open.
    pub fn next_piece(&mut self) -> Result<&[u8], ArchiveError> {
        self.fill()?;
        let piece = &self.piece[self.at..self.end];
        self.at = self.end;
        Ok(piece)
    }

    /// The same for who keeps them.
    ///
    /// # Errors
    /// When an object is missing or does not open.
    pub fn next_bytes(&mut self) -> Result<Bytes, ArchiveError> {
        self.fill()?;
        let piece = Bytes::from(std::mem::take(&mut self.piece)).slice(self.at..self.end);
        (self.at, self.end) = (0, 0);
        Ok(piece)
    }

    /// Waits for a chunk when there is nothing left of the last one.
    fn fill(&mut self) -> Result<(), ArchiveError> {
        if self.at < self.end {
            return Ok(());
        }
        // Nothing more comes after the last one.
        let Ok(slot) = self.slots.recv() else {
            (self.at, self.end) = (0, 0);
            return Ok(());
        };
        let slot = slot?;
        self.piece = slot.opened.recv().map_err(|_| ArchiveError::ThreadLost)??;
        self.end = slot.wanted.end.min(self.piece.len());
        self.at = slot.wanted.start.min(self.end);
        Ok(())
    }
}

impl Read for ArchiveStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (before, piece) = {
            let piece = self.next_piece()?;
            (piece.len(), piece)
        };
        let taken = before.min(out.len());
        out[..taken].copy_from_slice(&piece[..taken]);
        self.at = self.end - (before - taken);
        Ok(taken)
    }
}

/// Walks the manifest and keeps the threads busy.
struct Walk {
    objects: Arc<dyn Objects>,
    opener: Opener,
    root: Arc<Root>,
    slots: SyncSender<Result<Slot, ArchiveError>>,
    work: SyncSender<Work>,
}

impl Walk {
    fn run(&mut self, spans: &[Span]) -> Result<(), ArchiveError> {
        let root = Arc::clone(&self.root);
        let mut open: Option<(usize, Vec<ChunkRef>)> = None;
        for span in spans.iter().filter(|span| span.from < span.to) {
            let Some(first) = root.page_at_offset(span.from) else { continue };
            for number in first..root.pages.len() {
                let page = &root.pages[number];
                if page.offset >= span.to {
                    break;
                }
                if open.as_ref().is_none_or(|(page, _)| *page != number) {
                    let bytes = self.objects.get(&page.link)?;
                    let refs = manifest::open_page(&mut self.opener, page, &bytes)
                        .map_err(ArchiveError::Page)?;
                    open = Some((number, refs));
                }
                let Some((_, refs)) = &open else { continue };
                if !self.page(refs, page.offset, *span) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Queues the chunks of a page that overlap a span; `false` when nobody reads any more.
    fn page(&self, refs: &[ChunkRef], first_offset: u64, span: Span) -> bool {
        let mut offset = first_offset;
        let overlaps = |begins: u64, ends: u64| ends > span.from && begins < span.to;
        let wanted = refs.iter().scan(first_offset, |at, chunk| {
            let begins = *at;
            *at += u64::from(chunk.plain_bytes);
            Some(overlaps(begins, *at).then(|| chunk.link()))
        });
        self.objects.prefetch(wanted.flatten().collect());
        for chunk in refs {
            let begins = offset;
            offset += u64::from(chunk.plain_bytes);
            if offset <= span.from {
                continue;
            }
            if begins >= span.to {
                break;
            }
            let within = |at: u64| usize::try_from(at.clamp(begins, offset) - begins);
            let (Ok(from), Ok(to)) = (within(span.from), within(span.to)) else { continue };
            let (opened, receiver) = mpsc::sync_channel(1);
            let slot = Slot { wanted: from..to, opened: receiver };
            if self.slots.send(Ok(slot)).is_err()
                || self.work.send(Work { chunk: *chunk, opened }).is_err()
            {
                return false;
            }
        }
        true
    }
}

//! The workers: a chunk of plaintext becomes a reference to something stored.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
};

use protocol::{
    ChunkId, SealedId,
    key::{ArchiveKey, KeyUse},
    object::ChunkRef,
    seal::{Opener, SealError, SealedObject, Sealer},
    tar::{Event, Limits, Parser, TarError},
};

use super::{IngestError, IngestOptions, Previous, Progress, reuse::ChunkRange};
use crate::{
    chunks::{ChunkStore, Put},
    db::{Db, Known},
};

/// A difference is kept when it is below this share of its base's sealed size, in percent. Above
/// it a whole chunk is stored again, so that a base does not age without end.
const DIFFERENCE_PERCENT_MAX: u64 = 40;

/// Bytes at the end of a chunk that tell what it is a version of. Cut points follow from the bytes
/// just before them, so an edited file keeps nearly all of its cuts and so these bytes.
const TAIL_BYTES: usize = 64;

/// Where the first member's headers end, nearly always.
const HEADERS_BYTES: usize = 16 << 10;

/// New chunks of this run that are not yet in the known table: 64 Ki entries of 70 bytes.
const RECENT_MAX: usize = 64 << 10;

/// What all threads of one ingest share.
pub(super) struct Shared<'a> {
    pub(super) store: &'a ChunkStore,
    pub(super) db: &'a Db,
    pub(super) key: &'a ArchiveKey,
    pub(super) options: &'a IngestOptions,
    pub(super) previous: Option<Arc<Previous>>,
    pub(super) progress: &'a Progress,
    pub(super) recent: Recent,
}

/// Chunks sealed in this run, so that a repeated one is not sealed again.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<ChunkId, Known>>);

impl Recent {
    fn get(&self, id: &ChunkId) -> Option<Known> {
        self.0.lock().expect("no panic under this lock").get(id).copied()
    }

    /// Notes a chunk; hands back all of them when they are too many to keep.
    fn note(&self, id: ChunkId, known: Known) -> Option<Vec<(ChunkId, Known)>> {
        let mut map = self.0.lock().expect("no panic under this lock");
        map.insert(id, known);
        (map.len() >= RECENT_MAX).then(|| map.drain().collect())
    }

    /// What is noted and was not handed back.
    pub(super) fn take(&self) -> Vec<(ChunkId, Known)> {
        self.0.lock().expect("no panic under this lock").drain().collect()
    }
}

/// What tells an older version of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Likeness {
    /// Small members: the path of the first one.
    FirstPath,
    /// Data of a large file: its last bytes.
    Tail,
    /// Not worth looking for one.
    None,
}

/// A chunk to be stored.
pub(super) struct Work {
    pub(super) plain: Vec<u8>,
    pub(super) likeness: Likeness,
    pub(super) done: SyncSender<Result<Stored, IngestError>>,
}

/// A chunk that is stored.
pub(super) struct Stored {
    pub(super) chunk: ChunkRef,
    /// The whole chunk it is a difference to.
    pub(super) base: Option<ChunkRef>,
    pub(super) likeness: u64,
    pub(super) plain: Vec<u8>,
    /// Whether this run stored it.
    pub(super) new: bool,
}

/// One worker: until the queue closes.
pub(super) fn work(shared: &Shared<'_>, queue: &Mutex<Receiver<Work>>) {
    let mut worker = Worker {
        shared,
        sealer: Sealer::new(shared.key, shared.options.seal, shared.options.level),
        opener: Opener::new(shared.key),
        likeness_key: shared.key.derive(KeyUse::Reuse),
    };
    loop {
        let next = queue.lock().expect("no panic under this lock").recv();
        let Ok(work) = next else { return };
        let stored = worker.store(work.plain, work.likeness);
        // The committer is gone only when it failed, and then it said why.
        let _ = work.done.send(stored);
    }
}

/// A chunk of the last archive, and the whole one it rests on when it is a difference.
#[derive(Clone, Copy)]
struct Older {
    chunk: ChunkRef,
    base: Option<ChunkRef>,
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    sealer: Sealer,
    opener: Opener,
    likeness_key: zeroize::Zeroizing<[u8; 32]>,
}

impl Worker<'_> {
    fn store(&mut self, plain: Vec<u8>, likeness: Likeness) -> Result<Stored, IngestError> {
        let likeness = match likeness {
            Likeness::FirstPath => first_path(&self.likeness_key, &plain),
            Likeness::Tail => tail(&self.likeness_key, &plain),
            Likeness::None => 0,
        };
        let id = self.sealer.chunk_id(&plain);
        if let Some(known) = self.known(&id)? {
            // Its base, when it has one, is not known here: only whole chunks are in the table.
            let chunk = reference(id, &plain, known);
            return Ok(Stored { chunk, base: None, likeness, plain, new: false });
        }
        let older = self.older(likeness)?;
        if let Some(Older { chunk, base: Some(base) }) = older
            && chunk.chunk == id
            && self.has_both(&chunk, &base)?
        {
            return Ok(Stored { chunk, base: Some(base), likeness, plain, new: false });
        }
        let older = older.map(|older| older.base.unwrap_or(older.chunk));
        let difference = match &older {
            Some(base) => self.difference(&id, &plain, base)?,
            None => None,
        };
        let base = older.filter(|_| difference.is_some());
        let sealed = match difference {
            Some(difference) => difference,
            None => self.sealer.seal_leaf(&id, &plain).map_err(IngestError::Seal)?,
        };
        let new = self.put(&sealed)?;
        let sealed_bytes = u32::try_from(sealed.bytes.len()).unwrap_or(u32::MAX);
        let known = Known { sealed: sealed.sealed, sealed_bytes };
        if base.is_none()
            && let Some(batch) = self.shared.recent.note(id, known)
        {
            self.shared.db.remember(&batch).map_err(IngestError::Db)?;
        }
        Ok(Stored { chunk: reference(id, &plain, known), base, likeness, plain, new })
    }

    fn put(&self, sealed: &SealedObject) -> Result<bool, IngestError> {
        let put = self.shared.store.put_trusted(&sealed.sealed, &sealed.bytes);
        let new = put.map_err(IngestError::Store)? == Put::New;
        if new {
            let bytes = sealed.bytes.len() as u64;
            self.shared.progress.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(new)
    }

    fn known(&self, id: &ChunkId) -> Result<Option<Known>, IngestError> {
        let known = match self.shared.recent.get(id) {
            Some(known) => Some(known),
            None => self.shared.db.known(id).map_err(IngestError::Db)?,
        };
        match known {
            Some(known) if self.has(&known)? => Ok(Some(known)),
            _ => Ok(None),
        }
    }

    fn has(&self, known: &Known) -> Result<bool, IngestError> {
        self.shared.store.has(&known.sealed).map_err(IngestError::Store)
    }

    fn has_both(&self, chunk: &ChunkRef, base: &ChunkRef) -> Result<bool, IngestError> {
        let there = self.shared.store.has_all(&[chunk.sealed, base.sealed]);
        Ok(there.map_err(IngestError::Store)?.into_iter().all(|there| there))
    }

    /// The chunk of the last archive that is an older version of this one, or the same.
    fn older(&self, likeness: u64) -> Result<Option<Older>, IngestError> {
        let Some(previous) = &self.shared.previous else { return Ok(None) };
        let Some(number) = previous.index.alike(likeness) else { return Ok(None) };
        let chunks = previous.chunks(ChunkRange { first: number, count: 1 })?;
        let base = previous.index.base_of(number);
        Ok(chunks.first().map(|chunk| Older { chunk: *chunk, base }))
    }

    fn difference(
        &mut self,
        id: &ChunkId,
        plain: &[u8],
        base: &ChunkRef,
    ) -> Result<Option<SealedObject>, IngestError> {
        // A base that is missing or damaged is no reason to fail: the chunk is stored whole.
        let Ok(sealed) = self.shared.store.get(&base.sealed) else { return Ok(None) };
        let mut fetch = fetch_base(self.shared.store);
        let Ok(old) = self.opener.open_chain(&base.chunk, &sealed, &mut fetch) else {
            return Ok(None);
        };
        let made = self.sealer.seal_delta(id, plain, base, &old).map_err(IngestError::Seal)?;
        let bound = u64::from(base.sealed_bytes) * DIFFERENCE_PERCENT_MAX / 100;
        Ok(made.filter(|made| made.bytes.len() as u64 <= bound))
    }
}

fn reference(chunk: ChunkId, plain: &[u8], known: Known) -> ChunkRef {
    let plain_bytes = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    ChunkRef { chunk, sealed: known.sealed, plain_bytes, sealed_bytes: known.sealed_bytes }
}

/// Gets the bases of a difference from the store.
fn fetch_base(
    store: &ChunkStore,
) -> impl FnMut(&ChunkId, &SealedId) -> Result<Vec<u8>, SealError> + '_ {
    |chunk, sealed| {
        store.get(sealed).map_err(|source| SealError::Base {
            chunk: *chunk,
            sealed: *sealed,
            source: Box::new(source),
        })
    }
}

/// The likeness of file data: a hash of its last bytes that are not zero; 0 where they are few or
/// all the same, because those resemble everything.
fn tail(key: &[u8; 32], plain: &[u8]) -> u64 {
    let end = plain.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    let Some(tail) = plain[..end].last_chunk::<TAIL_BYTES>() else { return 0 };
    if tail.iter().all(|b| *b == tail[0]) { 0 } else { short_hash(key, tail) }
}

/// The parser shall stop, or has.
struct Stop;

impl From<TarError> for Stop {
    fn from(_: TarError) -> Self {
        Self
    }
}

/// The likeness of small members: a hash of the path of the first of them.
fn first_path(key: &[u8; 32], plain: &[u8]) -> u64 {
    let mut path = None;
    let head = &plain[..plain.len().min(HEADERS_BYTES)];
    // The parser is told to stop by an error as soon as it has seen what is wanted.
    let _ = Parser::new(Limits::default()).push(head, &mut |event| match event {
        Event::Member(member, _) => {
            path = Some(member.path);
            Err(Stop)
        }
        _ => Ok(()),
    });
    path.map_or(0, |path| short_hash(key, &path))
}

/// The first eight bytes of a keyed hash.
fn short_hash(key: &[u8; 32], bytes: &[u8]) -> u64 {
    let hash = blake3::keyed_hash(key, bytes);
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

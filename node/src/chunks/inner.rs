//! The store's state, and the calls that all its parts share.
//!
//! An object is *fresh* from its put until the commit that follows a sync of its pack. Fresh objects
//! are in memory: `open` takes new ones, `closing` are those whose sync and commit is under way. The
//! order of locks is: `flushing`, `writer`, `fresh`.

use std::{
    collections::BTreeMap,
    fs::File,
    mem,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::id::SealedId;

use super::{
    error::{FullReason, Result, StoreError},
    folder::{PackFolder, lock, read_vec},
    frame::{FRAME_HEADER_BYTES, Place, is_object, read_frame_header},
    index::{Index, Numbers, Places},
    lease::Lease,
    options::StoreOptions,
    report::Put,
    steps::{Step, Steps},
    writer::{Unsynced, Writer},
};

/// Objects that the index does not have yet.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) open: Places,
    closing: Arc<Places>,
}

impl Fresh {
    fn get(&self, id: &SealedId) -> Option<Place> {
        self.open.get(id).or_else(|| self.closing.get(id)).copied()
    }

    fn len(&self) -> usize {
        self.open.len() + self.closing.len()
    }
}

/// What a flush has to bring to the disk.
struct Pending {
    unsynced: BTreeMap<u32, Unsynced>,
    bytes: u64,
    places: Arc<Places>,
    numbers: Numbers,
}

/// The state behind a `ChunkStore`.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) dir: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) packs: PackFolder,
    pub(super) index: Index,
    pub(super) writer: Mutex<Writer>,
    pub(super) flushing: Mutex<()>,
    pub(super) fresh: RwLock<Fresh>,
    pub(super) lease: Arc<Lease>,
    pub(super) pack_bytes: AtomicU64,
    pub(super) steps: Steps,
    /// Held as long as the store is open; last, so that it is released last.
    pub(super) _lock: File,
}

impl Inner {
    fn fresh_place(&self, id: &SealedId) -> Option<Place> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    pub(super) fn fresh_len(&self) -> usize {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Where an object lies.
    pub(super) fn find(&self, id: &SealedId) -> Result<Option<Place>> {
        match self.fresh_place(id) {
            Some(place) => Ok(Some(place)),
            None => self.index.get(id),
        }
    }

    /// Where many objects lie.
    pub(super) fn find_all(&self, ids: &[SealedId]) -> Result<Vec<Option<Place>>> {
        let mut found: Vec<_> = ids.iter().map(|id| self.fresh_place(id)).collect();
        let absent: Vec<usize> = (0..ids.len()).filter(|at| found[*at].is_none()).collect();
        let asked: Vec<&SealedId> = absent.iter().map(|at| &ids[*at]).collect();
        for (at, place) in absent.iter().zip(self.index.get_all(&asked)?) {
            found[*at] = place;
        }
        Ok(found)
    }

    /// Reads and verifies an object in its place; `Ok(None)` when the bytes are not the object.
    pub(super) fn read(&self, id: &SealedId, place: Place) -> std::io::Result<Option<Vec<u8>>> {
        let file = self.packs.file(place.pack)?;
        let bytes = read_vec(&file, place.body_offset(), place.bytes as usize)?;
        Ok(is_object(id, &bytes).then_some(bytes))
    }

    /// Whether the frame of this object lies there, by its header.
    pub(super) fn has_header(&self, id: &SealedId, place: Place) -> bool {
        let at = u64::from(place.offset);
        let file = self.packs.file(place.pack);
        let header = file.and_then(|file| read_vec(&file, at, FRAME_HEADER_BYTES));
        let parsed = header.ok().and_then(|bytes| read_frame_header(&bytes, place.pack, at));
        parsed == Some((*id, place))
    }

    /// Appends an object and remembers its place. The caller has looked that it is absent.
    pub(super) fn append(&self, id: &SealedId, bytes: &[u8]) -> Result<Put> {
        let mut writer = lock(&self.writer);
        if self.fresh_place(id).is_some() {
            return Ok(Put::Present);
        }
        self.append_again(&mut writer, id, bytes)?;
        Ok(Put::New)
    }

    /// Appends an object wherever else it lies.
    pub(super) fn append_again(
        &self,
        writer: &mut Writer,
        id: &SealedId,
        bytes: &[u8],
    ) -> Result<()> {
        let place = writer.append(self, id, bytes)?;
        self.fresh.write().unwrap_or_else(PoisonError::into_inner).open.insert(*id, place);
        Ok(())
    }

    /// Flushes when too much is fresh.
    pub(super) fn flush_if_due(&self) -> Result<()> {
        let objects = self.fresh.read().unwrap_or_else(PoisonError::into_inner).open.len();
        let due = objects >= self.options.fresh_objects_max
            || lock(&self.writer).unsynced_bytes >= self.options.fresh_bytes_max;
        if due { self.flush() } else { Ok(()) }
    }

    /// Makes everything that was put before durable: first the packs, then the index.
    pub(super) fn flush(&self) -> Result<()> {
        let _alone = lock(&self.flushing);
        let pending = self.take_pending()?;
        if pending.unsynced.is_empty() && pending.places.is_empty() {
            return Ok(());
        }
        let synced = self.sync_packs(&pending.unsynced);
        if let Err((pack, error)) = synced {
            lock(&self.writer).failed = Some(pack);
            self.put_back(pending);
            return Err(error);
        }
        let ends = pending.unsynced.iter().map(|(pack, unsynced)| (*pack, unsynced.end)).collect();
        match self.index.commit(&pending.places, &ends, pending.numbers) {
            Ok(()) => {
                self.fresh.write().unwrap_or_else(PoisonError::into_inner).closing = Arc::default();
                self.steps.reached(Step::IndexCommitted);
                Ok(())
            }
            Err(error) => {
                self.put_back(pending);
                Err(self.with_room(error))
            }
        }
    }

    fn take_pending(&self) -> Result<Pending> {
        let mut writer = lock(&self.writer);
        writer.must_be_sound()?;
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        fresh.closing = Arc::new(mem::take(&mut fresh.open));
        Ok(Pending {
            unsynced: mem::take(&mut writer.unsynced),
            bytes: mem::take(&mut writer.unsynced_bytes),
            places: Arc::clone(&fresh.closing),
            numbers: writer.numbers(),
        })
    }

    pub(super) fn sync_packs(
        &self,
        packs: &BTreeMap<u32, Unsynced>,
    ) -> Result<(), (u32, StoreError)> {
        for (pack, unsynced) in packs {
            let synced = unsynced.file.sync_data();
            synced.map_err(|e| (*pack, StoreError::io("sync", self.packs.path(*pack))(e)))?;
            self.steps.reached(Step::PackSynced);
        }
        Ok(())
    }

    /// A flush failed: what it took is fresh again, unless something newer came.
    fn put_back(&self, pending: Pending) {
        let mut writer = lock(&self.writer);
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        for (pack, unsynced) in pending.unsynced {
            writer.unsynced.entry(pack).or_insert(unsynced);
        }
        writer.unsynced_bytes += pending.bytes;
        for (id, place) in pending.places.iter() {
            fresh.open.entry(*id).or_insert(*place);
        }
        fresh.closing = Arc::default();
    }

    /// An object's bytes at this place are no good: from now on it is missing, durably.
    pub(super) fn forget(&self, id: &SealedId, place: Place) -> Result<()> {
        let _alone = lock(&self.flushing);
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        if fresh.open.get(id) == Some(&place) {
            fresh.open.remove(id);
        }
        drop(fresh);
        self.index.forget(&[(*id, place)]).map(drop)
    }

    /// Refuses a put that has no room, before anything is written.
    pub(super) fn must_have_room(&self, object_bytes: usize) -> Result<()> {
        let needed = (object_bytes + FRAME_HEADER_BYTES) as u64;
        if let Some(max) = self.options.bytes_max {
            let free = max.saturating_sub(self.pack_bytes.load(Ordering::Relaxed));
            if free < needed {
                return Err(self.full(needed, free, FullReason::Quota));
            }
        }
        let free = self.free_bytes();
        if free < needed.saturating_add(self.options.free_bytes_min) {
            let usable = free.saturating_sub(self.options.free_bytes_min);
            return Err(self.full(needed, usable, FullReason::Reserve));
        }
        Ok(())
    }

    pub(super) fn full(&self, needed: u64, free: u64, reason: FullReason) -> StoreError {
        StoreError::Full { dir: self.dir.clone(), needed, free, reason }
    }

    fn with_room(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Full { needed, reason, .. } => self.full(needed, self.free_bytes(), reason),
            other => other,
        }
    }

    /// What the file system lets us write; everything when it does not say.
    pub(super) fn free_bytes(&self) -> u64 {
        rustix::fs::statvfs(&self.dir)
            .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

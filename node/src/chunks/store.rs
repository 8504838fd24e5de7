//! The store as others use it.

use std::{
    io,
    path::Path,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use protocol::{id::SealedId, limits::OBJECT_BYTES_MAX};

use super::{
    error::{Result, StoreError},
    frame::{PACK_HEADER_BYTES, Place, is_object},
    inner::Inner,
    lease::StoreHold,
    options::{GcOptions, StoreOptions},
    report::{
        CheckReport, GcReport, OnProgress, OpenReport, Put, RebuildReport, StoreStats, StoreUsage,
    },
    walk::unreadable,
};

/// How often `get` looks again when the object moved while it read.
const MOVES_MAX: usize = 3;

/// Sealed objects on a disk, by name. A handle: clones are the same store. All calls block.
///
/// Dropping the last handle does not flush: what was not flushed may be lost, as after a crash.
#[derive(Clone, Debug)]
pub struct ChunkStore {
    pub(super) inner: Arc<Inner>,
}

/// Names what is live to a callback, and says when it could not name everything.
///
/// It may read from the store (`get`, `has`), but not put, hold or collect.
pub type NameLive<'a> =
    &'a mut dyn FnMut(&mut dyn FnMut(&SealedId)) -> Result<(), super::error::LiveError>;

impl ChunkStore {
    /// Opens the store of a folder, which is made if needed, and mends what a crash left.
    ///
    /// # Errors
    /// When the folder is in use, of a newer version, not ours, or cannot be read or written.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<(Self, OpenReport)> {
        let (inner, report) = super::open::open(dir, options)?;
        Ok((Self { inner: Arc::new(inner) }, report))
    }

    /// Whether the object is here.
    ///
    /// # Errors
    /// When the index fails.
    pub fn has(&self, id: &SealedId) -> Result<bool> {
        Ok(self.inner.find(id)?.is_some())
    }

    /// Whether the objects are here, in the same order. Cheaper than one by one.
    ///
    /// # Errors
    /// When the index fails.
    pub fn has_all(&self, ids: &[SealedId]) -> Result<Vec<bool>> {
        Ok(self.inner.find_all(ids)?.iter().map(Option::is_some).collect())
    }

    /// The length of an object that is here.
    ///
    /// # Errors
    /// When the index fails.
    pub fn len_of(&self, id: &SealedId) -> Result<Option<u32>> {
        Ok(self.inner.find(id)?.map(|place| place.bytes))
    }

    /// An object's bytes, verified.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is not here. [`StoreError::Damaged`] when its bytes are not
    /// what they were: then it counts as missing from now on, and a good copy can be put.
    pub fn get(&self, id: &SealedId) -> Result<Vec<u8>> {
        let mut place = self.inner.find(id)?.ok_or(StoreError::Missing { id: *id })?;
        for _ in 0..MOVES_MAX {
            let read = self.inner.read(id, place);
            if let Ok(Some(bytes)) = read {
                return Ok(bytes);
            }
            // gc may have moved it while we looked
            let now = self.inner.find(id)?.ok_or(StoreError::Missing { id: *id })?;
            if now == place {
                return Err(self.unreadable(id, place, read.err()));
            }
            place = now;
        }
        Err(StoreError::Missing { id: *id })
    }

    fn unreadable(&self, id: &SealedId, place: Place, error: Option<io::Error>) -> StoreError {
        let gone = |e: &io::Error| {
            unreadable(e)
                || matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
        };
        match error {
            Some(error) if !gone(&error) => {
                StoreError::io("read", self.inner.packs.path(place.pack))(error)
            }
            source => {
                let Place { pack, offset, .. } = place;
                tracing::error!(object.id = %id, pack, offset, "object is damaged, now missing");
                match self.inner.forget(id, place) {
                    Ok(()) => StoreError::Damaged { id: *id, pack, offset, source },
                    Err(error) => error,
                }
            }
        }
    }

    /// Appends an object unless it is here. It is readable at once, and durable after a flush.
    ///
    /// Whoever relies on it staying takes a [`ChunkStore::hold`] before the first put (or `has`) and
    /// keeps it until something that `gc` knows names the object.
    ///
    /// # Errors
    /// [`StoreError::WrongBytes`] when the bytes have another hash; [`StoreError::Full`] when there
    /// is no room: then nothing changed; [`StoreError::Collecting`] during gc or rebuild.
    pub fn put(&self, id: &SealedId, bytes: &[u8]) -> Result<Put> {
        if bytes.len() <= OBJECT_BYTES_MAX && !is_object(id, bytes) {
            return Err(StoreError::WrongBytes { id: *id });
        }
        self.put_trusted(id, bytes)
    }

    /// As [`ChunkStore::put`], for a caller that has just computed the name from these bytes.
    ///
    /// # Errors
    /// As for [`ChunkStore::put`].
    pub fn put_trusted(&self, id: &SealedId, bytes: &[u8]) -> Result<Put> {
        if bytes.is_empty() || bytes.len() > OBJECT_BYTES_MAX {
            let max = OBJECT_BYTES_MAX;
            return Err(StoreError::ObjectSize { id: *id, bytes: bytes.len(), max });
        }
        let _not_collected_meanwhile = self.inner.lease.try_hold()?;
        if self.inner.find(id)?.is_some() {
            return Ok(Put::Present);
        }
        self.inner.must_have_room(bytes.len())?;
        self.inner.flush_if_due()?;
        self.inner.append(id, bytes)
    }

    /// Makes every put that has returned durable.
    ///
    /// # Errors
    /// When the disk or the index refuses. After [`StoreError::Full`] the puts are still there and
    /// a later flush may succeed; after a failed sync the store must be opened anew.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    /// Waits until nothing is being collected, and keeps it so as long as the hold exists.
    #[must_use]
    pub fn hold(&self) -> StoreHold {
        self.inner.lease.hold()
    }

    /// A hold, unless something is being collected just now.
    ///
    /// # Errors
    /// [`StoreError::Collecting`].
    pub fn try_hold(&self) -> Result<StoreHold> {
        self.inner.lease.try_hold()
    }

    /// Frees what `live` does not name. See [`super::gc`].
    ///
    /// # Errors
    /// [`StoreError::Busy`] while holds exist; [`StoreError::Live`] when `live` fails: then nothing
    /// was removed. Whenever it fails, every live object is still there.
    pub fn gc(
        &self,
        live: NameLive<'_>,
        options: GcOptions,
        progress: OnProgress<'_>,
    ) -> Result<GcReport> {
        super::gc::run(&self.inner, live, options, progress)
    }

    /// Looks at every frame, compares with the index, and mends the index. With `read_data` every
    /// object is read and verified. See [`super::check`].
    ///
    /// # Errors
    /// When something cannot be read at all; damage is no error but in the report.
    pub fn check(&self, read_data: bool, progress: OnProgress<'_>) -> Result<CheckReport> {
        super::check::run(&self.inner, read_data, progress)
    }

    /// Makes the index again from the packs alone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while holds exist. Until it succeeds the old index stays.
    pub fn rebuild(&self, progress: OnProgress<'_>) -> Result<RebuildReport> {
        super::rebuild::run(&self.inner, progress)
    }

    /// The store in numbers.
    ///
    /// # Errors
    /// When the index or the folder cannot be read.
    pub fn stats(&self) -> Result<StoreStats> {
        let inner = &self.inner;
        let fresh = inner.fresh_len() as u64;
        let index = std::fs::metadata(inner.index.path());
        Ok(StoreStats {
            objects: inner.index.len()? + fresh,
            objects_fresh: fresh,
            packs: inner.packs.list()?.len() as u64,
            pack_bytes: inner.pack_bytes.load(Ordering::Relaxed),
            index_bytes: index.map_err(StoreError::io("read", inner.index.path()))?.len(),
            bytes_max: inner.options.bytes_max,
        })
    }

    /// How the bytes of the packs are used. Walks the index: a second per some million objects.
    ///
    /// # Errors
    /// When the index cannot be read, or what waits cannot be flushed.
    pub fn usage(&self) -> Result<StoreUsage> {
        self.flush()?;
        let (mut objects, mut object_bytes, mut frame_bytes) = (0, 0, 0);
        let mut snapshot = self.inner.index.snapshot()?;
        loop {
            let batch = snapshot.batch()?;
            if batch.is_empty() {
                break;
            }
            objects += batch.len() as u64;
            object_bytes += batch.iter().map(|(_, place)| u64::from(place.bytes)).sum::<u64>();
            frame_bytes += batch.iter().map(|(_, place)| place.frame_bytes()).sum::<u64>();
        }
        let packs = self.inner.packs.list()?;
        let headers = packs.len() as u64 * PACK_HEADER_BYTES as u64;
        let used = frame_bytes + headers;
        let garbage_bytes = packs.values().sum::<u64>().saturating_sub(used);
        Ok(StoreUsage { objects, object_bytes, garbage_bytes })
    }

    /// Bytes of frames that wait for the next flush.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).unsynced_bytes
    }
}

//! Appending frames to the open pack.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::Ordering},
};

use protocol::id::SealedId;

use super::{
    error::{FullReason, Result, StoreError, is_full},
    frame::{FRAME_HEADER_BYTES, PACK_HEADER_BYTES, Place, frame_header},
    index::Numbers,
    inner::Inner,
    steps::Step,
};

/// The pack that grows.
#[derive(Debug)]
pub(super) struct OpenPack {
    pub(super) number: u32,
    pub(super) file: Arc<File>,
    pub(super) end: u64,
}

/// A pack with frames that are not yet synced, and where they end.
#[derive(Clone, Debug)]
pub(super) struct Unsynced {
    pub(super) file: Arc<File>,
    pub(super) end: u64,
}

/// What only one thread at a time may touch.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) current: Option<OpenPack>,
    pub(super) next_pack: u32,
    pub(super) unsynced: BTreeMap<u32, Unsynced>,
    pub(super) unsynced_bytes: u64,
    /// The pack whose sync failed: what the disk holds is in doubt until the store is reopened.
    pub(super) failed: Option<u32>,
}

impl Writer {
    pub(super) const fn new(current: Option<OpenPack>, next_pack: u32) -> Self {
        Self { current, next_pack, unsynced: BTreeMap::new(), unsynced_bytes: 0, failed: None }
    }

    /// What the index is to know of pack numbers.
    pub(super) fn numbers(&self) -> Numbers {
        Numbers { next: self.next_pack, open: self.current.as_ref().map(|pack| pack.number) }
    }

    /// Refuses after a failed sync.
    pub(super) const fn must_be_sound(&self) -> Result<()> {
        match self.failed {
            Some(pack) => Err(StoreError::SyncFailed { pack }),
            None => Ok(()),
        }
    }

    /// Appends a frame. When it fails nothing of it stays.
    pub(super) fn append(&mut self, store: &Inner, id: &SealedId, bytes: &[u8]) -> Result<Place> {
        self.must_be_sound()?;
        let frame_bytes = (FRAME_HEADER_BYTES + bytes.len()) as u64;
        self.roll(store, frame_bytes)?;
        let Some(pack) = self.current.as_mut() else {
            return Err(StoreError::SyncFailed { pack: self.next_pack });
        };
        let (Ok(offset), Ok(length)) = (u32::try_from(pack.end), u32::try_from(bytes.len())) else {
            let max = protocol::limits::OBJECT_BYTES_MAX;
            return Err(StoreError::ObjectSize { id: *id, bytes: bytes.len(), max });
        };
        let place = Place { pack: pack.number, offset, bytes: length };
        if let Err(error) = write_frame(store, &pack.file, &frame_header(id, place), bytes, place) {
            // what is written anew goes over it in any case, and open cuts it off
            let _cut_off_later = pack.file.set_len(pack.end);
            return Err(failed_write(store, pack.number, frame_bytes, error));
        }
        pack.end = place.end();
        let unsynced = Unsynced { file: Arc::clone(&pack.file), end: pack.end };
        self.unsynced.insert(pack.number, unsynced);
        self.unsynced_bytes += frame_bytes;
        store.pack_bytes.fetch_add(frame_bytes, Ordering::Relaxed);
        Ok(place)
    }

    /// Begins a new pack when there is none or the frame does not fit.
    fn roll(&mut self, store: &Inner, frame_bytes: u64) -> Result<()> {
        let fits = |pack: &OpenPack| {
            pack.end == PACK_HEADER_BYTES as u64
                || pack.end + frame_bytes <= store.options.pack_bytes
        };
        if self.current.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let number = self.next_pack;
        let made = store.packs.create(number, &store.steps);
        let file = made.map_err(|e| failed_write(store, number, PACK_HEADER_BYTES as u64, e))?;
        self.next_pack += 1;
        store.pack_bytes.fetch_add(PACK_HEADER_BYTES as u64, Ordering::Relaxed);
        self.current = Some(OpenPack { number, file, end: PACK_HEADER_BYTES as u64 });
        Ok(())
    }
}

fn write_frame(
    store: &Inner,
    file: &File,
    header: &[u8],
    bytes: &[u8],
    place: Place,
) -> io::Result<()> {
    file.write_all_at(header, u64::from(place.offset))?;
    store.steps.reached(Step::FrameHeaderWritten);
    file.write_all_at(bytes, place.body_offset())?;
    store.steps.reached(Step::FrameWritten);
    Ok(())
}

fn failed_write(store: &Inner, pack: u32, needed: u64, error: io::Error) -> StoreError {
    if is_full(&error) {
        store.full(needed, store.free_bytes(), FullReason::Disk)
    } else {
        StoreError::io("write", store.packs.path(pack))(error)
    }
}

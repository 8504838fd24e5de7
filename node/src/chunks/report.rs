//! What the store tells of its work: plain values for the command line, pages and tests.

use std::ops::ControlFlow;

use protocol::id::SealedId;
use serde::Serialize;

use super::error::{Result, StoreError};

/// How many damaged objects a report names; the rest is only counted.
pub const DAMAGED_NAMED_MAX: usize = 1_000;

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StoreProgress {
    /// Bytes of packs that are done.
    pub bytes_done: u64,
    /// Bytes of packs in all.
    pub bytes_total: u64,
}

/// Hears of progress, and may stop the work by `ControlFlow::Break`. It must not use the store.
pub type OnProgress<'a> = &'a mut dyn FnMut(StoreProgress) -> ControlFlow<()>;

pub(super) fn tell(progress: OnProgress<'_>, bytes_done: u64, bytes_total: u64) -> Result<()> {
    match progress(StoreProgress { bytes_done, bytes_total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    }
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was appended; it is durable after the next flush.
    New,
    /// It was there already; it is durable after the next flush, at the latest.
    Present,
}

/// What opening found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenReport {
    /// Objects that were in packs but not yet in the index.
    pub objects_recovered: u64,
    /// Bytes of an unfinished write that were cut off.
    pub torn_bytes: u64,
    /// Bytes in packs that hold no valid frame and were left where they are.
    pub unreadable_bytes: u64,
    /// Packs whose removal was finished.
    pub packs_removed: u64,
    /// Why the index was made again from the packs, if it was.
    pub rebuilt: Option<String>,
    /// The file `format` was missing or damaged and was written again.
    pub format_restored: bool,
}

impl OpenReport {
    /// Nothing had to be done.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// An object that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedObject {
    /// Its name.
    pub id: SealedId,
    /// The pack.
    pub pack: u32,
    /// Where its frame begins.
    pub offset: u32,
}

/// What `check` found. Damaged and lost objects are marked missing, unknown ones are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Packs read.
    pub packs: u64,
    /// Frames found.
    pub frames: u64,
    /// Bytes of packs looked at.
    pub bytes: u64,
    /// Objects that the index named and that are damaged or gone: now missing.
    pub damaged_objects: u64,
    /// The first of them.
    pub damaged: Vec<DamagedObject>,
    /// Objects that the index did not know: now known.
    pub objects_added: u64,
    /// Objects whose frame header was damaged and that were written anew.
    pub objects_rescued: u64,
    /// Frames that nothing refers to (older copies).
    pub frames_unused: u64,
    /// Bytes between frames that are no frame.
    pub unreadable_bytes: u64,
    /// Packs whose header is damaged; their frames are read all the same.
    pub pack_headers_damaged: u64,
    /// The index itself was damaged and was made again.
    pub index_rebuilt: bool,
}

impl CheckReport {
    /// Everything is as it was written.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damaged_objects == 0
            && self.objects_added == 0
            && self.objects_rescued == 0
            && self.unreadable_bytes == 0
            && self.pack_headers_damaged == 0
            && !self.index_rebuilt
    }

    pub(super) fn note_damaged(&mut self, damaged: DamagedObject) {
        self.damaged_objects += 1;
        if self.damaged.len() < DAMAGED_NAMED_MAX {
            self.damaged.push(damaged);
        }
    }
}

/// What `rebuild` found in the packs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Packs read.
    pub packs: u64,
    /// Objects in the new index.
    pub objects: u64,
    /// Bytes of packs.
    pub bytes: u64,
    /// Bytes between frames that are no frame.
    pub unreadable_bytes: u64,
}

/// What `gc` did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Objects that are live and here.
    pub live_objects: u64,
    /// Live objects that are not here (named more than once counts more than once).
    pub live_missing: u64,
    /// Bytes of the frames of live objects.
    pub live_bytes: u64,
    /// Objects in the index that nothing needs.
    pub garbage_objects: u64,
    /// Bytes of packs that are no live frame.
    pub garbage_bytes: u64,
    /// Packs removed as a whole.
    pub packs_removed: u64,
    /// Packs whose live objects are copied elsewhere before they are removed.
    pub packs_rewritten: u64,
    /// Bytes copied for that.
    pub bytes_copied: u64,
    /// Bytes that the packs are smaller by.
    pub bytes_freed: u64,
    /// Live objects that turned out to be damaged while they were copied: now missing.
    pub damaged_objects: u64,
}

/// The store in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Objects in the index and waiting for it.
    pub objects: u64,
    /// Objects of these that are not yet flushed.
    pub objects_fresh: u64,
    /// Packs.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Bytes of the index file.
    pub index_bytes: u64,
    /// The quota.
    pub bytes_max: Option<u64>,
}

/// How the bytes of the packs are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreUsage {
    /// Objects in the index.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Bytes of packs that no object of the index lies in.
    pub garbage_bytes: u64,
}

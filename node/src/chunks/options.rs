//! How a store is opened and collected.

use std::time::Duration;

#[cfg(test)]
use super::steps::StepHook;

/// How large a pack grows before the next one is begun.
pub const PACK_BYTES: u64 = 64 << 20;

/// What redb may cache. Its default of 1 GiB buys nothing but memory.
pub const INDEX_CACHE_BYTES: usize = 24 << 20;

/// Objects that may wait for the next commit of the index: some 2 MiB of memory.
pub const FRESH_OBJECTS_MAX: usize = 20_000;

/// Bytes that may wait for the next sync.
pub const FRESH_BYTES_MAX: u64 = 64 << 20;

/// What is left free on the disk, so that the index and the records can still be committed.
pub const FREE_BYTES_MIN: u64 = 32 << 20;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// How large a pack grows before the next one is begun; at most 1 GiB.
    pub pack_bytes: u64,
    /// How many bytes of packs there may be at all: the quota.
    pub bytes_max: Option<u64>,
    /// How many bytes `put` leaves free on the disk.
    pub free_bytes_min: u64,
    /// Objects that may wait for a flush before one is made.
    pub fresh_objects_max: usize,
    /// Bytes that may wait for a flush before one is made.
    pub fresh_bytes_max: u64,
    /// What redb may cache, bytes.
    pub index_cache_bytes: usize,
    #[cfg(test)]
    pub(crate) on_step: Option<StepHook>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pack_bytes: PACK_BYTES,
            bytes_max: None,
            free_bytes_min: FREE_BYTES_MIN,
            fresh_objects_max: FRESH_OBJECTS_MAX,
            fresh_bytes_max: FRESH_BYTES_MAX,
            index_cache_bytes: INDEX_CACHE_BYTES,
            #[cfg(test)]
            on_step: None,
        }
    }
}

/// How garbage is collected.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// A pack is rewritten when at least this share of it is garbage, percent. A pack that is
    /// garbage as a whole is removed in any case.
    pub rewrite_percent: u8,
    /// How long to wait for holds to end.
    pub wait: Duration,
    /// Only tell what would be done.
    pub dry_run: bool,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { rewrite_percent: 25, wait: Duration::from_secs(10), dry_run: false }
    }
}

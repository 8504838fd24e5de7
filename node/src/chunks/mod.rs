//! The chunk store: sealed objects in packs, found through an index that can be made again.
//!
//! An *object* is bytes named by their BLAKE3 hash. A *pack* is an append-only file of *frames*, each
//! a header and one object. The *index* (redb) says where each object lies; the packs say it too. A
//! *flush* syncs the packs, then commits the index: what was put before it is durable after it. A
//! *hold* keeps *gc* away. PACKS.md has the bytes and what happens after a crash.
//!
//! In memory there is nothing per object but those not yet flushed, at most twice
//! [`FRESH_OBJECTS_MAX`], and what gc has marked (about 10 bytes each). Calls block; any number of
//! threads may use a store.

mod admit;
mod check;
mod error;
mod folder;
mod frame;
mod gc;
mod index;
mod inner;
mod lease;
mod open;
mod options;
mod rebuild;
mod report;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

pub use self::{
    error::{FullReason, LiveError, Result, StoreError},
    frame::FORMAT_VERSION,
    lease::StoreHold,
    options::{
        FREE_BYTES_MIN, FRESH_BYTES_MAX, FRESH_OBJECTS_MAX, GcOptions, INDEX_CACHE_BYTES,
        PACK_BYTES, StoreOptions,
    },
    report::{
        CheckReport, DAMAGED_NAMED_MAX, DamagedObject, GcReport, OnProgress, OpenReport, Put,
        RebuildReport, StoreProgress, StoreStats, StoreUsage,
    },
    store::{ChunkStore, NameLive},
};

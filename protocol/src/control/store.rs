//! The chunk store: how full it is, whether it is sound, what can be freed.

use serde::{Deserialize, Serialize};

use super::RawPath;
use crate::SealedId;

/// How full the store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStats {
    /// Where it lies.
    pub path: RawPath,
    /// Sealed objects.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Pack files.
    pub packs: u64,
    /// Their bytes, garbage and frames included.
    pub pack_bytes: u64,
    /// Bytes of packs that no object of the index lies in.
    pub garbage_bytes: u64,
    /// Size of the index.
    pub index_bytes: u64,
    /// Bytes free on the file system.
    pub free_bytes: u64,
}

/// A stretch of a pack that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The pack's file name.
    pub pack: String,
    /// Where in it, bytes.
    pub offset: u64,
    /// The object that lay there, when that is known.
    pub object: Option<SealedId>,
    /// What is wrong.
    pub why: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreChecked {
    /// Packs read.
    pub packs: u64,
    /// Objects checked.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Whether the objects' bytes were hashed too.
    pub read_data: bool,
    /// What is damaged, the first of it.
    pub damaged: Vec<Damage>,
    /// How much is damaged.
    pub damaged_total: u64,
    /// Objects that archives here need and the store has not.
    pub missing_total: u64,
    /// How long it took.
    pub duration_ms: u64,
}

impl StoreChecked {
    /// How many damages are listed.
    pub const LISTED_MAX: usize = 1_000;

    /// Whether nothing is damaged or missing.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.damaged_total == 0 && self.missing_total == 0
    }
}

/// The index is made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreRebuilt {
    /// Packs read.
    pub packs: u64,
    /// Objects found in them.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What could not be read as an object, the first of it.
    pub damaged: Vec<Damage>,
    /// How long it took.
    pub duration_ms: u64,
}

/// What was freed, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCollected {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Objects that archives need.
    pub live_objects: u64,
    /// Objects that no archive needs.
    pub dead_objects: u64,
    /// Bytes freed on the disk.
    pub freed_bytes: u64,
    /// Packs deleted.
    pub packs_deleted: u64,
    /// Packs whose live part was written again.
    pub packs_rewritten: u64,
    /// Bytes written again for that.
    pub rewritten_bytes: u64,
    /// How long it took.
    pub duration_ms: u64,
}

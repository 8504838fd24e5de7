//! Which small members of a tar lie in one chunk.

use crate::limits::CHUNK_BYTES_MAX;

const CONTEXT: &str = "backupmanager 2026 member groups v1";

/// Up to here a new group begins seldom, after it soon: groups come out at about 128 KiB, few much
/// shorter or longer. A file that changes costs its group, so they are smaller than chunks of data.
const NORMAL_BYTES: u64 = 96 << 10;

/// A member of `n` bytes begins a group with probability `n` in this many, before the normal size…
const SELDOM_BYTES: u64 = 512 << 10;

/// … and after it.
const SOON_BYTES: u64 = 32 << 10;

/// Decides where groups of members begin, by a keyed hash of paths.
#[derive(Clone)]
pub struct Grouping {
    key: zeroize::Zeroizing<[u8; 32]>,
    group_bytes: u64,
}

impl Grouping {
    /// Groups under a key; a key derived from it is used, so it may serve other uses too.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let key = zeroize::Zeroizing::new(blake3::derive_key(CONTEXT, key));
        Self { key, group_bytes: 0 }
    }

    /// Whether the member begins a new group: then close the one before it. `bytes` is all that it
    /// adds to the group: headers, and for a small file data and padding. The first member after
    /// [`Grouping::reset`] begins none: there is nothing to close.
    pub fn begins_new(&mut self, path: &[u8], bytes: u64) -> bool {
        let begins = self.group_bytes > 0
            && (self.group_bytes.saturating_add(bytes) > CHUNK_BYTES_MAX as u64
                || self.path_says_so(path, bytes));
        self.group_bytes = if begins { bytes } else { self.group_bytes.saturating_add(bytes) };
        begins
    }

    /// The group was closed for another reason, such as the data of a large file.
    pub fn reset(&mut self) {
        self.group_bytes = 0;
    }

    fn path_says_so(&self, path: &[u8], bytes: u64) -> bool {
        let per = if self.group_bytes < NORMAL_BYTES { SELDOM_BYTES } else { SOON_BYTES };
        let hash = blake3::keyed_hash(&self.key, path);
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first) <= (u64::MAX / per).saturating_mul(bytes)
    }
}

impl std::fmt::Debug for Grouping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grouping").field("group_bytes", &self.group_bytes).finish_non_exhaustive()
    }
}

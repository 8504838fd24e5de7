//! Which paths were restored, in a few bytes each.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

/// How many paths are remembered: about 20 MB. Beyond it [`Seen::has`] says that it cannot tell.
pub(super) const SEEN_MAX: usize = 1 << 20;

/// How many links, pipes and devices are remembered: about 30 MB. No others get a second name.
const MADE_MAX: usize = 1 << 20;

/// A set of paths, as hashes under a key that no archive can know.
pub(super) struct Seen {
    key: RandomState,
    hashes: HashSet<u64>,
    overflowed: bool,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), hashes: HashSet::new(), overflowed: false }
    }

    pub(super) fn add(&mut self, parts: &[&[u8]]) {
        if self.hashes.len() < SEEN_MAX {
            self.hashes.insert(self.key.hash_one(parts));
        } else {
            self.overflowed = true;
        }
    }

    /// Whether the path was added; none when it may have been forgotten.
    pub(super) fn has(&self, parts: &[&[u8]]) -> Option<bool> {
        if self.hashes.contains(&self.key.hash_one(parts)) {
            Some(true)
        } else if self.overflowed {
            None
        } else {
            Some(false)
        }
    }

    pub(super) fn remove(&mut self, parts: &[&[u8]]) {
        self.hashes.remove(&self.key.hash_one(parts));
    }
}

/// Links, pipes and devices that were made: device and inode by path, the paths as in [`Seen`].
#[derive(Default)]
pub(super) struct Made {
    key: RandomState,
    nodes: HashMap<u64, (u64, u64)>,
}

impl Made {
    pub(super) fn add(&mut self, parts: &[&[u8]], node: (u64, u64)) {
        let path = self.key.hash_one(parts);
        if self.nodes.len() < MADE_MAX || self.nodes.contains_key(&path) {
            self.nodes.insert(path, node);
        }
    }

    pub(super) fn get(&self, parts: &[&[u8]]) -> Option<(u64, u64)> {
        self.nodes.get(&self.key.hash_one(parts)).copied()
    }

    pub(super) fn remove(&mut self, parts: &[&[u8]]) {
        self.nodes.remove(&self.key.hash_one(parts));
    }
}

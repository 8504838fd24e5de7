//! What a restore did, and what it could not do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many items of one kind a report names; the rest is counted.
pub const LISTED_MAX: usize = 1000;

/// A count, and the first of what was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// How many there were.
    pub count: u64,
    /// The first [`LISTED_MAX`] of them.
    pub first: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// Counts one, and keeps it while there is room.
    pub fn push(&mut self, item: T) {
        self.count += 1;
        if self.first.len() < LISTED_MAX {
            self.first.push(item);
        }
    }
}

/// Something to say of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The member's path in the archive.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What there is to say.
    pub what: String,
}

/// What of a file can be set apart from its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Setting {
    /// User and group.
    Owner,
    /// Permission bits.
    Mode,
    /// Setuid, setgid: left out because the owner is not the one they were meant for.
    SpecialBits,
    /// The time of the last change.
    Time,
    /// An extended attribute; ACLs and capabilities are among them.
    Xattr(String),
    /// Which directory attributes the archive says: it does not name this directory.
    Unnamed,
}

/// Something that could not be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotSet {
    /// The member's path in the archive.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What.
    pub what: Setting,
    /// Why.
    pub why: String,
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Regular files written.
    pub files: u64,
    /// Directories made or given their attributes.
    pub directories: u64,
    /// Symbolic links made.
    pub symlinks: u64,
    /// Further names of files made.
    pub hard_links: u64,
    /// Pipes and devices made.
    pub specials: u64,
    /// Files, links and pipes that were there already, the same by kind, size, time, mode and owner.
    pub present: u64,
    /// File data written, holes not counted, bytes.
    pub data_bytes: u64,
    /// Members that the patterns do not select, or that lie outside the stripped prefix.
    pub not_selected: u64,
    /// What existed and was kept, with the reason.
    pub kept: Listed<Note>,
    /// Members that could not be restored, with the reason.
    pub failed: Listed<Note>,
    /// What could not be set, the first of them.
    pub not_set: Listed<NotSet>,
    /// What could not be set, how often of each kind.
    pub not_set_counts: BTreeMap<Setting, u64>,
    /// What was written, asked back, and is not as the archive says.
    pub different: Listed<Note>,
}

impl RestoreReport {
    /// Whether everything that was asked for lies there as the archive says.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.kept.count + self.failed.count + self.not_set.count + self.different.count == 0
    }

    pub(super) fn fail(&mut self, path: &[u8], what: &impl ToString) {
        self.failed.push(Note { path: path.to_vec(), what: what.to_string() });
    }

    pub(super) fn keep(&mut self, path: &[u8], what: &str) {
        self.kept.push(Note { path: path.to_vec(), what: what.to_owned() });
    }

    pub(super) fn differ(&mut self, path: &[u8], what: String) {
        self.different.push(Note { path: path.to_vec(), what });
    }

    pub(super) fn not_set(&mut self, path: &[u8], what: Setting, why: &impl ToString) {
        self.count_kind(&what);
        self.not_set.push(NotSet { path: path.to_vec(), what, why: why.to_string() });
    }

    /// The kinds are few but for names of extended attributes, which the archive chooses.
    fn count_kind(&mut self, what: &Setting) {
        if let Some(count) = self.not_set_counts.get_mut(what) {
            *count += 1;
        } else if self.not_set_counts.len() < LISTED_MAX {
            self.not_set_counts.insert(what.clone(), 1);
        }
    }
}

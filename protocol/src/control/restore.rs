//! Getting an archive back: as a plain tar, or its files where they were or elsewhere.

use serde::{Deserialize, Serialize};

use super::{ArchiveRef, Issues, NodeName, RawPath};

/// A plain tar that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveExport {
    /// Which archive.
    pub archive: ArchiveRef,
    /// A file to write, or an existing directory, in which it is called `NAME.tar`. Absolute.
    pub to: RawPath,
    /// Replace a file that is there.
    pub overwrite: bool,
}

/// The plain tar is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Which archive.
    pub archive: String,
    /// The tar.
    pub tar: RawPath,
    /// The `.info.json` beside it.
    pub info: RawPath,
    /// Size of the tar.
    pub bytes: u64,
    /// SHA-256 of the tar in hex.
    pub sha256: String,
    /// Sealed bytes that came from other nodes.
    pub fetched_bytes: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// What happens to files that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overwrite {
    /// Those that differ from the archive are replaced.
    #[default]
    Changed,
    /// All are written again.
    Always,
    /// None is touched.
    Never,
}

/// Files to put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRestore {
    /// Which archive.
    pub archive: ArchiveRef,
    /// Members that match one of them; all without any.
    pub patterns: Vec<String>,
    /// The folder to restore under; none for the place they came from. Absolute.
    pub to: Option<RawPath>,
    /// Only say what would be done.
    pub plan: bool,
    /// What happens to files that are there already.
    pub overwrite: Overwrite,
}

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// Which archive.
    pub archive: String,
    /// Its origin.
    pub origin: NodeName,
    /// The folder it would restore under; `/` for in place.
    pub destination: RawPath,
    /// Members that would be restored.
    pub entries: u64,
    /// Their sizes.
    pub bytes: u64,
    /// Of them, not there now.
    pub creates: u64,
    /// Of them, there and to be replaced.
    pub replaces: u64,
    /// Of them, there and left alone.
    pub keeps: u64,
    /// Sealed bytes that are not here and would be fetched.
    pub fetch_bytes: u64,
    /// From whom.
    pub fetch_from: Vec<NodeName>,
    /// What would be done, in order, for people.
    pub steps: Vec<String>,
    /// What stands in the way, or will not be as it was.
    pub concerns: Issues,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Which archive.
    pub archive: String,
    /// The folder it restored under; `/` for in place.
    pub destination: RawPath,
    /// Members restored.
    pub entries: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// Members that were left alone because of what was there.
    pub kept: u64,
    /// Sealed bytes that came from other nodes.
    pub fetched_bytes: u64,
    /// Whether all was read again and compared.
    pub compared: bool,
    /// What differs from the archive after all.
    pub differs: Issues,
    /// What could not be set: owners without the rights for it, attributes of another file system.
    pub not_set: Issues,
    /// How long it took.
    pub duration_ms: u64,
}

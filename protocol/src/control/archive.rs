//! Archives: finding them, looking into them, proving them, moving and dropping them.

use serde::{Deserialize, Serialize};

use super::{NodeName, NodeRef, Page, RawPath};
use crate::{
    ArchiveId, SealedId, Time,
    job::Name,
    tar::{FileTime, MemberKind},
};

/// Most patterns of one request.
pub const PATTERNS_MAX: usize = 256;

/// The longest pattern, bytes.
pub const PATTERN_BYTES_MAX: usize = 8_192;

/// An archive as somebody names it. Names are unique at their origin only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRef {
    /// Its name.
    pub name: Name,
    /// The origin; without it the name must be unique among all that this node knows, its own
    /// archives first.
    pub node_of: Option<NodeRef>,
}

/// Which archives to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveList {
    /// Of this job only.
    pub job: Option<Name>,
    /// Of this origin only.
    pub node_of: Option<NodeRef>,
    /// Which part of the list.
    pub page: Page,
}

/// A page of archives, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archives {
    /// This page.
    pub archives: Vec<ArchiveReport>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// How much of an archive a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HolderState {
    /// Every object, durable.
    Whole,
    /// Some of them; the rest is on its way.
    Fetching,
    /// It was placed there and nothing has arrived yet.
    Planned,
}

/// A node that has, or will have, an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Which.
    pub node: NodeName,
    /// How much of it.
    pub state: HolderState,
    /// Sealed bytes it has.
    pub have_bytes: u64,
    /// Until when it refuses to drop them.
    pub locked_until_ms: Option<Time>,
}

/// One archive. What is sealed from this node (it holds a copy for somebody else) is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveReport {
    /// Unique everywhere.
    pub id: ArchiveId,
    /// The node that made it.
    pub origin: NodeName,
    /// Its name.
    pub name: Option<String>,
    /// The job it came from.
    pub job: Option<String>,
    /// The kind of job: `custom_dir`, `ynh_app` and so on.
    #[serde(default)]
    pub kind: Option<String>,
    /// What was backed up: a path, an app, databases.
    #[serde(default)]
    pub source: Option<RawPath>,
    /// When it was made, by the origin's clock.
    pub created_ms: Time,
    /// Size of the tar stream.
    pub stream_bytes: Option<u64>,
    /// Members.
    pub entries: Option<u64>,
    /// SHA-256 of the tar stream in hex, once it was read whole.
    pub sha256: Option<String>,
    /// Sealed bytes that a whole copy needs.
    pub sealed_bytes: u64,
    /// Whether it is kept whatever the retention says.
    #[serde(default)]
    pub pinned: bool,
    /// The file of its plain tar in the archives folder, while there is one.
    #[serde(default)]
    pub tar: Option<RawPath>,
    /// Copies that its job wants on other nodes.
    pub copies_wanted: u8,
    /// Who has it, the origin included.
    pub holders: Vec<Holder>,
    /// Anything unusual: `sealed with none`, `made with warnings`.
    pub notes: Vec<String>,
}

/// What to list of an archive's members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveContents {
    /// Which archive.
    pub archive: ArchiveRef,
    /// Members that match one of them; all without any.
    pub patterns: Vec<String>,
    /// Members below this folder only: a member's path, without a slash at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<RawPath>,
    /// Members whose path has this text in it, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Which part of the list.
    pub page: Page,
}

impl ArchiveContents {
    /// The longest text that is searched for, bytes.
    pub const SEARCH_BYTES_MAX: usize = 256;
}

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveInfo {
    /// The archive.
    pub archive: ArchiveReport,
    /// Its `backup_info.json`, as it is; none when it has none, or one that is too long or no text.
    pub backup_info: Option<String>,
    /// Its `info.json` for `YunoHost`, in the same way.
    pub info: Option<String>,
}

impl ArchiveInfo {
    /// The longest of either text, bytes.
    pub const TEXT_BYTES_MAX: usize = 1 << 20;
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name of a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl From<MemberKind> for EntryKind {
    fn from(kind: MemberKind) -> Self {
        match kind {
            MemberKind::File => Self::File,
            MemberKind::HardLink => Self::HardLink,
            MemberKind::Symlink => Self::Symlink,
            MemberKind::Directory => Self::Directory,
            MemberKind::Fifo => Self::Fifo,
            MemberKind::CharDevice => Self::CharDevice,
            MemberKind::BlockDevice => Self::BlockDevice,
        }
    }
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentsEntry {
    /// Its path in the tar.
    pub path: RawPath,
    /// What it is.
    pub kind: EntryKind,
    /// Where a link points; empty otherwise.
    pub link: RawPath,
    /// Permission bits (07777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Its size with holes.
    pub bytes: u64,
    /// When its content last changed.
    pub mtime: FileTime,
}

/// A page of members, in the order of the tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Of which archive.
    pub archive: String,
    /// This page. It may be empty although there is a next one: matches can be far apart.
    pub entries: Vec<ContentsEntry>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// What reading every byte of an archive found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Which archive.
    pub archive: String,
    /// Objects read.
    pub objects: u64,
    /// Sealed bytes read.
    pub bytes: u64,
    /// Objects that are not here, the first of them.
    pub missing: Vec<SealedId>,
    /// How many are not here.
    pub missing_total: u64,
    /// Objects whose bytes are not what they should be, the first of them.
    pub damaged: Vec<SealedId>,
    /// How many are damaged.
    pub damaged_total: u64,
    /// Whether the tar stream has the SHA-256 that the record says; none when it was not opened.
    pub sha256_matches: Option<bool>,
    /// How long it took.
    pub duration_ms: u64,
}

impl Verified {
    /// Whether nothing is missing or damaged.
    #[must_use]
    pub fn whole(&self) -> bool {
        self.missing_total == 0 && self.damaged_total == 0 && self.sha256_matches != Some(false)
    }
}

/// An archive to drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRemove {
    /// Which.
    pub archive: ArchiveRef,
    /// Only say what would be dropped.
    pub dry_run: bool,
}

/// The archive is dropped, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which archive.
    pub archive: String,
    /// Nothing was changed.
    pub dry_run: bool,
    /// Sealed bytes that no other archive needs: the next gc frees them.
    pub freed_bytes: u64,
    /// Replicas elsewhere and until when they are locked.
    pub replicas: Vec<Holder>,
}

/// A copy to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveTransfer {
    /// Which archive.
    pub archive: ArchiveRef,
    /// The node that shall hold it.
    pub to: NodeRef,
}

/// The copy lies where it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// Which archive.
    pub archive: String,
    /// The holder.
    pub to: NodeName,
    /// Sealed bytes that had to be sent.
    pub sent_bytes: u64,
    /// Sealed bytes of the whole copy.
    pub sealed_bytes: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// Whose retention to apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prune {
    /// Of this job only.
    pub job: Option<Name>,
    /// Only say what would be dropped.
    pub dry_run: bool,
}

/// What a retention says of a job's archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Each archive of the job or jobs, newest first, the first of them.
    pub verdicts: Vec<PruneVerdict>,
    /// Kept in all.
    pub kept: u64,
    /// Dropped in all, or to be dropped.
    pub dropped: u64,
    /// Sealed bytes that no other archive needs: the next gc frees them.
    pub freed_bytes: u64,
}

impl Pruned {
    /// How many verdicts are listed.
    pub const LISTED_MAX: usize = 5_000;
}

/// What becomes of one archive, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneVerdict {
    /// Which.
    pub archive: String,
    /// Of which job.
    pub job: String,
    /// When it was made.
    pub created_ms: Time,
    /// Whether it stays.
    pub keep: bool,
    /// Why: `the newest of 2026-05-08`, `pinned`.
    pub reason: String,
}

/// A plain tar in the archives folder that no job of this node made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignArchive {
    /// Its name, without the ending.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// When it was made: by its description, or by the file.
    pub created_ms: Time,
    /// What its description says.
    pub description: String,
    /// The apps and parts in it.
    pub contains: Vec<String>,
    /// Whether `YunoHost` made it by itself before an upgrade.
    pub pre_upgrade: bool,
}

/// A foreign archive to take in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignAdopt {
    /// Its name.
    pub name: Name,
    /// The job it shall belong to; without one it belongs to none, and no retention touches it.
    pub job: Option<Name>,
    /// Answer when it is taken in, with its progress as events.
    pub wait: bool,
}

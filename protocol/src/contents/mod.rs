//! The index of an archive's members, in pages, so that one file is found without the stream.
//!
//! A page is a branch without links. It begins before a member whose path says so (a keyed hash),
//! and says nothing of its own place in the stream: offsets in it count from its first member,
//! whose offset the root has. So a page whose members did not change is the same object every
//! night, wherever it lies. The root also has each page's lowest and highest path, so that a search
//! skips pages.
//!
//! Written by [`ContentsWriter`] as members come; read with [`open_contents_page`].

mod codec;
mod page;
#[cfg(test)]
mod tests;
mod writer;

pub use codec::decode_contents;
pub use page::{ContentsPageRef, ContentsPages, open_contents_page};
pub use writer::ContentsWriter;

use crate::{
    SealedId,
    seal::SealError,
    tar::{FileTime, Member, MemberKind},
};

/// The most entries of a page; on average it is a quarter of that.
pub const CONTENTS_ENTRIES_MAX: usize = 2_048;

/// The most bytes that all paths and links of a page have together.
pub const CONTENTS_TEXT_BYTES_MAX: usize = 1 << 20;

/// The longest path, and the longest link. Linux makes neither longer than 4 KiB at once, but a
/// tree can be deeper than that.
pub const PATH_BYTES_MAX: usize = 64 << 10;

/// Why contents cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The bytes are not the page that was asked for.
    #[error("the page {id:?} of contents was asked for, other bytes came")]
    WrongObject {
        /// What was asked for.
        id: SealedId,
    },
    /// The bytes are no page.
    #[error("a page of contents cannot be read: {0}")]
    Malformed(&'static str),
    /// An entry that no page could hold.
    #[error("the path {path} cannot be listed: {why}")]
    Entry {
        /// The beginning of its path.
        path: String,
        /// Why not.
        why: &'static str,
    },
}

/// What the index says of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The member's path in the tar, as [`crate::tar::Member::path`].
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Target of a hard or symbolic link; empty otherwise.
    pub link: Vec<u8>,
    /// Permission bits (07777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The size a person sees (holes counted), bytes.
    pub real_bytes: u64,
    /// When the content last changed.
    pub mtime: FileTime,
    /// Where the member's first header block begins in the tar stream, bytes.
    pub offset: u64,
    /// Headers, data and padding together, bytes: the member ends at `offset + span`.
    pub span: u64,
}

impl Entry {
    /// What the index says of a member that lies at `offset` and takes `span` bytes of the stream.
    #[must_use]
    pub fn of(member: &Member, offset: u64, span: u64) -> Self {
        Self {
            path: member.path.clone(),
            kind: member.kind,
            link: member.link.clone(),
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            real_bytes: member.real_bytes(),
            mtime: member.mtime,
            offset,
            span,
        }
    }
}

//! The members that wait to become a segment, and the bytes they become.

use std::ffi::CString;
use std::rc::Rc;

use protocol::chunk::Grouping;
use protocol::contents::Entry;
use protocol::limits::CHUNK_BYTES_MAX;
use protocol::tar::{Member, encode, encoded_bytes, padding};

use super::directory::Directory;
use super::fingerprint::Fingerprinter;
use super::stat::FileStat;
use super::{Fingerprint, SourceSink};

/// How often a segment may go from one directory to another. Each stays open until the segment is
/// read; trees of directories with hardly a file in them would need more of them than there are.
const DIRECTORY_TURNS_MAX: usize = 256;

/// Decides where a segment of small members ends, from names and sizes alone.
pub(super) trait MemberGroups {
    /// Whether the segment ends before this member, of about so many bytes; if so, the member is
    /// the first of the next.
    fn begins_new(&mut self, path: &[u8], bytes: u64) -> bool;

    /// The segment ended for another reason.
    fn reset(&mut self);
}

impl MemberGroups for Grouping {
    fn begins_new(&mut self, path: &[u8], bytes: u64) -> bool {
        self.begins_new(path, bytes)
    }

    fn reset(&mut self) {
        self.reset();
    }
}

/// A member as `stat` knows it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) directory: Option<Rc<Directory>>,
    pub(super) name: CString,
    pub(super) stat: FileStat,
    /// Without attributes.
    pub(super) member: Member,
    /// Its header alone is in the segment.
    pub(super) is_large: bool,
}

/// A group of members that grows.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) members: Vec<Pending>,
    bytes: u64,
    turns: usize,
}

impl Pending {
    /// What it takes in the segment, attributes not counted.
    pub(super) fn bytes(&self) -> u64 {
        let data = if self.is_large { 0 } else { self.member.data_bytes };
        encoded_bytes(&self.member) + data + padding(data)
    }

    fn is_beside(&self, other: &Self) -> bool {
        match (&self.directory, &other.directory) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Segment {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether so many more bytes, from a directory not yet open, are too much.
    pub(super) fn is_full_for(&self, bytes: u64) -> bool {
        self.bytes + bytes > CHUNK_BYTES_MAX as u64 || self.turns >= DIRECTORY_TURNS_MAX
    }

    pub(super) fn push(&mut self, pending: Pending, bytes: u64) {
        let is_turn = self.members.last().is_none_or(|last| !last.is_beside(&pending));
        self.turns += usize::from(is_turn);
        self.bytes += bytes;
        self.members.push(pending);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn fingerprint(&self, key: &[u8; 32]) -> Fingerprint {
        let mut fingerprinter = Fingerprinter::members(key);
        for pending in &self.members {
            fingerprinter.member(&pending.member, &pending.stat);
        }
        fingerprinter.finish()
    }

    /// The entries of a segment that is reused: without offsets and spans.
    pub(super) fn unplaced(&self) -> Vec<Entry> {
        self.members.iter().map(|pending| Entry::of(&pending.member, 0, 0)).collect()
    }
}

/// The bytes of a segment of members, sent chunk by chunk: one, unless attributes made it grow.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunk: Vec<u8>,
    offset: u64,
    pub(super) entries: Vec<Entry>,
}

impl Chunks {
    /// Appends a member with its data; that of a large one follows in a segment of its own.
    pub(super) fn push(
        &mut self,
        member: &Member,
        data: Option<&[u8]>,
        sink: &mut dyn SourceSink,
    ) -> std::io::Result<()> {
        let header = encode(member);
        let here = data.unwrap_or_default();
        let bytes = header.len() + here.len() + padding(here.len() as u64) as usize;
        if self.chunk.len() + bytes > CHUNK_BYTES_MAX {
            self.send(sink)?;
        }
        self.chunk.extend_from_slice(&header);
        self.chunk.extend_from_slice(here);
        self.chunk.resize(self.chunk.len() + padding(here.len() as u64) as usize, 0);
        let all = member.data_bytes;
        self.entries.push(Entry::of(member, self.offset, header.len() as u64 + all + padding(all)));
        self.offset += bytes as u64;
        Ok(())
    }

    /// Sends what there is.
    pub(super) fn send(&mut self, sink: &mut dyn SourceSink) -> std::io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        sink.data(std::mem::take(&mut self.chunk))
    }
}

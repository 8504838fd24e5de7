//! What crosses the agent's socket, as plain values.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use protocol::{
    contents::Entry,
    tar::{FileTime, MemberKind},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{ArchiveFile, ArchiveFileName, Failure};
use crate::{
    restore::{RestoreReport, RestoreSpec},
    source::{
        Fingerprint, SegmentEnd, SegmentHead, SegmentKind, SourceReport, SourceSpec, SourceWarning,
        Totals, Verdict,
    },
    tasks::{Answer, Line, Task},
};

/// Both sides are one program; during an upgrade they may be two versions of it.
pub(super) const VERSION: u32 = 1;

/// The first frame of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Opening {
    pub(super) version: u32,
    pub(super) request: Request,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Measure(Source),
    Read(Source),
    Restore(RestoreSpec),
    Perform {
        task: Task,
        /// Whether turns with data follow.
        input: bool,
        /// Whether the caller takes data.
        output: bool,
    },
    List,
    Create(ArchiveFileName),
    Publish(ArchiveFileName),
    Extend {
        name: ArchiveFileName,
        at: u64,
        bytes: ByteBuf,
    },
    Discard(ArchiveFileName),
    Open(ArchiveFileName),
    Remove(ArchiveFileName),
}

/// What the caller says after that.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Turn {
    /// The answer to a segment's head: whether it is to be read.
    Verdict(bool),
    /// The payload is the next of the stream to restore, or of a task's input.
    Data,
    /// The stream is over.
    End,
    /// The stream failed.
    Broken(String),
}

/// What the agent says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Totals(Counts),
    Segment {
        fingerprint: Option<ByteBuf>,
        bytes: u64,
        file_data: bool,
    },
    /// The payload is the next of the segment, or of a task's output.
    Data,
    SegmentEnd {
        entries: Vec<WireEntry>,
        stable: bool,
    },
    Warning {
        path: ByteBuf,
        what: String,
    },
    Read(ReadCounts),
    Restored(Box<RestoreReport>),
    /// What a task's programs say.
    Line(Line),
    Performed(Box<Answer>),
    Archives(Vec<ArchiveFile>),
    /// A descriptor comes with it.
    File,
    Done,
    Failed(Failure),
}

/// A [`SourceSpec`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Source {
    path: ByteBuf,
    prefix: ByteBuf,
    excludes: Vec<String>,
    one_file_system: bool,
    never: Vec<ByteBuf>,
    fingerprint_key: ByteBuf,
}

/// [`Totals`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counts {
    members: u64,
    files: u64,
    bytes: u64,
}

/// A [`SourceReport`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadCounts {
    totals: Counts,
    segments: u64,
    segments_reused: u64,
    bytes_read: u64,
    warnings: u64,
}

/// An [`Entry`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireEntry {
    path: ByteBuf,
    kind: MemberKind,
    link: ByteBuf,
    mode: u32,
    owner: (u32, u32),
    real_bytes: u64,
    mtime: FileTime,
    offset: u64,
    span: u64,
}

fn path_bytes(path: &Path) -> ByteBuf {
    ByteBuf::from(path.as_os_str().as_bytes())
}

fn path_of(bytes: ByteBuf) -> PathBuf {
    OsString::from_vec(bytes.into_vec()).into()
}

impl From<&SourceSpec> for Source {
    fn from(spec: &SourceSpec) -> Self {
        Self {
            path: path_bytes(&spec.path),
            prefix: ByteBuf::from(spec.prefix.as_slice()),
            excludes: spec.excludes.clone(),
            one_file_system: spec.one_file_system,
            never: spec.never.iter().map(|path| path_bytes(path)).collect(),
            fingerprint_key: ByteBuf::from(spec.fingerprint_key),
        }
    }
}

impl Source {
    /// None when the key has another length.
    pub(super) fn spec(self) -> Option<SourceSpec> {
        Some(SourceSpec {
            path: path_of(self.path),
            prefix: self.prefix.into_vec(),
            excludes: self.excludes,
            one_file_system: self.one_file_system,
            never: self.never.into_iter().map(path_of).collect(),
            fingerprint_key: self.fingerprint_key.as_slice().try_into().ok()?,
        })
    }
}

impl From<Totals> for Counts {
    fn from(totals: Totals) -> Self {
        let Totals { members, files, bytes } = totals;
        Self { members, files, bytes }
    }
}

impl From<Counts> for Totals {
    fn from(counts: Counts) -> Self {
        let Counts { members, files, bytes } = counts;
        Self { members, files, bytes }
    }
}

impl From<SourceReport> for ReadCounts {
    fn from(report: SourceReport) -> Self {
        let SourceReport { totals, segments, segments_reused, bytes_read, warnings } = report;
        Self { totals: totals.into(), segments, segments_reused, bytes_read, warnings }
    }
}

impl From<ReadCounts> for SourceReport {
    fn from(counts: ReadCounts) -> Self {
        let ReadCounts { totals, segments, segments_reused, bytes_read, warnings } = counts;
        Self { totals: totals.into(), segments, segments_reused, bytes_read, warnings }
    }
}

impl From<Entry> for WireEntry {
    fn from(entry: Entry) -> Self {
        Self {
            path: ByteBuf::from(entry.path),
            kind: entry.kind,
            link: ByteBuf::from(entry.link),
            mode: entry.mode,
            owner: (entry.uid, entry.gid),
            real_bytes: entry.real_bytes,
            mtime: entry.mtime,
            offset: entry.offset,
            span: entry.span,
        }
    }
}

impl From<WireEntry> for Entry {
    fn from(entry: WireEntry) -> Self {
        Self {
            path: entry.path.into_vec(),
            kind: entry.kind,
            link: entry.link.into_vec(),
            mode: entry.mode,
            uid: entry.owner.0,
            gid: entry.owner.1,
            real_bytes: entry.real_bytes,
            mtime: entry.mtime,
            offset: entry.offset,
            span: entry.span,
        }
    }
}

impl Reply {
    pub(super) fn segment(head: SegmentHead) -> Self {
        Self::Segment {
            fingerprint: head.fingerprint.map(|Fingerprint(bytes)| ByteBuf::from(bytes)),
            bytes: head.bytes,
            file_data: head.kind == SegmentKind::FileData,
        }
    }

    pub(super) fn segment_end(end: SegmentEnd) -> Self {
        let entries = end.entries.into_iter().map(WireEntry::from).collect();
        Self::SegmentEnd { entries, stable: end.stable }
    }

    pub(super) fn warning(warning: SourceWarning) -> Self {
        Self::Warning { path: path_bytes(&warning.path), what: warning.what }
    }
}

/// A head as it came; none when the fingerprint has another length.
pub(super) fn head(
    fingerprint: Option<ByteBuf>,
    bytes: u64,
    file_data: bool,
) -> Option<SegmentHead> {
    let fingerprint = match fingerprint {
        None => None,
        Some(bytes) => Some(Fingerprint(bytes.as_slice().try_into().ok()?)),
    };
    let kind = if file_data { SegmentKind::FileData } else { SegmentKind::Members };
    Some(SegmentHead { fingerprint, bytes, kind })
}

pub(super) fn warning(path: ByteBuf, what: String) -> SourceWarning {
    SourceWarning { path: path_of(path), what }
}

pub(super) fn segment_end(entries: Vec<WireEntry>, stable: bool) -> SegmentEnd {
    SegmentEnd { entries: entries.into_iter().map(Entry::from).collect(), stable }
}

pub(super) fn verdict(read: bool) -> Verdict {
    if read { Verdict::Read } else { Verdict::Reused }
}

//! Reading a directory as a tar stream, in segments.
//!
//! A *segment* is the unit of reuse: either a group of whole small members (headers, data,
//! padding), or the data of one large file with its padding; the header of a large file is the last
//! thing in the group before it. Where a segment begins depends on the names and sizes of its
//! members only, so that a file added elsewhere moves nothing. Each segment has a *fingerprint*
//! over everything that would show a change (names, sizes, mtimes, ctimes, inodes); when the job's
//! last archive has a segment of the same fingerprint, its chunks are used again and no file of it
//! is opened.
//!
//! The talk with the sink, for each segment:
//!
//! 1. [`SourceSink::segment`] gives the fingerprint, made from what `stat` tells; nothing was
//!    opened yet (except a sparse file, for its map). The sink answers with a [`Verdict`].
//! 2. After [`Verdict::Read`]: [`SourceSink::data`], any number of times. Only now are files
//!    opened; one that has vanished or cannot be read is left out with a warning, so the bytes are
//!    final only when they come. Every call of a `Members` segment is one chunk of whole members.
//! 3. [`SourceSink::end`], in both cases, with the members that begin in the segment. When it was
//!    read, their offsets and spans are those of the bytes sent. When it is reused they are 0: the
//!    sink kept the spans of the last time ([`spans`]) and puts them back ([`place`]); paths, kinds,
//!    owners and times are the same, or the fingerprint would be another.
//!
//! A small file that changes between `stat` and reading is read as it is then; one that changes
//! while it is read, twice, is a warning. The header of a large file is sent before its data: a file
//! that shrinks meanwhile is filled up with zeros, one that grows is cut, both with a warning.
//!
//! Limits: paths longer than `PATH_BYTES_MAX` and sockets are left out with a warning; so are sets
//! of attributes beyond [`ATTRIBUTES_BYTES_MAX`]. A file with more than [`EXTENTS_MAX`] stretches
//! keeps its largest holes only. Names of one directory, the directories above it, and one path for
//! every file with several names are in memory; nothing else grows with the source.

mod attributes;
mod directory;
mod error;
mod excludes;
mod fingerprint;
mod gather;
mod holes;
mod large;
mod measure;
mod open;
mod owners;
mod read;
mod seam;
mod segment;
mod send;
mod small;
mod stat;
mod streamed;
#[cfg(test)]
mod tests;
mod walk;

pub use attributes::ATTRIBUTES_BYTES_MAX;
pub use error::SourceError;
pub use holes::EXTENTS_MAX;
pub use measure::{Totals, measure};
pub use read::{SourceReport, read};
pub use seam::{
    Fingerprint, SegmentEnd, SegmentHead, SegmentKind, SourceSink, SourceSpec, SourceWarning,
    Verdict, place, spans,
};
pub use streamed::StreamedMember;

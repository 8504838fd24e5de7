//! The tar stream that an archive is: POSIX pax, as GNU tar, Python and YunoHost read it.
//!
//! A *member* is one entry: its header blocks (a pax extended header first where the plain one
//! cannot say it), then its data padded to 512 bytes. Two zero blocks end the stream. What the
//! plain header cannot hold travels in pax records: long and non-ASCII names, nanoseconds, large
//! numbers, extended attributes (`SCHILY.xattr.*`), POSIX ACLs (`SCHILY.acl.*`), holes
//! (`GNU.sparse.*`, version 1.0).
//!
//! [`encode()`] writes the header blocks of one member; [`encode_streamed`] those of one whose data
//! went out before its size was known, always as long. [`Parser`] reads any stream: ours, those of
//! GNU tar in its four formats, those of Python. It judges no path: [`safe_path`] does, for
//! whoever writes to a file system.

mod acl;
mod assemble;
pub mod block;
mod encode;
mod error;
mod member;
mod parser;
mod path;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

pub use encode::{STREAMED_HEADER_BYTES, encode, encode_streamed, encoded_bytes};
pub use error::TarError;
pub use member::{Extent, FileTime, Member, MemberKind, SparseMap};
pub use parser::{Event, Limits, Parser};
pub use path::{PathError, safe_path};

/// The unit of a tar stream, bytes.
pub const BLOCK_BYTES: usize = 512;

/// What ends a stream: two blocks of zeros.
pub const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// The longest path or link target, bytes: four times what Linux takes in one call, since a tree
/// can be deeper than that.
pub const PATH_BYTES_MAX: usize = 4 * 4096;

/// The most bytes that the extended attributes of one member may have, names and values together.
pub const XATTR_BYTES_MAX: usize = 1 << 20;

/// The most stretches of data in a sparse file: 16 MiB of memory while its header is read.
pub const EXTENTS_MAX: usize = 1 << 20;

/// How many bytes of padding follow `bytes` of data.
#[must_use]
pub fn padding(bytes: u64) -> u64 {
    (BLOCK_BYTES as u64 - bytes % BLOCK_BYTES as u64) % BLOCK_BYTES as u64
}

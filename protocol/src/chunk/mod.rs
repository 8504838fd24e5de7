//! Where a stream is cut, so that what did not change is cut the same way again.
//!
//! Two ways, for the two sorts of segment that a source delivers:
//!
//! - [`Grouping`] puts small members of a tar together. Whether one begins a new *group* depends on
//!   a keyed hash of its path and on its size, never on where it lies.
//! - [`Cutter`] cuts the data of one large file by its content (FastCDC). When that file is a tar
//!   itself, last night's dump of something say, the cutter walks its members: the data of a large
//!   one is cut on its own, small ones are grouped.
//!
//! Both are keyed, so that lengths of chunks tell a stranger nothing he could compare with files he
//! knows. Whatever the bytes, the chunks put together are the input, and none is longer than
//! [`crate::limits::CHUNK_BYTES_MAX`].

mod content;
mod cutter;
mod gear;
mod grouping;
mod members;

#[cfg(test)]
mod tests;

pub use cutter::Cutter;
pub use gear::{CutSizes, Gear};
pub use grouping::Grouping;

/// From this size on, bytes, a file's data is a segment of its own, cut by content.
pub const FILE_DATA_BYTES_MIN: u64 = 64 << 10;

//! An upload: an archive that comes in numbered parts, in any order, over as many connections and
//! restarts as it takes.
//!
//! A [`Spec`] says what will come and is checked once. A [`Session`] knows which parts came, when
//! it is over, and what it became; it is stored after each part, so what was acknowledged is never
//! asked for again. Where the bytes lie is not known here.
//!
//! A *part* is one numbered piece, from 0; all are as long as `part_bytes`, the last one is what is
//! left. (The URL of the HTTP interface calls it a chunk, as program 000 did.)

mod id;
mod received;
mod session;
mod spec;

use std::time::Duration;

pub use id::{UploadId, UploadIdError};
pub use session::{Admission, FinishError, PartError, Session, SessionError, State};
pub use spec::{Spec, SpecError};

/// The largest archive: more than any disk this is meant for.
pub const TOTAL_BYTES_MAX: u64 = 16 << 40;

/// The size of a part where nobody says one: 50 MB as 000 has it, counted in millions, so that a
/// part in a form still fits the 50 MiB that web servers are often told to take.
pub const PART_BYTES: u64 = 50_000_000;

/// The largest part: what is lost when a connection breaks.
pub const PART_BYTES_MAX: u64 = 64 << 20;

/// Most parts of one upload. Enough for the largest archive in parts of 50 MB, and 50 KB of bits;
/// it is also why parts of an archive that is not small cannot be tiny.
pub const PARTS_MAX: u32 = 400_000;

/// The longest name of a file, bytes: what file systems take.
pub const FILENAME_BYTES_MAX: usize = 255;

/// How long an upload waits for its next part, and how long its end is remembered.
pub const EXPIRES_AFTER: Duration = Duration::from_hours(24);

/// How old an upload may become, however steadily its parts come.
pub const AGE_MAX: Duration = Duration::from_hours(30 * 24);

/// The longest reason that is kept, bytes.
pub const REASON_BYTES_MAX: usize = 1 << 10;

/// The largest stored session: the bits of all parts, a name and a reason.
pub const SESSION_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;

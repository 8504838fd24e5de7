//! Fetching an archive from its holders: the machine that decides, and the frames it speaks.
//!
//! An archive is the *closure* of one sealed object, its root: the root is a branch that links to
//! pages, a page is a branch that links to leaves. [`Session`] walks it. It asks the local store
//! what is there already, asks holders for the rest in batches, and is done when everything is in
//! the store. It keeps no list of the archive: a window of pages, and what is under way. So it
//! needs the same memory for a terabyte as for a megabyte, and after a crash it starts from the
//! root again and finds most of it in the store; there is no other state to lose.
//!
//! The shell (`node::replicate`) carries the bytes, verifies them, puts them into the store and
//! tells the session. Every input is followed by draining [`Session::next_output`]:
//!
//! ```text
//! Look    ->  Looked                    what the local store has
//! Ask     ->  Moving, Received, Arrived, Absent, Lied, HolderGone
//! Close                                 this holder is not to be used: it lied or went silent
//! Stuck                                 nobody that is connected has what is missing
//! Done, Failed                          the end
//! ```
//!
//! [`wire`] is what goes over a stream between two nodes; WIRE.md describes it.

mod holder;
mod message;
mod progress;
mod session;
mod walk;
pub mod wire;

pub use message::{CloseReason, Expected, Found, Input, Output, SessionError};
pub use progress::Progress;
pub use session::Session;

#[cfg(test)]
mod tests;

/// Branches lie at depths 0 and 1 (root, pages); what lies at depth 2 are leaves.
pub const BRANCH_LEVELS: u8 = 2;

/// No closure may be declared deeper than this, whatever a later format says.
pub const BRANCH_LEVELS_MAX: u8 = 8;

/// Links that one branch may have.
pub const LINKS_PER_BRANCH_MAX: usize = 65_536;

/// Links that are known at one depth but not begun. About five megabytes.
pub const PENDING_LINKS_MAX: u64 = 131_072;

/// Objects that are being looked for, asked for or stored. About a megabyte.
pub const OPEN_OBJECTS_MAX: usize = 8_192;

/// Objects nobody has, before the session stops to look for more.
pub const MISSING_OBJECTS_MAX: usize = 65_536;

/// Branches of one closure, whose ids are remembered so that none is walked twice.
pub const BRANCHES_MAX: usize = 131_072;

/// Ids in one look into the local store.
pub const LOOK_LINKS_MAX: usize = 1_024;

/// Ids in one want-list.
pub const WANT_LINKS_MAX: usize = 256;

/// Holders of one session. More would not make it faster.
pub const HOLDERS_MAX: usize = 16;

/// Missing objects that are named in a report.
pub const MISSING_NAMED_MAX: usize = 32;

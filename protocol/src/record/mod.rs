//! What spreads: small signed statements, each by one author, each about one thing.
//!
//! A *record* says, in the name of its *author*, what holds for one *key* from one *version* on. It
//! has a *body* or is a *tombstone* (the key holds no more). Its bytes are signed once, then stored
//! and forwarded as they came; nobody encodes them again. All records of one author are its *feed*;
//! in it the newest version of a key replaces the older one, so a feed does not grow with time.
//!
//! - [`Version`] orders the records of one author;
//! - [`SignedRecord`] is the bytes, and what they say once they were verified;
//! - [`RecordKey`] and [`Fact`] are the keys and bodies that this version of the program knows. A
//!   record with an unknown key or body is kept and forwarded all the same: its author may be newer.
//!
//! WIRE.md has the bytes.

mod admission;
mod body;
mod fact;
mod feed;
mod key;
mod signed;
mod version;

pub use admission::{Expulsion, Grant, Invitation, Right, Rights, Role};
pub use body::{ArchiveFacts, Hold, JobFacts, NodeFacts, Order, Outcome, Place, Progress};
pub(crate) use fact::bad_name;
pub use fact::{BodyError, Fact};
pub use feed::{Arrival, Entry, Feed, Head, Held};
pub use key::{ParseKeyError, RecordKey};
pub use signed::{Record, RecordError, SignedRecord};
pub use version::Version;

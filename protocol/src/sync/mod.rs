//! How two nodes find out what each lacks, without trusting what either claims to have.
//!
//! Five messages ([`Frame`]), each answered from the catalog alone; no session is kept, so any of
//! them may be lost, doubled or late:
//!
//! - *summary*: the [`Head`](crate::record::Head) of every feed. Where it equals mine there is
//!   nothing to do. Heads are compared as wholes; nobody concludes from a version that all before
//!   it is there. That is how holes are found, and the newer history of a node that was put back
//!   from an old copy. Where it differs, the side that has fewer records of the feed begins:
//! - *list*: what I hold of a feed within a range of versions. The other side answers with the
//!   records that I lack, and with a
//! - *want*: the entries of my list that it lacks itself; I answer with
//! - *records*: the signed bytes, in as many frames as it takes.
//! - *ranges*: where both have many, the first side sends digests of some hundred records each,
//!   and the other answers with its *list* for the stretches that differ.
//!
//! A liar can keep back what it has, and waste some of our bytes, bounded per peer; others will
//! tell. What it sends is verified record by record.

mod frame;
mod reconcile;

pub use frame::{Frame, Range, pack_entries, unpack_entries};
pub use reconcile::{Opening, compare, complete, open, summary, supply};

//! What reaches the task that drives a fetch.

use protocol::{NodeId, SealedId, fetch::Found, object::Link};

use tokio::sync::OwnedSemaphorePermit;

use super::{StoreFault, connection::News, intake::Verdict};

/// Events on their way. Whoever drives never waits for those who send, so this is never a knot.
pub(super) const EVENTS_MAX: usize = 1_024;

/// Something that happened on another task or thread.
pub(super) enum Event {
    /// A connection has news.
    News(NodeId, News),
    /// An object was verified, and kept or not.
    Verdict { from: NodeId, link: Link, verdict: Verdict },
    /// The store was looked into.
    Looked(Result<Vec<(SealedId, Found)>, StoreFault>),
    /// What came of the next link of a restore; nothing after the last one.
    Next(Option<Wanted>),
}

/// A link whose object is wanted in its turn.
pub(super) struct Wanted {
    pub(super) link: Link,
    /// What the store has.
    pub(super) found: Result<Option<Vec<u8>>, StoreFault>,
    /// Its share of the memory for objects that cannot be handed out yet.
    pub(super) room: OwnedSemaphorePermit,
}

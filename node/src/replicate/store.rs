//! The chunk store as replication sees it.

use std::{error::Error, io};

use protocol::{SealedId, object::Link};

/// Where sealed objects lie. Calls block, and are made on blocking threads only.
pub trait ObjectStore: Send + Sync + 'static {
    /// Which of these are there.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn has_all(&self, ids: &[SealedId]) -> Result<Vec<bool>, StoreFault>;

    /// An object, verified against its id; nothing when it is not there or is damaged. After a
    /// damaged one was met, [`Self::has_all`] must deny it and [`Self::put`] must replace it.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn get(&self, id: &SealedId) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Keeps an object whose bytes were verified. Need not be durable yet.
    ///
    /// # Errors
    /// When it cannot be written; [`StoreFault::Full`] when for want of room.
    fn put(&self, id: &SealedId, bytes: &[u8]) -> Result<(), StoreFault>;

    /// Makes everything durable that was put.
    ///
    /// # Errors
    /// When it cannot; then none of it may be relied on.
    fn flush(&self) -> Result<(), StoreFault>;

    /// The links of an object: some for a branch, none for a leaf.
    ///
    /// # Errors
    /// When the bytes are no object.
    fn links_in(&self, bytes: &[u8]) -> Result<Option<Vec<Link>>, Unreadable>;
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// No room on the disk, or in the quota.
    #[error("the store is full")]
    Full {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Anything else.
    #[error("the store failed")]
    Failed {
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Bytes that have the right hash and are no sealed object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sealed object: {why}")]
pub struct Unreadable {
    /// What is wrong with them.
    pub why: String,
}

//! Fetching the closure of a root into a store.

use std::{sync::Arc, time::Duration};

use protocol::{
    NodeId,
    fetch::{Expected, Progress},
    object::Link,
};

use super::{Cancel, Dialer, FetchError, HolderFault, ObjectStore, Throttle, drive::Drive};

/// Holders that are used at once unless they lack something.
const HOLDERS_AT_ONCE: usize = 4;

/// When a holder that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// How to fetch.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Holders used at once. More are tried when these have not got everything.
    pub holders_at_once: usize,
    /// How long after a failure a holder is tried again; doubled for each further failure in a row.
    pub try_again: Duration,
    /// A bound on the bytes received.
    pub throttle: Option<Arc<Throttle>>,
    /// Stops the fetch; what arrived is kept.
    pub cancel: Cancel,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            holders_at_once: HOLDERS_AT_ONCE,
            try_again: TRY_AGAIN,
            throttle: None,
            cancel: Cancel::default(),
        }
    }
}

/// What a fetch did. Everything it speaks of is durable.
#[derive(Debug)]
pub struct FetchReport {
    /// How far it came: all of it.
    pub progress: Progress,
    /// How long it took.
    pub took: Duration,
    /// What became of each holder that was tried.
    pub holders: Vec<(NodeId, HolderReport)>,
}

/// What a holder did in a fetch.
#[derive(Debug, Default)]
pub struct HolderReport {
    /// Objects it delivered.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What went wrong with it the last time, if anything did.
    pub fault: Option<HolderFault>,
}

/// Fetches archives into a store.
#[derive(Debug)]
pub struct Fetcher<D, S: ?Sized> {
    dialer: Arc<D>,
    store: Arc<S>,
}

impl<D: Dialer, S: ObjectStore + ?Sized> Fetcher<D, S> {
    /// A fetcher that opens streams by this dialer, and keeps objects in this store. The caller
    /// keeps garbage collection away from the store while a fetch runs.
    #[must_use]
    pub fn new(dialer: Arc<D>, store: Arc<S>) -> Self {
        Self { dialer, store }
    }

    /// Gets everything that `root` depends on from these holders, the best first. When it returns
    /// well, all of it is in the store and durable. When it does not, or is stopped, or the machine
    /// dies, what had arrived is there, and the same call goes on from it.
    ///
    /// # Errors
    /// When nobody has everything, the archive is not one, or the store cannot take it.
    pub async fn fetch(
        &self,
        root: Link,
        expected: Expected,
        holders: &[NodeId],
        options: FetchOptions,
        progress: impl FnMut(&Progress),
    ) -> Result<FetchReport, FetchError> {
        let drive = Drive::start(
            Arc::clone(&self.dialer),
            Arc::clone(&self.store),
            root,
            expected,
            holders,
            &options,
        );
        drive.run(options.cancel, progress).await
    }
}

//! Slow checks of keys: one per key at a time, and few at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::control::ApiKey;
use tokio::sync::{OnceCell, Semaphore};

use super::{Address, Door, remembered::Mark};
use crate::{Access, Backend};

/// Checks at once. Each keeps a core busy for some tenths of a second.
const AT_ONCE: usize = 2;

/// How a check ended.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It is this one's key.
    Good(Access),
    /// It is nobody's.
    Wrong,
    /// It was not checked: too many from this address were wrong. Seconds to wait.
    Later(u64),
}

type Cell = Arc<OnceCell<Verdict>>;

/// Checks that are under way. There are never more than requests.
pub(super) struct Checks {
    places: Arc<Semaphore>,
    running: Mutex<HashMap<(Mark, Address), Cell>>,
}

impl Checks {
    /// Nothing is under way.
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), running: Mutex::default() }
    }

    /// The verdict of `check`, or of another request that began to check the same key before.
    pub(super) async fn share(
        &self,
        of: (Mark, Address),
        check: impl Future<Output = Verdict>,
    ) -> Verdict {
        let cell = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(running.entry(of).or_default())
        };
        let shared = Shared { checks: self, of, cell };
        shared.cell.get_or_init(|| check).await.clone()
    }

    /// Asks the node. It goes on to its end when the client leaves: leaving is no way to have more
    /// checks at once.
    pub(super) async fn ask(
        &self,
        backend: &Arc<dyn Backend>,
        key: ApiKey,
        door: Door,
    ) -> Option<Access> {
        let (backend, places) = (Arc::clone(backend), Arc::clone(&self.places));
        let check = tokio::spawn(async move {
            let _place = places.acquire_owned().await.ok()?;
            match door {
                Door::Api => backend.key(key).await,
                Door::Metrics => backend.metrics_key(key).await,
            }
        });
        check.await.ok().flatten()
    }
}

/// One request's part in a check: the last to leave clears the table.
struct Shared<'a> {
    checks: &'a Checks,
    of: (Mark, Address),
    cell: Cell,
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let mut running = self.checks.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = running.get(&self.of).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // A finished check serves those who waited for it, not those who come later.
        if ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            running.remove(&self.of);
        }
    }
}

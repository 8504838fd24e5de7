//! Who may rely on objects staying: holds, and the one who collects.
//!
//! Any number of *holds* may exist (ingest, fetch, check), or one *collector* (gc, rebuild), never
//! both. A collector that waits lets no new hold in, so that it comes to its turn; it waits for a
//! bounded time, so that nobody waits for ever.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    error::{Result, StoreError},
    folder::lock,
};

#[derive(Debug, Default)]
struct State {
    holds: usize,
    collecting: bool,
    waiting: usize,
}

/// The store's lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    state: Mutex<State>,
    changed: Condvar,
}

/// While it exists nothing is collected: what `has` or `put` said stays true.
#[derive(Debug)]
pub struct StoreHold(Arc<Lease>);

impl Clone for StoreHold {
    fn clone(&self) -> Self {
        lock(&self.0.state).holds += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for StoreHold {
    fn drop(&mut self) {
        lock(&self.0.state).holds -= 1;
        self.0.changed.notify_all();
    }
}

/// While it exists there is no hold.
#[derive(Debug)]
pub(super) struct Collecting(Arc<Lease>);

impl Drop for Collecting {
    fn drop(&mut self) {
        lock(&self.0.state).collecting = false;
        self.0.changed.notify_all();
    }
}

impl Lease {
    /// Waits until nobody collects or waits to.
    pub(super) fn hold(self: &Arc<Self>) -> StoreHold {
        let mut state = lock(&self.state);
        while state.collecting || state.waiting > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.holds += 1;
        StoreHold(Arc::clone(self))
    }

    /// A hold unless somebody collects; one who only waits is overtaken.
    pub(super) fn try_hold(self: &Arc<Self>) -> Result<StoreHold> {
        let mut state = lock(&self.state);
        if state.collecting {
            return Err(StoreError::Collecting);
        }
        state.holds += 1;
        Ok(StoreHold(Arc::clone(self)))
    }

    /// Waits until there is no hold, for at most `wait`.
    pub(super) fn collect(self: &Arc<Self>, wait: Duration) -> Result<Collecting> {
        let until = Instant::now() + wait;
        let mut state = lock(&self.state);
        state.waiting += 1;
        while state.collecting || state.holds > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let holds = state.holds;
                state.waiting -= 1;
                drop(state);
                self.changed.notify_all();
                return Err(StoreError::Busy { holds, waited: wait });
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
        state.collecting = true;
        Ok(Collecting(Arc::clone(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_and_a_hold_exclude_each_other() {
        let lease = Arc::new(Lease::default());
        let hold = lease.hold();
        let second = hold.clone();
        drop(hold);
        let refused = lease.collect(Duration::ZERO);
        assert!(matches!(refused, Err(StoreError::Busy { holds: 1, .. })));
        drop(second);
        let collecting = lease.collect(Duration::ZERO).unwrap();
        assert!(matches!(lease.try_hold(), Err(StoreError::Collecting)));
        drop(collecting);
        drop(lease.hold());
    }

    #[test]
    fn a_collector_waits_for_the_last_hold() {
        let lease = Arc::new(Lease::default());
        let hold = lease.hold();
        std::thread::scope(|scope| {
            let collector = scope.spawn(|| lease.collect(Duration::from_secs(60)).map(drop));
            while lock(&lease.state).waiting == 0 {
                std::thread::yield_now();
            }
            drop(hold);
            collector.join().unwrap().unwrap();
        });
        drop(lease.hold());
    }
}

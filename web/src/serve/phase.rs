//! What a connection is at.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Instant,
};

/// Shared by a connection's stream, its requests and the table of places.
#[derive(Debug)]
pub(super) struct Phase {
    opened: Instant,
    /// Requests that were begun.
    begun: AtomicU64,
    /// Requests that were ended.
    ended: AtomicU64,
    /// When the last of them ended, milliseconds since it was opened.
    silent_since_ms: AtomicU64,
    /// Who wants to know when a request ends: the stream, to start its clock.
    waiting: Mutex<Option<Waker>>,
}

impl Phase {
    /// A new connection.
    pub(super) fn new() -> Arc<Self> {
        let zero = AtomicU64::default;
        let (begun, ended, silent_since_ms) = (zero(), zero(), zero());
        let waiting = Mutex::default();
        Arc::new(Self { opened: Instant::now(), begun, ended, silent_since_ms, waiting })
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> End {
        self.begun.fetch_add(1, Ordering::SeqCst);
        End(Arc::clone(self))
    }

    /// How many requests were begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Whether a request is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.begun() > self.ended.load(Ordering::SeqCst)
    }

    /// The same, and wakes `waker` when that changes.
    pub(super) fn is_busy_until(&self, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = self.is_busy();
        *waiting = busy.then(|| waker.clone());
        busy
    }

    /// Since when nothing was asked.
    pub(super) fn silent_since(&self) -> Instant {
        let milliseconds = self.silent_since_ms.load(Ordering::SeqCst);
        self.opened + std::time::Duration::from_millis(milliseconds)
    }
}

/// The end of a request: its answer is written, or nobody wants it any more.
#[derive(Debug)]
pub(super) struct End(Arc<Phase>);

impl Drop for End {
    fn drop(&mut self) {
        let age = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.silent_since_ms.store(age, Ordering::SeqCst);
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

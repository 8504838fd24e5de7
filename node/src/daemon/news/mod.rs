//! What happens on this node, for those who watch it.
//!
//! Where something happens it is told with [`Bus::tell`]: a short lock, no waiting, no disk. What
//! follows from the catalog (jobs, archives, members) is found by the worker in [`watch`], which
//! compares what is listed now with what was listed before: so a name is told as this node knows
//! it, and a thousand records that come at once are one comparison.
//!
//! Readers are places in the [`Ring`], with one clock for all of them. Nothing is kept on the disk:
//! a restart has another *start*, and a reader of an older one looks at everything anew.

mod differences;
mod watch;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use protocol::{
    Entropy as _,
    control::Happened,
    news::{Part, Ring},
};
use tokio::sync::{
    Notify,
    watch::{Receiver, Sender},
};

pub(super) use self::watch::run;
use crate::sys::{self, OsEntropy};

/// The news of this start of the node.
#[derive(Debug)]
pub struct Bus {
    start: u64,
    ring: Mutex<Ring>,
    clock: Sender<u64>,
    /// Told when the worker has something to do.
    stirred: Notify,
    /// Whether what is listed may be other than before.
    listed_anew: AtomicBool,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            start: u64::from_be_bytes(OsEntropy.array()),
            ring: Mutex::default(),
            clock: Sender::new(0),
            stirred: Notify::new(),
            listed_anew: AtomicBool::new(false),
        }
    }
}

impl Bus {
    /// Something happened.
    pub(super) fn tell(&self, what: Happened) {
        let mut ring = self.lock();
        let (told, newest) = (ring.tell(what, sys::now()), ring.newest());
        drop(ring);
        if told {
            self.tick(newest);
        } else {
            self.stirred.notify_one();
        }
    }

    /// Something may be listed otherwise than before: the worker shall look.
    pub(super) fn look(&self) {
        self.listed_anew.store(true, Ordering::Relaxed);
        self.stirred.notify_one();
    }

    /// Everybody who waits shall look up: not because of news, but of the keys.
    pub(super) fn call(&self) {
        self.clock.send_modify(|_| {});
    }

    /// Tells what was held back because it changes all the time.
    fn flush(&self) {
        let mut ring = self.lock();
        let (any, newest) = (ring.flush(sys::now()), ring.newest());
        drop(ring);
        if any {
            self.tick(newest);
        }
    }

    /// More happened than is worth telling: readers look at everything anew.
    fn lose(&self) {
        let mut ring = self.lock();
        ring.lose();
        let newest = ring.newest();
        drop(ring);
        self.tick(newest);
    }

    /// Which start of the node this is: a random number.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// What a reader has not read.
    pub(super) fn after(&self, place: u64, count_max: usize) -> Part {
        self.lock().after(place, count_max)
    }

    /// Where a new reader begins.
    pub(super) fn newest(&self) -> u64 {
        self.lock().newest()
    }

    /// Changes with every piece, and when everybody is called.
    pub(super) fn clock(&self) -> Receiver<u64> {
        self.clock.subscribe()
    }

    /// How many wait for news.
    pub(super) fn readers(&self) -> usize {
        self.clock.receiver_count()
    }

    fn tick(&self, newest: u64) {
        self.clock.send_modify(|at| *at = newest.max(*at));
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

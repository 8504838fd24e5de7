//! Who is connected, and for whom there is room.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::phase::Phase;
use crate::{
    auth::{Address, Peer},
    stream::STREAMS_MAX,
};

/// Connections that are there for requests when all streams are open.
const BESIDE_STREAMS: usize = 128;

/// Most connections at once. A process may have 1024 files open, unless somebody said otherwise.
pub(super) const CONNECTIONS_MAX: usize = STREAMS_MAX + BESIDE_STREAMS;

/// Most of them from one address outside.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// The connections that are served.
#[derive(Default)]
pub(super) struct Places {
    all: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    from: Option<Address>,
    phase: Arc<Phase>,
    close: Arc<Notify>,
}

impl Places {
    /// A place for one more connection; none when all are busy.
    pub(super) fn enter(self: &Arc<Self>, peer: Peer) -> Option<Place> {
        let from = match peer {
            Peer::Ip(ip) if !peer.may_be_a_proxy() => Some(Address::from(ip)),
            Peer::Ip(_) | Peer::Unix => None,
        };
        let mut table = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = |open: &Open| open.from == from;
        if from.is_some() {
            table.make_room(CONNECTIONS_PER_ADDRESS_MAX, of_address)?;
        }
        table.make_room(CONNECTIONS_MAX, |_| true)?;
        let number = table.next;
        table.next += 1;
        let (phase, close) = (Phase::new(), Arc::new(Notify::new()));
        let open = Open { from, phase: Arc::clone(&phase), close: Arc::clone(&close) };
        table.open.insert(number, open);
        Some(Place { places: Arc::clone(self), number, phase, close })
    }
}

impl Table {
    /// Makes sure that there are fewer than so many of a sort: by closing the one of them that has
    /// been silent longest. None when all are busy.
    fn make_room(&mut self, count_max: usize, sort: impl Fn(&Open) -> bool) -> Option<()> {
        let ours = || self.open.iter().filter(|(_, open)| sort(open));
        if ours().count() < count_max {
            return Some(());
        }
        let silent = ours().filter(|(_, open)| !open.phase.is_busy());
        let longest = silent.min_by_key(|(number, open)| (open.phase.silent_since(), **number));
        let number = *longest?.0;
        self.open.remove(&number)?.close.notify_one();
        Some(())
    }
}

/// One connection's place; free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    phase: Arc<Phase>,
    close: Arc<Notify>,
}

impl Place {
    /// What the connection is at.
    pub(super) fn phase(&self) -> Arc<Phase> {
        Arc::clone(&self.phase)
    }

    /// Waits until somebody else needs the place.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.places.all.lock().unwrap_or_else(PoisonError::into_inner);
        table.open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(number: u8) -> Peer {
        Peer::Ip([192, 0, 2, number].into())
    }

    #[test]
    fn one_address_has_its_share_and_others_theirs() {
        let places = Arc::new(Places::default());
        let one: Vec<_> = (0..CONNECTIONS_PER_ADDRESS_MAX)
            .map(|_| places.enter(outside(1)).expect("room"))
            .collect();
        let busy: Vec<_> = one.iter().map(|place| place.phase.begin()).collect();
        assert!(places.enter(outside(1)).is_none());
        assert!(places.enter(outside(2)).is_some());
        drop(busy);
        assert!(places.enter(outside(1)).is_some(), "a silent one is closed");
        drop(one);
        assert!(places.all.lock().expect("whole").open.is_empty());
    }

    #[tokio::test]
    async fn the_connection_that_was_silent_longest_makes_room() {
        let places = Arc::new(Places::default());
        let all: Vec<_> =
            (0..CONNECTIONS_MAX).map(|_| places.enter(Peer::Unix).expect("room")).collect();
        let first = all[0].phase.begin();
        let last = places.enter(Peer::Unix).expect("room");
        all[1].closed().await;
        drop(first);
        let busy: Vec<_> = all.iter().chain([&last]).map(|place| place.phase.begin()).collect();
        assert!(places.enter(Peer::Unix).is_none());
        drop(busy);
    }
}

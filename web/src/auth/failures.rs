//! How often an address may be wrong.
//!
//! Each failure takes a place; places come back one by one. What needs a slow check takes its place
//! before the check and gets it back when the key was good, so that many tries at once are no way
//! around. Requests whose key cannot be one are counted apart: whoever polls without a key must not
//! keep a good key of the same address from its first check.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Address;

/// Failures in a row before an address has to wait.
pub(super) const BURST: u32 = 10;

/// How long until one more is allowed: ten a minute.
pub(super) const REFILL: Duration = Duration::from_secs(6);

/// Most addresses that are remembered. When there are more, the one that is soonest free goes.
const ADDRESSES_MAX: usize = 4_096;

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wrong {
    /// There was no key, or nothing that could be one.
    Shape,
    /// A key had to be checked.
    Key,
}

/// Who has been wrong how often. Each entry is the time at which all its places are back.
#[derive(Default)]
pub(super) struct Failures {
    free_at: Mutex<HashMap<(Address, Wrong), Instant>>,
}

impl Failures {
    /// Takes a place; when there is none, says how long it takes until there is.
    pub(super) fn take(&self, from: Address, what: Wrong, now: Instant) -> Result<(), Duration> {
        let mut all = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = all.get(&(from, what)).map_or(now, |at| (*at).max(now)) + REFILL;
        if let Some(wait) = (free_at - now).checked_sub(REFILL * BURST).filter(|w| !w.is_zero()) {
            return Err(wait);
        }
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&(from, what)) {
            make_room(&mut all, now);
        }
        all.insert((from, what), free_at);
        Ok(())
    }

    /// Gives a place back: it was no failure.
    pub(super) fn give_back(&self, from: Address, what: Wrong) {
        let mut all = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.get_mut(&(from, what)) {
            *at = at.checked_sub(REFILL).unwrap_or(*at);
        }
    }
}

fn make_room(all: &mut HashMap<(Address, Wrong), Instant>, now: Instant) {
    all.retain(|_, free_at| *free_at > now);
    while all.len() >= ADDRESSES_MAX {
        let Some(soonest) = all.iter().min_by_key(|(_, at)| **at).map(|(from, _)| *from) else {
            return;
        };
        all.remove(&soonest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> Address {
        Address::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn ten_may_fail_at_once_and_then_one_every_six_seconds() {
        let (failures, now) = (Failures::default(), Instant::now());
        let take = |from, after| failures.take(address(from), Wrong::Key, now + after);
        for _ in 0..BURST {
            assert_eq!(take(1, Duration::ZERO), Ok(()));
        }
        assert_eq!(take(1, Duration::ZERO), Err(REFILL));
        assert_eq!(take(1, Duration::from_secs(5)), Err(Duration::from_secs(1)));
        assert_eq!(take(2, Duration::ZERO), Ok(()), "another address");
        assert_eq!(failures.take(address(1), Wrong::Shape, now), Ok(()), "another kind");
        assert_eq!(take(1, REFILL), Ok(()));
        assert_eq!(take(1, REFILL), Err(REFILL));
    }

    #[test]
    fn a_good_key_takes_no_place() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(failures.take(address(1), Wrong::Key, now), Ok(()));
            failures.give_back(address(1), Wrong::Key);
        }
    }

    #[test]
    fn many_addresses_take_no_more_room_and_do_not_free_the_worst() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(failures.take(address(0), Wrong::Key, now), Ok(()));
        }
        for number in 1..10_000 {
            assert_eq!(failures.take(address(number), Wrong::Key, now), Ok(()));
        }
        assert_eq!(failures.free_at.lock().expect("whole").len(), ADDRESSES_MAX);
        assert!(failures.take(address(0), Wrong::Key, now).is_err());
    }
}

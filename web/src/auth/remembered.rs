//! Keys that were found good, so that only the first request of each pays for the slow check.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use protocol::control::{API_KEYS_MAX, ApiKey};

use super::Door;
use crate::Access;

/// How long a good key is remembered after its check.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);

/// Most keys that are remembered: all that a node has, at both doors.
const REMEMBERED_MAX: usize = 2 * API_KEYS_MAX;

/// A key by its hash under a random key of this process: it is worth nothing anywhere else.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

struct Entry {
    access: Access,
    epoch: u64,
    checked: Instant,
}

/// The good keys of late.
pub(super) struct Remembered {
    secret: [u8; 32],
    entries: Mutex<HashMap<Mark, Entry>>,
}

impl Remembered {
    /// Knows none.
    pub(super) fn new() -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        Ok(Self { secret, entries: Mutex::default() })
    }

    /// What a key is known as at a door.
    pub(super) fn mark(&self, key: &ApiKey, door: Door) -> Mark {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(key.reveal().as_bytes()).update(&[door as u8]);
        Mark(hasher.finalize().into())
    }

    /// Whose key it is, when that was found out of late and no key was made or revoked since.
    pub(super) fn get(&self, mark: &Mark, epoch: u64, now: Instant) -> Option<Access> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(mark)?;
        if entry.epoch == epoch && now.saturating_duration_since(entry.checked) < REMEMBERED_FOR {
            return Some(entry.access.clone());
        }
        entries.remove(mark);
        None
    }

    /// Remembers a good key. `epoch` is what it was before the check began: when it has changed
    /// since, the entry is void from the start.
    pub(super) fn put(&self, mark: Mark, access: Access, epoch: u64, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= REMEMBERED_MAX && !entries.contains_key(&mark) {
            let oldest = entries.iter().min_by_key(|(_, entry)| (entry.epoch, entry.checked));
            if let Some(oldest) = oldest.map(|(mark, _)| *mark) {
                entries.remove(&oldest);
            }
        }
        entries.insert(mark, Entry { access, epoch, checked: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> ApiKey {
        format!("{number:064x}").parse().expect("a key")
    }

    fn access() -> Access {
        Access { key: "00000000".into(), read_only: false }
    }

    #[test]
    fn a_key_is_forgotten_after_an_hour_or_when_keys_changed() {
        let (known, now) = (Remembered::new().expect("random"), Instant::now());
        let mark = known.mark(&key(1), Door::Api);
        assert_eq!(known.get(&mark, 1, now), None);
        known.put(mark, access(), 1, now);
        assert_eq!(known.get(&mark, 1, now + REMEMBERED_FOR / 2), Some(access()));
        assert_eq!(known.get(&mark, 1, now + REMEMBERED_FOR), None);
        known.put(mark, access(), 1, now);
        assert_eq!(known.get(&mark, 2, now), None);
        assert_eq!(known.get(&mark, 1, now), None, "once void, gone");
    }

    #[test]
    fn a_key_that_was_good_at_one_door_is_not_known_at_the_other() {
        let (known, now) = (Remembered::new().expect("random"), Instant::now());
        known.put(known.mark(&key(1), Door::Metrics), access(), 1, now);
        assert_eq!(known.get(&known.mark(&key(1), Door::Api), 1, now), None);
        assert_eq!(known.get(&known.mark(&key(1), Door::Metrics), 1, now), Some(access()));
    }

    #[test]
    fn more_keys_than_a_node_has_take_no_more_room() {
        let (known, now) = (Remembered::new().expect("random"), Instant::now());
        for number in 0..REMEMBERED_MAX + 5 {
            let at = now + Duration::from_millis(number as u64);
            known.put(known.mark(&key(number), Door::Api), access(), 1, at);
        }
        assert_eq!(known.entries.lock().expect("whole").len(), REMEMBERED_MAX);
        assert_eq!(known.get(&known.mark(&key(4), Door::Api), 1, now), None);
        assert_eq!(known.get(&known.mark(&key(5), Door::Api), 1, now), Some(access()));
    }
}

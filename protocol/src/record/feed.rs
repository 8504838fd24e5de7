//! One author's records.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Record, SignedRecord, Version};
use crate::{limits::RECORDS_PER_AUTHOR_MAX, membership::MEMBERSHIP_PREFIXES};

/// A record as a feed keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its version.
    pub version: Version,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Its bytes, as they came.
    pub bytes: Arc<[u8]>,
}

impl Held {
    /// What it says. `None` cannot happen: the bytes were opened before they got here.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        SignedRecord::reread(&self.bytes).ok()
    }

    fn entry(&self) -> Entry {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.hash[..8]);
        Entry { version: self.version, prefix }
    }
}

/// Names one record of a feed: its version, and the beginning of its hash in case the author gave
/// the version away twice. Sorts by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The version.
    pub version: Version,
    /// The first bytes of BLAKE3 of the record.
    pub prefix: [u8; 8],
}

/// How far a feed is known, and all that is known of it in one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The newest version.
    pub newest: Version,
    /// How many keys, tombstones included.
    pub count: u64,
    /// The hashes of all records, by exclusive or.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
}

impl Head {
    /// Takes one more record in, or out again.
    pub(crate) fn toggle(&mut self, hash: &[u8; 32]) {
        self.digest.iter_mut().zip(hash).for_each(|(sum, byte)| *sum ^= byte);
    }
}

/// What became of a record that came to a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is now what holds for its key.
    New,
    /// It is there already.
    Known,
    /// A newer one for its key is there.
    Older,
    /// Another one of the same version is there, which all nodes prefer.
    Loses,
    /// As [`Arrival::New`], in the place of another one of the same version.
    Wins,
    /// The author has as many keys as it may have.
    Full,
}

impl Arrival {
    /// Whether the feed is another one than before.
    #[must_use]
    pub fn changed(self) -> bool {
        matches!(self, Self::New | Self::Wins)
    }

    /// Whether the author signed two different records with the same version for the same key.
    #[must_use]
    pub fn equivocates(self) -> bool {
        matches!(self, Self::Wins | Self::Loses)
    }
}

/// The live records of one author: the newest version of each key, tombstones included.
///
/// A feed can be cut (its author was expelled): records later than the cut then lie beyond, count
/// nowhere, and come back when the cut is lifted. Records about membership are never cut: see
/// rule 5 of [`crate::membership`].
#[derive(Clone, Debug)]
pub struct Feed {
    live: BTreeMap<Arc<str>, Held>,
    order: BTreeMap<Entry, Arc<str>>,
    beyond: BTreeMap<Arc<str>, Held>,
    head: Head,
    cut: Version,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            live: BTreeMap::new(),
            order: BTreeMap::new(),
            beyond: BTreeMap::new(),
            head: Head::default(),
            cut: Version::MAX,
        }
    }
}

impl Feed {
    /// An empty feed in which records count up to `last`.
    #[must_use]
    pub fn until(last: Version) -> Self {
        Self { cut: last, ..Self::default() }
    }

    /// Takes a record in, if it is news.
    pub fn insert(&mut self, signed: &SignedRecord) -> Arrival {
        let record = signed.record();
        let held = Held {
            version: record.version,
            hash: *signed.hash(),
            bytes: Arc::clone(signed.bytes()),
        };
        self.keep(record.key.as_str().into(), held)
    }

    fn keep(&mut self, key: Arc<str>, held: Held) -> Arrival {
        let mut arrival = Arrival::New;
        if let Some(present) = self.live.get(&key) {
            if present.hash == held.hash {
                return Arrival::Known;
            }
            if present.version > held.version {
                return Arrival::Older;
            }
            if present.version == held.version {
                if present.hash > held.hash {
                    return Arrival::Loses;
                }
                arrival = Arrival::Wins;
            }
        } else if self.live.len() >= RECORDS_PER_AUTHOR_MAX {
            return Arrival::Full;
        }
        self.drop_live(&key);
        self.head.toggle(&held.hash);
        self.order.insert(held.entry(), Arc::clone(&key));
        self.live.insert(key, held);
        self.recount();
        arrival
    }

    fn drop_live(&mut self, key: &str) -> Option<(Arc<str>, Held)> {
        let (key, held) = self.live.remove_entry(key)?;
        self.order.remove(&held.entry());
        self.head.toggle(&held.hash);
        self.recount();
        Some((key, held))
    }

    fn recount(&mut self) {
        self.head.count = self.live.len() as u64;
        self.head.newest =
            self.order.last_key_value().map_or(Version::default(), |(entry, _)| entry.version);
    }

    /// Lets records count up to `last` only. Returns those that count again and take the place of
    /// an older one, which must be stored anew.
    pub fn cut(&mut self, last: Version) -> Vec<(Arc<str>, Held)> {
        self.cut = last;
        let after = self.order.iter().filter(|(entry, key)| entry.version > last && cuttable(key));
        let after: Vec<Arc<str>> = after.map(|(_, key)| Arc::clone(key)).collect();
        for key in after {
            if let Some((key, held)) = self.drop_live(&key) {
                self.beyond.insert(key, held);
            }
        }
        let (back, beyond) = std::mem::take(&mut self.beyond)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(_, held)| held.version <= last);
        self.beyond = beyond;
        let replaces = |feed: &mut Self, key: &Arc<str>, held: &Held| {
            let replaced = feed.live.contains_key(key);
            feed.keep(Arc::clone(key), held.clone()).changed() && replaced
        };
        back.into_iter().filter(|(key, held)| replaces(self, key, held)).collect()
    }

    /// Whether a record of this key and version counts under the present cut.
    #[must_use]
    pub fn admits(&self, key: &str, version: Version) -> bool {
        version <= self.cut || !cuttable(key)
    }

    /// How far it is known.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// The record that holds for a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Held> {
        self.live.get(key)
    }

    /// The record that an entry names.
    #[must_use]
    pub fn find(&self, entry: &Entry) -> Option<&Held> {
        self.live.get(self.order.get(entry)?)
    }

    /// All that count, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.live.iter().map(|(key, held)| (key.as_ref(), held))
    }

    /// Those that count and whose key begins so.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Held)> {
        let from = self.live.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(key, held)| (key.as_ref(), held))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Those that count and lie between two versions, both included, oldest first.
    pub fn between(&self, from: Version, to: Version) -> impl Iterator<Item = (Entry, &Held)> {
        let first = Entry { version: from, prefix: [0; 8] };
        let last = Entry { version: to.max(from), prefix: [0xff; 8] };
        let entries = self.order.range(first..=last);
        entries.filter_map(|(entry, key)| Some((*entry, self.live.get(key)?)))
    }
}

fn cuttable(key: &str) -> bool {
    !MEMBERSHIP_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MeshId, Time, key::NodeSecret};

    fn signed(key: &str, seq: u64, body: &[u8]) -> SignedRecord {
        let secret = NodeSecret::from_seed(&[1; 32]);
        let record = Record {
            mesh: MeshId([0; 32]),
            author: secret.id(),
            version: Version { epoch: 1, seq },
            previous: Version::default(),
            key: key.into(),
            time: Time(0),
            body: Some(body.to_vec()),
        };
        record.sign(&secret).unwrap()
    }

    fn feed(records: &[&SignedRecord]) -> Feed {
        let mut feed = Feed::default();
        for record in records {
            feed.insert(record);
        }
        feed
    }

    #[test]
    fn the_newest_of_a_key_stays_whatever_the_order() {
        let (old, new, other) = (signed("a", 1, b"x"), signed("a", 2, b"y"), signed("b", 3, b"z"));
        let forth = feed(&[&old, &new, &other]);
        let back = feed(&[&other, &new, &old, &new]);
        assert_eq!(forth.head(), back.head());
        assert_eq!(forth.head().count, 2);
        assert_eq!(forth.head().newest.seq, 3);
        assert_eq!(forth.get("a").unwrap().bytes, *new.bytes());
        let seqs = |from, to| {
            let version = |seq| Version { epoch: 1, seq };
            forth
                .between(version(from), version(to))
                .map(|(e, _)| e.version.seq)
                .collect::<Vec<_>>()
        };
        assert_eq!(seqs(0, 9), [2, 3]);
        assert_eq!(seqs(3, 3), [3]);
        assert!(seqs(4, 1).is_empty());
    }

    #[test]
    fn two_records_of_one_version_have_the_same_winner_everywhere() {
        let (one, two) = (signed("a", 1, b"x"), signed("a", 1, b"y"));
        let (forth, back) = (feed(&[&one, &two]), feed(&[&two, &one]));
        assert_eq!(forth.head(), back.head());
        let mut again = feed(&[&one]);
        assert!(again.insert(&two).equivocates());
    }

    #[test]
    fn a_cut_hides_what_is_later_and_lifting_it_brings_it_back() {
        let (old, new) = (signed("a", 1, b"x"), signed("a", 5, b"y"));
        let (late, expel) = (signed("b", 6, b"z"), signed("expel/c", 7, b""));
        let mut cut = feed(&[&new, &late, &expel]);
        let whole = cut.head();
        assert!(cut.cut(Version { epoch: 1, seq: 4 }).is_empty());
        assert!(cut.get("a").is_none() && cut.get("b").is_none());
        assert!(cut.get("expel/c").is_some(), "expulsions are not cut");
        assert!(!cut.admits("a", new.record().version));
        assert_eq!(cut.insert(&old), Arrival::New, "the version within the cut has its place");
        let restored = cut.cut(Version::MAX);
        assert_eq!(cut.head(), whole);
        assert_eq!(restored.len(), 1, "only the one that replaces another is stored anew");
        assert_eq!(restored[0].1.bytes, *new.bytes());
    }
}

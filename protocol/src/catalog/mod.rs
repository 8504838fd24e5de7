//! What all records add up to: always rebuildable, the same on every node that has the same ones.
//!
//! The catalog owns the feeds, the [`Membership`] that follows from them, and tables by kind for
//! those who ask. Only records that *count* appear: the author is or was a member, and an expelled
//! author's only up to the version that the expulsion names.
//!
//! It decides by content alone: the order in which records come, repetition and grouping change
//! nothing. What it refuses now (a stranger who will turn out to be a member) comes again with the
//! next reconciliation.

mod news;
mod query;
mod tables;

use std::{collections::BTreeMap, sync::Arc};

pub use news::CatalogEvent;
pub use query::{DueOrder, Refusal};
pub use tables::Tables;

use crate::{
    MeshId, NodeId,
    membership::{Evidence, Membership},
    record::{Arrival, Fact, Feed, Head, Held, RecordKey, SignedRecord},
};

/// What all records add up to.
#[derive(Clone, Debug)]
pub struct Catalog {
    mesh: MeshId,
    feeds: BTreeMap<NodeId, Feed>,
    membership: Membership,
    tables: Tables,
    equivocations: u64,
}

/// Why a record was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It belongs to another mesh.
    #[error("the record belongs to another mesh")]
    OtherMesh,
    /// Its author is no member, as far as is known here.
    #[error("the author of the record is not a member, as far as this node knows")]
    Stranger,
    /// Its author was expelled before it.
    #[error("the author of the record was expelled before it wrote it")]
    Expelled,
    /// Its author has as many records as it may.
    #[error("the author of the record has too many of them")]
    Full,
}

/// What a record changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Whether it was news; then it must be stored.
    pub is_news: bool,
    /// What is new for those who use the catalog.
    pub events: Vec<CatalogEvent>,
    /// Whether there are other members than before.
    pub members_changed: bool,
    /// Records that count again and have to be stored anew: author, key, bytes.
    pub restored: Vec<(NodeId, Arc<str>, Arc<[u8]>)>,
}

impl Catalog {
    /// An empty catalog of a mesh.
    #[must_use]
    pub fn new(mesh: MeshId, founder: NodeId) -> Self {
        Self {
            mesh,
            feeds: BTreeMap::new(),
            membership: Membership::derive(founder, &Evidence::default()),
            tables: Tables::default(),
            equivocations: 0,
        }
    }

    /// The catalog of records that were taken in earlier, in any order.
    #[must_use]
    pub fn load<'a>(
        mesh: MeshId,
        founder: NodeId,
        records: impl IntoIterator<Item = &'a SignedRecord>,
    ) -> Self {
        let mut catalog = Self::new(mesh, founder);
        for signed in records {
            if signed.record().mesh == mesh {
                catalog.feeds.entry(signed.record().author).or_default().insert(signed);
            }
        }
        let _ = catalog.recast();
        catalog.tables = catalog.rebuilt();
        catalog
    }

    /// Takes one record in.
    ///
    /// # Errors
    /// When it does not count here.
    pub fn insert(&mut self, signed: &SignedRecord) -> Result<Change, NotTaken> {
        let record = signed.record();
        if record.mesh != self.mesh {
            return Err(NotTaken::OtherMesh);
        }
        let last = self.membership.last_version_of(&record.author).ok_or(NotTaken::Stranger)?;
        let feed = self.feeds.entry(record.author).or_insert_with(|| Feed::until(last));
        if !feed.admits(&record.key, record.version) {
            return Err(NotTaken::Expelled);
        }
        let arrival = feed.insert(signed);
        self.equivocations += u64::from(arrival.equivocates());
        if arrival == Arrival::Full {
            return Err(NotTaken::Full);
        }
        if !arrival.changed() {
            return Ok(Change::default());
        }
        let mut change = Change { is_news: true, ..Change::default() };
        let Ok(key) = record.key.parse::<RecordKey>() else { return Ok(change) };
        let fact = record.body.as_deref().and_then(|body| Fact::read(&key, body).ok());
        change.events.extend(CatalogEvent::of(record.author, &key, fact.is_some()));
        self.tables.put(record.author, &key, record.body.is_some(), fact);
        if matches!(key, RecordKey::Member(_) | RecordKey::Expel(_)) {
            self.settle(&mut change);
        }
        Ok(change)
    }

    fn settle(&mut self, change: &mut Change) {
        let before = self.membership.clone();
        change.restored = self.recast();
        for node in before.differences(&self.membership) {
            change.events.push(CatalogEvent::MemberChanged { node });
        }
        change.members_changed = before.ids() != self.membership.ids();
    }

    /// Derives the membership anew and lets each feed count as far as it then may.
    fn recast(&mut self) -> Vec<(NodeId, Arc<str>, Arc<[u8]>)> {
        let membership =
            Membership::derive(self.membership.founder(), &Evidence::gather(&self.feeds));
        let mut restored = Vec::new();
        let mut visibility_changed = false;
        for (author, feed) in &mut self.feeds {
            let before = self.membership.last_version_of(author);
            let after = membership.last_version_of(author);
            if before == after {
                continue;
            }
            visibility_changed = true;
            let again = feed.cut(after.unwrap_or_default()).into_iter();
            restored.extend(again.map(|(key, held)| (*author, key, held.bytes)));
        }
        self.membership = membership;
        if visibility_changed {
            self.tables = self.rebuilt();
        }
        restored
    }

    fn rebuilt(&self) -> Tables {
        let mut tables = Tables::default();
        for (author, feed) in self.counting_feeds() {
            for (key, held) in feed.iter() {
                put_held(&mut tables, *author, key, held);
            }
        }
        tables
    }

    /// The feeds of present and expelled members.
    pub fn counting_feeds(&self) -> impl Iterator<Item = (&NodeId, &Feed)> {
        self.feeds.iter().filter(|(author, _)| self.membership.last_version_of(author).is_some())
    }

    /// The feed of one author, if it counts.
    #[must_use]
    pub fn feed(&self, author: &NodeId) -> Option<&Feed> {
        self.membership.last_version_of(author)?;
        self.feeds.get(author)
    }

    /// How far the feed of an author is known.
    #[must_use]
    pub fn head(&self, author: &NodeId) -> Head {
        self.feed(author).map_or(Head::default(), Feed::head)
    }

    /// The mesh.
    #[must_use]
    pub fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// Who belongs to the mesh.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// What counts, by kind.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// How often an author was seen to sign two records with one version for one key.
    #[must_use]
    pub fn equivocations(&self) -> u64 {
        self.equivocations
    }

    /// One hash of all that counts: equal on nodes that know the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (author, feed) in self.counting_feeds().filter(|(_, feed)| feed.head().count > 0) {
            hasher.update(&author.0).update(&feed.head().digest);
        }
        hasher.finalize().into()
    }
}

fn put_held(tables: &mut Tables, author: NodeId, key: &str, held: &Held) {
    let Ok(key) = key.parse::<RecordKey>() else { return };
    let Some(body) = held.record().and_then(|record| record.body) else { return };
    tables.put(author, &key, true, Fact::read(&key, &body).ok());
}

#[cfg(test)]
mod tests;

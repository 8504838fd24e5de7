//! What counts, by kind.

use std::collections::BTreeMap;

use crate::{
    ArchiveId, JobId, NodeId, OrderId,
    key::WrappedKey,
    record::{
        ArchiveFacts, Fact, Grant, Hold, JobFacts, NodeFacts, Order, Outcome, RecordKey, Rights,
    },
};

/// Tables that follow from the records that count, and from nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// What each node says of itself.
    pub nodes: BTreeMap<NodeId, NodeFacts>,
    /// By node where it holds, and node that it is about.
    pub grants: BTreeMap<(NodeId, NodeId), Grant>,
    /// By origin and receiver.
    pub wraps: BTreeMap<(NodeId, NodeId), WrappedKey>,
    /// By owner.
    pub jobs: BTreeMap<(NodeId, JobId), JobFacts>,
    /// By origin.
    pub archives: BTreeMap<(NodeId, ArchiveId), ArchiveFacts>,
    /// By origin and archive, then by holder.
    pub holds: BTreeMap<(NodeId, ArchiveId), BTreeMap<NodeId, Hold>>,
    /// By issuer.
    pub orders: BTreeMap<(NodeId, OrderId), Order>,
    /// By issuer and order, then by who answers.
    pub results: BTreeMap<(NodeId, OrderId), BTreeMap<NodeId, Outcome>>,
}

impl Tables {
    /// Replaces what `author` says for `key`. `holds` tells a body that cannot be read from a
    /// tombstone.
    pub(super) fn put(&mut self, author: NodeId, key: &RecordKey, holds: bool, fact: Option<Fact>) {
        match fact {
            Some(fact) => self.set(author, fact),
            None => self.unset(author, key),
        }
        // A grant that this program cannot read narrows to nothing; ignoring it would widen.
        if let (RecordKey::Grant(to), true) = (key, holds) {
            let nothing = Grant { rights: Rights::NONE, quota_bytes: Some(0) };
            self.grants.entry((author, *to)).or_insert(nothing);
        }
    }

    fn set(&mut self, author: NodeId, fact: Fact) {
        match fact {
            Fact::Node(facts) => drop(self.nodes.insert(author, facts)),
            Fact::Grant(to, grant) => drop(self.grants.insert((author, to), grant)),
            Fact::Wrap(receiver, key) => drop(self.wraps.insert((author, receiver), key)),
            Fact::Job(job, facts) => drop(self.jobs.insert((author, job), facts)),
            Fact::Archive(archive, facts) => drop(self.archives.insert((author, archive), facts)),
            Fact::Hold(origin, archive, hold) => {
                self.holds.entry((origin, archive)).or_default().insert(author, hold);
            }
            Fact::Order(id, order) => drop(self.orders.insert((author, id), order)),
            Fact::Result(issuer, order, outcome) => {
                self.results.entry((issuer, order)).or_default().insert(author, outcome);
            }
            Fact::Member(..) | Fact::Expel(..) => {}
        }
    }

    fn unset(&mut self, author: NodeId, key: &RecordKey) {
        match *key {
            RecordKey::Node => drop(self.nodes.remove(&author)),
            RecordKey::Grant(to) => drop(self.grants.remove(&(author, to))),
            RecordKey::Wrap(receiver) => drop(self.wraps.remove(&(author, receiver))),
            RecordKey::Job(job) => drop(self.jobs.remove(&(author, job))),
            RecordKey::Archive(archive) => drop(self.archives.remove(&(author, archive))),
            RecordKey::Hold(origin, archive) => {
                remove_inner(&mut self.holds, (origin, archive), author);
            }
            RecordKey::Order(order) => drop(self.orders.remove(&(author, order))),
            RecordKey::Result(issuer, order) => {
                remove_inner(&mut self.results, (issuer, order), author);
            }
            RecordKey::Member(_) | RecordKey::Expel(_) => {}
        }
    }
}

fn remove_inner<K: Ord, T>(table: &mut BTreeMap<K, BTreeMap<NodeId, T>>, key: K, by: NodeId) {
    if let std::collections::btree_map::Entry::Occupied(mut inner) = table.entry(key) {
        inner.get_mut().remove(&by);
        if inner.get().is_empty() {
            inner.remove();
        }
    }
}

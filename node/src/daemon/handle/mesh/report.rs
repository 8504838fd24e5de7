//! A member as it is shown.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{Multiaddr, multiaddr::Protocol};
use protocol::{
    NodeId, Time,
    catalog::Catalog,
    control::{Connection, MemberReport, Right},
    membership::Member,
    record::{Fact, RecordKey},
};

use crate::{
    daemon::{node::Node, view},
    sys,
};

/// Addresses that are shown of one member.
const ADDRESSES_MAX: usize = 16;

/// What is known around the catalog: who is connected, where this node listens.
pub(super) struct Around<'a> {
    node: &'a Node,
    connected: BTreeMap<NodeId, Multiaddr>,
    listening: BTreeSet<Multiaddr>,
    now: Time,
}

impl<'a> Around<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        let (connected, listening) = (node.mesh.connected(), node.mesh.listening());
        Self { node, connected, listening, now: sys::now() }
    }

    pub(super) fn report(&self, catalog: &Catalog, id: NodeId, member: &Member) -> MemberReport {
        let me = self.node.id();
        let connection = self.connection(id);
        let (holds_archives, holds_bytes) = holds(catalog, me, id);
        let rights = catalog.rights(&me, &id);
        let words = self.node.mesh.words_of(&id);
        MemberReport {
            node: view::node_name(catalog, id),
            role: member.role,
            connection,
            addresses: self.addresses(catalog, id),
            version: self.version(catalog, id),
            joined_ms: member.since,
            seen_ms: match connection {
                Connection::Offline => catalog.node(&id).map(|facts| facts.time),
                _ => Some(self.now),
            },
            expelled_ms: member.expelled.map(|(by, _)| {
                let said = expelled_at(catalog, by, id);
                said.unwrap_or(member.since)
            }),
            rights: Right::ALL.into_iter().filter(|right| rights.allow(*right)).collect(),
            quota_bytes: quota(catalog, me, id, member),
            keeps_here_bytes_max: catalog
                .tables()
                .grants
                .get(&(me, id))
                .and_then(|g| g.quota_bytes),
            holds_bytes,
            holds_archives,
            words: words.map(|words| words.join(" ")),
        }
    }

    fn connection(&self, id: NodeId) -> Connection {
        if id == self.node.id() {
            Connection::This
        } else if self.connected.contains_key(&id) {
            Connection::Direct
        } else {
            Connection::Offline
        }
    }

    /// The address at the other end first, then those it published.
    fn addresses(&self, catalog: &Catalog, id: NodeId) -> Vec<String> {
        if id == self.node.id() {
            let own = self.listening.iter().take(ADDRESSES_MAX);
            return own.map(Multiaddr::to_string).collect();
        }
        let mut addresses: Vec<_> =
            self.connected.get(&id).map(Multiaddr::to_string).into_iter().collect();
        for published in catalog.node(&id).map_or(&[][..], |facts| &facts.addresses) {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(published) {
                addresses.push(published.clone());
            }
        }
        addresses
    }

    fn version(&self, catalog: &Catalog, id: NodeId) -> Option<String> {
        if id == self.node.id() {
            return Some(env!("CARGO_PKG_VERSION").to_owned());
        }
        catalog.node(&id).map(|facts| facts.program.clone())
    }
}

/// When something of a member is known to have been heard last, by its own clock.
pub(in crate::daemon::handle) fn last_heard(
    catalog: &Catalog,
    id: &NodeId,
    member: &Member,
) -> Time {
    catalog.node(id).map_or(member.since, |facts| facts.time.max(member.since))
}

/// How much of this node's a member holds at most: what it was invited for, or less if it says so.
fn quota(catalog: &Catalog, me: NodeId, id: NodeId, member: &Member) -> Option<u64> {
    let granted = catalog.tables().grants.get(&(id, me)).and_then(|grant| grant.quota_bytes);
    member.quota_bytes.into_iter().chain(granted).min()
}

/// Archives of this node that another one holds whole, and their bytes.
fn holds(catalog: &Catalog, me: NodeId, id: NodeId) -> (u64, u64) {
    if id == me {
        let own = catalog.archives_of(me);
        return own
            .fold((0, 0), |(count, bytes), (_, facts)| (count + 1, bytes + facts.sealed_bytes));
    }
    let ours = catalog.holds_of(id).filter(|(origin, ..)| *origin == me);
    ours.fold((0, 0), |(count, bytes), (.., hold)| (count + 1, bytes + hold.bytes))
}

fn expelled_at(catalog: &Catalog, by: NodeId, id: NodeId) -> Option<Time> {
    let key = RecordKey::Expel(id);
    let record = catalog.feed(&by)?.get(&key.to_string())?.record()?;
    match Fact::read(&key, record.body.as_deref()?) {
        Ok(Fact::Expel(_, expulsion)) => Some(expulsion.time),
        _ => None,
    }
}

/// Whether only this machine can use an address.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

//! Keeping connections to members: who is to be dialled, and when again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::Multiaddr;
use protocol::{NodeId, Time, catalog::Catalog};

/// The first wait after a dial that failed.
const WAIT_MIN: Duration = Duration::from_secs(2);

/// The longest wait between two dials of one member.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// When each member that is not connected is dialled next.
#[derive(Debug, Default)]
pub(super) struct Dialing(BTreeMap<NodeId, Attempt>);

#[derive(Clone, Copy, Debug)]
struct Attempt {
    next: Time,
    wait: Duration,
}

impl Dialing {
    /// Members to dial now, with their addresses.
    pub(super) fn due(
        &mut self,
        catalog: &Catalog,
        me: NodeId,
        connected: &BTreeSet<NodeId>,
        now: Time,
    ) -> Vec<(NodeId, Vec<Multiaddr>)> {
        let members = catalog.membership().ids();
        self.0.retain(|node, _| members.contains(node) && !connected.contains(node));
        let missing = members.into_iter().filter(|node| *node != me && !connected.contains(node));
        let mut due = Vec::new();
        for node in missing {
            let attempt = self.0.entry(node).or_insert(Attempt { next: now, wait: WAIT_MIN });
            if attempt.next > now {
                continue;
            }
            let addresses = addresses(catalog, node);
            attempt.next = now.after(attempt.wait);
            attempt.wait = (attempt.wait * 2).min(WAIT_MAX);
            if !addresses.is_empty() {
                due.push((node, addresses));
            }
        }
        due
    }

    /// A member said something new of itself: it is tried at once.
    pub(super) fn retry(&mut self, node: &NodeId) {
        self.0.remove(node);
    }
}

fn addresses(catalog: &Catalog, node: NodeId) -> Vec<Multiaddr> {
    let facts = catalog.node(&node);
    facts.into_iter().flat_map(|facts| &facts.addresses).filter_map(|a| a.parse().ok()).collect()
}

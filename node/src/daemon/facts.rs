//! The worker that keeps what this node says of itself true: its name and addresses, and the
//! archive key for the operators of its mesh.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use libp2p::{Multiaddr, multiaddr::Protocol};
use protocol::{
    NodeId,
    record::{Fact, NodeFacts, Role},
};
use tracing::warn;

use super::{mesh::Change, node::Node};
use crate::{
    replicate::Cancel,
    sys::{self, OsEntropy},
};

/// How often a node says that it is there, when nothing else changes.
const SAY_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How often it looks whether something is to be said.
const LOOK_EVERY: Duration = Duration::from_secs(300);

/// Addresses that a record may carry.
const ADDRESSES_MAX: usize = 32;

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    loop {
        changes.mark_unchanged();
        let mut say = Vec::new();
        say.extend(facts(&node).map(Change::Say));
        say.extend(wraps(&node).into_iter().map(Change::Say));
        if !say.is_empty()
            && let Err(failure) = node.mesh.publish(say).await
        {
            warn!(%failure, "cannot say what this node is");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// What this node says of itself, when that is not what it said last.
fn facts(node: &Node) -> Option<Fact> {
    let now = sys::now();
    let addresses = addresses(&node.mesh.listening());
    let facts = NodeFacts {
        name: node.name.clone(),
        addresses,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        free_bytes: sys::free_bytes(node.data.path()),
        exchange: node.secret.exchange_public(),
        time: now,
    };
    let said = node.mesh.look(|catalog| catalog.node(&node.id()).cloned());
    let same = said.is_some_and(|said| {
        let quiet = now.since(said.time) < SAY_EVERY && said.time <= now;
        let known = facts.addresses.is_empty() || said.addresses == facts.addresses;
        quiet
            && known
            && (said.name.as_str(), &said.program) == (facts.name.as_str(), &facts.program)
    });
    (!same).then_some(Fact::Node(facts))
}

/// Addresses that others can use: loopback ones only when there is nothing else.
fn addresses(listening: &BTreeSet<Multiaddr>) -> Vec<String> {
    let local = |address: &&Multiaddr| {
        address.iter().any(|part| match part {
            Protocol::Ip4(ip) => ip.is_loopback(),
            Protocol::Ip6(ip) => ip.is_loopback(),
            _ => false,
        })
    };
    let (local, other): (Vec<_>, Vec<_>) = listening.iter().partition(local);
    let chosen = if other.is_empty() { local } else { other };
    chosen.into_iter().take(ADDRESSES_MAX).map(Multiaddr::to_string).collect()
}

/// The archive key for operators that do not have it. Only an operator's servers are its own: a
/// storage member gives its key to nobody.
fn wraps(node: &Node) -> Vec<Fact> {
    let me = node.id();
    node.mesh.look(|catalog| {
        if !catalog.membership().is_operator(&me) {
            return Vec::new();
        }
        let has: BTreeSet<NodeId> = catalog
            .tables()
            .wraps
            .keys()
            .filter(|(origin, _)| *origin == me)
            .map(|(_, receiver)| *receiver)
            .collect();
        let operators = catalog.membership().members().filter(|(_, m)| m.role == Role::Operator);
        let lacking = operators.map(|(id, _)| *id).filter(|id| *id != me && !has.contains(id));
        lacking
            .filter_map(|id| {
                let exchange = catalog.node(&id)?.exchange;
                Some(Fact::Wrap(id, node.key.wrap(&exchange, &mut OsEntropy)))
            })
            .collect()
    })
}

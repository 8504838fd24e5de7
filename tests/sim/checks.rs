//! What must hold, whatever happened.

use protocol::{NodeId, record::SignedRecord};

use crate::world::{Promises, World};

/// The honest nodes that are up and members by their own and each other's word.
pub(crate) fn honest(world: &World) -> Vec<usize> {
    let up = world.up().into_iter().filter(|n| !world.nodes[*n].lies);
    let members = world.nodes[0].engine().catalog().membership();
    up.filter(|n| members.is_member(&world.id(*n))).collect()
}

/// All members know the same.
pub(crate) fn catalogs_are_equal(world: &World) {
    let honest = honest(world);
    let first = world.nodes[honest[0]].engine().catalog();
    for n in &honest[1..] {
        let other = world.nodes[*n].engine().catalog();
        assert_eq!(first.membership(), other.membership(), "node {n} sees other members");
        assert_eq!(first.tables(), other.tables(), "node {n} has another catalog");
        assert_eq!(first.digest(), other.digest(), "node {n} has other records");
    }
}

/// What was acknowledged is there, or something newer for the same key.
pub(crate) fn promises_are_kept(world: &World, promises: &Promises) {
    for n in honest(world) {
        let catalog = world.nodes[n].engine().catalog();
        for ((author, key), (version, hash)) in promises {
            if !catalog.membership().is_member(author) {
                continue;
            }
            let held = catalog.feed(author).and_then(|feed| feed.get(key));
            let held = held.unwrap_or_else(|| panic!("node {n} lost {key} of {author:?}"));
            assert!(held.version >= *version, "node {n} has an older {key} of {author:?}");
            assert!(held.version > *version || held.hash == *hash, "node {n} has another {key}");
        }
    }
}

/// What the engine knows is what its disk has: a restart changes nothing.
pub(crate) fn disks_are_whole(world: &World) {
    for n in world.up() {
        let node = &world.nodes[n];
        for (author, feed) in node.engine().catalog().counting_feeds() {
            for (key, held) in feed.iter() {
                let stored = node.disk.records.get(&(*author, key.into()));
                assert_eq!(stored, Some(&held.bytes), "node {n}: {key} of {author:?} on disk");
            }
        }
    }
}

/// Nobody has a record of someone who never was a member.
pub(crate) fn strangers_left_no_trace(world: &World, strangers: &[NodeId]) {
    for n in world.up() {
        for (author, _) in world.nodes[n].disk.records.keys() {
            assert!(!strangers.contains(author), "node {n} stored a record of a stranger");
        }
    }
}

/// No order was executed twice.
pub(crate) fn orders_ran_once(world: &World) {
    for (n, node) in world.nodes.iter().enumerate().filter(|(_, node)| !node.was_restored) {
        for ((issuer, order), times) in &node.executed {
            assert!(*times <= 1, "node {n} executed {order:?} of {issuer:?} {times} times");
        }
    }
}

/// A record that comes now from an expelled node or a stranger changes nothing.
pub(crate) fn is_refused(world: &mut World, node: usize, signed: &SignedRecord) {
    let honest = honest(world);
    for n in honest.iter().filter(|n| **n != node) {
        let before = world.nodes[*n].engine().catalog().digest();
        let Some(from) = honest.iter().find(|m| *m != n).map(|m| world.id(*m)) else { return };
        let bytes = signed.bytes().to_vec();
        world.give(*n, protocol::engine::Input::Gossip { from, bytes });
        assert_eq!(world.nodes[*n].engine().catalog().digest(), before, "node {n} took it in");
    }
}

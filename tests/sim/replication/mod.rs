//! Chunks and replicas: every node has a [`shelf`] beside its engine, origins ingest, holders fetch
//! with the real session over a bad network, everybody collects garbage, anybody crashes.
//!
//! After every step *acknowledged means restorable*: the shelf of an honest node has, durably, all
//! of what the node's own archives and holds name. After peace every archive that was acknowledged
//! has its copies.

mod shelf;
mod yard;

use std::time::Duration;

use protocol::{
    ArchiveId, Entropy as _, NodeId, Time,
    catalog::Catalog,
    engine::Input,
    placement::{self, Candidate, Policy, Where},
    record::{ArchiveFacts, Place, RecordKey, Role},
};

use crate::world::{FAIR, Weather};
use yard::{Ingest, Wanted, Yard};

const STORM: Weather = Weather { loss: 8, doubled: 10, delay_ms_max: 1_500 };

const ROOM: u64 = 1 << 30;

/// How long a replica is kept whatever its origin says.
pub(super) const LOCK: Duration = Duration::from_secs(300);

pub(crate) fn run(seed: u64) {
    let mut yard = Yard::new(seed);
    for _ in 0..3 + seed % 2 {
        yard.world.invite(0, Role::Operator).unwrap();
        yard.grow();
    }
    yard.run_for(60_000);
    yard.world.nodes[2].lies = seed.is_multiple_of(2);
    yard.world.weather = STORM;
    for _ in 0..120 {
        act(&mut yard);
        yard.check_all();
        let pause = yard.world.dice.below(6_000);
        yard.run_for(pause);
        yard.check_all();
    }
    peace(&mut yard);
    copies_are_there(&yard);
}

fn act(yard: &mut Yard) {
    let Some(node) = yard.world.dice.pick(&yard.world.up()) else { return wake_all(yard) };
    let lies = yard.world.nodes[node].lies;
    match yard.world.dice.below(100) {
        0..18 if !lies => ingest(yard, node),
        0..18 => boast(yard, node),
        18..55 => round(yard, node),
        55..68 => yard.collect(node),
        68..74 => forget(yard, node),
        74..82 => yard.crash(node),
        82..90 => wake_all(yard),
        90..94 => {
            let side = (0..yard.world.nodes.len()).map(|_| yard.world.dice.below(2)).collect();
            yard.world.partition(side);
        }
        _ => yard.world.partition(vec![0; yard.world.nodes.len()]),
    }
}

fn wake_all(yard: &mut Yard) {
    for node in 0..yard.world.nodes.len() {
        if yard.world.nodes[node].engine.is_none() {
            yard.world.start(node);
        }
    }
}

fn peace(yard: &mut Yard) {
    yard.world.weather = FAIR;
    wake_all(yard);
    yard.world.partition(vec![0; yard.world.nodes.len()]);
    for _ in 0..150 {
        for node in 0..yard.world.nodes.len() {
            round(yard, node);
            yard.collect(node);
        }
        yard.run_for(12_000);
        yard.check_all();
    }
}

/// Begins to make an archive.
fn ingest(yard: &mut Yard, node: usize) {
    if yard.keepers[node].ingest.is_some() {
        return;
    }
    let objects = shelf::night(&yard.keepers[node].key, &mut yard.world.dice);
    let root = objects.last().unwrap().0;
    let unique: std::collections::BTreeSet<_> = objects.iter().map(|(link, _)| *link).collect();
    let facts = ArchiveFacts {
        created: Time(yard.world.now),
        root,
        sealed_bytes: unique.iter().map(|link| u64::from(link.bytes)).sum(),
        objects: unique.len() as u64,
        copies: u8::try_from(1 + yard.world.dice.below(3)).unwrap(),
        place: Place::Any,
        sealed: vec![1; 30],
    };
    let archive = ArchiveId(yard.world.dice.array());
    yard.ingest(node, Ingest { archive, facts, objects: objects.into() });
}

/// A liar says that it holds what it does not.
fn boast(yard: &mut Yard, node: usize) {
    let catalog = yard.world.nodes[node].engine().catalog();
    let all: Vec<_> = catalog.tables().archives.keys().copied().collect();
    let Some((origin, archive)) = yard.world.dice.pick(&all) else { return };
    let catalog = yard.world.nodes[node].engine().catalog();
    let facts = catalog.archive(origin, archive).unwrap().clone();
    let wanted = Wanted { origin, archive, facts, record: vec![], holders: vec![] };
    let fact = wanted.hold(yard.world.now);
    yard.world.give(node, Input::Publish { fact });
}

/// An origin drops one of its archives.
fn forget(yard: &mut Yard, node: usize) {
    let me = yard.world.id(node);
    let archives = yard.world.nodes[node].engine().catalog().archives_of(me);
    let archives: Vec<ArchiveId> = archives.map(|(archive, _)| *archive).collect();
    if let Some(archive) = yard.world.dice.pick(&archives) {
        yard.acknowledged.remove(&(me, archive));
        yard.give(node, Input::Remove { key: RecordKey::Archive(archive) });
    }
}

/// What the worker of `node` that replicates does when it looks at the catalog.
fn round(yard: &mut Yard, node: usize) {
    if yard.world.nodes[node].lies || yard.keepers[node].fetch.is_some() {
        return;
    }
    release(yard, node);
    let all = wanted(yard, node);
    let nth = yard.world.dice.index(all.len());
    if let Some(wanted) = all.into_iter().nth(nth) {
        yard.fetch(node, wanted);
    }
}

fn release(yard: &mut Yard, node: usize) {
    let (me, now) = (yard.world.id(node), Time(yard.world.now));
    let Some(engine) = &yard.world.nodes[node].engine else { return };
    let catalog = engine.catalog();
    let ended = catalog.holds_of(me).filter(|(origin, archive, hold)| {
        catalog.archive(*origin, *archive).is_none() && hold.locked_until <= now
    });
    let keys: Vec<_> = ended.map(|(origin, archive, _)| RecordKey::Hold(origin, archive)).collect();
    for key in keys {
        yard.give(node, Input::Remove { key });
    }
}

fn wanted(yard: &Yard, node: usize) -> Vec<Wanted> {
    let me = yard.world.id(node);
    let Some(engine) = &yard.world.nodes[node].engine else { return vec![] };
    let catalog = engine.catalog();
    let mut all = Vec::new();
    for ((origin, archive), facts) in &catalog.tables().archives {
        let held = catalog.holders(*origin, *archive);
        let held: Vec<NodeId> =
            held.filter(|(_, hold)| hold.root == facts.root).map(|(id, _)| *id).collect();
        if *origin == me
            || held.contains(&me)
            || !assigned(catalog, *origin, *archive).contains(&me)
        {
            continue;
        }
        let key = RecordKey::Archive(*archive).to_string();
        let record = catalog.feed(origin).unwrap().get(&key).unwrap().bytes.to_vec();
        let holders = std::iter::once(origin).chain(&held);
        let holders = holders.filter_map(|id| yard.world.index(id)).collect();
        let (origin, archive, facts) = (*origin, *archive, facts.clone());
        all.push(Wanted { origin, archive, facts, record, holders });
    }
    all
}

/// As the daemon does it; here everybody offers the same room and nobody is away for days.
fn assigned(catalog: &Catalog, origin: NodeId, archive: ArchiveId) -> Vec<NodeId> {
    let copies = catalog.archive(origin, archive).unwrap().copies;
    let members = catalog.membership().members();
    let candidates: Vec<_> =
        members.map(|(node, _)| Candidate { node: *node, weight: ROOM, away: false }).collect();
    placement::assign(archive, origin, &Policy { copies, on: Where::Any }, &candidates)
}

/// Every acknowledged archive is known, and all honest nodes that are to hold it do.
fn copies_are_there(yard: &Yard) {
    for (origin, archive) in &yard.acknowledged {
        for node in yard.honest() {
            let catalog = yard.world.nodes[node].engine().catalog();
            let facts = catalog.archive(*origin, *archive);
            let facts = facts.unwrap_or_else(|| panic!("node {node} does not know {archive:?}"));
            let me = yard.world.id(node);
            if assigned(catalog, *origin, *archive).contains(&me) {
                let said = catalog.holders(*origin, *archive).any(|(holder, _)| *holder == me);
                let lacks = yard.keepers[node].shelf.lacks(&facts.root);
                assert!(said && lacks.is_none(), "node {node} has no copy of {archive:?}");
            }
        }
    }
}

// In two parts, so that they run side by side.

#[test]
fn what_is_acknowledged_can_be_restored_seeds_0_to_50() {
    crate::play(0..50, run);
}

#[test]
fn what_is_acknowledged_can_be_restored_seeds_50_to_100() {
    crate::play(50..100, run);
}

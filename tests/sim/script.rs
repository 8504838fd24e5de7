//! A long day of a mesh, as the seed wants it.

use protocol::{
    ArchiveId, JobId, NodeId, OrderId, SealedId, Time,
    engine::Input,
    key::NodeSecret,
    object::Link,
    record::{
        ArchiveFacts, Fact, JobFacts, Order, Place, Record, RecordKey, Role, SignedRecord, Version,
    },
};

use crate::{
    checks,
    node::Disk,
    world::{FAIR, Promises, Weather, World},
};

const STORM: Weather = Weather { loss: 20, doubled: 10, delay_ms_max: 3_000 };

/// Nodes that ever join, the founder included.
const NODES_MAX: usize = 6;

pub(crate) fn run(seed: u64) {
    let mut world = World::new(seed);
    let mut copies: Vec<Option<Disk>> = Vec::new();
    world.weather = STORM;
    for _ in 0..2 {
        let role = role(&mut world);
        world.invite(0, role);
    }
    if world.nodes.len() > 2 && seed.is_multiple_of(2) {
        world.nodes[2].lies = true;
    }
    for _ in 0..40 {
        act(&mut world, &mut copies);
        let pause = world.dice.below(60_000);
        world.run_for(pause);
    }
    let strangers = strangers_try(&mut world);
    peace(&mut world);
    checks::catalogs_are_equal(&world);
    checks::promises_are_kept(&world, &world.promises);
    checks::disks_are_whole(&world);
    checks::strangers_left_no_trace(&world, &strangers);
    checks::orders_ran_once(&world);
    the_expelled_try(&mut world);
}

fn role(world: &mut World) -> Role {
    if world.dice.percent(70) { Role::Operator } else { Role::Storage }
}

/// Everybody is up, the network is whole and fair, and half an hour passes.
fn peace(world: &mut World) {
    world.weather = FAIR;
    for n in 0..world.nodes.len() {
        if world.nodes[n].engine.is_none() && !world.nodes[n].disk.records.is_empty() {
            world.start(n);
        }
    }
    world.partition(vec![0; world.nodes.len()]);
    world.run_for(300_000);
    invite_the_forgotten(world);
    for _ in 0..6 {
        world.run_for(300_000);
    }
}

/// A node whose inviter was put back from an old copy, before anybody else had heard of it, holds
/// the only proof that it is a member, and nobody lets it in. A person has to invite it again.
fn invite_the_forgotten(world: &mut World) {
    let members = world.nodes[0].engine().catalog().membership();
    let forgotten = |n: &usize| members.last_version_of(&world.id(*n)).is_none();
    let forgotten: Vec<usize> = world.up().into_iter().filter(forgotten).collect();
    for node in forgotten {
        world.invite_again(0, node, Role::Operator);
    }
}

fn act(world: &mut World, copies: &mut Vec<Option<Disk>>) {
    copies.resize(world.nodes.len(), None);
    let Some(node) = world.dice.pick(&world.up()) else { return wake_somebody(world) };
    match world.dice.below(100) {
        0..45 => publish(world, node),
        45..52 => order(world, node),
        52..58 if world.nodes.len() < NODES_MAX => {
            let role = role(world);
            world.invite(node, role);
        }
        58..62 => expel(world, node),
        62..70 => world.crash(node),
        70..80 => wake_somebody(world),
        80..86 => {
            let side = (0..world.nodes.len()).map(|_| world.dice.below(2)).collect();
            world.partition(side);
        }
        86..91 => world.partition(vec![0; world.nodes.len()]),
        91..94 => copies[node] = Some(world.nodes[node].disk.clone()),
        94..96 => put_back(world, node, copies[node].clone()),
        96..98 => withdraw(world, node),
        _ => set_clock(world, node),
    }
}

fn wake_somebody(world: &mut World) {
    let down: Vec<usize> = (0..world.nodes.len())
        .filter(|n| world.nodes[*n].engine.is_none() && !world.nodes[*n].disk.records.is_empty())
        .collect();
    if let Some(node) = world.dice.pick(&down) {
        world.start(node);
    }
}

fn set_clock(world: &mut World, node: usize) {
    let by = i64::try_from(world.dice.below(2 * 86_400_000)).unwrap() - 86_400_000;
    world.nodes[node].skew = by;
    world.give(node, Input::Tick);
}

pub(crate) fn archive(bytes: u32) -> ArchiveFacts {
    ArchiveFacts {
        created: Time(1),
        root: Link { id: SealedId([2; 32]), bytes },
        sealed_bytes: 1,
        objects: 1,
        copies: 1,
        place: Place::Any,
        sealed: vec![1; 30],
    }
}

fn publish(world: &mut World, node: usize) {
    let which = u8::try_from(world.dice.below(6)).unwrap();
    let edition = u32::try_from(world.dice.below(1_000_000)).unwrap();
    let input = match world.dice.below(4) {
        0 => Input::Remove { key: RecordKey::Archive(ArchiveId([which; 16])) },
        1 => {
            let sealed = edition.to_be_bytes().to_vec();
            Input::Publish { fact: Fact::Job(JobId([which; 16]), JobFacts { sealed }) }
        }
        _ => Input::Publish { fact: Fact::Archive(ArchiveId([which; 16]), archive(edition)) },
    };
    let key = match &input {
        Input::Remove { key } => *key,
        Input::Publish { fact } => fact.key(),
        _ => return,
    };
    // Sometimes it crashes somewhere on the way.
    let steps = if world.dice.percent(15) { world.dice.index(6) } else { usize::MAX };
    if world.give_until(node, input, steps) {
        promise(world, node, &key);
    }
}

/// Notes what an honest node was told is published.
fn promise(world: &mut World, node: usize, key: &RecordKey) {
    if world.nodes[node].lies || world.nodes[node].engine.is_none() {
        return;
    }
    let (id, key) = (world.id(node), key.to_string());
    let held = world.nodes[node].engine().catalog().feed(&id).and_then(|feed| feed.get(&key));
    if let Some(held) = held {
        let what = (held.version, held.hash);
        world.promises.insert((id, key), what);
    }
}

fn order(world: &mut World, node: usize) {
    let to = world.dice.index(world.nodes.len());
    let to = world.id(to);
    let mut id = [0; 16];
    protocol::Entropy::fill(&mut world.dice, &mut id);
    let request = [&b"run"[..], b"see", b"?"][world.dice.index(3)].to_vec();
    let deadline = Time(world.now + 10 * 86_400_000);
    let fact = Fact::Order(OrderId(id), Order { to, request, deadline });
    if world.give(node, Input::Publish { fact }) {
        promise(world, node, &RecordKey::Order(OrderId(id)));
    }
}

fn expel(world: &mut World, node: usize) {
    // The founder stays in; stories play the other case.
    let whom = 1 + world.dice.index(world.nodes.len() - 1);
    if whom != node && world.dice.percent(40) {
        let whom = world.id(whom);
        if world.give(node, Input::Expel { node: whom }) {
            promise(world, node, &RecordKey::Expel(whom));
            world.turned_out.insert(whom);
            take_back_promises(world);
        }
    }
}

/// Who expelled somebody thinks better of it.
fn withdraw(world: &mut World, node: usize) {
    let me = world.id(node);
    let membership = world.nodes[node].engine().catalog().membership();
    let mine = |by: Option<(NodeId, Version)>| by.is_some_and(|(by, _)| by == me);
    let mine = membership.expelled().find(|(_, member)| mine(member.expelled));
    if let Some(whom) = mine.map(|(whom, _)| *whom) {
        let key = RecordKey::Expel(whom);
        if world.give(node, Input::Remove { key }) {
            promise(world, node, &key);
        }
    }
}

/// The disk of a node is replaced by an old copy.
fn put_back(world: &mut World, node: usize, copy: Option<Disk>) {
    let Some(copy) = copy else { return };
    world.crash(node);
    world.nodes[node].disk = copy;
    world.nodes[node].was_restored = true;
    take_back_promises(world);
    if world.dice.percent(70) {
        world.start(node);
    }
}

/// After a disk was lost or a node turned out: what no disk of a remaining node has cannot be
/// expected of them.
fn take_back_promises(world: &mut World) {
    let remaining = world.nodes.iter().filter(|n| !n.lies && !world.turned_out.contains(&n.id()));
    let disks: Vec<&Disk> = remaining.map(|node| &node.disk).collect();
    let known = |author: NodeId, key: &str| {
        let of_key = disks.iter().filter_map(|disk| disk.records.get(&(author, key.into())));
        let versions = of_key.filter_map(|bytes| SignedRecord::open(bytes).ok());
        versions.map(|signed| (signed.record().version, *signed.hash())).max()
    };
    let mut promises = Promises::new();
    for ((author, key), what) in std::mem::take(&mut world.promises) {
        if let Some(known) = known(author, &key) {
            promises.insert((author, key), known.min(what));
        }
    }
    world.promises = promises;
}

fn forged_by(secret: &NodeSecret, world: &World, version: Version) -> SignedRecord {
    let fact = Fact::Archive(ArchiveId([0xee; 16]), archive(1));
    let record = Record {
        mesh: world.mesh,
        author: secret.id(),
        version,
        previous: Version::default(),
        key: fact.key().to_string(),
        time: Time(0),
        body: Some(fact.body()),
    };
    record.sign(secret).unwrap()
}

/// Somebody who was never let in sends records, through members and directly.
fn strangers_try(world: &mut World) -> Vec<NodeId> {
    let secret = NodeSecret::from_seed(&[0xee; 32]);
    let record = forged_by(&secret, world, Version { epoch: 5, seq: 5 });
    for n in world.up() {
        let member = world.dice.index(world.nodes.len());
        let member = world.id(member);
        for from in [member, secret.id()] {
            let bytes = record.bytes().to_vec();
            world.give(n, Input::Gossip { from, bytes });
        }
    }
    vec![secret.id()]
}

/// Those who were turned out go on talking; nobody listens.
fn the_expelled_try(world: &mut World) {
    let membership = world.nodes[0].engine().catalog().membership().clone();
    for (id, member) in membership.expelled() {
        let (Some(n), Some((_, last))) = (world.index(id), member.expelled) else { continue };
        let secret = world.nodes[n].secret.clone();
        let version = Version { epoch: last.epoch.max(1) + 1_000_000_000_000, seq: 1 };
        let record = forged_by(&secret, world, version);
        checks::is_refused(world, n, &record);
    }
}

//! Single stories, told step by step in a fair network.

use std::time::Duration;

use protocol::{
    ArchiveId, JobId, OrderId, Time,
    engine::{Input, Output},
    membership::four_words,
    record::{Fact, Grant, JobFacts, Order, Progress, Record, Right, Role, SignedRecord, Version},
    sync::Frame,
};

use crate::{checks, script::archive, world::World};

const MINUTE: u64 = 60_000;

fn mesh(seed: u64, roles: &[Role]) -> World {
    let mut world = World::new(seed);
    for role in roles {
        world.invite(0, *role).unwrap();
    }
    world.run_for(MINUTE);
    checks::catalogs_are_equal(&world);
    world
}

fn archive_fact(n: u8) -> Fact {
    Fact::Archive(ArchiveId([n; 16]), archive(u32::from(n)))
}

fn has_archive(world: &World, node: usize, origin: usize, n: u8) -> bool {
    let catalog = world.nodes[node].engine().catalog();
    catalog.archive(world.id(origin), ArchiveId([n; 16])).is_some()
}

fn order(world: &mut World, by: usize, to: usize, request: &[u8], n: u8, wait_ms: u64) {
    let deadline = Time(world.now + wait_ms);
    let order = Order { to: world.id(to), request: request.to_vec(), deadline };
    world.give(by, Input::Publish { fact: Fact::Order(OrderId([n; 16]), order) });
}

fn progress(world: &World, seen_by: usize, issuer: usize, n: u8) -> Option<Progress> {
    let catalog = world.nodes[seen_by].engine().catalog();
    catalog.outcome(world.id(issuer), OrderId([n; 16])).map(|outcome| outcome.progress.clone())
}

fn executions(world: &World, node: usize) -> u32 {
    world.nodes[node].executed.values().sum()
}

#[test]
fn a_record_is_known_everywhere_within_a_second() {
    let mut world = mesh(1, &[Role::Operator, Role::Storage]);
    world.give(1, Input::Publish { fact: archive_fact(1) });
    world.run_for(1_000);
    assert!(has_archive(&world, 0, 1, 1) && has_archive(&world, 2, 1, 1));
}

#[test]
fn a_node_that_was_away_catches_up_and_two_that_never_meet_do_so_through_a_third() {
    let mut world = mesh(2, &[Role::Operator, Role::Operator]);
    world.crash(2);
    world.give(1, Input::Publish { fact: archive_fact(1) });
    world.run_for(MINUTE);
    world.crash(1);
    world.start(2);
    world.run_for(MINUTE);
    assert!(has_archive(&world, 2, 1, 1));
}

#[test]
fn a_ticket_works_once_and_again_for_the_same_node_only() {
    let mut world = mesh(3, &[]);
    let ticket = world.ticket(0, Role::Storage).unwrap();
    let one = world.invite(0, Role::Operator).unwrap();
    let other = world.invite(0, Role::Operator).unwrap();
    world.join(0, &ticket, one).unwrap();
    let refused = world.join(0, &ticket, other).unwrap_err();
    assert!(refused.contains("used already"), "{refused}");
    assert!(world.join(0, &ticket, one).is_ok(), "its answer may have been lost");
}

#[test]
fn an_expired_cancelled_or_unknown_ticket_is_refused_and_says_why() {
    let mut world = mesh(4, &[Role::Operator]);
    let (late, cancelled) = (world.ticket(0, Role::Storage), world.ticket(0, Role::Storage));
    let (late, cancelled) = (late.unwrap(), cancelled.unwrap());
    world.give(0, Input::CancelTicket { peer: cancelled.peer() });
    assert!(world.join(0, &cancelled, 1).unwrap_err().contains("does not know"));
    world.run_for(61 * MINUTE);
    assert!(world.join(0, &late, 1).unwrap_err().contains("expired"));
    let mut elsewhere = late.clone();
    elsewhere.mesh = protocol::MeshId([1; 32]);
    assert!(world.join(0, &elsewhere, 1).unwrap_err().contains("damaged"));
}

#[test]
fn a_used_ticket_stays_used_after_a_restart() {
    let mut world = mesh(5, &[Role::Operator, Role::Operator]);
    let ticket = world.ticket(0, Role::Operator).unwrap();
    assert!(world.join(0, &ticket, 1).is_ok());
    world.crash(0);
    world.start(0);
    assert!(world.join(0, &ticket, 2).unwrap_err().contains("used already"));
}

#[test]
fn a_storage_node_makes_no_tickets_and_expels_nobody() {
    let mut world = mesh(6, &[Role::Storage]);
    assert!(world.ticket(1, Role::Storage).is_none());
    let founder = world.id(0);
    assert!(!world.give(1, Input::Expel { node: founder }));
}

#[test]
fn both_sides_of_a_join_see_the_same_words() {
    let world = mesh(7, &[Role::Operator]);
    let (a, b, ticket) = (world.id(0), world.id(1), world.id(0));
    assert_eq!(four_words(a, b, world.mesh, ticket), four_words(b, a, world.mesh, ticket));
}

#[test]
fn who_is_expelled_is_cut_off_at_once_and_whom_it_had_invited_stays() {
    let mut world = mesh(8, &[Role::Operator, Role::Storage]);
    let friend = world.invite(1, Role::Storage).unwrap();
    world.run_for(MINUTE);
    let expelled = world.id(1);
    assert!(world.give(0, Input::Expel { node: expelled }));
    world.run_for(1_000);
    assert!(world.neighbours(1).is_empty());
    world.give(1, Input::Publish { fact: archive_fact(9) });
    world.run_for(5 * MINUTE);
    for n in [0, 2, friend] {
        assert!(!has_archive(&world, n, 1, 9));
        assert!(world.nodes[n].engine().catalog().membership().is_member(&world.id(friend)));
    }
    let request = world.ticket(0, Role::Operator).unwrap();
    assert!(world.join(0, &request, 1).unwrap_err().contains("expelled"));
}

#[test]
fn a_stolen_founder_can_be_turned_out_and_the_mesh_lives_on() {
    let mut world = mesh(9, &[Role::Operator, Role::Operator]);
    let founder = world.id(0);
    assert!(world.give(1, Input::Expel { node: founder }));
    world.run_for(MINUTE);
    world.crash(0);
    let new = world.invite(1, Role::Operator).unwrap();
    world.run_for(MINUTE);
    world.give(new, Input::Publish { fact: archive_fact(3) });
    world.run_for(MINUTE);
    assert!(has_archive(&world, 2, new, 3));
    let members = world.nodes[2].engine().catalog().membership();
    assert_eq!(members.ids().len(), 3);
    assert!(!members.is_member(&founder));
}

#[test]
fn expelling_an_operator_takes_over_whom_it_had_expelled() {
    let mut world = mesh(10, &[Role::Operator, Role::Operator, Role::Storage]);
    let (one, bad) = (world.id(1), world.id(3));
    assert!(world.give(1, Input::Expel { node: bad }));
    world.run_for(MINUTE);
    assert!(world.give(0, Input::Expel { node: one }));
    world.run_for(MINUTE);
    let members = world.nodes[2].engine().catalog().membership();
    assert!(!members.is_member(&bad) && !members.is_member(&one));
}

#[test]
fn a_node_put_back_from_an_old_copy_gets_its_newer_history_and_resurrects_nothing() {
    let mut world = mesh(11, &[Role::Operator]);
    world.give(1, Input::Publish { fact: archive_fact(1) });
    world.run_for(MINUTE);
    let copy = world.nodes[1].disk.clone();
    // The life that will be lost begins with a clock that is fast.
    world.crash(1);
    world.nodes[1].skew = 30 * 86_400_000;
    world.start(1);
    let removed = archive_fact(1).key();
    world.give(1, Input::Remove { key: removed });
    world.give(1, Input::Publish { fact: archive_fact(2) });
    world.run_for(MINUTE);
    world.crash(1);
    world.nodes[1].disk = copy;
    // Now the clock is slow: the new life begins with an earlier epoch than the lost one.
    world.nodes[1].skew = -365 * 86_400_000;
    world.start(1);
    assert!(!world.nodes[1].engine().own_feed_known());
    world.give(1, Input::Publish { fact: archive_fact(3) });
    world.run_for(5 * MINUTE);
    assert!(world.nodes[1].engine().own_feed_known());
    assert!(world.nodes[1].learned_own >= 2);
    for n in [0, 1] {
        assert!(!has_archive(&world, n, 1, 1) && has_archive(&world, n, 1, 2));
        assert!(has_archive(&world, n, 1, 3));
    }
    world.give(1, Input::Publish { fact: archive_fact(2) });
    let me = world.id(1);
    let catalog = world.nodes[1].engine().catalog();
    let newest = catalog.head(&me).newest;
    let lost = catalog.feed(&me).unwrap().get(&archive_fact(2).key().to_string()).unwrap().version;
    world.give(1, Input::Publish { fact: archive_fact(4) });
    let after = world.nodes[1].engine().catalog().head(&me).newest;
    assert!(after > newest && after.epoch > lost.epoch, "it goes on after its lost life");
}

#[test]
fn an_order_is_executed_once_whoever_relays_it_and_answered() {
    let mut world = mesh(12, &[Role::Operator, Role::Operator]);
    world.partition(vec![0, 0, 1]);
    order(&mut world, 0, 2, b"run", 1, 60 * MINUTE);
    world.run_for(MINUTE);
    world.crash(0);
    world.partition(vec![0, 0, 0]);
    world.run_for(5 * MINUTE);
    world.start(0);
    world.run_for(5 * MINUTE);
    assert_eq!(executions(&world, 2), 1);
    assert_eq!(progress(&world, 0, 0, 1), Some(Progress::Done { reply: vec![1] }));
}

#[test]
fn an_order_without_the_right_or_after_its_deadline_is_not_executed() {
    let mut world = mesh(13, &[Role::Storage, Role::Operator]);
    order(&mut world, 1, 0, b"run", 1, 60 * MINUTE);
    order(&mut world, 1, 0, b"see", 6, 60 * MINUTE);
    order(&mut world, 2, 0, b"see", 2, 60 * MINUTE);
    order(&mut world, 2, 0, b"who knows", 3, 60 * MINUTE);
    world.run_for(MINUTE);
    assert!(matches!(progress(&world, 1, 1, 1), Some(Progress::Refused { .. })));
    assert!(matches!(progress(&world, 1, 1, 6), Some(Progress::Refused { .. })));
    assert_eq!(progress(&world, 2, 2, 2), Some(Progress::Done { reply: vec![1] }));
    assert!(matches!(progress(&world, 2, 2, 3), Some(Progress::Refused { .. })));
    let nothing = Grant { rights: [Right::See].into_iter().collect(), quota_bytes: None };
    let other = world.id(2);
    world.give(0, Input::Publish { fact: Fact::Grant(other, nothing) });
    order(&mut world, 2, 0, b"run", 4, 60 * MINUTE);
    world.run_for(MINUTE);
    assert!(matches!(progress(&world, 2, 2, 4), Some(Progress::Refused { .. })));
    world.crash(0);
    order(&mut world, 2, 0, b"see", 5, MINUTE);
    world.run_for(2 * MINUTE);
    world.start(0);
    world.run_for(5 * MINUTE);
    assert_eq!(progress(&world, 2, 2, 5), None);
    assert_eq!(executions(&world, 0), 1);
}

#[test]
fn an_order_that_a_crash_cut_off_is_not_repeated_and_says_so() {
    let mut world = mesh(14, &[Role::Operator]);
    order(&mut world, 0, 1, b"run", 1, 600 * MINUTE);
    let bytes = {
        let feed = world.nodes[0].engine().catalog().feed(&world.id(0)).unwrap();
        let key = format!("order/{}", OrderId([1; 16]));
        feed.get(&key).unwrap().bytes.to_vec()
    };
    // It is told of the order, writes down that it begins, and dies before it is done.
    let from = world.id(0);
    world.give(1, Input::Gossip { from, bytes });
    assert_eq!(executions(&world, 1), 1);
    world.crash(1);
    world.start(1);
    world.run_for(10 * MINUTE);
    assert_eq!(executions(&world, 1), 1);
    assert_eq!(progress(&world, 0, 0, 1), Some(Progress::Interrupted));
}

#[test]
fn rubbish_is_counted_and_its_sender_ignored_for_a_while() {
    let mut world = mesh(15, &[Role::Operator, Role::Operator]);
    let liar = world.id(1);
    let forged = {
        let me = world.id(0);
        let catalog = world.nodes[0].engine().catalog();
        let held = catalog.feed(&me).unwrap().iter().next().unwrap().1;
        let mut bytes = held.bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    for n in 0..40u8 {
        world.give(0, Input::Frame { from: liar, bytes: vec![n; 20] });
        world.give(0, Input::Gossip { from: liar, bytes: forged.clone() });
    }
    let counters = world.nodes[0].engine().counters();
    assert!(counters.bad_frames >= 8 && counters.bad_records >= 8);
    assert!(counters.frames_dropped >= 60, "{counters:?}");
    // Others still reach it, and it hears the liar again later.
    world.give(2, Input::Publish { fact: archive_fact(1) });
    world.give(1, Input::Publish { fact: archive_fact(2) });
    world.run_for(1_000);
    assert!(has_archive(&world, 0, 2, 1));
    world.run_for(15 * MINUTE);
    assert!(has_archive(&world, 0, 1, 2));
}

#[test]
fn a_stranger_that_got_through_is_not_listened_to() {
    let mut world = mesh(16, &[]);
    let stranger = protocol::NodeId([0xee; 32]);
    let before = world.nodes[0].engine().catalog().digest();
    world.give(0, Input::Connected { peer: stranger });
    let hello = Frame::Summary { heads: vec![], answer: true }.encode();
    let (out, _) =
        world.nodes[0].handle(Input::Frame { from: stranger, bytes: hello }, world.now, usize::MAX);
    let sent = out.iter().filter(|out| matches!(out, crate::node::Out::Frame(..))).count();
    assert_eq!(sent, 0);
    assert_eq!(world.nodes[0].engine().catalog().digest(), before);
}

#[test]
fn what_must_be_durable_comes_before_what_depends_on_it() {
    let mut world = mesh(17, &[Role::Operator]);
    let now = world.nodes[0].clock(world.now);
    let mut dice = crate::dice::Dice::new(1);
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.handle(Input::Publish { fact: archive_fact(1) }, now, &mut dice).unwrap();
    let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
    let at = |which: fn(&Output) -> bool| outputs.iter().position(which).unwrap();
    let persist = at(|o| matches!(o, Output::Persist { .. }));
    assert!(persist < at(|o| matches!(o, Output::Gossip { .. })));
    assert!(persist < at(|o| matches!(o, Output::Event(_))));
    assert!(matches!(outputs.last(), Some(Output::Wait(_))));
    engine.handle(Input::Publish { fact: archive_fact(1) }, now, &mut dice).unwrap();
    let again: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
    assert!(!again.iter().any(|o| matches!(o, Output::Persist { .. })), "it says so already");
}

#[test]
fn two_records_of_one_version_end_the_same_everywhere_and_are_counted() {
    let mut world = mesh(18, &[Role::Operator, Role::Operator]);
    let secret = world.nodes[1].secret.clone();
    let two: Vec<SignedRecord> = [b"one", b"two"]
        .map(|sealed| {
            let fact = Fact::Job(JobId([1; 16]), JobFacts { sealed: sealed.to_vec() });
            let record = Record {
                mesh: world.mesh,
                author: secret.id(),
                version: Version { epoch: 1 << 50, seq: 1 },
                previous: Version::default(),
                key: fact.key().to_string(),
                time: Time(0),
                body: Some(fact.body()),
            };
            record.sign(&secret).unwrap()
        })
        .into();
    let from = world.id(1);
    world.give(0, Input::Gossip { from, bytes: two[0].bytes().to_vec() });
    world.give(2, Input::Gossip { from, bytes: two[1].bytes().to_vec() });
    world.run_for(10 * MINUTE);
    checks::catalogs_are_equal(&world);
    let seen: u64 = [0, 2].iter().map(|n| world.nodes[*n].engine().counters().equivocations).sum();
    assert!(seen >= 1);
}

#[test]
fn a_burst_of_many_records_arrives_though_not_all_are_gossiped() {
    let mut world = mesh(19, &[Role::Operator]);
    for n in 0..1_000u16 {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        world.give(1, Input::Publish { fact: Fact::Archive(ArchiveId(id), archive(1)) });
    }
    world.run_for(Duration::from_secs(30).as_millis().try_into().unwrap());
    let origin = world.id(1);
    assert_eq!(world.nodes[0].engine().catalog().archives_of(origin).count(), 1_000);
}

#[test]
fn an_expulsion_that_is_withdrawn_leaves_everything_as_it_was_on_disk_too() {
    let mut world = mesh(20, &[Role::Operator, Role::Operator]);
    let which = JobId([1; 16]);
    let job = |n: u8| Input::Publish { fact: Fact::Job(which, JobFacts { sealed: vec![n] }) };
    world.give(1, job(1));
    world.run_for(MINUTE);
    world.partition(vec![0, 1, 1]);
    world.give(1, job(2));
    world.run_for(MINUTE);
    let expelled = world.id(1);
    assert!(world.give(0, Input::Expel { node: expelled }));
    world.partition(vec![0, 0, 0]);
    world.run_for(10 * MINUTE);
    let seen = |world: &World, n: usize| {
        let jobs = &world.nodes[n].engine().catalog().tables().jobs;
        jobs.get(&(expelled, which)).map(|job| job.sealed[0])
    };
    assert_eq!((seen(&world, 0), seen(&world, 2)), (Some(1), Some(1)), "as far as it counts");
    let key = protocol::record::RecordKey::Expel(expelled);
    assert!(world.give(0, Input::Remove { key }));
    world.run_for(MINUTE);
    world.run_for(10 * MINUTE);
    assert_eq!((seen(&world, 0), seen(&world, 2)), (Some(2), Some(2)));
    checks::catalogs_are_equal(&world);
    checks::disks_are_whole(&world);
}

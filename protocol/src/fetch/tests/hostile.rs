use std::collections::BTreeMap;

use crate::{
    NodeId, SealedId, Time,
    fetch::{
        BRANCH_LEVELS_MAX, CloseReason, Expected, Found, Input, LINKS_PER_BRANCH_MAX, Output,
        PENDING_LINKS_MAX, Session, SessionError, holder::ANSWER_WAIT,
    },
    object::Link,
};

const NOW: Time = Time(5_000);
const ME: NodeId = NodeId([1; 32]);

fn link(n: u32) -> Link {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    Link { id: SealedId(id), bytes: 1_000 }
}

fn expected(objects: u64) -> Expected {
    Expected { objects, bytes: objects * 1_000 }
}

/// Drives a session whose local store has everything that `branches` names.
fn walk_locally(
    session: &mut Session,
    branches: &dyn Fn(&SealedId) -> Option<Vec<Link>>,
) -> Option<SessionError> {
    loop {
        match session.next_output()? {
            Output::Look { links, walk } => {
                let found = |link: &Link| match branches(&link.id) {
                    Some(links) if walk => (link.id, Found::Branch(links)),
                    _ => (link.id, Found::Leaf),
                };
                session.handle(Input::Looked(links.iter().map(found).collect()), NOW);
            }
            Output::Done => return None,
            Output::Failed(error) => return Some(error),
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// Drives a session with one holder that has whatever `branches` names, and any leaf.
fn fetch_all(
    session: &mut Session,
    branches: &dyn Fn(&SealedId) -> Option<Vec<Link>>,
) -> Option<SessionError> {
    session.handle(Input::Holder(ME), NOW);
    while let Some(output) = session.next_output() {
        match output {
            Output::Look { links, .. } => {
                let none = links.iter().map(|link| (link.id, Found::Missing)).collect();
                session.handle(Input::Looked(none), NOW);
            }
            Output::Ask { links, .. } => {
                for Link { id, .. } in links {
                    session.handle(Input::Arrived { from: ME, id, links: branches(&id) }, NOW);
                }
            }
            Output::Done => return None,
            Output::Failed(error) => return Some(error),
            other => panic!("unexpected {other:?}"),
        }
    }
    panic!("neither done nor failed");
}

#[test]
fn a_chain_of_branches_is_too_deep_at_any_bound() {
    let chain = |id: &SealedId| {
        let n = u32::from_be_bytes([id.0[0], id.0[1], id.0[2], id.0[3]]);
        Some(vec![link(n + 1)])
    };
    for levels in [0, 1, 2, 8, 200] {
        let mut session = Session::with_branch_levels(link(0), expected(1_000), levels, NOW);
        let depth = levels.clamp(1, BRANCH_LEVELS_MAX);
        let wanted = SessionError::TooDeep { id: link(u32::from(depth)).id, depth };
        assert_eq!(fetch_all(&mut session, &chain), Some(wanted));
    }
}

#[test]
fn a_cycle_ends() {
    let cycle = |_: &SealedId| Some(vec![link(1), link(0)]);
    let mut session = Session::new(link(0), expected(10), NOW);
    assert!(fetch_all(&mut session, &cycle).is_some());
    let mut session = Session::new(link(0), expected(10), NOW);
    assert_eq!(walk_locally(&mut session, &cycle), None, "in the store it is only repetition");
}

#[test]
fn more_than_the_record_says_is_not_fetched() {
    let wide =
        |id: &SealedId| (*id == link(0).id).then(|| (1..=5_000).map(link).collect::<Vec<_>>());
    let mut session = Session::new(link(0), expected(1_000), NOW);
    let refused = fetch_all(&mut session, &wide);
    assert_eq!(refused, Some(SessionError::MoreThanExpected { objects: 1_000, bytes: 1_000_000 }));
    let mut session = Session::new(link(0), expected(4_100), NOW);
    assert_eq!(fetch_all(&mut session, &wide), None, "a quarter more is let pass");
}

#[test]
fn links_of_impossible_length_or_of_two_lengths_are_refused() {
    for bytes in [0, (16 << 20) + 1, u32::MAX] {
        let bad = Link { bytes, ..link(1) };
        let root = |id: &SealedId| (*id == link(0).id).then(|| vec![bad]);
        let mut session = Session::new(link(0), expected(10), NOW);
        let wanted = SessionError::BadLength { id: bad.id, bytes };
        assert_eq!(fetch_all(&mut session, &root), Some(wanted));
        let mut session = Session::new(bad, expected(10), NOW);
        assert!(matches!(session.next_output(), Some(Output::Failed(_))));
    }
    let two =
        |id: &SealedId| (*id == link(0).id).then(|| vec![link(1), Link { bytes: 999, ..link(1) }]);
    let mut session = Session::new(link(0), expected(10), NOW);
    let tangled = Some(SessionError::Tangled { id: link(1).id });
    assert_eq!(fetch_all(&mut session, &two), tangled);
}

#[test]
fn a_huge_archive_is_walked_in_a_window() {
    // A root of 500 pages of 4,096 leaves: two million links, most of them repeated.
    let pages = 500;
    let branches = |id: &SealedId| {
        let n = u32::from_be_bytes([id.0[0], id.0[1], id.0[2], id.0[3]]);
        match n {
            0 => Some((1..=pages).map(|n| Link { bytes: 400_000, ..link(n) }).collect()),
            n if n <= pages => {
                Some((0..4_096).map(|k| link(1_000_000 + (n + k) % 9_000)).collect())
            }
            _ => None,
        }
    };
    let mut session = Session::new(link(0), expected(13_000), NOW);
    let mut most = 0;
    while let Some(output) = session.next_output() {
        most = most.max(session.open.len() + session.walk.pending_links());
        match output {
            Output::Look { links, walk } => {
                let found = |link: &Link| match branches(&link.id) {
                    Some(links) if walk => (link.id, Found::Branch(links)),
                    _ => (link.id, Found::Leaf),
                };
                session.handle(Input::Looked(links.iter().map(found).collect()), NOW);
            }
            Output::Done => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(most as u64 <= PENDING_LINKS_MAX + LINKS_PER_BRANCH_MAX as u64, "{most} links");
}

fn root_of(leaves: u32) -> impl Fn(&SealedId) -> Found {
    move |id| match *id == link(0).id {
        true => Found::Branch((1..=leaves).map(link).collect()),
        false => Found::Missing,
    }
}

/// A session that has looked: whose root is there, whose leaves are not.
fn looked(leaves: u32, holders: &[NodeId]) -> (Session, Vec<Output>) {
    let mut session = Session::new(link(0), expected(u64::from(leaves)), NOW);
    holders.iter().for_each(|node| session.handle(Input::Holder(*node), NOW));
    let mut rest = Vec::new();
    while let Some(output) = session.next_output() {
        match output {
            Output::Look { links, .. } => {
                let found = links.iter().map(|l| (l.id, root_of(leaves)(&l.id))).collect();
                session.handle(Input::Looked(found), NOW);
            }
            other => rest.push(other),
        }
    }
    (session, rest)
}

#[test]
fn a_silent_holder_is_closed_and_another_asked() {
    let (mut session, asked) = looked(3, &[ME]);
    assert!(matches!(asked[..], [Output::Ask { .. }]));
    assert_eq!(session.deadline(), Some(NOW.after(ANSWER_WAIT)));
    session.handle(Input::Moving(ME), Time(20_000));
    assert_eq!(session.deadline(), Some(Time(20_000).after(ANSWER_WAIT)));
    session.handle(Input::Tick, Time(20_000).after(ANSWER_WAIT));
    let close = Output::Close { holder: ME, reason: CloseReason::Silent };
    assert_eq!(session.next_output(), Some(close));
    assert!(matches!(session.next_output(), Some(Output::Stuck { count: 3, .. })));
    let other = NodeId([2; 32]);
    session.handle(Input::Holder(other), Time(90_000));
    let links = vec![link(1), link(2), link(3)];
    assert_eq!(session.next_output(), Some(Output::Ask { holder: other, links }));
}

#[test]
fn a_holder_that_goes_silent_again_and_again_is_shunned() {
    let (mut session, _) = looked(1, &[ME]);
    let mut now = NOW;
    for _ in 0..3 {
        session.handle(Input::Holder(ME), now);
        now = now.after(ANSWER_WAIT);
        session.handle(Input::Tick, now);
    }
    while session.next_output().is_some() {}
    session.handle(Input::Holder(ME), now);
    let close = Output::Close { holder: ME, reason: CloseReason::NotWanted };
    assert_eq!(session.next_output(), Some(close));
}

#[test]
fn the_faster_holder_gets_more() {
    let (fast, slow) = (NodeId([1; 32]), NodeId([2; 32]));
    let expected = Expected { objects: 5_000, bytes: 5 << 30 };
    let mut session = Session::with_branch_levels(link(0), expected, 1, NOW);
    session.handle(Input::Holder(fast), NOW);
    session.handle(Input::Holder(slow), NOW);
    let mut got: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut queues: BTreeMap<NodeId, Vec<SealedId>> = BTreeMap::new();
    let mut millis = 5_000;
    'run: loop {
        while let Some(output) = session.next_output() {
            match output {
                Output::Look { links, .. } => {
                    let leaves = || (1..=3_000).map(|n| Link { bytes: 1 << 20, ..link(n) });
                    let found = |l: &Link| match l.id == link(0).id {
                        true => (l.id, Found::Branch(leaves().collect())),
                        false => (l.id, Found::Missing),
                    };
                    let found = links.iter().map(found).collect();
                    session.handle(Input::Looked(found), Time(millis));
                }
                Output::Ask { holder, links } => {
                    let queue = queues.entry(holder).or_default();
                    queue.extend(links.iter().map(|link| link.id));
                }
                Output::Done => break 'run,
                other => panic!("unexpected {other:?}"),
            }
        }
        // The fast one delivers 100 MiB/s, the slow one 1 MiB/s.
        millis += 10;
        for (from, every) in [(fast, 10), (slow, 1_000)] {
            let queue = queues.entry(from).or_default();
            if millis % every == 0 && !queue.is_empty() {
                let id = queue.remove(0);
                *got.entry(from).or_default() += 1;
                session.handle(Input::Received { from, id }, Time(millis));
                session.handle(Input::Arrived { from, id, links: None }, Time(millis));
            }
        }
    }
    let took = (millis - 5_000) / 1_000;
    assert!((29..36).contains(&took), "{took} s; {got:?}");
    assert!(got[&slow] >= 20, "{got:?} in {took} s");
    let progress = session.progress();
    assert_eq!((progress.done, progress.total), (5_000, 5_000));
    assert!(progress.rate > 30 << 20, "{progress:?}");
}

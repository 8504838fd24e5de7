use super::*;
use crate::{Entropy, entropy::SeededEntropy};

const GIB: u64 = 1 << 30;

fn archive(n: u32) -> ArchiveId {
    SeededEntropy::new(u64::from(n) + 1_000_000).array().into_archive()
}

trait IntoArchive {
    fn into_archive(self) -> ArchiveId;
}

impl IntoArchive for [u8; 16] {
    fn into_archive(self) -> ArchiveId {
        ArchiveId(self)
    }
}

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn candidates(weights: &[u64]) -> Vec<Candidate> {
    let with_ids = weights.iter().zip(1..);
    with_ids.map(|(&weight, n)| Candidate { node: node(n), weight, away: false }).collect()
}

fn any(copies: u8) -> Policy {
    Policy { copies, on: Where::Any }
}

const ORIGIN: NodeId = NodeId([200; 32]);

#[test]
fn the_logarithm_is_right_where_it_is_known() {
    assert_eq!(minus_log2(0), 64 << FRACTION_BITS);
    assert_eq!(minus_log2((1 << 63) - 1), 1 << FRACTION_BITS);
    assert_eq!(minus_log2((1 << 32) - 1), 32 << FRACTION_BITS);
    assert_eq!(minus_log2(u64::MAX), 1);
    // -log2(3/4) = 0.415037499278843818…
    let wanted = 116_822_670_443_561_u64;
    assert!(minus_log2((3 << 62) - 1).abs_diff(wanted) <= 64, "{}", minus_log2((3 << 62) - 1));
}

#[test]
fn a_larger_hash_never_draws_a_larger_number() {
    let mut random = SeededEntropy::new(1);
    for _ in 0..2_000 {
        let (a, b) = (u64::from_le_bytes(random.array()), u64::from_le_bytes(random.array()));
        assert!(minus_log2(a.max(b)) <= minus_log2(a.min(b)), "{a} {b}");
    }
}

#[test]
fn the_choice_is_the_same_for_ever() {
    let chosen = |n| assign(archive(n), ORIGIN, &any(2), &candidates(&[GIB, 2 * GIB, 3 * GIB, 5]));
    let fixed: Vec<Vec<u8>> =
        (0..8).map(|n| chosen(n).iter().map(|node| node.0[0]).collect()).collect();
    let wanted: Vec<Vec<u8>> = FIXED.iter().map(|pair| pair.to_vec()).collect();
    assert_eq!(fixed, wanted, "another choice would move every replica of every mesh");
}

const FIXED: [[u8; 2]; 8] = [[2, 1], [3, 1], [3, 1], [2, 3], [3, 1], [2, 3], [3, 1], [3, 2]];

#[test]
fn shares_are_proportional_to_weights() {
    let weights = [GIB, 2 * GIB, 3 * GIB, 4 * GIB, 6 * GIB];
    let (all, sum) = (20_000_u64, weights.iter().sum::<u64>());
    let mut won = [0_u64; 5];
    for n in 0..20_000 {
        let holders = assign(archive(n), ORIGIN, &any(1), &candidates(&weights));
        won[usize::from(holders[0].0[0]) - 1] += 1;
    }
    for (won, weight) in won.iter().zip(weights) {
        let expected = all * weight / sum;
        // Five standard deviations of a binomial: sqrt(20,000 · p · (1 - p)) is below 71.
        assert!(won.abs_diff(expected) < 350, "{won} of {expected} expected");
    }
}

#[test]
fn a_new_node_moves_only_what_it_wins() {
    let (before, after) = (candidates(&[GIB; 6]), candidates(&[GIB; 7]));
    for n in 0..2_000 {
        let old = assign(archive(n), ORIGIN, &any(3), &before);
        let new = assign(archive(n), ORIGIN, &any(3), &after);
        let kept: Vec<_> = new.iter().filter(|holder| **holder != node(7)).collect();
        assert_eq!(kept, old.iter().take(kept.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_node_that_leaves_moves_only_what_it_held() {
    let (before, after) = (candidates(&[GIB; 7]), candidates(&[GIB; 6]));
    for n in 0..2_000 {
        let old = assign(archive(n), ORIGIN, &any(3), &before);
        let new = assign(archive(n), ORIGIN, &any(3), &after);
        if !old.contains(&node(7)) {
            assert_eq!(old, new);
        }
        assert!(old.iter().filter(|holder| **holder != node(7)).all(|h| new.contains(h)));
    }
}

#[test]
fn an_away_node_is_stood_in_for_and_named_again_when_back() {
    let here = candidates(&[GIB; 5]);
    for n in 0..500 {
        let usual = assign(archive(n), ORIGIN, &any(2), &here);
        let mut without = here.clone();
        without.iter_mut().for_each(|c| c.away = c.node == usual[0]);
        let stood_in = assign(archive(n), ORIGIN, &any(2), &without);
        assert_eq!((stood_in.len(), stood_in[0]), (2, usual[1]));
        assert!(!stood_in.contains(&usual[0]));
        assert_eq!(ranked(archive(n), ORIGIN, &Where::Any, &without)[0].node, usual[0]);
        assert_eq!(assign(archive(n), ORIGIN, &any(2), &here), usual);
    }
}

#[test]
fn the_origin_and_nodes_without_room_are_never_chosen() {
    let mut all = candidates(&[0, GIB, 1, u64::MAX]);
    all.push(Candidate { node: ORIGIN, weight: u64::MAX, away: false });
    for n in 0..200 {
        let holders = assign(archive(n), ORIGIN, &any(9), &all);
        assert_eq!(holders.len(), 3);
        assert!(!holders.contains(&ORIGIN) && !holders.contains(&node(1)));
    }
}

#[test]
fn named_nodes_are_the_only_choice() {
    let names = BTreeSet::from([node(2), node(3), node(90)]);
    let policy = Policy { copies: 3, on: Where::Named(names) };
    let mut holders = assign(archive(1), ORIGIN, &policy, &candidates(&[GIB; 9]));
    holders.sort();
    assert_eq!(holders, [node(2), node(3)]);
}

#[test]
fn neither_order_nor_repetition_nor_a_little_less_room_changes_the_choice() {
    let here = candidates(&[100 * GIB, 250 * GIB, 40 * GIB]);
    let mut other: Vec<_> = here.iter().rev().chain(&here).copied().collect();
    // Each is up to a step fuller: 100, 250 and 40 GiB round down to 96, 240 and 40.
    other.iter_mut().filter(|c| c.weight == 100 * GIB).for_each(|c| c.weight -= 3 * GIB);
    for n in 0..500 {
        let policy = any(2);
        assert_eq!(
            assign(archive(n), ORIGIN, &policy, &here),
            assign(archive(n), ORIGIN, &policy, &other)
        );
    }
}

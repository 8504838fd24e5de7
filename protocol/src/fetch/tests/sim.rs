use std::collections::BTreeSet;

use super::world::{Closure, Ending, Manner, World, below};
use crate::entropy::SeededEntropy;

/// A world of this seed: its closure, up to four holders with parts of it.
fn world(seed: u64) -> World {
    let mut random = SeededEntropy::new(seed);
    let closure = Closure::random(&mut random);
    let mut world = World::new(closure, random);
    let share = 1 + below(&mut world.random, 100);
    for n in 0..1 + below(&mut world.random, 4) as u8 {
        let manner = match below(&mut world.random, 6) {
            0 => Manner::Liar,
            1 => Manner::Silent,
            _ => Manner::Honest,
        };
        let mut has = BTreeSet::new();
        for id in world.closure.objects.keys() {
            if below(&mut world.random, 100) < 30 + share {
                has.insert(*id);
            }
        }
        world.add(n + 1, manner, has);
    }
    world
}

#[test]
fn it_ends_done_if_and_only_if_honest_holders_have_everything() {
    let (mut done, mut stuck) = (0, 0);
    for seed in 0..800 {
        let mut world = world(seed);
        let crashes = below(&mut world.random, 4);
        let obtainable = world.is_obtainable();
        match world.run(crashes) {
            Ending::Done => {
                assert!(obtainable, "seed {seed}: done without everything");
                let all: BTreeSet<_> = world.closure.objects.keys().copied().collect();
                assert_eq!(world.store, all, "seed {seed}");
                done += 1;
            }
            Ending::Stuck(_) => {
                assert!(!obtainable, "seed {seed}: stuck although all is there");
                stuck += 1;
            }
            Ending::Failed(why) => panic!("seed {seed}: {why}"),
        }
    }
    assert!(done > 150 && stuck > 150, "{done} done, {stuck} stuck: the worlds are too alike");
}

#[test]
fn what_honest_holders_have_is_fetched_even_if_the_rest_is_nowhere() {
    for seed in 0..300 {
        let mut random = SeededEntropy::new(seed);
        let closure = Closure::random(&mut random);
        let mut world = World::new(closure, random);
        let leaves: Vec<_> = (world.closure.objects.keys().copied())
            .filter(|id| !world.closure.branches.contains_key(id))
            .collect();
        let lost: BTreeSet<_> =
            leaves.into_iter().filter(|_| below(&mut world.random, 3) == 0).collect();
        let all: BTreeSet<_> = world.closure.objects.keys().copied().collect();
        let has: BTreeSet<_> = all.difference(&lost).copied().collect();
        world.add(1, Manner::Honest, has.clone());
        let ending = world.run(0);
        let wanted = if lost.is_empty() { Ending::Done } else { Ending::Stuck(lost.len() as u64) };
        assert_eq!(ending, wanted, "seed {seed}");
        assert_eq!(world.store, has, "seed {seed}");
    }
}

#[test]
fn a_second_run_fetches_nothing() {
    for seed in 0..100 {
        let mut random = SeededEntropy::new(seed);
        let closure = Closure::random(&mut random);
        let mut world = World::new(closure, random);
        world.store = world.closure.objects.keys().copied().collect();
        world.add(1, Manner::Liar, BTreeSet::new());
        assert_eq!(world.run(0), Ending::Done, "seed {seed}");
        assert!(world.asked_bytes.is_empty(), "seed {seed}");
    }
}

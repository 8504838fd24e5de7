//! The simulator: a whole mesh of engines in one process, in virtual time.
//!
//! A seed decides everything: who does what when, what the network loses, delays, doubles, reorders
//! or cuts, who crashes in the middle of its outputs, whose clock is wrong, who is put back from an
//! old copy of its disk, and what the liar says. After the trouble comes peace, and then the
//! invariants of [`checks`] must hold. A failure prints its seed; `SEED=n` replays it alone.
//!
//! [`script`] plays records, membership and orders; [`replication`] chunks, replicas and garbage.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod checks;
mod dice;
mod liar;
mod node;
mod replication;
mod script;
mod stories;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the script for each seed, or for the one in the environment.
fn play(seeds: std::ops::Range<u64>, run: fn(u64)) {
    let only = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds: Vec<u64> = only.map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| run(*seed))).is_err();
    let failed: Vec<u64> = seeds.into_iter().filter(fails).collect();
    assert!(failed.is_empty(), "seeds {failed:?} fail; SEED=n in the environment replays one");
}

// In four parts, so that they run side by side.

#[test]
fn a_mesh_in_trouble_finds_together_seeds_0_to_50() {
    play(0..50, script::run);
}

#[test]
fn a_mesh_in_trouble_finds_together_seeds_50_to_100() {
    play(50..100, script::run);
}

#[test]
fn a_mesh_in_trouble_finds_together_seeds_100_to_150() {
    play(100..150, script::run);
}

#[test]
fn a_mesh_in_trouble_finds_together_seeds_150_to_200() {
    play(150..200, script::run);
}

#[test]
#[ignore = "minutes; for the night: SEEDS=n says how many"]
fn a_mesh_in_trouble_finds_together_for_many_seeds() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    play(200..200 + seeds.unwrap_or(2_000), script::run);
}

//! Every decoder of foreign bytes against seeded mutations of bytes that it accepts.
//!
//! The nightly fuzz targets (`tests/fuzz`) go further, with the same entries; this keeps them
//! honest in every run, without a nightly compiler.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod mutate;
mod node;

use std::panic::{AssertUnwindSafe, catch_unwind};

use protocol::entropy::SeededEntropy;
use tests::{decoders, decoders::Decoder, node_decoders};

/// Inputs for each decoder.
const INPUTS: usize = 3_000;

/// Of the core, then of the node.
fn all() -> impl Iterator<Item = &'static Decoder> {
    decoders::ALL.iter().chain(node_decoders::ALL)
}

/// More inputs, when somebody asks.
fn inputs() -> usize {
    std::env::var("DECODER_INPUTS").map_or(INPUTS, |text| text.parse().unwrap())
}

#[test]
fn no_decoder_panics_or_breaks_its_promises() {
    for decoder in all() {
        let seeds = (decoder.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", decoder.name);
        let mut entropy = SeededEntropy::new(1);
        for number in 0..inputs() {
            let input = mutate::input(number, &seeds, &mut entropy);
            let fed = catch_unwind(AssertUnwindSafe(|| (decoder.feed)(&input)));
            assert!(fed.is_ok(), "{} fails at input {number}: {input:02x?}", decoder.name);
        }
    }
}

#[test]
fn each_fuzz_target_feeds_the_decoder_of_its_name() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for decoder in all() {
        let name = decoder.name;
        let text = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("feed(\"{name}\"")), "{name} feeds another one");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
    }
}

#[test]
#[ignore = "writes the seeds for libFuzzer to tests/fuzz/corpus"]
fn the_corpus_is_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for decoder in all() {
        let folder = folder.join(decoder.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in (decoder.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}

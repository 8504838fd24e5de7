//! Decoders of the node's own files, which a broken disk or an older program may have written.

use std::path::Path;

use node::{
    decoders::{agent_frame, agent_opening, agent_reply, agent_turn},
    ingest::ReuseIndex,
};
use protocol::entropy::SeededEntropy;

use tests::node_decoders::ALL;

use super::mutate;

/// An empty index: no table has a row.
fn empty() -> Vec<u8> {
    let fixed = 16 + 32 + 32 + 4;
    [&b"BMREUSE1"[..], &vec![0; fixed + 4 * 8]].concat()
}

/// One row in each of the four tables.
fn small() -> Vec<u8> {
    let count = 1_u64.to_le_bytes();
    let row = |bytes: usize| [&count[..], &vec![1; bytes]].concat();
    let tables = [row(16 + 8 + 4 + 8 + 4), row(1), row(8), row(8 + 32 + 32 + 4 + 4)];
    [&b"BMREUSE1"[..], &[0; 84], &tables.concat()].concat()
}

fn load(path: &Path, body: &[u8]) -> bool {
    let hash = blake3::hash(body);
    std::fs::write(path, [body, hash.as_bytes()].concat()).unwrap();
    let Ok(Some(index)) = ReuseIndex::load(path) else { return false };
    index.save(path).unwrap();
    assert_eq!(ReuseIndex::load(path).unwrap(), Some(index), "what is written can be read");
    true
}

#[test]
fn a_reuse_index_is_refused_or_read_whatever_its_tables_say() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job");
    let seeds = [empty(), small()];
    assert!(seeds.iter().all(|seed| load(&path, seed)), "the seeds are valid");
    let mut entropy = SeededEntropy::new(2);
    for number in 0..400 {
        load(&path, &mutate::input(number, &seeds, &mut entropy));
    }
    for table in 0..4 {
        let mut huge = empty();
        let at = 8 + 84 + 8 * table;
        huge[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(!load(&path, &huge), "table {table}");
    }
}

#[test]
fn the_agents_seeds_have_the_shapes_of_its_frames() {
    let decoder = ALL.iter().find(|decoder| decoder.name == "agent_frame").unwrap();
    for seed in (decoder.seeds)() {
        let heads = [agent_opening, agent_turn, agent_reply];
        let is_head = heads.iter().any(|read| read(&seed).is_ok());
        assert!(is_head || agent_frame(&seed).is_ok(), "{seed:02x?}");
    }
}

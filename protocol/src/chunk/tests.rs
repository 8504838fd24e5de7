use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    entropy::{Entropy, SeededEntropy},
    key::ArchiveKey,
    limits::CHUNK_BYTES_MAX,
};

const SMALL: CutSizes = CutSizes { min: 2 << 10, avg: 8 << 10, max: 32 << 10 };

fn key(n: u8) -> ArchiveKey {
    ArchiveKey::from_bytes([n; 32])
}

fn gear(sizes: CutSizes) -> Arc<Gear> {
    Arc::new(Gear::new(&key(1), sizes))
}

/// A file of a synthetic tree: path, seed of its data, length.
type File = (String, u64, usize);

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut out);
    out
}

fn cut(gear: &Arc<Gear>, bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut cutter, mut chunks) = (Cutter::new(Arc::clone(gear)), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        cutter.push(piece, &mut |chunk| chunks.push(chunk));
    }
    cutter.finish(&mut |chunk| chunks.push(chunk));
    chunks
}

fn header(path: &str, flag: u8, bytes: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14700000000\0");
    block[148..156].fill(b' ');
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn padded(mut data: Vec<u8>) -> Vec<u8> {
    data.resize(data.len().next_multiple_of(512), 0);
    data
}

fn member(path: &str, data: Vec<u8>) -> Vec<u8> {
    [header(path, b'0', data.len() as u64), padded(data)].concat()
}

fn with_pax(records: &[u8], member: Vec<u8>) -> Vec<u8> {
    let extended = [header("pax", b'x', records.len() as u64), padded(records.to_vec())].concat();
    [extended, member].concat()
}

/// A tree of small and large files; each name's data follows from its seed.
fn tree(files: &[File]) -> Vec<u8> {
    let mut tar: Vec<u8> =
        files.iter().flat_map(|(path, seed, bytes)| member(path, noise(*seed, *bytes))).collect();
    tar.resize(tar.len() + 10_240, 0);
    tar
}

fn some_files() -> Vec<File> {
    (0..700_u64)
        .map(|n| {
            let bytes = match n % 50 {
                0 => 300_000 + n * 100,
                k => (k * k * 13 % 9_000) as usize as u64,
            };
            (format!("srv/app/{}/file-{n}", n / 40), n, bytes as usize)
        })
        .collect()
}

fn unknown_bytes(before: &[Vec<u8>], after: &[Vec<u8>]) -> usize {
    let known: BTreeSet<&Vec<u8>> = before.iter().collect();
    after.iter().filter(|chunk| !known.contains(chunk)).map(Vec::len).sum()
}

#[test]
fn lanes_cut_exactly_where_the_plain_definition_does() {
    for (seed, sizes) in [(1, SMALL), (2, CutSizes { min: 64, avg: 40 << 10, max: 200 << 10 })] {
        let gear = gear(sizes);
        let bytes = noise(seed, 400 << 10);
        let mut at = 0;
        while let Some(length) = gear.cut(&bytes[at..], 0) {
            assert_eq!(gear.cut_slowly(&bytes[at..]), Some(length), "at {at}");
            at += length;
        }
        assert_eq!(gear.cut_slowly(&bytes[at..]), None);
        assert!(at > 0);
    }
}

#[test]
fn lengths_keep_to_their_bounds_and_gather_around_the_average() {
    let gear = gear(SMALL);
    let bytes = noise(3, 4 << 20);
    let chunks = cut(&gear, &bytes, 100_000);
    let (last, others) = chunks.split_last().unwrap();
    assert!(last.len() <= SMALL.max);
    assert!(others.iter().all(|c| (SMALL.min..=SMALL.max).contains(&c.len())));
    let mean = bytes.len() / chunks.len();
    assert!((SMALL.avg * 3 / 4..SMALL.avg * 3 / 2).contains(&mean), "{mean}");
}

#[test]
fn an_insertion_moves_the_cuts_near_it_only() {
    let gear = gear(SMALL);
    let mut bytes = noise(4, 1 << 20);
    let before = cut(&gear, &bytes, 65_536);
    bytes.splice(300_000..300_000, noise(5, 77));
    let after = cut(&gear, &bytes, 65_536);
    assert!(unknown_bytes(&before, &after) < 5 * SMALL.max);
}

#[test]
fn another_key_cuts_elsewhere() {
    let bytes = noise(6, 500_000);
    let mine = cut(&gear(SMALL), &bytes, 65_536);
    let other = cut(&Arc::new(Gear::new(&key(2), SMALL)), &bytes, 65_536);
    assert!(unknown_bytes(&mine, &other) > bytes.len() / 2);
}

#[test]
fn zeros_are_cut_at_the_maximum() {
    let chunks = cut(&gear(CutSizes::default()), &vec![0; 3 << 20], 1 << 20);
    assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK_BYTES_MAX; 3]);
}

#[test]
fn a_cutter_is_ready_for_the_next_file() {
    let gear = gear(SMALL);
    let (mut cutter, mut chunks) = (Cutter::new(Arc::clone(&gear)), Vec::new());
    let tar = tree(&some_files()[..60]);
    for file in [&tar[..], b"short", &tar[..300_000], &[], &tar[..]] {
        chunks.clear();
        cutter.push(file, &mut |c| chunks.push(c));
        cutter.finish(&mut |c| chunks.push(c));
        assert!(chunks == cut(&gear, file, 4_096));
        assert!(chunks.concat() == file);
    }
}

#[test]
fn the_data_of_a_large_member_is_cut_as_if_it_lay_alone() {
    let gear = gear(SMALL);
    let data = noise(7, 200_001);
    let alone = cut(&gear, &data, 9_999);
    for before in [0, 1, 5] {
        let files: Vec<u8> =
            (0..before).flat_map(|n| member(&format!("f{n}"), noise(n, 700))).collect();
        let tar = [files, member("large", data.clone()), vec![0; 1_024]].concat();
        assert_eq!(unknown_bytes(&cut(&gear, &tar, 10_000), &alone), 0);
    }
}

#[test]
fn a_changed_inserted_or_removed_member_costs_its_own_chunks_only() {
    let gear = gear(CutSizes::default());
    let files = some_files();
    let before = cut(&gear, &tree(&files), 1 << 20);
    let total: usize = before.iter().map(Vec::len).sum();
    assert!(before.len() > 30 && total > 5 << 20);
    let changes: [fn(&mut Vec<File>); 5] = [
        |files| files[333].1 += 1_000_000,
        |files| files.insert(333, ("srv/app/8/new".into(), 5, 3_000)),
        |files| drop(files.remove(333)),
        |files| files.insert(10, ("srv/app/0/large".into(), 5, 100_000)),
        |files| files[333].2 += 2_000,
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut files = files.clone();
        change(&mut files);
        let cost = unknown_bytes(&before, &cut(&gear, &tree(&files), 1 << 20));
        assert!(cost > 0 && cost < 700 << 10, "change {n} costs {cost} of {total}");
    }
}

#[test]
fn long_names_and_sizes_of_extended_headers_are_heard() {
    let gear = gear(SMALL);
    let data = noise(8, 150_000);
    // The plain header says zero, as GNU tar writes it for what does not fit.
    let large = [header("x", b'0', 0), padded(data.clone())].concat();
    let tar = [
        with_pax(b"12 path=abc\n15 size=150000\n", large),
        header("././@LongLink", b'L', 5),
        padded(b"long\0".to_vec()),
        member("cut-short", noise(9, 3_000)),
        vec![0; 1_024],
    ]
    .concat();
    let chunks = cut(&gear, &tar, 5_000);
    assert!(chunks.concat() == tar);
    assert_eq!(unknown_bytes(&chunks, &cut(&gear, &data, 5_000)), 0);
}

#[test]
fn a_walk_that_loses_its_way_goes_on_by_content() {
    let gear = gear(SMALL);
    let mut tar = tree(&some_files()[1..50]);
    let whole = cut(&gear, &tar, 4_096);
    let at = tar.len() / 2 / 512 * 512;
    tar.truncate(at);
    tar.extend(noise(10, 200_000));
    let chunks = cut(&gear, &tar, 4_096);
    assert!(chunks.concat() == tar);
    assert!(chunks.iter().all(|c| c.len() <= CHUNK_BYTES_MAX));
    assert!(unknown_bytes(&whole, &chunks) < 400_000);
}

#[test]
fn headers_without_end_stay_within_the_bound() {
    let one = [header("x", b'x', 65_536), vec![b'9'; 65_536]].concat();
    let tar = one.repeat(30);
    let chunks = cut(&gear(CutSizes::default()), &tar, 50_000);
    assert!(chunks.concat() == tar);
    assert!(chunks.iter().all(|c| c.len() <= CHUNK_BYTES_MAX));
}

#[test]
fn groups_are_of_one_size_and_never_too_large() {
    let mut grouping = Grouping::new(&[3; 32]);
    let (mut groups, mut bytes) = (Vec::new(), 0_u64);
    for n in 0..40_000_u64 {
        let size = 512 + n * 7_919 % 9_000;
        if grouping.begins_new(format!("a/b/{n}").as_bytes(), size) {
            groups.push(std::mem::take(&mut bytes));
        }
        bytes += size;
    }
    let mean = groups.iter().sum::<u64>() / groups.len() as u64;
    assert!((96 << 10..192 << 10).contains(&mean), "{mean}");
    assert!(groups.iter().all(|&g| g <= CHUNK_BYTES_MAX as u64));
    let biased = groups.iter().map(|g| g * g).sum::<u64>() / groups.iter().sum::<u64>();
    assert!(biased < 200 << 10, "the group that a changed file lies in has {biased}");
}

#[test]
fn a_group_is_closed_before_it_would_be_too_large() {
    let mut grouping = Grouping::new(&[3; 32]);
    assert!(!grouping.begins_new(b"a", u64::MAX), "nothing to close");
    assert!(grouping.begins_new(b"a", 1), "it was full");
    grouping.reset();
    assert!(!grouping.begins_new(b"b", 1 << 20));
}

/// Pieces of tars, damaged tars and noise, one after the other.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let part =
        (0_u8..6, any::<u64>(), 0_usize..90_000).prop_map(|(sort, seed, bytes)| match sort {
            0 => noise(seed, bytes),
            1 => member(&format!("m{seed}"), noise(seed, bytes)),
            2 => header("dir", b'5', bytes as u64),
            3 => with_pax(&noise(seed, bytes % 2_000), member("p", noise(seed, bytes))),
            4 => header("huge", b'0', (8 << 30) - 1),
            _ => vec![0; bytes % 3_000],
        });
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_put_together_are_the_input(bytes in anything(), piece in 1_usize..100_000) {
        let gear = gear(SMALL);
        let chunks = cut(&gear, &bytes, piece);
        prop_assert!(chunks.iter().all(|c| !c.is_empty() && c.len() <= CHUNK_BYTES_MAX));
        prop_assert!(chunks.concat() == bytes);
        prop_assert!(chunks == cut(&gear, &bytes, usize::MAX), "pieces do not matter");
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    ChunkId,
    contents::ContentsPages,
    entropy::{Entropy, SeededEntropy},
    key::ArchiveKey,
    object,
    seal::{Opener, SealChoice, SealedObject, Sealer, ZSTD_LEVEL, golden::assert_bytes},
};

fn key() -> ArchiveKey {
    ArchiveKey::from_bytes([0x42; 32])
}

fn sealer() -> Sealer {
    Sealer::new(&key(), SealChoice::Auto, ZSTD_LEVEL)
}

fn random_refs(seed: u64, count: usize) -> Vec<ChunkRef> {
    let mut entropy = SeededEntropy::new(seed);
    (0..count)
        .map(|_| ChunkRef {
            chunk: ChunkId(entropy.array()),
            sealed: SealedId(entropy.array()),
            plain_bytes: 1 + u32::from_le_bytes(entropy.array()) % (1 << 20),
            sealed_bytes: 36 + u32::from_le_bytes(entropy.array()) % (1 << 20),
        })
        .collect()
}

type Objects = BTreeMap<SealedId, SealedObject>;

fn write(refs: &[ChunkRef], bases: &dyn Fn(usize) -> Vec<Link>) -> (Objects, RootRef) {
    let (mut sealer, mut writer) = (sealer(), ManifestWriter::new());
    let mut objects = Vec::new();
    for (n, chunk) in refs.iter().enumerate() {
        objects.extend(writer.push(chunk, &bases(n), &mut sealer).unwrap());
    }
    let (last, root) = writer.finish(ContentsPages::default(), &mut sealer).unwrap();
    objects.extend(last);
    (objects.into_iter().map(|o| (o.sealed, o)).collect(), root)
}

fn read(objects: &Objects, root: &RootRef) -> (Root, Vec<ChunkRef>) {
    let mut opener = Opener::new(&key());
    let root = Root::open(&mut opener, root, &objects[&root.link.id].bytes).unwrap();
    let pages = root.pages.iter();
    let refs = pages.flat_map(|p| open_page(&mut opener, p, &objects[&p.link.id].bytes).unwrap());
    let refs = refs.collect();
    (root, refs)
}

#[test]
fn an_empty_manifest_is_a_root_alone() {
    let (objects, root) = write(&[], &|_| Vec::new());
    assert_eq!(objects.len(), 1);
    assert_eq!(read(&objects, &root), (Root::default(), Vec::new()));
}

#[test]
fn pages_share_what_did_not_change() {
    let refs = random_refs(1, 30_000);
    let (before, _) = write(&refs, &|_| Vec::new());
    assert!((15..60).contains(&before.len()), "{} pages", before.len());
    let mut changed = refs;
    changed.splice(12_345..12_345, random_refs(2, 3));
    changed[20_000] = random_refs(3, 1)[0];
    let (after, root) = write(&changed, &|_| Vec::new());
    let new = after.keys().filter(|id| !before.contains_key(id)).count();
    assert!((2..=4).contains(&new), "{new} of {} are new", after.len());
    assert!(read(&after, &root).1 == changed);
}

/// A manifest whose chunk number `at` is left out and filled in after `until` more.
fn write_with_gap(refs: &[ChunkRef], at: usize, until: usize) -> (Objects, RootRef) {
    let (mut sealer, mut writer) = (sealer(), ManifestWriter::new());
    let mut objects = Vec::new();
    for (n, chunk) in refs.iter().enumerate() {
        if n == at {
            objects.extend(writer.leave_gap(chunk.plain_bytes, &mut sealer).unwrap());
        } else {
            objects.extend(writer.push(chunk, &[], &mut sealer).unwrap());
        }
        if n == at + until {
            objects.push(writer.fill_gap(&refs[at], &mut sealer).unwrap());
        }
    }
    let (last, root) = writer.finish(ContentsPages::default(), &mut sealer).unwrap();
    objects.extend(last);
    (objects.into_iter().map(|o| (o.sealed, o)).collect(), root)
}

#[test]
fn a_gap_that_is_filled_later_reads_as_if_it_had_been_pushed() {
    let refs = random_refs(20, 6_000);
    for (at, until) in [(0, 5_999), (0, 0), (17, 3_000), (5_999, 0), (2_500, 1)] {
        let (objects, root) = write_with_gap(&refs, at, until);
        let (root, read) = read(&objects, &root);
        assert!(read == refs, "gap at {at}, filled after {until}");
        let mut place = (0, 0);
        for page in &root.pages {
            assert_eq!((page.first_chunk, page.offset), place);
            place = (page.first_chunk + u64::from(page.chunks), page.offset + page.bytes);
        }
        assert_eq!(place, (root.chunks, root.stream_bytes));
    }
}

#[test]
fn a_gap_left_open_filled_twice_or_with_another_length_is_refused() {
    let refs = random_refs(21, 3);
    let mut sealer = sealer();
    let gap = |result: Result<_, ManifestError>| matches!(result, Err(ManifestError::Gap(_)));
    let mut writer = ManifestWriter::new();
    assert!(gap(writer.fill_gap(&refs[0], &mut sealer).map(drop)), "nothing to fill");
    assert!(writer.leave_gap(0, &mut sealer).is_err());
    assert!(writer.leave_gap(1 << 30, &mut sealer).is_err());
    writer.leave_gap(refs[0].plain_bytes, &mut sealer).unwrap();
    assert!(gap(writer.leave_gap(5, &mut sealer).map(drop)), "two at once");
    let longer = ChunkRef { plain_bytes: refs[0].plain_bytes + 1, ..refs[0] };
    assert!(gap(writer.fill_gap(&longer, &mut sealer).map(drop)));
    writer.push(&refs[1], &[], &mut sealer).unwrap();
    assert!(gap(writer.finish(ContentsPages::default(), &mut sealer).map(drop)), "never filled");
}

#[test]
fn every_place_of_the_stream_is_found_in_its_page() {
    let refs = random_refs(4, 9_000);
    let (objects, root) = write(&refs, &|_| Vec::new());
    let (root, _) = read(&objects, &root);
    for (n, page) in root.pages.iter().enumerate() {
        let last = page.offset + page.bytes - 1;
        assert_eq!(root.page_at_offset(page.offset), Some(n));
        assert_eq!(root.page_at_offset(last), Some(n));
        assert_eq!(root.page_of_chunk(page.first_chunk), Some(n));
        assert_eq!(root.page_of_chunk(page.first_chunk + u64::from(page.chunks) - 1), Some(n));
    }
    assert_eq!(root.page_at_offset(root.stream_bytes), None);
    assert_eq!(root.page_of_chunk(root.chunks), None);
    assert_eq!((root.page_at_offset(u64::MAX), root.page_of_chunk(u64::MAX)), (None, None));
}

#[test]
fn whoever_has_no_key_reaches_chunks_and_bases_from_the_root() {
    let refs = random_refs(5, 3_000);
    let bases = |n: usize| {
        let base = |k| Link { id: SealedId([k; 32]), bytes: 1_000 + u32::from(k) };
        if n % 1_000 == 7 { vec![base(1), base(2)] } else { Vec::new() }
    };
    let (objects, root) = write(&refs, &bases);
    let root = object::parse(&objects[&root.link.id].bytes).unwrap();
    let pages = root.links.iter().map(|l| object::parse(&objects[&l.id].bytes).unwrap());
    let reached: std::collections::BTreeSet<Link> = pages.flat_map(|p| p.links).collect();
    assert!(refs.iter().all(|r| reached.contains(&r.link())));
    assert!(bases(7).iter().all(|b| reached.contains(b)));
    assert_eq!(reached.len(), refs.len() + 2);
}

#[test]
fn no_chunk_id_is_in_a_public_part() {
    let refs = random_refs(6, 50);
    let (objects, root) = write(&refs, &|_| Vec::new());
    let hidden =
        |id: &ChunkId| objects.values().all(|o| !o.bytes.windows(32).any(|window| window == id.0));
    assert!(refs.iter().all(|r| hidden(&r.chunk)) && hidden(&root.chunk));
}

#[test]
fn other_bytes_than_those_asked_for_are_refused() {
    let (objects, root) = write(&random_refs(7, 10), &|_| Vec::new());
    let bytes = &objects[&root.link.id].bytes;
    let mut opener = Opener::new(&key());
    for (_, other) in objects.iter().filter(|(id, _)| **id != root.link.id) {
        let opened = Root::open(&mut opener, &root, &other.bytes);
        assert!(matches!(opened, Err(ManifestError::WrongObject { .. })));
        let (chunk, link) = (other.chunk, other.link());
        let page_as_root = Root::open(&mut opener, &RootRef { chunk, link }, &other.bytes);
        assert!(matches!(page_as_root, Err(ManifestError::Contradiction { what: "root", .. })));
    }
    assert!(Root::open(&mut opener, &root, &bytes[..bytes.len() - 1]).is_err());
}

#[test]
fn a_page_that_the_root_counts_otherwise_is_refused() {
    let (objects, root) = write(&random_refs(8, 10), &|_| Vec::new());
    let (root, _) = read(&objects, &root);
    let page = root.pages[0];
    let bytes = &objects[&page.link.id].bytes;
    let mut opener = Opener::new(&key());
    for wrong in [
        PageRef { chunks: page.chunks + 1, ..page },
        PageRef { bytes: page.bytes - 1, ..page },
        PageRef { link: Link { bytes: page.link.bytes + 1, ..page.link }, ..page },
    ] {
        assert!(open_page(&mut opener, &wrong, bytes).is_err());
    }
}

#[test]
fn impossible_chunks_are_refused_when_written() {
    let good = random_refs(9, 1)[0];
    for wrong in [
        ChunkRef { plain_bytes: 0, ..good },
        ChunkRef { plain_bytes: (1 << 20) + 1, ..good },
        ChunkRef { sealed_bytes: 3, ..good },
        ChunkRef { sealed_bytes: 2 << 20, ..good },
    ] {
        let pushed = ManifestWriter::new().push(&wrong, &[], &mut sealer());
        assert!(matches!(pushed, Err(ManifestError::ChunkBytes { .. })));
    }
    let five = [good.link(); 5];
    assert!(ManifestWriter::new().push(&good, &five, &mut sealer()).is_err());
}

/// The private bytes of a hostile page: any count, any length, an id of zeros.
fn hostile_page(count: u32, refs: usize, plain_bytes: u32) -> Vec<u8> {
    let one = [&[0; 32][..], &plain_bytes.to_le_bytes()].concat();
    [&[1][..], &count.to_le_bytes(), &one.repeat(refs)].concat()
}

#[test]
fn hostile_pages_are_errors() {
    let links = vec![random_refs(1, 1)[0].link(); 9];
    assert!(decode_page(&links[..2], &hostile_page(2, 2, 5)).is_ok());
    assert!(decode_page(&links, &hostile_page(2, 2, 5)).is_ok(), "seven bases");
    for (links, private) in [
        (&links[..0], hostile_page(0, 0, 5)),
        (&links[..1], hostile_page(2, 2, 5)),
        (&links[..2], hostile_page(2, 1, 5)),
        (&links[..2], hostile_page(2, 3, 5)),
        (&links[..2], hostile_page(u32::MAX, 2, 5)),
        (&links[..2], hostile_page(2, 2, 0)),
        (&links[..2], hostile_page(2, 2, u32::MAX)),
        (&links[..9], hostile_page(1, 1, 5)),
        (&links[..2], hostile_page(2, 2, 5)[..20].to_vec()),
        (&links[..2], Vec::new()),
    ] {
        assert!(decode_page(links, &private).is_err());
    }
}

#[test]
fn hostile_roots_are_errors() {
    #[derive(serde::Serialize)]
    struct Body(BTreeMap<&'static str, ciborium::Value>);
    let page = |chunks: u64, bytes: u64| {
        let id = ciborium::Value::Bytes(vec![1; 32]);
        ciborium::Value::Array(vec![id, chunks.into(), bytes.into()])
    };
    let root = |stream_bytes: u64, chunks: u64, pages: Vec<ciborium::Value>| {
        let fields = [
            ("stream_bytes", stream_bytes.into()),
            ("chunks", chunks.into()),
            ("pages", ciborium::Value::Array(pages)),
            ("contents", ciborium::Value::Array(Vec::new())),
        ];
        [&[3][..], &crate::cbor::encode(&Body(BTreeMap::from(fields)).0)].concat()
    };
    let links = vec![random_refs(1, 1)[0].link(); 2];
    let decode = |links: &[Link], private: &[u8]| Root::decode(links, private).is_ok();
    assert!(decode(&links, &root(300, 2, vec![page(1, 100), page(1, 200)])));
    assert!(!decode(&links[..1], &root(300, 2, vec![page(1, 100), page(1, 200)])), "links");
    assert!(!decode(&links, &root(301, 2, vec![page(1, 100), page(1, 200)])), "bytes");
    assert!(!decode(&links, &root(300, 3, vec![page(1, 100), page(1, 200)])), "chunks");
    assert!(!decode(&links, &root(300, 1, vec![page(1, 100), page(0, 200)])), "empty page");
    assert!(!decode(&links[..1], &root(u64::MAX, 1, vec![page(1, u64::MAX)])), "too long");
    assert!(!decode(&links[..1], &root(1, 2, vec![page(2, 1)])), "chunks without bytes");
    assert!(!decode(&[], &[root(0, 0, vec![]), vec![0]].concat()), "trailing");
    assert!(!decode(&[], &[3]) && !decode(&[], &[]) && !decode(&[], &[2, 0xa0]));
}

#[test]
fn golden_page() {
    let refs = random_refs(10, 2);
    let (objects, root) = write(&refs, &|_| Vec::new());
    let page = read(&objects, &root).0.pages[0];
    let bytes = &objects[&page.link.id].bytes;
    let (links, private) = Opener::new(&key()).open_branch(&page.chunk, bytes).unwrap();
    assert_eq!(links, refs.iter().map(ChunkRef::link).collect::<Vec<_>>());
    assert_bytes(
        "the private part of a page",
        &private,
        "01                                 # a page, version 1
         02000000                           # two chunks
         d1b0f39d5c20805f01ab3b53d5503f9d
         85124d62e7a650c9aa01f448d710bf48   # chunk id of the first
         78ce0200                           # its length
         e87f99f3b15aea5fb1b4646186b651b3
         25f58c5017e2984c6978d93825335ef9   # chunk id of the second
         f1480700                           # its length",
    );
}

fn small_root() -> Root {
    Root {
        stream_bytes: 70_000,
        chunks: 2,
        pages: vec![PageRef {
            chunk: ChunkId([0x11; 32]),
            link: Link { id: SealedId([0x22; 32]), bytes: 200 },
            first_chunk: 0,
            chunks: 2,
            offset: 0,
            bytes: 70_000,
        }],
        contents: vec![crate::contents::ContentsPageRef {
            chunk: ChunkId([0x33; 32]),
            link: Link { id: SealedId([0x44; 32]), bytes: 300 },
            entries: 5,
            offset: 1_024,
            low: b"a".to_vec(),
            high: b"b/\xff".to_vec(),
        }],
    }
}

#[test]
fn golden_root() {
    let root = small_root();
    let sealed = root.seal(&mut sealer()).unwrap();
    let (links, private) = Opener::new(&key()).open_branch(&sealed.chunk, &sealed.bytes).unwrap();
    assert_eq!(Root::decode(&links, &private).unwrap(), root);
    assert_bytes(
        "the private part of a root",
        &private,
        "03                                 # a root, version 1
         a4                                 # CBOR: a map of four
         6c 73747265616d5f6279746573        #   stream_bytes:
         1a 00011170                        #     70,000
         66 6368756e6b73                    #   chunks:
         02                                 #     2
         65 7061676573                      #   pages:
         81 83                              #     one, of three fields
         5820 1111111111111111111111111111111111111111111111111111111111111111 # chunk id
         02                                 #     chunks
         1a 00011170                        #     bytes
         68 636f6e74656e7473                #   contents:
         81 85                              #     one page, of five fields
         5820 3333333333333333333333333333333333333333333333333333333333333333 # chunk id
         05                                 #     entries
         19 0400                            #     offset
         41 61                              #     lowest path
         43 622fff                          #     highest path",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read(seed in any::<u64>(), count in 0_usize..5_000) {
        let refs = random_refs(seed, count);
        let (objects, root) = write(&refs, &|_| Vec::new());
        let (root, found) = read(&objects, &root);
        prop_assert!(found == refs);
        prop_assert_eq!(root.chunks, count as u64);
        let sum: u64 = refs.iter().map(|r| u64::from(r.plain_bytes)).sum();
        prop_assert_eq!(root.stream_bytes, sum);
    }

    #[test]
    fn any_private_bytes_are_a_page_or_root_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        tag in 0_u8..4,
    ) {
        let bytes = [vec![tag], bytes].concat();
        let links = vec![random_refs(1, 1)[0].link(); 3];
        let _ = decode_page(&links, &bytes);
        let _ = Root::decode(&links, &bytes);
    }
}

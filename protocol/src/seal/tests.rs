use proptest::prelude::*;

use super::*;
use crate::{
    entropy::{Entropy, SeededEntropy},
    key::ArchiveKey,
    limits::CHUNK_BYTES_MAX,
    object::{self, ChunkRef, LEAF_BYTES_MAX, Link, SealMode},
};

const CHOICES: [SealChoice; 3] =
    [SealChoice::None, SealChoice::Aes256Gcm, SealChoice::ChaCha20Poly1305];

fn key() -> ArchiveKey {
    ArchiveKey::from_bytes([0x42; 32])
}

fn sealer(choice: SealChoice) -> Sealer {
    Sealer::new(&key(), choice, ZSTD_LEVEL)
}

fn opener() -> Opener {
    Opener::new(&key())
}

fn no_base(chunk: &ChunkId, sealed: &SealedId) -> Result<Vec<u8>, SealError> {
    let source = "nothing stands on a base here".into();
    Err(SealError::Base { chunk: *chunk, sealed: *sealed, source })
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut out);
    out
}

fn text(lines: u32) -> Vec<u8> {
    (0..lines)
        .flat_map(|n| format!("{n}: the quick brown fox {}\n", n * 7919).into_bytes())
        .collect()
}

fn leaf(sealer: &mut Sealer, plain: &[u8]) -> SealedObject {
    let id = sealer.chunk_id(plain);
    sealer.seal_leaf(&id, plain).unwrap()
}

fn chunk_ref(object: &SealedObject, plain: &[u8]) -> ChunkRef {
    let Link { id: sealed, bytes: sealed_bytes } = object.link();
    let plain_bytes = u32::try_from(plain.len()).unwrap();
    ChunkRef { chunk: object.chunk, sealed, plain_bytes, sealed_bytes }
}

/// A row of a table that changes a little every night.
fn dump(night: u64) -> Vec<u8> {
    (0..6_000_u64)
        .flat_map(|row| {
            let seed = if row % 33 == night % 33 { row + night * 100_000 } else { row };
            let value = noise(seed, 12).iter().map(|b| format!("{b:02x}")).collect::<String>();
            format!("INSERT INTO t VALUES ({row},'{value}');\n").into_bytes()
        })
        .collect()
}

#[test]
fn text_gets_smaller_and_noise_is_left_alone() {
    let mut sealer = sealer(SealChoice::Auto);
    let (text, noise) = (text(8_000), noise(1, 300_000));
    let zipped = leaf(&mut sealer, &text);
    assert!(zipped.bytes.len() * 3 < text.len());
    assert!(object::parse(&zipped.bytes).unwrap().zipped);
    let raw = leaf(&mut sealer, &noise);
    assert!(!object::parse(&raw.bytes).unwrap().zipped);
    assert_eq!(raw.bytes.len(), noise.len() + 4 + 16 + 16);
    for (object, plain) in [(zipped, text), (raw, noise)] {
        let opened = opener().open_leaf(&object.chunk, &object.bytes, &mut no_base).unwrap();
        assert!(opened == plain);
    }
}

#[test]
fn the_largest_chunk_fits_and_a_larger_one_is_refused() {
    let mut sealer = sealer(SealChoice::Aes256Gcm);
    let plain = noise(2, CHUNK_BYTES_MAX);
    let object = leaf(&mut sealer, &plain);
    assert!(object.bytes.len() <= LEAF_BYTES_MAX);
    assert!(opener().open_leaf(&object.chunk, &object.bytes, &mut no_base).unwrap() == plain);
    let too_large = vec![0; CHUNK_BYTES_MAX + 1];
    let id = sealer.chunk_id(&too_large);
    assert!(matches!(sealer.seal_leaf(&id, &too_large), Err(SealError::TooLarge { .. })));
}

#[test]
fn equal_chunks_seal_to_equal_bytes_whatever_was_sealed_before() {
    let (mut fresh, mut used) = (sealer(SealChoice::Auto), sealer(SealChoice::Auto));
    for lines in [10, 20_000, 300] {
        leaf(&mut used, &text(lines));
    }
    for plain in [text(700), noise(3, 99_000), Vec::new(), dump(1)] {
        assert!(leaf(&mut fresh, &plain) == leaf(&mut used, &plain));
    }
}

#[test]
fn another_level_gives_another_salt_so_no_key_meets_two_payloads() {
    let plain = text(5_000);
    let salts: std::collections::BTreeSet<Vec<u8>> = [1, 3, 9, 19]
        .into_iter()
        .map(|level| {
            let object = leaf(&mut Sealer::new(&key(), SealChoice::Aes256Gcm, level), &plain);
            let opened = opener().open_leaf(&object.chunk, &object.bytes, &mut no_base).unwrap();
            assert!(opened == plain);
            object::parse(&object.bytes).unwrap().private[..16].to_vec()
        })
        .collect();
    assert_eq!(salts.len(), 4);
}

#[test]
fn the_two_ciphers_never_share_a_salt() {
    let plain = noise(4, 1_000);
    let salts = CHOICES.map(|choice| leaf(&mut sealer(choice), &plain).bytes[4..20].to_vec());
    assert!(salts[0] != salts[1] && salts[1] != salts[2] && salts[0] != salts[2]);
}

#[test]
fn nothing_opens_with_another_key_or_under_another_id() {
    for choice in CHOICES {
        let mut sealer = sealer(choice);
        let (one, two) = (leaf(&mut sealer, b"one"), leaf(&mut sealer, b"two"));
        let mut other = Opener::new(&ArchiveKey::from_bytes([0x43; 32]));
        assert!(other.open_leaf(&one.chunk, &one.bytes, &mut no_base).is_err());
        assert!(opener().open_leaf(&two.chunk, &one.bytes, &mut no_base).is_err());
        assert!(opener().open_branch(&one.chunk, &one.bytes).is_err(), "a leaf is no branch");
        let branch = sealer.seal_branch(&[one.link()], b"x").unwrap();
        assert!(opener().open_leaf(&branch.chunk, &branch.bytes, &mut no_base).is_err());
    }
}

#[test]
fn a_leaf_cannot_pass_for_a_branch_of_the_same_bytes() {
    let mut sealer = sealer(SealChoice::None);
    let branch = sealer.seal_branch(&[], b"same").unwrap();
    assert_ne!(branch.chunk, sealer.chunk_id(b"same"));
    assert_ne!(branch.chunk, sealer.chunk_id(b"\0\0\0\0same"));
}

#[test]
fn every_changed_byte_and_every_lost_one_is_noticed() {
    for choice in CHOICES {
        let mut sealer = sealer(choice);
        let (base_plain, plain) = (dump(1), dump(2));
        let base = leaf(&mut sealer, &base_plain);
        let base_ref = chunk_ref(&base, &base_plain);
        let id = sealer.chunk_id(&plain);
        let delta = sealer.seal_delta(&id, &plain, &base_ref, &base_plain).unwrap().unwrap();
        let step = delta.bytes.len() / 300 + 1;
        let small = [leaf(&mut sealer, b"a raw one"), leaf(&mut sealer, &text(30))];
        for (object, step) in [(&small[0], 1), (&small[1], 1), (&delta, step)] {
            let opens = |bytes: &[u8]| {
                opener().open_leaf(&object.chunk, bytes, &mut |_, _| Ok(base_plain.clone())).is_ok()
            };
            assert!(opens(&object.bytes));
            let places = (0..object.bytes.len()).filter(|at| *at < 60 || at % step == 0);
            for at in places {
                let mut changed = object.bytes.clone();
                changed[at] ^= 1 << (at % 8);
                assert!(!opens(&changed), "{choice:?}: byte {at} of {}", changed.len());
                assert!(!opens(&object.bytes[..at]), "{choice:?}: cut at {at}");
            }
            assert!(!opens(&[&object.bytes[..], &[0]].concat()), "a byte too many");
        }
    }
}

#[test]
fn every_changed_byte_of_a_branch_is_noticed() {
    for choice in CHOICES {
        let links = [Link { id: SealedId([3; 32]), bytes: 99 }; 2];
        let branch = sealer(choice).seal_branch(&links, &text(9)).unwrap();
        let opened = opener().open_branch(&branch.chunk, &branch.bytes).unwrap();
        assert_eq!(opened, (links.to_vec(), text(9)));
        for at in 0..branch.bytes.len() {
            for bit in 0..8 {
                let mut changed = branch.bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(opener().open_branch(&branch.chunk, &changed).is_err(), "{choice:?}: {at}");
            }
            assert!(opener().open_branch(&branch.chunk, &branch.bytes[..at]).is_err());
        }
    }
}

#[test]
fn a_delta_is_small_and_opens_on_its_base_only() {
    let mut sealer = sealer(SealChoice::Auto);
    let (base_plain, plain) = (dump(1), dump(2));
    let base = leaf(&mut sealer, &base_plain);
    let alone = leaf(&mut sealer, &plain);
    let base_ref = chunk_ref(&base, &base_plain);
    let delta = sealer.seal_delta(&alone.chunk, &plain, &base_ref, &base_plain).unwrap().unwrap();
    assert!(
        delta.bytes.len() * 5 < alone.bytes.len(),
        "{} {}",
        delta.bytes.len(),
        alone.bytes.len()
    );
    assert_eq!(delta.chunk, alone.chunk);
    assert_ne!(delta.sealed, alone.sealed);
    assert_eq!(object::parse(&delta.bytes).unwrap().links, [base.link()]);
    let mut asked = Vec::new();
    let opened = opener().open_leaf(&delta.chunk, &delta.bytes, &mut |chunk, sealed| {
        asked.push((*chunk, *sealed));
        Ok(base_plain.clone())
    });
    assert!(opened.unwrap() == plain);
    assert_eq!(asked, [(base.chunk, base.sealed)]);
    let wrong = opener().open_leaf(&delta.chunk, &delta.bytes, &mut |_, _| Ok(dump(3)));
    assert!(wrong.is_err());
    assert!(matches!(
        opener().open_leaf(&delta.chunk, &delta.bytes, &mut no_base),
        Err(SealError::Base { .. })
    ));
}

#[test]
fn a_delta_that_gains_nothing_is_not_made() {
    let mut sealer = sealer(SealChoice::Auto);
    let (base_plain, plain) = (noise(5, 100_000), noise(6, 100_000));
    let base = leaf(&mut sealer, &base_plain);
    let id = sealer.chunk_id(&plain);
    let base_ref = chunk_ref(&base, &base_plain);
    assert_eq!(sealer.seal_delta(&id, &plain, &base_ref, &base_plain).unwrap(), None);
    let id = sealer.chunk_id(b"");
    assert_eq!(sealer.seal_delta(&id, b"", &base_ref, &base_plain).unwrap(), None);
}

#[test]
fn four_bases_are_followed_and_a_fifth_is_refused() {
    let mut sealer = sealer(SealChoice::Auto);
    let nights: Vec<Vec<u8>> = (0..6).map(dump).collect();
    let mut objects = vec![leaf(&mut sealer, &nights[0])];
    for pair in nights.windows(2) {
        let base = chunk_ref(objects.last().unwrap(), &pair[0]);
        let id = sealer.chunk_id(&pair[1]);
        objects.push(sealer.seal_delta(&id, &pair[1], &base, &pair[0]).unwrap().unwrap());
    }
    let open = |night: usize| {
        opener().open_chain(&objects[night].chunk, &objects[night].bytes, &mut |chunk, sealed| {
            let found = objects.iter().find(|o| o.chunk == *chunk && o.sealed == *sealed);
            Ok(found.unwrap().bytes.clone())
        })
    };
    for (night, plain) in nights.iter().enumerate().take(5) {
        assert!(open(night).unwrap() == *plain);
    }
    assert!(matches!(open(5), Err(SealError::TooDeep { chunk }) if chunk == objects[0].chunk));
}

#[test]
fn a_chain_that_leads_to_itself_ends() {
    let mut sealer = sealer(SealChoice::None);
    let plain = dump(1);
    let whole = leaf(&mut sealer, &plain);
    let near = dump(2);
    let id = sealer.chunk_id(&near);
    let base = chunk_ref(&whole, &plain);
    let delta = sealer.seal_delta(&id, &near, &base, &plain).unwrap().unwrap();
    let opened = opener().open_chain(&id, &delta.bytes, &mut |_, _| Ok(delta.bytes.clone()));
    assert!(opened.is_err());
}

#[test]
fn a_private_part_of_a_record_opens_once_unchanged() {
    let mut entropy = SeededEntropy::new(9);
    let sealed = seal_meta(&key(), b"name: nextcloud", &mut entropy);
    assert_eq!(sealed.len(), 15 + META_OVERHEAD_BYTES);
    assert_eq!(open_meta(&key(), &sealed).unwrap(), b"name: nextcloud");
    assert_ne!(sealed, seal_meta(&key(), b"name: nextcloud", &mut entropy));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert!(open_meta(&key(), &changed).is_err());
        assert!(open_meta(&key(), &sealed[..at]).is_err());
    }
    assert!(open_meta(&ArchiveKey::from_bytes([1; 32]), &sealed).is_err());
    let huge = vec![1; crate::limits::RECORD_BYTES_MAX + 1];
    assert!(matches!(open_meta(&key(), &huge), Err(SealError::TooLarge { .. })));
}

#[test]
fn auto_is_one_of_the_two_ciphers() {
    assert_ne!(SealChoice::Auto.mode(), SealMode::None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_again(
        seed in any::<u64>(),
        bytes in 0_usize..100_000,
        alphabet in 1_u8..=255,
        choice in 0_usize..3,
    ) {
        let mut plain = noise(seed, bytes);
        plain.iter_mut().for_each(|b| *b %= alphabet);
        let object = leaf(&mut sealer(CHOICES[choice]), &plain);
        prop_assert_eq!(object::sealed_id(&object.bytes), object.sealed);
        let opened = opener().open_leaf(&object.chunk, &object.bytes, &mut no_base).unwrap();
        prop_assert!(opened == plain);
    }

    #[test]
    fn foreign_bytes_never_open_and_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0_u8..4,
        mode in 0_u8..64,
    ) {
        if bytes.len() > 8 {
            bytes[..4].copy_from_slice(&[1, kind, mode, 0]);
            bytes[4..8].fill(0);
        }
        let id = ChunkId([7; 32]);
        prop_assert!(opener().open_leaf(&id, &bytes, &mut no_base).is_err());
        prop_assert!(opener().open_branch(&id, &bytes).is_err());
        prop_assert!(open_meta(&key(), &bytes).is_err());
    }
}

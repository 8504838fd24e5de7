//! Sealed objects byte by byte: what FORMAT.md chapters 3 and 4 say, on small inputs.
//!
//! Sealing must give exactly these bytes, on every machine. What zstd makes may change with its
//! version, so zipped objects are pinned the other way: these bytes must open, for ever.

use super::*;
use crate::{
    key::ArchiveKey,
    object::{self, Link, SealMode},
};

/// Bytes from a hexdump; `#` and what follows it on a line is for people.
pub(crate) fn bytes(dump: &str) -> Vec<u8> {
    let digits: Vec<u32> = dump
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter_map(|c| c.to_digit(16))
        .collect();
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Compares with a hexdump; prints the bytes as one when they differ.
pub(crate) fn assert_bytes(what: &str, found: &[u8], dump: &str) {
    let rows = found.chunks(32).map(|row| row.iter().map(|b| format!("{b:02x}")).collect());
    let rows: Vec<String> = rows.collect();
    assert!(found == bytes(dump), "{what} is\n{}", rows.join("\n"));
}

fn key() -> ArchiveKey {
    ArchiveKey::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

fn leaf(choice: SealChoice, plain: &[u8]) -> SealedObject {
    let mut sealer = Sealer::new(&key(), choice, ZSTD_LEVEL);
    let id = sealer.chunk_id(plain);
    sealer.seal_leaf(&id, plain).unwrap()
}

#[test]
fn ids_of_chunks_and_objects() {
    let object = leaf(SealChoice::None, b"chunk");
    assert_bytes(
        "a chunk id",
        &object.chunk.0,
        "7e6ff138ad6118425039e0caa7068080425d518e3fb17509a31af3e3b294c0a9",
    );
    assert_bytes(
        "a sealed id",
        &object.sealed.0,
        "1eb2b28234de0129620ee80a250e745d2ad1407c24c3995bb33f86e8265e28e8",
    );
}

#[test]
fn a_leaf_in_the_clear() {
    assert_bytes(
        "the leaf",
        &leaf(SealChoice::None, b"chunk").bytes,
        "01                                 # version
         01                                 # kind: leaf
         00                                 # mode: not encrypted, not zipped, no base
         00                                 # must be zero
         d4b6b6e8fec1265a94bdae377c4447b1   # salt
         6368756e6b                         # `chunk`",
    );
}

#[test]
fn a_leaf_under_aes() {
    assert_bytes(
        "the leaf",
        &leaf(SealChoice::Aes256Gcm, b"chunk").bytes,
        "01 01 01 00                        # version 1, leaf, AES-256-GCM, zero
         930f0fdf9f9f8f8a6d7af9d7af4b63c7   # salt
         bcf8e1091b                         # ciphertext
         3ea92448601e77c5968d20a46c23fd06   # tag",
    );
}

#[test]
fn a_leaf_under_chacha() {
    assert_bytes(
        "the leaf",
        &leaf(SealChoice::ChaCha20Poly1305, b"chunk").bytes,
        "01 01 02 00                        # version 1, leaf, ChaCha20-Poly1305, zero
         f864aca09ae5ab307053cc841d472669   # salt
         b54e128b75                         # ciphertext
         1a8d04a1720cc3f44d54a19ba71a5dad   # tag",
    );
}

#[test]
fn a_branch() {
    let links = [Link { id: SealedId([0xaa; 32]), bytes: 0x1234 }];
    let mut sealer = Sealer::new(&key(), SealChoice::Aes256Gcm, ZSTD_LEVEL);
    let branch = sealer.seal_branch(&links, b"private").unwrap();
    assert_bytes(
        "the branch's id",
        &branch.chunk.0,
        "d1b3ba68b8d76a5e5f9d8549db23b5f65b1d01f6cac950b92ff33020d3652dfb",
    );
    assert_bytes(
        "the branch",
        &branch.bytes,
        "01 02 01 00                        # version 1, branch, AES-256-GCM, zero
         01000000                           # one link
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa   # the sealed id it names
         34120000                           # the sealed length of that
         8bc70cd5de3dcd1d6dda2df439bb8422   # salt
         09fe84a5365380                     # ciphertext
         1760df7fa0194b6a5eb532c27abc6595   # tag",
    );
}

#[test]
fn a_zipped_leaf_of_another_day() {
    let plain = [b'z'; 100];
    let sealed = bytes(
        "01 01 10 00                        # version 1, leaf, in the clear and zipped, zero
         6399f902b7d643132578cb8040fe3135   # salt
         28b52ffd 20 64                     # zstd: magic, descriptor, 100 bytes of content
         450000107a7a01003f012c             # zstd: the one block",
    );
    assert_eq!(object::parse(&sealed).unwrap().seal, SealMode::None);
    let id = Sealer::new(&key(), SealChoice::Auto, ZSTD_LEVEL).chunk_id(&plain);
    let mut no_base = |_: &ChunkId, _: &SealedId| Err(SealError::ZippedLength);
    let opened = Opener::new(&key()).open_leaf(&id, &sealed, &mut no_base);
    assert_eq!(opened.unwrap(), plain);
}

#[test]
fn a_delta_of_another_day() {
    let base: Vec<u8> = (0..=255).collect();
    let plain = [&base[..100], b"inserted", &base[100..]].concat();
    let sealed = bytes(
        "01 01 30 00                        # version 1, leaf, in the clear, zipped, with base, zero
         860bcdcaeb85541c0fb5f506745c1d23
         9123716990fcef2bab7eca1976fab483   # the base's sealed id
         14010000                           # the base's sealed length
         23a33852632fe2e6cf3dff4c93e6c755   # salt
         9e67f53d4acc053758cdcda3a10f3be4
         de3bcadd7514d98e704b520e3f5d100f   # the base's chunk id
         28b52ffd 6008009d00                # zstd: magic, descriptor, 264 bytes of content
         0040696e73657274656402009985a5380ca42b08",
    );
    let id = Sealer::new(&key(), SealChoice::Auto, ZSTD_LEVEL).chunk_id(&plain);
    let opened = Opener::new(&key()).open_leaf(&id, &sealed, &mut |_, _| Ok(base.clone()));
    assert_eq!(opened.unwrap(), plain);
}

//! Sealed objects, and what is sealed in them.

use protocol::{
    ChunkId, SealedId,
    archive::{ARCHIVE_META_BYTES_MAX, ArchiveMeta},
    contents::{CONTENTS_ENTRIES_MAX, CONTENTS_TEXT_BYTES_MAX, decode_contents},
    entropy::SeededEntropy,
    key::KeyUse,
    limits::CHUNK_BYTES_MAX,
    manifest::{PAGE_CHUNKS_MAX, Root, decode_page},
    object::{Link, OBJECT_BYTES_MIN, ObjectKind, SALT_BYTES, parse},
    seal::{Opener, SealError, seal_meta},
};

use super::archive_key;

/// A header of version 1 in the clear: a zipped leaf without a base, and a zipped branch of no link.
const ZIPPED_LEAF: &[u8] = &[1, 1, 0x10, 0];
const ZIPPED_BRANCH: &[u8] = &[1, 2, 0x10, 0, 0, 0, 0, 0];

pub(super) fn object(bytes: &[u8]) {
    let id = ChunkId([5; 32]);
    let mut opener = Opener::new(&archive_key());
    let mut base = |_: &ChunkId, _: &SealedId| Ok(bytes.to_vec());
    let leaf = opener.open_leaf(&id, bytes, &mut base);
    let chain = opener.open_chain(&id, bytes, &mut base);
    assert!(leaf.is_err() && chain.is_err(), "nobody sealed a chunk of that name");
    assert!(opener.open_branch(&id, bytes).is_err(), "nor a branch");
    let Ok(object) = parse(bytes) else { return };
    assert_eq!([object.header, object.private].concat(), bytes, "the parts are the whole");
    assert!(object.private.len() >= SALT_BYTES + object.seal.tag_bytes());
    assert!(object.kind == ObjectKind::Branch || object.links.len() <= 1);
    assert!(object.links.iter().all(|link| link.bytes as usize >= OBJECT_BYTES_MIN));
}

/// The bytes as zstd frame, under a salt that authenticates them: what a holder of the archive key
/// can make others open.
pub(super) fn zipped(frame: &[u8]) {
    let mut opener = Opener::new(&archive_key());
    let id = ChunkId([5; 32]);
    let mut none = |_: &ChunkId, _: &SealedId| Err(SealError::ZippedLength);
    let leaf = in_the_clear(ZIPPED_LEAF, &id, frame);
    assert!(opener.open_leaf(&id, &leaf, &mut none).is_err(), "the plaintext has another name");
    assert!(opener.open_branch(&id, &in_the_clear(ZIPPED_BRANCH, &id, frame)).is_err());

    let link = Link { id: SealedId([9; 32]), bytes: 100 };
    let header = [&[1, 1, 0x30, 0][..], &link.id.0, &link.bytes.to_le_bytes()].concat();
    let payload = [&[8; 32][..], frame].concat();
    let delta = in_the_clear(&header, &id, &payload);
    let mut base = |_: &ChunkId, _: &SealedId| Ok(frame.repeat(3));
    assert!(opener.open_leaf(&id, &delta, &mut base).is_err());
    let mut itself = |_: &ChunkId, _: &SealedId| Ok(delta.clone());
    assert!(opener.open_chain(&id, &delta, &mut itself).is_err(), "a chain has a bound");
}

fn in_the_clear(header: &[u8], id: &ChunkId, payload: &[u8]) -> Vec<u8> {
    let seal = archive_key().derive(KeyUse::Seal);
    let key = blake3::derive_key("backupmanager 2026 seal salt v1", &*seal);
    let mut salt = [0; SALT_BYTES];
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(header).update(&id.0).update(payload).finalize_xof().fill(&mut salt);
    [header, &salt, payload].concat()
}

/// The private part of a root; its links come first, two bytes of count before them.
pub(super) fn manifest_root(bytes: &[u8]) {
    let (links, private) = links(bytes);
    let Ok(root) = Root::decode(&links, private) else { return };
    assert_eq!(root.pages.len() + root.contents.len(), links.len());
    assert_eq!(root.pages.iter().map(|page| page.bytes).sum::<u64>(), root.stream_bytes);
    assert_eq!(root.pages.iter().map(|page| u64::from(page.chunks)).sum::<u64>(), root.chunks);
    assert_eq!(root.page_at_offset(root.stream_bytes), None);
    assert_eq!(root.page_of_chunk(root.chunks), None);
    for (number, page) in root.pages.iter().enumerate() {
        assert_eq!(root.page_at_offset(page.offset), Some(number));
        assert_eq!(root.page_of_chunk(page.first_chunk), Some(number));
    }
    for page in &root.contents {
        assert!(page.entries as usize <= CONTENTS_ENTRIES_MAX && page.offset <= root.stream_bytes);
        let _ = (page.may_hold(bytes), page.may_hold_below(bytes));
    }
}

/// The private part of a page, behind its links.
pub(super) fn manifest_page(bytes: &[u8]) {
    let (links, private) = links(bytes);
    let Ok(chunks) = decode_page(&links, private) else { return };
    assert!((1..=PAGE_CHUNKS_MAX).contains(&chunks.len()) && chunks.len() <= links.len());
    assert!(chunks.iter().all(|chunk| chunk.plain_bytes as usize <= CHUNK_BYTES_MAX));
    assert!(chunks.iter().zip(&links).all(|(chunk, link)| chunk.link() == *link));
}

/// The private part of a page of contents, behind its offset.
pub(super) fn contents_page(bytes: &[u8]) {
    let Some((offset, private)) = bytes.split_first_chunk() else { return };
    let Ok(entries) = decode_contents(private, u64::from_le_bytes(*offset)) else { return };
    assert!(entries.len() <= CONTENTS_ENTRIES_MAX);
    let text: usize = entries.iter().map(|entry| entry.path.len() + entry.link.len()).sum();
    assert!(text <= CONTENTS_TEXT_BYTES_MAX);
    assert!(entries.iter().all(|entry| entry.offset.checked_add(entry.span).is_some()));
}

/// The private part of an archive's record.
pub(super) fn archive_meta(plain: &[u8]) {
    assert!(ArchiveMeta::open(&archive_key(), plain).is_err(), "nobody sealed that");
    let sealed = seal_meta(&archive_key(), plain, &mut SeededEntropy::new(1));
    let Ok(meta) = ArchiveMeta::open(&archive_key(), &sealed) else { return };
    assert!(sealed.len() <= 2 * ARCHIVE_META_BYTES_MAX);
    let again = meta.seal(&archive_key(), &mut SeededEntropy::new(2));
    let again = ArchiveMeta::open(&archive_key(), &again).expect("what is written can be read");
    assert_eq!(again, meta);
}

/// Up to 65,535 links of a made-up id, and what follows them.
fn links(bytes: &[u8]) -> (Vec<Link>, &[u8]) {
    const LINK_BYTES: usize = 5;
    let Some((count, rest)) = bytes.split_first_chunk() else { return (Vec::new(), bytes) };
    let count = usize::from(u16::from_le_bytes(*count)).min(rest.len() / LINK_BYTES);
    let (links, private) = rest.split_at(count * LINK_BYTES);
    let link = |part: &[u8; LINK_BYTES]| {
        let [id, length @ ..] = *part;
        Link { id: SealedId([id; 32]), bytes: u32::from_le_bytes(length) }
    };
    (links.as_chunks::<LINK_BYTES>().0.iter().map(link).collect(), private)
}

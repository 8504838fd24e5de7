//! The tar stream.

use protocol::tar::{
    BLOCK_BYTES, Event, Limits, Member, Parser, TarError, block::HeaderBlock, encode, safe_path,
};

/// What a parser told, with the pieces of data put together.
#[derive(Debug, PartialEq)]
enum Told {
    Member(Box<Member>, u64),
    Data(u64, blake3::Hash),
    End,
}

/// A stream, whole and in pieces: where it is cut must make no difference.
pub(super) fn stream(bytes: &[u8]) {
    let Some((&piece, stream)) = bytes.split_first() else { return };
    let whole = parse(stream, stream.len().max(1));
    assert_eq!(whole, parse(stream, usize::from(piece) + 1), "pieces of {} bytes", piece + 1);
    for told in &whole.0 {
        if let Told::Member(member, offset) = told {
            check_member(member, *offset, stream.len() as u64);
        }
    }
}

fn parse(stream: &[u8], piece: usize) -> (Vec<Told>, Option<String>) {
    let mut told = Vec::new();
    let mut parser = Parser::new(Limits::default());
    let (mut data, mut hasher) = (0, blake3::Hasher::new());
    let mut on = |event: Event<'_>| {
        match event {
            Event::Member(member, offset) => told.push(Told::Member(Box::new(member), offset)),
            Event::Data(bytes) => {
                assert!(!bytes.is_empty(), "never none");
                hasher.update(bytes);
                data += bytes.len() as u64;
            }
            Event::MemberEnd => {
                let of = told.iter().rev().find_map(|told| match told {
                    Told::Member(member, _) => Some(member.data_bytes),
                    _ => None,
                });
                assert_eq!(of, Some(data), "a member has the data that its header promised");
                told.push(Told::Data(std::mem::take(&mut data), hasher.finalize()));
                hasher.reset();
            }
            Event::End => told.push(Told::End),
        }
        Ok::<(), TarError>(())
    };
    for piece in stream.chunks(piece) {
        if let Err(error) = parser.push(piece, &mut on) {
            return (told, Some(error.to_string()));
        }
    }
    let end = parser.finish().err().map(|error| error.to_string());
    (told, end)
}

fn check_member(member: &Member, offset: u64, stream_bytes: u64) {
    assert!(offset.is_multiple_of(BLOCK_BYTES as u64) && offset < stream_bytes);
    let limits = Limits::default();
    assert!(member.path.len() <= limits.path_bytes && member.link.len() <= limits.path_bytes);
    if let Some(map) = &member.sparse {
        let mut end = 0;
        for extent in &map.extents {
            assert!(extent.offset >= end, "extents ascend");
            end = extent.offset.checked_add(extent.bytes).expect("and end somewhere");
        }
        assert!(end <= map.real_bytes);
    }
    if let Ok(parts) = safe_path(&member.path) {
        assert!(parts.iter().all(|part| !part.is_empty() && *part != b".." && *part != b"."));
        assert!(parts.iter().all(|part| !part.contains(&b'/') && !part.contains(&0)));
    }
    assert!(encode(member).len().is_multiple_of(BLOCK_BYTES), "it could be written again");
}

/// One header block, its checksum made right, and the block as the body of a pax header.
pub(super) fn block(bytes: &[u8]) {
    let mut block = [0; BLOCK_BYTES];
    let length = bytes.len().min(BLOCK_BYTES);
    block[..length].copy_from_slice(&bytes[..length]);
    look(&block);
    add_up(&mut block);
    look(&block);
    let stream = [&[0][..], &block, &bytes[length..]].concat();
    self::stream(&stream);
    self::stream(&[&[16][..], &pax(bytes), &plain_file()].concat());
}

fn look(block: &[u8; BLOCK_BYTES]) {
    let Ok(header) = HeaderBlock::parse(block) else { return };
    let _ = (header.path(), header.link(), header.user(), header.group(), header.type_flag());
    let _ = header.stored_bytes();
}

fn add_up(block: &mut [u8; BLOCK_BYTES]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn pax(body: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK_BYTES];
    block[..4].copy_from_slice(b"next");
    block[124..136].copy_from_slice(format!("{:011o}\0", body.len()).as_bytes());
    block[156] = b'x';
    block[257..265].copy_from_slice(b"ustar\x0000");
    add_up(&mut block);
    let mut out = [&block[..], body].concat();
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
    out
}

fn plain_file() -> Vec<u8> {
    let mut block = [0; BLOCK_BYTES];
    block[0] = b'f';
    block[124..136].copy_from_slice(b"00000001000\0");
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    add_up(&mut block);
    [&block[..], &[b'1'; BLOCK_BYTES]].concat()
}

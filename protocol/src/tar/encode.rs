//! One member's header blocks, always the same bytes for the same member.
//!
//! A pax header is written only where the plain one cannot say it: names that are longer than
//! 100 bytes or not ASCII (the split into prefix and name is not used), numbers that do not fit,
//! nanoseconds, attributes, holes. Names that are not UTF-8 go raw, under `hdrcharset=BINARY`.

use super::{BLOCK_BYTES, FileTime, Member, MemberKind, padding, pax, sparse};

const NAME_BYTES: usize = 100;
/// One less than the field, which ends with a zero.
const OWNER_BYTES: usize = 31;
const SMALL_MAX: u64 = 0o777_7777;
const LARGE_MAX: u64 = 0o777_7777_7777;
/// Only readers that do not know pax make a file of that name.
const PAX_NAME: &[u8] = b"PaxHeaders/next";
/// GNU tar's name for a sparse file, for readers that do not know holes.
const SPARSE_FOLDER: &[u8] = b"GNUSparseFile.0/";

/// The header blocks of a member: a pax extended header where needed, the plain one, and the map
/// of a sparse file. A multiple of [`BLOCK_BYTES`]; the data and its padding follow.
#[must_use]
pub fn encode(member: &Member) -> Vec<u8> {
    let map = member.sparse.as_ref().map(sparse::encode_map).unwrap_or_default();
    let name = stream_name(member);
    let stored_bytes = member.data_bytes.saturating_add(map.len() as u64);
    let records = records(member, &name, stored_bytes);
    let mut out = Vec::with_capacity(3 * BLOCK_BYTES + records.len() + map.len());
    if !records.is_empty() {
        out.extend_from_slice(&pax_block(records.len() as u64));
        out.extend_from_slice(&records);
        out.resize(out.len() + padding(records.len() as u64) as usize, 0);
    }
    out.extend_from_slice(&plain_block(member, &name, stored_bytes));
    out.extend_from_slice(&map);
    out
}

/// How long the header blocks of a streamed member are, whatever its size: an extended header, one
/// block of records, the plain header.
pub const STREAMED_HEADER_BYTES: usize = 3 * BLOCK_BYTES;

/// The header blocks of a member whose size is known only after its data: always
/// [`STREAMED_HEADER_BYTES`], so that the room for them can be left before it. The size and the time
/// are always in the extended header. None when the records do not fit into one block (a path of
/// several hundred bytes, attributes, holes).
#[must_use]
pub fn encode_streamed(member: &Member) -> Option<Vec<u8>> {
    if member.sparse.is_some() {
        return None;
    }
    let name = stream_name(member);
    let mut records = records(member, &name, member.data_bytes);
    if member.data_bytes <= LARGE_MAX {
        pax::put_record(&mut records, b"size", member.data_bytes.to_string().as_bytes());
    }
    if plain_time(member.mtime).is_some() {
        pax::put_record(&mut records, b"mtime", pax::time_text(member.mtime).as_bytes());
    }
    if records.len() > BLOCK_BYTES {
        return None;
    }
    let mut out = Vec::with_capacity(STREAMED_HEADER_BYTES);
    out.extend_from_slice(&pax_block(records.len() as u64));
    out.extend_from_slice(&records);
    out.resize(2 * BLOCK_BYTES, 0);
    out.extend_from_slice(&plain_block(member, &name, member.data_bytes));
    Some(out)
}

/// How many bytes [`encode()`] makes of a member, without making them.
#[must_use]
pub fn encoded_bytes(member: &Member) -> u64 {
    let map = member.sparse.as_ref().map(sparse::encode_map).unwrap_or_default();
    let stored_bytes = member.data_bytes.saturating_add(map.len() as u64);
    let records = records(member, &stream_name(member), stored_bytes).len() as u64;
    let block = BLOCK_BYTES as u64;
    let extended = if records == 0 { 0 } else { block + records + padding(records) };
    extended + block + map.len() as u64
}

/// The name in the plain header: directories end with `/`, sparse files have their fallback.
fn stream_name(member: &Member) -> Vec<u8> {
    let mut name = member.path.clone();
    if member.kind == MemberKind::Directory {
        name.push(b'/');
    } else if member.sparse.is_some() {
        let file = name.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        name.splice(file..file, SPARSE_FOLDER.iter().copied());
    }
    name
}

fn records(member: &Member, name: &[u8], stored_bytes: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let names = [
        (&b"path"[..], name, NAME_BYTES),
        (b"linkpath", &member.link, NAME_BYTES),
        (b"uname", &member.user, OWNER_BYTES),
        (b"gname", &member.group, OWNER_BYTES),
    ];
    if names.iter().any(|(_, text, _)| std::str::from_utf8(text).is_err()) {
        pax::put_record(&mut out, b"hdrcharset", b"BINARY");
    }
    for (key, text, bytes_max) in names {
        if text.len() > bytes_max || !text.is_ascii() {
            pax::put_record(&mut out, key, text);
        }
    }
    let numbers = [
        (&b"uid"[..], u64::from(member.uid), SMALL_MAX),
        (b"gid", u64::from(member.gid), SMALL_MAX),
        (b"size", stored_bytes, LARGE_MAX),
    ];
    for (key, number, max) in numbers {
        if number > max {
            pax::put_record(&mut out, key, number.to_string().as_bytes());
        }
    }
    if plain_time(member.mtime).is_none() {
        pax::put_record(&mut out, b"mtime", pax::time_text(member.mtime).as_bytes());
    }
    for (name, value) in &member.xattrs {
        pax::put_xattr(&mut out, name, value);
    }
    if let Some(map) = &member.sparse {
        pax::put_record(&mut out, b"GNU.sparse.major", b"1");
        pax::put_record(&mut out, b"GNU.sparse.minor", b"0");
        pax::put_record(&mut out, b"GNU.sparse.name", &member.path);
        pax::put_record(&mut out, b"GNU.sparse.realsize", map.real_bytes.to_string().as_bytes());
    }
    out
}

/// The seconds, if the plain header can say all of the time.
fn plain_time(time: FileTime) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    (time.nanos == 0 && seconds <= LARGE_MAX).then_some(seconds)
}

fn plain_block(member: &Member, name: &[u8], stored_bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    put_text(&mut block, 0, NAME_BYTES, name);
    put_number(&mut block, 100, 8, u64::from(member.mode & 0o7777));
    put_number(&mut block, 108, 8, u64::from(member.uid));
    put_number(&mut block, 116, 8, u64::from(member.gid));
    put_number(&mut block, 124, 12, stored_bytes);
    let seconds = u64::try_from(member.mtime.seconds).unwrap_or(0);
    put_number(&mut block, 136, 12, seconds);
    block[156] = match member.kind {
        MemberKind::File => b'0',
        MemberKind::HardLink => b'1',
        MemberKind::Symlink => b'2',
        MemberKind::CharDevice => b'3',
        MemberKind::BlockDevice => b'4',
        MemberKind::Directory => b'5',
        MemberKind::Fifo => b'6',
    };
    put_text(&mut block, 157, NAME_BYTES, &member.link);
    put_text(&mut block, 265, OWNER_BYTES, &member.user);
    put_text(&mut block, 297, OWNER_BYTES, &member.group);
    put_number(&mut block, 329, 8, u64::from(member.device.0));
    put_number(&mut block, 337, 8, u64::from(member.device.1));
    sealed(block)
}

fn pax_block(bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    put_text(&mut block, 0, NAME_BYTES, PAX_NAME);
    for (at, width, number) in
        [(100, 8, 0o644), (108, 8, 0), (116, 8, 0), (124, 12, bytes), (136, 12, 0)]
    {
        put_number(&mut block, at, width, number);
    }
    block[156] = b'x';
    sealed(block)
}

fn put_text(block: &mut [u8; BLOCK_BYTES], at: usize, bytes_max: usize, text: &[u8]) {
    let bytes = text.len().min(bytes_max);
    block[at..at + bytes].copy_from_slice(&text[..bytes]);
}

/// Octal digits and a zero; a number that does not fit is in a pax record and 0 here, except for
/// devices, which have no such record and get GNU's base-256.
fn put_number(block: &mut [u8; BLOCK_BYTES], at: usize, width: usize, number: u64) {
    let digits = width - 1;
    let fits = number >> (3 * digits) == 0;
    if !fits && at >= 329 {
        block[at..at + 8].copy_from_slice(&number.to_be_bytes());
        block[at] |= 0x80;
        return;
    }
    octal(&mut block[at..at + digits], if fits { number } else { 0 });
}

/// As many octal digits as there is room for. A hundred thousand files have a million of these
/// fields, so no formatting machinery here.
fn octal(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
}

/// Adds the magic and the checksum.
fn sealed(mut block: [u8; BLOCK_BYTES]) -> [u8; BLOCK_BYTES] {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    octal(&mut block[148..154], u64::from(sum));
    block[154] = 0;
    block
}

//! The bytes of one page: numbers as LEB128, paths by what they share with the one before.

use super::{CONTENTS_ENTRIES_MAX, CONTENTS_TEXT_BYTES_MAX, ContentsError, Entry};
use crate::tar::{BLOCK_BYTES, FileTime, MemberKind};

/// The first byte of a page's private part.
const TAG: u8 = 2;

const KINDS: [MemberKind; 7] = [
    MemberKind::File,
    MemberKind::HardLink,
    MemberKind::Symlink,
    MemberKind::Directory,
    MemberKind::Fifo,
    MemberKind::CharDevice,
    MemberKind::BlockDevice,
];

const NANOS_MAX: u32 = 999_999_999;

/// Encodes entries; offsets are relative to that of the first.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = vec![TAG];
    put(&mut out, entries.len() as u64);
    let mut path: &[u8] = &[];
    let mut expected = entries.first().map_or(0, |e| e.offset);
    for entry in entries {
        let shared = path.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
        put(&mut out, shared as u64);
        put_bytes(&mut out, &entry.path[shared..]);
        out.push(kind_code(entry.kind));
        put_bytes(&mut out, &entry.link);
        for number in [entry.mode, entry.uid, entry.gid] {
            put(&mut out, u64::from(number));
        }
        put(&mut out, entry.real_bytes);
        put_signed(&mut out, entry.mtime.seconds);
        put(&mut out, u64::from(entry.mtime.nanos));
        put_difference(&mut out, entry.offset, expected);
        put_difference(&mut out, entry.span, usual_span(entry.real_bytes));
        path = &entry.path;
        expected = entry.offset.wrapping_add(entry.span);
    }
    out
}

/// Decodes a page whose first member begins at `offset` of the stream.
///
/// # Errors
/// When the bytes are no page, or describe more than a page may.
pub fn decode_contents(private: &[u8], offset: u64) -> Result<Vec<Entry>, ContentsError> {
    let mut reader = Reader { rest: private, text_bytes: 0 };
    if reader.byte()? != TAG {
        return Err(ContentsError::Malformed("it is no page of version 1"));
    }
    let count = reader.number()?;
    if count > CONTENTS_ENTRIES_MAX as u64 {
        return Err(ContentsError::Malformed("it has too many entries"));
    }
    let mut entries = Vec::new();
    let mut expected = offset;
    let mut path = Vec::new();
    for _ in 0..count {
        let entry = reader.entry(&path, expected)?;
        expected = entry.offset + entry.span;
        path.clone_from(&entry.path);
        entries.push(entry);
    }
    if reader.rest.is_empty() {
        Ok(entries)
    } else {
        Err(ContentsError::Malformed("something follows its last entry"))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    text_bytes: usize,
}

impl<'a> Reader<'a> {
    fn entry(&mut self, before: &[u8], expected: u64) -> Result<Entry, ContentsError> {
        let path = self.path(before)?;
        let kind = KINDS.get(usize::from(self.byte()?));
        let kind = *kind.ok_or(ContentsError::Malformed("a member has an unknown kind"))?;
        let link = self.bytes()?;
        self.count_text(link.len())?;
        let link = link.to_vec();
        let (mode, uid, gid) = (self.small()?, self.small()?, self.small()?);
        let real_bytes = self.number()?;
        let (seconds, nanos) = (self.signed()?, self.small()?);
        let offset = expected.wrapping_add_signed(self.signed()?);
        let span = usual_span(real_bytes).wrapping_add_signed(self.signed()?);
        if nanos > NANOS_MAX {
            return Err(ContentsError::Malformed("a second has too many nanoseconds"));
        }
        if offset.checked_add(span).is_none() {
            return Err(ContentsError::Malformed("a member ends beyond any stream"));
        }
        let mtime = FileTime { seconds, nanos };
        Ok(Entry { path, kind, link, mode, uid, gid, real_bytes, mtime, offset, span })
    }

    fn path(&mut self, before: &[u8]) -> Result<Vec<u8>, ContentsError> {
        let shared = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let shared = before
            .get(..shared)
            .ok_or(ContentsError::Malformed("a path shares more than there is"))?;
        let own = self.bytes()?;
        self.count_text(shared.len() + own.len())?;
        Ok([shared, own].concat())
    }

    /// Shared beginnings could otherwise grow a small page to any size.
    fn count_text(&mut self, bytes: usize) -> Result<(), ContentsError> {
        self.text_bytes += bytes;
        if self.text_bytes <= CONTENTS_TEXT_BYTES_MAX {
            Ok(())
        } else {
            Err(ContentsError::Malformed("its paths are too long"))
        }
    }

    fn byte(&mut self) -> Result<u8, ContentsError> {
        let (&byte, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(byte)
    }

    fn bytes(&mut self) -> Result<&'a [u8], ContentsError> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, ContentsError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ContentsError::Malformed("a number is too large"))
    }

    fn signed(&mut self) -> Result<i64, ContentsError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn small(&mut self) -> Result<u32, ContentsError> {
        let refuse = |_| ContentsError::Malformed("a number is too large");
        u32::try_from(self.number()?).map_err(refuse)
    }
}

const CUT_SHORT: ContentsError = ContentsError::Malformed("it is cut short");

fn kind_code(kind: MemberKind) -> u8 {
    let at = KINDS.iter().position(|&k| k == kind).expect("all kinds are listed");
    u8::try_from(at).expect("there are seven")
}

/// One header block, and the data padded: what most members span.
fn usual_span(real_bytes: u64) -> u64 {
    real_bytes.wrapping_add(crate::tar::padding(real_bytes)).wrapping_add(BLOCK_BYTES as u64)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Zigzag: small numbers of either sign stay short.
fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

fn put_difference(out: &mut Vec<u8>, value: u64, expected: u64) {
    put_signed(out, value.wrapping_sub(expected).cast_signed());
}

//! The bytes of a pack: its header, and the header of each frame. See PACKS.md for the tables.
//!
//! A frame's check covers the pack's number and the frame's offset too, so that a frame is valid in
//! its own place only: an object that contains what looks like a frame is not taken for one, unless
//! its author guessed the place; then the object's hash still decides.

use protocol::{id::SealedId, limits::OBJECT_BYTES_MAX};

/// The version of packs and of the folder.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes before the first frame of a pack.
pub(super) const PACK_HEADER_BYTES: usize = 32;

/// Bytes of a frame before its object.
pub(super) const FRAME_HEADER_BYTES: usize = 44;

/// How every frame begins.
pub(super) const MARKER: [u8; 4] = [0xf5, b'O', b'b', 0x1a];

const MAGIC: [u8; 8] = *b"BMPACK\r\n";

/// Where an object lies: `offset` is that of its frame, `bytes` the length of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) pack: u32,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

impl Place {
    pub(super) fn body_offset(self) -> u64 {
        u64::from(self.offset) + FRAME_HEADER_BYTES as u64
    }

    pub(super) fn frame_bytes(self) -> u64 {
        u64::from(self.bytes) + FRAME_HEADER_BYTES as u64
    }

    pub(super) fn end(self) -> u64 {
        u64::from(self.offset) + self.frame_bytes()
    }

    /// Pack and offset in one number, in the order of the packs.
    pub(super) fn spot(self) -> u64 {
        u64::from(self.pack) << 32 | u64::from(self.offset)
    }
}

/// What the first bytes of a pack say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackHeader {
    Good,
    Damaged,
    Newer(u32),
}

fn check(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut out = [0; 4];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
    out
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(four)
}

/// The header of a new pack.
pub(super) fn pack_header(pack: u32) -> [u8; PACK_HEADER_BYTES] {
    let mut out = [0; PACK_HEADER_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&FORMAT_VERSION.to_be_bytes());
    out[12..16].copy_from_slice(&pack.to_be_bytes());
    let sum = check(&[&out[..28]]);
    out[28..].copy_from_slice(&sum);
    out
}

/// Reads the header of a pack; `bytes` may be too short.
pub(super) fn read_pack_header(bytes: &[u8], pack: u32) -> PackHeader {
    if bytes.len() < PACK_HEADER_BYTES || bytes[..8] != MAGIC {
        return PackHeader::Damaged;
    }
    if check(&[&bytes[..28]]) != bytes[28..32] {
        return PackHeader::Damaged;
    }
    match number_at(bytes, 8) {
        FORMAT_VERSION if number_at(bytes, 12) == pack => PackHeader::Good,
        version if version > FORMAT_VERSION => PackHeader::Newer(version),
        _ => PackHeader::Damaged,
    }
}

fn frame_check(place: Place, head: &[u8]) -> [u8; 4] {
    check(&[&place.pack.to_be_bytes(), &place.offset.to_be_bytes(), head])
}

/// The header of a frame at `place`.
pub(super) fn frame_header(id: &SealedId, place: Place) -> [u8; FRAME_HEADER_BYTES] {
    let mut out = [0; FRAME_HEADER_BYTES];
    out[..4].copy_from_slice(&MARKER);
    out[4..8].copy_from_slice(&place.bytes.to_be_bytes());
    out[8..40].copy_from_slice(&id.0);
    let sum = frame_check(place, &out[..40]);
    out[40..].copy_from_slice(&sum);
    out
}

/// Reads the header of a frame in its place; `bytes` may be too short.
pub(super) fn read_frame_header(bytes: &[u8], pack: u32, at: u64) -> Option<(SealedId, Place)> {
    if bytes.len() < FRAME_HEADER_BYTES || bytes[..4] != MARKER {
        return None;
    }
    let place = Place { pack, offset: u32::try_from(at).ok()?, bytes: number_at(bytes, 4) };
    let fits = (1..=OBJECT_BYTES_MAX).contains(&(place.bytes as usize));
    if !fits || frame_check(place, &bytes[..40]) != bytes[40..44] {
        return None;
    }
    let mut id = SealedId([0; SealedId::BYTES]);
    id.0.copy_from_slice(&bytes[8..40]);
    Some((id, place))
}

/// Whether these bytes are the object of that name.
pub(super) fn is_object(id: &SealedId, bytes: &[u8]) -> bool {
    blake3::hash(bytes).as_bytes() == &id.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_valid_in_its_own_place_only() {
        let id = SealedId([7; 32]);
        let place = Place { pack: 3, offset: 32, bytes: 100 };
        let header = frame_header(&id, place);
        assert_eq!(read_frame_header(&header, 3, 32), Some((id, place)));
        assert_eq!(read_frame_header(&header, 3, 33), None);
        assert_eq!(read_frame_header(&header, 4, 32), None);
        assert_eq!(read_frame_header(&header[..43], 3, 32), None);
        assert_eq!(read_frame_header(&header, 3, 1 << 32), None);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let place = Place { pack: 3, offset: 32, bytes: 100 };
        let frame = frame_header(&SealedId([7; 32]), place);
        for bit in 0..FRAME_HEADER_BYTES * 8 {
            let mut bytes = frame;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_frame_header(&bytes, 3, 32), None, "bit {bit}");
        }
        let pack = pack_header(3);
        assert_eq!(read_pack_header(&pack, 3), PackHeader::Good);
        assert_eq!(read_pack_header(&pack, 4), PackHeader::Damaged);
        for bit in 0..PACK_HEADER_BYTES * 8 {
            let mut bytes = pack;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_pack_header(&bytes, 3), PackHeader::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn headers_are_these_bytes() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        // magic, version 1, pack 1, twelve zero bytes, check
        assert_eq!(
            hex(&pack_header(1)),
            format!(
                "424d5041434b0d0a{}{}{}{}",
                "00000001",
                "00000001",
                "00".repeat(12),
                "a85856aa"
            )
        );
        // marker, length 5, id, check over pack 1, offset 32 and what precedes
        let place = Place { pack: 1, offset: 32, bytes: 5 };
        assert_eq!(
            hex(&frame_header(&SealedId([0xaa; 32]), place)),
            format!("f54f621a{}{}{}", "00000005", "aa".repeat(32), "eeebd94d")
        );
    }
}

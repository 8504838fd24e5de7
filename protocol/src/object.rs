//! A sealed object: what everything at rest is, as anybody may read it without a key.
//!
//! A *leaf* is one chunk, a *branch* a list of other objects (manifest page, contents page, root).
//! An object is named by its [`SealedId`], plain BLAKE3 of all its bytes. Its *header* is public:
//! version, kind, mode, and its *links*, that is the objects it needs. After it comes the *private
//! part*, which [`crate::seal`] makes and opens. A holder verifies and walks objects with this
//! module alone; it learns ids and sealed lengths, never a name or what a chunk holds.
//!
//! [`parse`] takes bytes from anywhere: it never panics, allocates no more than the bytes it got,
//! and refuses whatever this version would not have written.

use serde::{Deserialize, Serialize};

use crate::{
    ChunkId, SealedId,
    limits::{CHUNK_BYTES_MAX, OBJECT_BYTES_MAX},
};

/// The version of the format; another one is refused, not guessed at.
pub const VERSION: u8 = 1;

/// Version, kind, mode, and a byte that must be zero.
const FIXED_BYTES: usize = 4;

/// One link: an id and a length.
pub(crate) const LINK_BYTES: usize = SealedId::BYTES + 4;

/// The keyed hash that each private part begins with; the sealing key follows from it.
pub const SALT_BYTES: usize = 16;

/// The authentication tag that a ciphertext ends with.
pub const TAG_BYTES: usize = 16;

/// The smallest object: an empty leaf with its salt, in the clear.
pub const OBJECT_BYTES_MIN: usize = FIXED_BYTES + SALT_BYTES;

/// The largest leaf: a full chunk that did not get smaller, sealed. One with a base is smaller than
/// the chunk, by rule.
pub const LEAF_BYTES_MAX: usize =
    CHUNK_BYTES_MAX + LINK_BYTES + FIXED_BYTES + SALT_BYTES + TAG_BYTES;

const CIPHER_BITS: u8 = 0b0000_1111;
const ZIPPED_BIT: u8 = 0b0001_0000;
const BASE_BIT: u8 = 0b0010_0000;

/// One object named by another: what to fetch, and how many bytes that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub id: SealedId,
    /// Its sealed length.
    pub bytes: u32,
}

/// One chunk of an archive, by both its names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ChunkRef {
    /// Its plaintext's name, for the origin and whoever holds the archive key.
    pub chunk: ChunkId,
    /// Its sealed bytes' name, for everybody.
    pub sealed: SealedId,
    /// Its part of the stream, bytes.
    pub plain_bytes: u32,
    /// What is stored, bytes.
    pub sealed_bytes: u32,
}

impl ChunkRef {
    /// The public half.
    #[must_use]
    pub fn link(&self) -> Link {
        Link { id: self.sealed, bytes: self.sealed_bytes }
    }
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// One chunk; at most one link, to the base it is a difference to.
    Leaf,
    /// A list of other objects.
    Branch,
}

/// How the private part is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum SealMode {
    /// Not at all: the job said `seal = none`.
    None,
    /// AES-256-GCM, where the sealing CPU had instructions for it.
    Aes256Gcm,
    /// ChaCha20-Poly1305, elsewhere.
    ChaCha20Poly1305,
}

impl SealMode {
    fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::None, Self::Aes256Gcm, Self::ChaCha20Poly1305].into_iter().find(|m| m.code() == code)
    }

    /// How many bytes of tag end the private part.
    #[must_use]
    pub fn tag_bytes(self) -> usize {
        if self == Self::None { 0 } else { TAG_BYTES }
    }
}

/// An object taken apart, without a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object<'a> {
    /// What it is.
    pub kind: ObjectKind,
    /// How its private part is encrypted.
    pub seal: SealMode,
    /// Whether its private part is compressed.
    pub zipped: bool,
    /// What it needs: for a leaf its base or nothing, for a branch everything it lists.
    pub links: Vec<Link>,
    /// All before the private part, as it lies there: what the tag vouches for as well.
    pub header: &'a [u8],
    /// Salt, ciphertext and tag.
    pub private: &'a [u8],
}

/// Bytes that are no sealed object of this version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ObjectError {
    /// More than its kind may have.
    #[error("a sealed object has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound of its kind.
        bytes_max: usize,
    },
    /// It ends before its header or its private part can.
    #[error("a sealed object is cut short at {bytes} bytes")]
    CutShort {
        /// What is there.
        bytes: usize,
    },
    /// Written by another version of the format.
    #[error("a sealed object has format version {0}, this program reads version 1")]
    Version(u8),
    /// A header byte has a value that no version 1 program writes.
    #[error("byte {at} of a sealed object's header cannot be {value:#04x}")]
    Header {
        /// Which byte.
        at: usize,
        /// What it is.
        value: u8,
    },
    /// A link to something that cannot exist.
    #[error("a sealed object links to {id:?} of {bytes} bytes, which no object can have")]
    LinkBytes {
        /// The object linked to.
        id: SealedId,
        /// The length stated for it.
        bytes: u32,
    },
}

/// The name of an object: BLAKE3 of all its bytes.
#[must_use]
pub fn sealed_id(bytes: &[u8]) -> SealedId {
    SealedId(*blake3::hash(bytes).as_bytes())
}

/// Takes an object apart.
///
/// # Errors
/// When the bytes are no object of this version. The private part is not judged here.
pub fn parse(bytes: &[u8]) -> Result<Object<'_>, ObjectError> {
    let too_large = |bytes_max| ObjectError::TooLarge { bytes: bytes.len(), bytes_max };
    if bytes.len() > OBJECT_BYTES_MAX {
        return Err(too_large(OBJECT_BYTES_MAX));
    }
    let mut rest = Rest { all: bytes, at: 0 };
    let [version, kind, mode, zero] = rest.array::<FIXED_BYTES>()?;
    if version != VERSION {
        return Err(ObjectError::Version(version));
    }
    let wrong = |at, value| Err(ObjectError::Header { at, value });
    let kind = match kind {
        1 if bytes.len() > LEAF_BYTES_MAX => return Err(too_large(LEAF_BYTES_MAX)),
        1 => ObjectKind::Leaf,
        2 => ObjectKind::Branch,
        _ => return wrong(1, kind),
    };
    let Some((seal, zipped, base)) = read_mode(mode, kind) else { return wrong(2, mode) };
    if zero != 0 {
        return wrong(3, zero);
    }
    let links = match kind {
        ObjectKind::Leaf => rest.links(usize::from(base))?,
        ObjectKind::Branch => {
            let count = u32::from_le_bytes(rest.array()?);
            rest.links(usize::try_from(count).unwrap_or(usize::MAX))?
        }
    };
    let (header, private) = bytes.split_at(rest.at);
    if private.len() < SALT_BYTES + seal.tag_bytes() {
        return Err(ObjectError::CutShort { bytes: bytes.len() });
    }
    Ok(Object { kind, seal, zipped, links, header, private })
}

/// Cipher, zipped, base; nothing for a mode that no version 1 program writes.
fn read_mode(mode: u8, kind: ObjectKind) -> Option<(SealMode, bool, bool)> {
    let (zipped, base) = (mode & ZIPPED_BIT != 0, mode & BASE_BIT != 0);
    let known_bits = mode & !(CIPHER_BITS | ZIPPED_BIT | BASE_BIT) == 0;
    let fits = !base || (kind == ObjectKind::Leaf && zipped);
    let seal = SealMode::from_code(mode & CIPHER_BITS)?;
    (known_bits && fits).then_some((seal, zipped, base))
}

struct Rest<'a> {
    all: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ObjectError> {
        let cut_short = ObjectError::CutShort { bytes: self.all.len() };
        let found = self.all.get(self.at..).and_then(<[u8]>::first_chunk).ok_or(cut_short)?;
        self.at += N;
        Ok(*found)
    }

    fn links(&mut self, count: usize) -> Result<Vec<Link>, ObjectError> {
        if count > (self.all.len() - self.at) / LINK_BYTES {
            return Err(ObjectError::CutShort { bytes: self.all.len() });
        }
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            let (id, bytes) = (SealedId(self.array()?), u32::from_le_bytes(self.array()?));
            let possible = OBJECT_BYTES_MIN..=OBJECT_BYTES_MAX;
            if !usize::try_from(bytes).is_ok_and(|bytes| possible.contains(&bytes)) {
                return Err(ObjectError::LinkBytes { id, bytes });
            }
            links.push(Link { id, bytes });
        }
        Ok(links)
    }
}

/// Writes a header; [`parse`] is its inverse.
pub(crate) fn header(kind: ObjectKind, seal: SealMode, zipped: bool, links: &[Link]) -> Vec<u8> {
    let is_leaf = kind == ObjectKind::Leaf;
    assert!(!is_leaf || links.len() <= usize::from(zipped), "a leaf's one link is its base");
    let flags = [(zipped, ZIPPED_BIT), (is_leaf && !links.is_empty(), BASE_BIT)];
    let mode = flags.iter().filter(|(set, _)| *set).fold(seal.code(), |mode, (_, bit)| mode | bit);
    let mut out = Vec::with_capacity(FIXED_BYTES + 4 + links.len() * LINK_BYTES);
    out.extend([VERSION, if is_leaf { 1 } else { 2 }, mode, 0]);
    if !is_leaf {
        let count = u32::try_from(links.len()).expect("links fit an object, which is 16 MiB");
        out.extend(count.to_le_bytes());
    }
    for link in links {
        out.extend(link.id.0);
        out.extend(link.bytes.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(header: &[u8], private: usize) -> Vec<u8> {
        [header, &vec![7; private]].concat()
    }

    fn link(n: u8, bytes: u32) -> Link {
        Link { id: SealedId([n; 32]), bytes }
    }

    #[test]
    fn a_branch_shows_its_links_and_hides_the_rest() {
        let links = [link(1, 20), link(2, 16 << 20)];
        let head = header(ObjectKind::Branch, SealMode::Aes256Gcm, true, &links);
        let bytes = object(&head, 40);
        let parsed = parse(&bytes).unwrap();
        assert_eq!((parsed.kind, parsed.seal), (ObjectKind::Branch, SealMode::Aes256Gcm));
        assert_eq!((parsed.zipped, &parsed.links[..]), (true, &links[..]));
        assert_eq!((parsed.header, parsed.private), (&head[..], &[7; 40][..]));
    }

    #[test]
    fn a_count_of_links_that_cannot_be_there_is_refused_before_memory_is_taken() {
        let mut bytes = object(&header(ObjectKind::Branch, SealMode::None, false, &[]), 100);
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(parse(&bytes), Err(ObjectError::CutShort { bytes: 108 }));
    }

    #[test]
    fn only_what_version_one_writes_is_read() {
        let good = object(&header(ObjectKind::Leaf, SealMode::None, false, &[]), SALT_BYTES);
        assert!(parse(&good).is_ok());
        let with = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            parse(&bytes).map(|_| ())
        };
        assert_eq!(with(0, 2), Err(ObjectError::Version(2)));
        for (at, value) in [(1, 0), (1, 3), (2, 3), (2, 0x20), (2, 0x40), (2, 0x80), (3, 1)] {
            assert_eq!(with(at, value), Err(ObjectError::Header { at, value }));
        }
        assert_eq!(with(2, 1), Err(ObjectError::CutShort { bytes: 20 }), "no room for a tag");
        assert_eq!(with(2, 0x30), Err(ObjectError::CutShort { bytes: 20 }), "no room for a base");
    }

    #[test]
    fn a_link_to_an_impossible_length_is_refused() {
        for bytes in [0, 19, (16 << 20) + 1, u32::MAX] {
            let linking = header(ObjectKind::Branch, SealMode::None, false, &[link(9, bytes)]);
            let refused = Err(ObjectError::LinkBytes { id: SealedId([9; 32]), bytes });
            assert_eq!(parse(&object(&linking, 16)), refused);
        }
    }

    #[test]
    fn each_kind_has_its_bound() {
        let leaf = header(ObjectKind::Leaf, SealMode::None, false, &[]);
        assert!(parse(&object(&leaf, LEAF_BYTES_MAX - 4)).is_ok());
        assert!(parse(&object(&leaf, LEAF_BYTES_MAX - 3)).is_err());
        let branch = header(ObjectKind::Branch, SealMode::None, false, &[]);
        assert!(parse(&object(&branch, OBJECT_BYTES_MAX - 8)).is_ok());
        assert!(parse(&object(&branch, OBJECT_BYTES_MAX - 7)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_object_or_an_error(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            plausible in any::<bool>(),
        ) {
            if plausible && bytes.len() > 8 {
                (bytes[0], bytes[1]) = (1, bytes[1] % 3);
                bytes[3] = 0;
                bytes[5..8].fill(0);
            }
            if let Ok(object) = parse(&bytes) {
                prop_assert_eq!(object.header.len() + object.private.len(), bytes.len());
                let again = header(object.kind, object.seal, object.zipped, &object.links);
                prop_assert_eq!(&again[..], object.header);
            }
        }
    }
}

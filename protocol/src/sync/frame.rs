//! The messages of reconciliation.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    NodeId,
    cbor::{self, CborError},
    limits::FRAME_BYTES_MAX,
    record::{Entry, Head, Version},
};

/// How many bytes an entry has on the wire: a version and the beginning of a hash.
const ENTRY_BYTES: usize = 24;

/// A control frame between two members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// How far I know each feed.
    Summary {
        /// By author, ascending.
        heads: Vec<(NodeId, Head)>,
        /// Whether I want yours in return.
        answer: bool,
    },
    /// Digests of a feed. Send me your [`Frame::List`] where you differ.
    Ranges {
        /// Whose feed.
        author: NodeId,
        /// Ascending and not overlapping.
        ranges: Vec<Range>,
    },
    /// All that I hold of a feed from one version to another. Send me what I lack there, and ask
    /// for what you lack.
    List {
        /// Whose feed.
        author: NodeId,
        /// The first version.
        from: Version,
        /// The last version.
        to: Version,
        /// See [`pack_entries`].
        entries: ByteBuf,
    },
    /// Send me these.
    Want {
        /// Whose feed.
        author: NodeId,
        /// See [`pack_entries`].
        entries: ByteBuf,
    },
    /// Records of a feed, as they are stored.
    Records {
        /// Whose feed.
        author: NodeId,
        /// The signed bytes of each.
        records: Vec<ByteBuf>,
        /// Whether this is not all: ask again.
        more: bool,
    },
}

/// A stretch of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The first version.
    pub from: Version,
    /// The last version.
    pub to: Version,
    /// How many records lie between, both included.
    pub count: u64,
    /// Their hashes, by exclusive or.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
}

impl Frame {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads bytes from a peer.
    ///
    /// # Errors
    /// When they are too many or no frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::decode("a control frame", bytes, FRAME_BYTES_MAX)
    }
}

/// Entries as a byte string: 16 bytes of version and 8 bytes of hash each, ascending.
#[must_use]
pub fn pack_entries(entries: impl IntoIterator<Item = Entry>) -> ByteBuf {
    let each = entries.into_iter().flat_map(|entry| {
        entry.version.to_bytes().into_iter().chain(entry.prefix).collect::<Vec<u8>>()
    });
    ByteBuf::from(each.collect::<Vec<u8>>())
}

/// The entries of a byte string, or nothing when it is cut or they do not ascend.
#[must_use]
pub fn unpack_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (each, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() || !each.is_sorted() {
        return None;
    }
    let entry = |bytes: &[u8; ENTRY_BYTES]| {
        let (version, prefix) = bytes.split_first_chunk::<16>()?;
        let version = Version::from_bytes(*version);
        Some(Entry { version, prefix: prefix.try_into().ok()? })
    };
    each.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(epoch: u64, seq: u64) -> Entry {
        Entry { version: Version { epoch, seq }, prefix: [7; 8] }
    }

    #[test]
    fn entries_come_back_and_must_ascend() {
        let entries = vec![entry(1, 1), entry(1, 300), entry(2, 0)];
        let packed = pack_entries(entries.clone());
        assert_eq!(unpack_entries(&packed), Some(entries));
        assert_eq!(unpack_entries(&packed[1..]), None);
        assert_eq!(unpack_entries(&pack_entries([entry(2, 1), entry(1, 1)])), None);
    }

    #[test]
    fn frames_come_back() {
        let (author, digest) = (NodeId([1; 32]), [2; 32]);
        let (from, to) = (Version::default(), Version::MAX);
        for frame in [
            Frame::Summary { heads: vec![(author, Head::default())], answer: true },
            Frame::Ranges { author, ranges: vec![Range { from, to, count: 1, digest }] },
            Frame::List { author, from, to, entries: pack_entries([entry(1, 1)]) },
            Frame::Want { author, entries: pack_entries([entry(1, 1)]) },
            Frame::Records { author, records: vec![ByteBuf::from([1, 2])], more: false },
        ] {
            assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Frame::decode(&bytes);
            let _ = unpack_entries(&bytes);
        }
    }
}

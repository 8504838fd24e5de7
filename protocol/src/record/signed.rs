//! One record: its bytes, its signature, and what it says.
//!
//! The bytes are `author || signature || payload`, the first two of fixed length, and only the
//! payload is CBOR. A CBOR envelope would have many spellings that all verify, and whoever forwards
//! a record could make "another" one of the same version without its author's key.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::Version;
use crate::{
    MeshId, NodeId, Time,
    cbor::{self, CborError},
    key::{NodeSecret, Purpose, Signature},
    limits::{RECORD_BYTES_MAX, RECORD_KEY_BYTES_MAX},
};

/// The only shape of payload there is so far.
const PAYLOAD_VERSION: u8 = 1;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The mesh it belongs to; in every other it is worthless.
    pub mesh: MeshId,
    /// Who says it.
    pub author: NodeId,
    /// Its place among the author's records.
    pub version: Version,
    /// The author's record before this one; zero for the first. For people who look for gaps.
    pub previous: Version,
    /// What it is about; printable ASCII. See [`super::RecordKey`].
    pub key: String,
    /// The author's clock when it was written. A label, never proof.
    pub time: Time,
    /// What holds for the key; `None` is a tombstone.
    pub body: Option<Vec<u8>>,
}

/// Bytes that are no record of ours, or a record that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Too short for an author and a signature, or larger than records may be.
    #[error("a record cannot have {bytes} bytes")]
    Size {
        /// How many came.
        bytes: usize,
    },
    /// The payload is not what it should be.
    #[error("a record is damaged")]
    Damaged(#[source] CborError),
    /// The author did not sign these bytes.
    #[error("a record in the name of {author} has a wrong signature")]
    Signature {
        /// Whose name it bears.
        author: NodeId,
    },
    /// A newer program wrote it in a shape that this one does not know.
    #[error("a record of {author} has the unknown format {format}")]
    Format {
        /// Who wrote it.
        author: NodeId,
        /// The format it claims.
        format: u8,
    },
    /// Its key is empty, too long, or not printable ASCII; or its version is out of range.
    #[error("a record of {author} has an inadmissible key or version ({version})")]
    Inadmissible {
        /// Who wrote it.
        author: NodeId,
        /// Its version.
        version: Version,
    },
    /// The body does not fit.
    #[error("the record {key} would have {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its key.
        key: String,
        /// What it would take.
        bytes: usize,
    },
}

/// `[format, mesh, version, previous, key, time, body or null]`
#[derive(Serialize, Deserialize)]
struct Payload<B>(u8, MeshId, Version, Version, String, Time, Option<B>);

/// A record with the bytes that its author signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record,
    bytes: Arc<[u8]>,
    hash: [u8; 32],
}

impl Record {
    /// Signs the record with its author's key.
    ///
    /// # Errors
    /// When it is too large or its key is inadmissible.
    ///
    /// # Panics
    /// When `secret` is not the author's: a mistake in the program.
    pub fn sign(self, secret: &NodeSecret) -> Result<SignedRecord, RecordError> {
        assert_eq!(self.author, secret.id(), "a node signs its own records only");
        self.check()?;
        let payload = cbor::encode(&Payload(
            PAYLOAD_VERSION,
            self.mesh,
            self.version,
            self.previous,
            self.key.clone(),
            self.time,
            self.body.as_deref().map(Bytes::new),
        ));
        let signature = secret.sign(Purpose::Record, &message(&self.author, &payload));
        let bytes = [&self.author.0[..], &signature.0, &payload].concat();
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { key: self.key, bytes: bytes.len() });
        }
        Ok(SignedRecord { record: self, hash: blake3::hash(&bytes).into(), bytes: bytes.into() })
    }

    fn check(&self) -> Result<(), RecordError> {
        let key_fits = (1..=RECORD_KEY_BYTES_MAX).contains(&self.key.len())
            && self.key.bytes().all(|b| b.is_ascii_graphic());
        if key_fits && self.version.epoch <= Version::EPOCH_MAX && self.version.seq > 0 {
            return Ok(());
        }
        Err(RecordError::Inadmissible { author: self.author, version: self.version })
    }
}

impl SignedRecord {
    /// Reads bytes that came from elsewhere: the signature first, then what they say.
    ///
    /// # Errors
    /// When they are too many, damaged, not signed by their author, or inadmissible.
    pub fn open(bytes: &[u8]) -> Result<Self, RecordError> {
        let (author, signature, payload) = split(bytes)?;
        let signed = author.verifies(Purpose::Record, &message(&author, payload), &signature);
        if !signed {
            return Err(RecordError::Signature { author });
        }
        let record = read_payload(author, payload)?;
        Ok(Self { record, hash: blake3::hash(bytes).into(), bytes: bytes.into() })
    }

    /// Reads again what bytes say that were verified when they arrived.
    pub(super) fn reread(bytes: &[u8]) -> Result<Record, RecordError> {
        let (author, _, payload) = split(bytes)?;
        read_payload(author, payload)
    }

    /// What it says.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The bytes as they came, for the store and for other nodes.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// BLAKE3 of the bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

fn split(bytes: &[u8]) -> Result<(NodeId, Signature, &[u8]), RecordError> {
    let wrong = RecordError::Size { bytes: bytes.len() };
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(wrong);
    }
    let parts = bytes.split_first_chunk().and_then(|(author, rest)| {
        let (signature, payload) = rest.split_first_chunk()?;
        Some((NodeId(*author), Signature(*signature), payload))
    });
    parts.ok_or(wrong)
}

fn read_payload(author: NodeId, payload: &[u8]) -> Result<Record, RecordError> {
    let format = payload_format(payload);
    if format != Some(PAYLOAD_VERSION) {
        return Err(RecordError::Format { author, format: format.unwrap_or(0) });
    }
    let Payload::<ByteBuf>(_, mesh, version, previous, key, time, body) =
        cbor::decode("a record's payload", payload, RECORD_BYTES_MAX)
            .map_err(RecordError::Damaged)?;
    let body = body.map(ByteBuf::into_vec);
    let record = Record { mesh, author, version, previous, key, time, body };
    record.check()?;
    Ok(record)
}

/// The format stands in the second byte: after the head of a short array, a number below 24.
fn payload_format(payload: &[u8]) -> Option<u8> {
    match payload {
        [head, format, ..] if (0x80..0x98).contains(head) && *format < 24 => Some(*format),
        _ => None,
    }
}

fn message(author: &NodeId, payload: &[u8]) -> Vec<u8> {
    [&author.0, payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> NodeSecret {
        NodeSecret::from_seed(&[7; 32])
    }

    fn record(body: Option<Vec<u8>>) -> Record {
        Record {
            mesh: MeshId([1; 32]),
            author: secret().id(),
            version: Version { epoch: 5, seq: 2 },
            previous: Version { epoch: 5, seq: 1 },
            key: "node".into(),
            time: Time(9),
            body,
        }
    }

    #[test]
    fn a_signed_record_opens_as_it_was_written() {
        for body in [None, Some(vec![]), Some(vec![3; 1000])] {
            let signed = record(body.clone()).sign(&secret()).unwrap();
            let opened = SignedRecord::open(signed.bytes()).unwrap();
            assert_eq!(opened, signed);
            assert_eq!(opened.record(), &record(body));
            assert_eq!(SignedRecord::reread(signed.bytes()).unwrap(), *signed.record());
        }
    }

    #[test]
    fn no_bit_of_a_record_can_be_changed_and_no_byte_dropped_or_added() {
        let bytes = record(Some(vec![3; 40])).sign(&secret()).unwrap().bytes().to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(SignedRecord::open(&changed).is_err(), "bit {bit} of byte {at}");
            }
            assert!(SignedRecord::open(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(SignedRecord::open(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn what_does_not_fit_is_not_signed() {
        let refused = record(Some(vec![0; RECORD_BYTES_MAX])).sign(&secret());
        assert!(matches!(refused, Err(RecordError::TooLarge { .. })));
        for key in [String::new(), "a b".into(), "é".into(), "k".repeat(161)] {
            let refused = Record { key, ..record(None) }.sign(&secret());
            assert!(matches!(refused, Err(RecordError::Inadmissible { .. })));
        }
        let version = Version { epoch: u64::MAX, seq: 1 };
        assert!(Record { version, ..record(None) }.sign(&secret()).is_err());
    }

    #[test]
    fn a_payload_of_a_newer_format_is_named_as_such() {
        let payload = cbor::encode(&(2u8, "anything"));
        let author = secret().id();
        let signature = secret().sign(Purpose::Record, &message(&author, &payload));
        let bytes = [&author.0[..], &signature.0, &payload].concat();
        assert!(matches!(SignedRecord::open(&bytes), Err(RecordError::Format { format: 2, .. })));
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = SignedRecord::open(&bytes);
        }
    }
}

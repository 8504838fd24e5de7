//! The private part of an archive's record: what only those with the origin's key may know.
//!
//! It is CBOR, sealed with a key derived from the archive key (see [`crate::seal::seal_meta`]), and
//! carries the one thing without which the manifest cannot be opened: the root's chunk id.

use serde::{Deserialize, Serialize};

use crate::{
    ChunkId, Entropy, JobId,
    cbor::{self, CborError},
    key::ArchiveKey,
    manifest::RootRef,
    object::Link,
    seal::{self, SealError},
};

/// The largest private part, bytes: a path of 4 KiB and some numbers.
pub const ARCHIVE_META_BYTES_MAX: usize = 16 << 10;

/// What an origin says of its archive to those who have its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveMeta {
    /// The name, unique at the origin.
    pub name: String,
    /// The job it came from; zeros when it was adopted without one.
    pub job: JobId,
    /// The job's name then.
    pub job_name: String,
    /// The kind of job: `custom_dir`, `ynh_app` and so on.
    pub kind: String,
    /// What was backed up, as it was called on that machine; not always UTF-8.
    #[serde(with = "serde_bytes")]
    pub source: Vec<u8>,
    /// Private name of the root.
    pub root: ChunkId,
    /// Bytes of the tar stream.
    pub stream_bytes: u64,
    /// Members of the tar stream.
    pub members: u64,
    /// SHA-256 of the tar stream, once it was read whole and in order: not by a run that reused
    /// chunks, nor of a dump.
    #[serde(with = "serde_bytes", default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
    /// Warnings of the run.
    pub warnings: u64,
    /// Whether it was made with `seal = none`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_clear: bool,
    /// Kept whatever the retention says. A person may change it later: the record is published
    /// again, with the same root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Made by a restore, to be able to go back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
}

/// A private part that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveMetaError {
    /// Another key, or damage.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// Opened, but no private part of an archive.
    #[error(transparent)]
    Shape(#[from] CborError),
}

impl ArchiveMeta {
    /// The root, with its public half from the record.
    #[must_use]
    pub fn root_ref(&self, link: Link) -> RootRef {
        RootRef { chunk: self.root, link }
    }

    /// Seals it for the record.
    #[must_use]
    pub fn seal(&self, key: &ArchiveKey, entropy: &mut impl Entropy) -> Vec<u8> {
        seal::seal_meta(key, &cbor::encode(self), entropy)
    }

    /// Opens what a record carries.
    ///
    /// # Errors
    /// When it was sealed with another key, changed, or is something else.
    pub fn open(key: &ArchiveKey, sealed: &[u8]) -> Result<Self, ArchiveMetaError> {
        let plain = seal::open_meta(key, sealed)?;
        Ok(cbor::decode("private part of an archive", &plain, ARCHIVE_META_BYTES_MAX)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn it_opens_with_its_key_only() {
        let mut entropy = SeededEntropy::new(5);
        let (key, other) = (ArchiveKey::generate(&mut entropy), ArchiveKey::generate(&mut entropy));
        let meta = ArchiveMeta {
            name: "jerry_docs_20260508".to_owned(),
            job: JobId([3; 16]),
            job_name: "docs".to_owned(),
            kind: "custom_dir".to_owned(),
            source: b"/srv/d\xff".to_vec(),
            root: ChunkId([4; 32]),
            stream_bytes: 10_240,
            members: 7,
            sha256: Some([9; 32]),
            warnings: 0,
            in_clear: false,
            pinned: true,
            safety: false,
        };
        let sealed = meta.seal(&key, &mut entropy);
        assert_eq!(ArchiveMeta::open(&key, &sealed).unwrap(), meta);
        assert!(ArchiveMeta::open(&other, &sealed).is_err());
        assert!(!sealed.windows(4).any(|w| w == b"docs"), "a name is in clear");
    }
}

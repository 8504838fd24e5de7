//! From plaintext to sealed bytes.

use aws_lc_rs::aead::Aad;

use super::{
    SealError, delta,
    keys::{Keys, zero_nonce},
    zip::Zipper,
};
use crate::{
    ChunkId, SealedId,
    key::ArchiveKey,
    limits::{CHUNK_BYTES_MAX, OBJECT_BYTES_MAX},
    object::{self, ChunkRef, Link, ObjectKind, SALT_BYTES, SealMode, TAG_BYTES},
};

/// What a job or the configuration asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub enum SealChoice {
    /// AES-256-GCM where the CPU has instructions for it, otherwise ChaCha20-Poly1305.
    #[default]
    Auto,
    /// No encryption. Ids stay keyed; who holds a chunk can read it.
    None,
    /// AES-256-GCM.
    Aes256Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

impl SealChoice {
    /// What it means on this machine.
    #[must_use]
    pub fn mode(self) -> SealMode {
        match self {
            Self::Auto if has_aes() => SealMode::Aes256Gcm,
            Self::Auto | Self::ChaCha20Poly1305 => SealMode::ChaCha20Poly1305,
            Self::None => SealMode::None,
            Self::Aes256Gcm => SealMode::Aes256Gcm,
        }
    }
}

/// A pure fact of the machine, which decides speed only: any machine opens both.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

/// One object, ready to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedObject {
    /// Its private name.
    pub chunk: ChunkId,
    /// Its public name: BLAKE3 of `bytes`.
    pub sealed: SealedId,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl SealedObject {
    /// How another object names it.
    #[must_use]
    pub fn link(&self) -> Link {
        let bytes = u32::try_from(self.bytes.len()).expect("a sealed object is at most 16 MiB");
        Link { id: self.sealed, bytes }
    }
}

/// Seals the objects of one origin; one per worker thread.
pub struct Sealer {
    keys: Keys,
    mode: SealMode,
    level: i32,
    zipper: Zipper,
}

impl Sealer {
    /// A sealer with its own zstd contexts; `level` as zstd counts, usually [`super::ZSTD_LEVEL`].
    #[must_use]
    pub fn new(key: &ArchiveKey, choice: SealChoice, level: i32) -> Self {
        Self { keys: Keys::new(key), mode: choice.mode(), level, zipper: Zipper::new(level) }
    }

    /// The name of a chunk with this plaintext.
    #[must_use]
    pub fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        self.keys.chunk_id(plain)
    }

    /// Seals a chunk. `id` must be [`Sealer::chunk_id`] of `plain`: callers have it already, since
    /// they asked whether the chunk is known.
    ///
    /// # Errors
    /// When the chunk is larger than [`CHUNK_BYTES_MAX`], or zstd fails.
    pub fn seal_leaf(&mut self, id: &ChunkId, plain: &[u8]) -> Result<SealedObject, SealError> {
        debug_assert_eq!(*id, self.chunk_id(plain));
        check_size("a chunk", plain.len(), CHUNK_BYTES_MAX)?;
        match self.zipper.zip(plain)? {
            Some(zipped) => {
                Ok(seal(&self.keys, self.mode, Plan::leaf(id), Payload::Zipped(zipped)))
            }
            None => Ok(seal(&self.keys, self.mode, Plan::leaf(id), Payload::Raw(plain))),
        }
    }

    /// Seals a chunk as a difference to `base`, or says that it is not worth it: the object must be
    /// at most three quarters of what the chunk would be alone. The caller knows how many bases
    /// stand behind `base` and keeps to [`super::DELTA_DEPTH_MAX`].
    ///
    /// # Errors
    /// When a chunk is larger than [`CHUNK_BYTES_MAX`], or zstd fails.
    pub fn seal_delta(
        &mut self,
        id: &ChunkId,
        plain: &[u8],
        base: &ChunkRef,
        base_plain: &[u8],
    ) -> Result<Option<SealedObject>, SealError> {
        debug_assert_eq!(*id, self.chunk_id(plain));
        debug_assert_eq!(base.chunk, self.chunk_id(base_plain));
        check_size("a chunk", plain.len(), CHUNK_BYTES_MAX)?;
        check_size("a base", base_plain.len(), CHUNK_BYTES_MAX)?;
        let alone = self.zipper.zip(plain)?.map_or(plain.len(), <[u8]>::len);
        let frame = delta::zip(self.level, plain, base_plain)?;
        let payload = [&base.chunk.0[..], &frame].concat();
        if (payload.len() + object::LINK_BYTES) * 4 > alone * 3 {
            return Ok(None);
        }
        let links = [base.link()];
        let plan = Plan { kind: ObjectKind::Leaf, id: *id, links: &links };
        Ok(Some(seal(&self.keys, self.mode, plan, Payload::Zipped(&payload))))
    }

    /// Seals a branch, and names it by its links and its private bytes together.
    ///
    /// # Errors
    /// When it would be larger than [`OBJECT_BYTES_MAX`], or zstd fails.
    pub fn seal_branch(
        &mut self,
        links: &[Link],
        private: &[u8],
    ) -> Result<SealedObject, SealError> {
        let head = object::header(ObjectKind::Branch, self.mode, false, links);
        let id = self.keys.branch_id(&head, private);
        let most = head.len() + SALT_BYTES + private.len() + TAG_BYTES;
        check_size("a branch", most, OBJECT_BYTES_MAX)?;
        let plan = Plan { kind: ObjectKind::Branch, id, links };
        match self.zipper.zip(private)? {
            Some(zipped) => Ok(seal(&self.keys, self.mode, plan, Payload::Zipped(zipped))),
            None => Ok(seal(&self.keys, self.mode, plan, Payload::Raw(private))),
        }
    }

    /// A keyed hash that decides where pages of contents end.
    pub(crate) fn page_cut(&self, path: &[u8]) -> u64 {
        self.keys.page_cut(path)
    }
}

fn check_size(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), SealError> {
    if bytes <= bytes_max { Ok(()) } else { Err(SealError::TooLarge { what, bytes, bytes_max }) }
}

struct Plan<'a> {
    kind: ObjectKind,
    id: ChunkId,
    links: &'a [Link],
}

impl Plan<'_> {
    fn leaf(id: &ChunkId) -> Self {
        Self { kind: ObjectKind::Leaf, id: *id, links: &[] }
    }
}

#[derive(Clone, Copy)]
enum Payload<'a> {
    /// The plaintext.
    Raw(&'a [u8]),
    /// What zstd made of it.
    Zipped(&'a [u8]),
}

fn seal(keys: &Keys, mode: SealMode, plan: Plan<'_>, payload: Payload<'_>) -> SealedObject {
    let (payload, zipped) = match payload {
        Payload::Raw(plain) => (plain, None),
        Payload::Zipped(frame) => (frame, Some(frame)),
    };
    let mut bytes = object::header(plan.kind, mode, zipped.is_some(), plan.links);
    let header_bytes = bytes.len();
    let salt = keys.salt(&bytes, &plan.id, zipped.unwrap_or_default());
    bytes.reserve_exact(SALT_BYTES + payload.len() + TAG_BYTES);
    bytes.extend(salt);
    bytes.extend_from_slice(payload);
    if let Some(cipher) = keys.cipher(mode, &plan.id, &salt) {
        let (header, private) = bytes.split_at_mut(header_bytes);
        let body = &mut private[SALT_BYTES..];
        let tag = cipher
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(&*header), body)
            .expect("16 MiB are within the ciphers' bounds");
        bytes.extend_from_slice(tag.as_ref());
    }
    SealedObject { chunk: plan.id, sealed: object::sealed_id(&bytes), bytes }
}

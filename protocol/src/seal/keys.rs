//! The keys under the archive key, and what each of them makes.

use aws_lc_rs::aead::{AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{
    ChunkId,
    key::{ArchiveKey, KeyUse},
    object::{SALT_BYTES, SealMode},
};

const BRANCH_ID_CONTEXT: &str = "backupmanager 2026 branch id v1";
const SALT_CONTEXT: &str = "backupmanager 2026 seal salt v1";
const PAGE_CUT_CONTEXT: &str = "backupmanager 2026 contents page cuts v1";

type Key = Zeroizing<[u8; 32]>;

pub(super) struct Keys {
    chunk_id: Key,
    branch_id: Key,
    salt: Key,
    seal: Key,
    page_cut: Key,
}

impl Keys {
    pub(super) fn new(key: &ArchiveKey) -> Self {
        let (chunk_id, seal) = (key.derive(KeyUse::ChunkId), key.derive(KeyUse::Seal));
        let below = |context, parent: &Key| Zeroizing::new(blake3::derive_key(context, &**parent));
        Self {
            branch_id: below(BRANCH_ID_CONTEXT, &chunk_id),
            salt: below(SALT_CONTEXT, &seal),
            page_cut: below(PAGE_CUT_CONTEXT, &key.derive(KeyUse::Gear)),
            chunk_id,
            seal,
        }
    }

    pub(super) fn chunk_id(&self, plain: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.chunk_id, plain).as_bytes())
    }

    /// A branch's name covers its links too, so that a branch in the clear is authentic as well.
    /// `header` is any header of that branch: only the count and the links of it are hashed.
    pub(super) fn branch_id(&self, header: &[u8], plain: &[u8]) -> ChunkId {
        let mut hasher = blake3::Hasher::new_keyed(&self.branch_id);
        hasher.update(&header[4..]).update(plain);
        ChunkId(*hasher.finalize().as_bytes())
    }

    /// The salt of one object. `zipped` is its payload where that is not the plaintext itself,
    /// which `chunk` is a keyed hash of already.
    pub(super) fn salt(&self, header: &[u8], chunk: &ChunkId, zipped: &[u8]) -> [u8; SALT_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.salt);
        hasher.update(header).update(&chunk.0).update(zipped);
        let mut salt = [0; SALT_BYTES];
        hasher.finalize_xof().fill(&mut salt);
        salt
    }

    /// The key of one object; none when it is not encrypted.
    pub(super) fn cipher(
        &self,
        mode: SealMode,
        chunk: &ChunkId,
        salt: &[u8],
    ) -> Option<LessSafeKey> {
        let algorithm = match mode {
            SealMode::None => return None,
            SealMode::Aes256Gcm => &AES_256_GCM,
            SealMode::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.seal);
        let key = Zeroizing::new(*hasher.update(&chunk.0).update(salt).finalize().as_bytes());
        let key = UnboundKey::new(algorithm, &*key).expect("both ciphers take 32 bytes");
        Some(LessSafeKey::new(key))
    }

    pub(super) fn page_cut(&self, path: &[u8]) -> u64 {
        let hash = blake3::keyed_hash(&self.page_cut, path);
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first)
    }
}

/// Each key seals one payload only, so the nonce need not vary.
pub(super) fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

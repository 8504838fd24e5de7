//! Secrets of others, as a node keeps them on its disk.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{NodeSecret, zero_nonce};
use crate::Entropy;

const KEPT_CONTEXT: &str = "backupmanager 2026 secrets of others v1";

/// A secret that only the node which sealed it can open, and only for what it was sealed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecret {
    /// Random, new for each sealing.
    #[serde(with = "serde_bytes")]
    salt: [u8; 32],
    /// ChaCha20-Poly1305 under a key that is never used twice, so the nonce is zero.
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// A secret of another node, of another purpose, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored secret was not sealed by this node for this purpose, or is damaged")]
pub struct KeptSecretError;

impl NodeSecret {
    /// Seals a secret of somebody else. `purpose` is what it is good for, such as the address it
    /// may be sent to: it opens for the same purpose only.
    pub fn keep(&self, purpose: &[u8], plain: &[u8], entropy: &mut impl Entropy) -> KeptSecret {
        let salt = entropy.array::<32>();
        let mut sealed = plain.to_vec();
        self.kept_key(&salt)
            .seal_in_place_append_tag(zero_nonce(), Aad::from(purpose), &mut sealed)
            .expect("secrets are within the cipher's bound");
        KeptSecret { salt, sealed }
    }

    /// Opens a secret that this node has sealed for the same purpose.
    ///
    /// # Errors
    /// When it has not, or the bytes are damaged.
    pub fn open_kept(
        &self,
        purpose: &[u8],
        kept: &KeptSecret,
    ) -> Result<Zeroizing<Vec<u8>>, KeptSecretError> {
        let mut bytes = Zeroizing::new(kept.sealed.clone());
        let key = self.kept_key(&kept.salt);
        let opened = key.open_in_place(zero_nonce(), Aad::from(purpose), &mut bytes);
        let length = opened.map_err(|_| KeptSecretError)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    fn kept_key(&self, salt: &[u8; 32]) -> LessSafeKey {
        let material = Zeroizing::new([&self.seed()[..], salt].concat());
        let key = Zeroizing::new(blake3::derive_key(KEPT_CONTEXT, &material));
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the key has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_kept_secret_opens_for_its_node_and_purpose_only() {
        let mut entropy = SeededEntropy::new(3);
        let (mine, other) =
            (NodeSecret::generate(&mut entropy), NodeSecret::generate(&mut entropy));
        let kept = mine.keep(b"https://tom", b"secret", &mut entropy);
        assert_eq!(mine.open_kept(b"https://tom", &kept).unwrap().as_slice(), b"secret");
        assert_eq!(mine.open_kept(b"https://eve", &kept), Err(KeptSecretError));
        assert_eq!(other.open_kept(b"https://tom", &kept), Err(KeptSecretError));
        let mut damaged = kept.clone();
        damaged.sealed[0] ^= 1;
        assert_eq!(mine.open_kept(b"https://tom", &damaged), Err(KeptSecretError));
        assert_ne!(kept, mine.keep(b"https://tom", b"secret", &mut entropy));
        assert!(!format!("{kept:?}").contains("secret"));
    }
}

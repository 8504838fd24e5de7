//! Secrets: a node's signing key, an origin's archive key, and how the second reaches another node.
//!
//! Everything a secret is used for has its own derived key (BLAKE3 `derive_key` with a context that
//! names the use), so no two uses can be played against each other. Secrets print as `…` and are
//! wiped when dropped.

mod kept;
mod letter;

use std::fmt;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use kept::{KeptSecret, KeptSecretError};
pub use letter::{Letter, LetterError};

use crate::{Entropy, NodeId};

const EXCHANGE_CONTEXT: &str = "backupmanager 2026 node exchange key v1";
const WRAP_CONTEXT: &str = "backupmanager 2026 archive key wrapping v1";

/// What a signature is for. A signature for one purpose is worthless for every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A record in a feed.
    Record,
    /// The request of a node that wants to join.
    Join,
}

impl Purpose {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Record => b"backupmanager record v1\0",
            Self::Join => b"backupmanager join v1\0",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

/// An ed25519 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// A node's whole identity, from 32 secret bytes.
#[derive(Clone)]
pub struct NodeSecret(SigningKey);

impl NodeSecret {
    /// The identity that belongs to a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// A new identity.
    pub fn generate(entropy: &mut impl Entropy) -> Self {
        let mut seed = entropy.array::<32>();
        let secret = Self::from_seed(&seed);
        seed.zeroize();
        secret
    }

    /// The seed, for the key file and for libp2p, which signs with the same key.
    #[must_use]
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public name.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    /// Signs bytes for one purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(&purpose.message(bytes)).to_bytes())
    }

    /// The public half of the key that archive keys are wrapped for.
    #[must_use]
    pub fn exchange_public(&self) -> ExchangePublic {
        ExchangePublic(x25519_dalek::PublicKey::from(&self.exchange_secret()).to_bytes())
    }

    fn exchange_secret(&self) -> x25519_dalek::StaticSecret {
        x25519_dalek::StaticSecret::from(blake3::derive_key(EXCHANGE_CONTEXT, &self.0.to_bytes()))
    }
}

impl fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSecret(…, {:?})", self.id())
    }
}

impl NodeId {
    /// Whether this node signed these bytes for this purpose.
    #[must_use]
    pub fn verifies(&self, purpose: Purpose, bytes: &[u8], signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
            key.verify_strict(&purpose.message(bytes), &signature).is_ok()
        })
    }
}

/// The X25519 public key that a node publishes, so that archive keys can be wrapped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangePublic(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// The one random key of an origin, from which all that its archives need derives.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ArchiveKey([u8; 32]);

impl fmt::Debug for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchiveKey(…)")
    }
}

/// What a key derived from the archive key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Names of chunks.
    ChunkId,
    /// The parent of each chunk's sealing key.
    Seal,
    /// The cut points.
    Gear,
    /// Private parts of records: names, jobs, sizes of plaintext.
    Meta,
    /// Fingerprints of unchanged files.
    Reuse,
}

impl ArchiveKey {
    /// A key from its bytes, as the key file or a wrap holds them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key.
    pub fn generate(entropy: &mut impl Entropy) -> Self {
        Self(entropy.array())
    }

    /// The bytes, for the key file.
    #[must_use]
    pub fn bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0)
    }

    /// The key for one use.
    #[must_use]
    pub fn derive(&self, key_use: KeyUse) -> zeroize::Zeroizing<[u8; 32]> {
        let context = match key_use {
            KeyUse::ChunkId => "backupmanager 2026 chunk id v1",
            KeyUse::Seal => "backupmanager 2026 chunk seal v1",
            KeyUse::Gear => "backupmanager 2026 cut points v1",
            KeyUse::Meta => "backupmanager 2026 record private part v1",
            KeyUse::Reuse => "backupmanager 2026 unchanged files v1",
        };
        zeroize::Zeroizing::new(blake3::derive_key(context, &self.0))
    }

    /// Wraps this key so that only the owner of `receiver` can open it.
    pub fn wrap(&self, receiver: &ExchangePublic, entropy: &mut impl Entropy) -> WrappedKey {
        wrap(WRAP_CONTEXT, &self.0, receiver, entropy)
    }
}

/// Wraps a key for one use, which the context names.
fn wrap(
    context: &str,
    key: &[u8; 32],
    receiver: &ExchangePublic,
    entropy: &mut impl Entropy,
) -> WrappedKey {
    let secret = x25519_dalek::StaticSecret::from(entropy.array::<32>());
    let sender = x25519_dalek::PublicKey::from(&secret).to_bytes();
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(receiver.0));
    let mut sealed = key.to_vec();
    wrapping_key(context, shared.as_bytes(), &sender, receiver)
        .seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut sealed)
        .expect("32 bytes are within the cipher's bound");
    WrappedKey { sender, sealed }
}

/// A key that one node can open: an archive key, or that of a [`Letter`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The ephemeral public key of this wrapping.
    #[serde(with = "serde_bytes")]
    sender: [u8; 32],
    /// ChaCha20-Poly1305 of the wrapped key; its key is never used twice, so the nonce is zero.
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// A wrap that was not made for this node, or was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key was not made for this node, or is damaged")]
pub struct UnwrapError;

impl WrappedKey {
    /// Opens the wrap of an archive key with the receiver's secret.
    ///
    /// # Errors
    /// When it was made for somebody else or changed on the way.
    pub fn unwrap(&self, receiver: &NodeSecret) -> Result<ArchiveKey, UnwrapError> {
        self.open(WRAP_CONTEXT, receiver).map(ArchiveKey)
    }

    fn open(&self, context: &str, receiver: &NodeSecret) -> Result<[u8; 32], UnwrapError> {
        let secret = receiver.exchange_secret();
        let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(self.sender));
        let mut sealed = self.sealed.clone();
        let public = receiver.exchange_public();
        let key = wrapping_key(context, shared.as_bytes(), &self.sender, &public);
        let opened =
            key.open_in_place(zero_nonce(), Aad::empty(), &mut sealed).map_err(|_| UnwrapError)?;
        let bytes = <[u8; 32]>::try_from(&*opened).map_err(|_| UnwrapError)?;
        sealed.zeroize();
        Ok(bytes)
    }
}

fn wrapping_key(
    context: &str,
    shared: &[u8; 32],
    sender: &[u8; 32],
    receiver: &ExchangePublic,
) -> LessSafeKey {
    let material = [&shared[..], sender, &receiver.0].concat();
    let key = blake3::derive_key(context, &material);
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the key has 32 bytes"))
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_signature_holds_for_its_purpose_and_its_bytes_only() {
        let secret = NodeSecret::from_seed(&[7; 32]);
        let signature = secret.sign(Purpose::Record, b"one");
        assert!(secret.id().verifies(Purpose::Record, b"one", &signature));
        assert!(!secret.id().verifies(Purpose::Record, b"two", &signature));
        assert!(!secret.id().verifies(Purpose::Join, b"one", &signature));
        assert!(!NodeId([0xff; 32]).verifies(Purpose::Record, b"one", &signature));
    }

    #[test]
    fn a_wrapped_key_opens_for_its_receiver_only() {
        let mut entropy = SeededEntropy::new(1);
        let (mine, other) =
            (NodeSecret::generate(&mut entropy), NodeSecret::generate(&mut entropy));
        let key = ArchiveKey::generate(&mut entropy);
        let wrapped = key.wrap(&mine.exchange_public(), &mut entropy);
        assert_eq!(wrapped.unwrap(&mine), Ok(key));
        assert_eq!(wrapped.unwrap(&other), Err(UnwrapError));
        let mut damaged = wrapped;
        damaged.sealed[3] ^= 1;
        assert_eq!(damaged.unwrap(&mine), Err(UnwrapError));
    }

    #[test]
    fn secrets_do_not_print() {
        let key = ArchiveKey::from_bytes([0x5a; 32]);
        assert_eq!(format!("{key:?}"), "ArchiveKey(…)");
        assert!(!format!("{:?}", NodeSecret::from_seed(&[0x5a; 32])).contains("5a5a"));
    }
}

//! Letters: bytes that only some nodes can read, whoever carries them.
//!
//! The text is sealed with a random key, and that key is wrapped for each reader as archive keys
//! are, with a context of its own. What a letter is *about* (who wrote to whom, and which letter it
//! is) is authenticated with it: under another sender's name, or as another letter, it does not open.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Aad, CHACHA20_POLY1305, ExchangePublic, LessSafeKey, NodeSecret, UnboundKey, WrappedKey,
    zero_nonce,
};
use crate::{
    Entropy,
    cbor::{self, CborError},
    limits::RECORD_BYTES_MAX,
};

const LETTER_CONTEXT: &str = "backupmanager 2026 letter key wrapping v1";

/// Readers of one letter.
const READERS_MAX: usize = 4;

/// The version that every letter begins with.
const VERSION: u16 = 1;

/// A sealed text. On the wire `[version, [wrapped key], bytes]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter(Wire);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wire(u16, Vec<WrappedKey>, #[serde(with = "serde_bytes")] Vec<u8>);

/// A letter that cannot be read here.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// Not of the expected shape.
    #[error("the letter is damaged")]
    Malformed(#[source] CborError),
    /// From a newer program, or with more readers than there may be.
    #[error("the letter is of a kind that this version does not know")]
    Unknown,
    /// For somebody else, about something else, or changed on the way.
    #[error("the letter was not written for this node, or not about this")]
    NotForUs,
}

impl Letter {
    /// Seals a text for its readers, of whom at most four count.
    pub fn seal(
        text: &[u8],
        about: &[u8],
        readers: &[ExchangePublic],
        entropy: &mut impl Entropy,
    ) -> Self {
        let key = Zeroizing::new(entropy.array::<32>());
        let readers = readers.iter().take(READERS_MAX);
        let wraps = readers.map(|reader| super::wrap(LETTER_CONTEXT, &key, reader, entropy));
        let wraps = wraps.collect();
        let mut sealed = text.to_vec();
        cipher(&key)
            .seal_in_place_append_tag(zero_nonce(), Aad::from(about), &mut sealed)
            .expect("a text in memory is within the cipher's bound");
        Self(Wire(VERSION, wraps, sealed))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(&self.0)
    }

    /// Opens the bytes of a letter.
    ///
    /// # Errors
    /// When they are none, or not for this reader, or not about this.
    pub fn open(
        bytes: &[u8],
        about: &[u8],
        reader: &NodeSecret,
    ) -> Result<Zeroizing<Vec<u8>>, LetterError> {
        let Wire(version, wraps, sealed) =
            cbor::decode("letter", bytes, RECORD_BYTES_MAX).map_err(LetterError::Malformed)?;
        if version != VERSION || wraps.len() > READERS_MAX {
            return Err(LetterError::Unknown);
        }
        let keys = wraps.iter().filter_map(|wrap| wrap.open(LETTER_CONTEXT, reader).ok());
        let mut texts = keys.map(Zeroizing::new).filter_map(|key| {
            let mut text = Zeroizing::new(sealed.clone());
            let opened = cipher(&key).open_in_place(zero_nonce(), Aad::from(about), &mut text);
            let length = opened.ok()?.len();
            text.truncate(length);
            Some(text)
        });
        texts.next().ok_or(LetterError::NotForUs)
    }
}

/// Each key seals one letter only, so the nonce is zero.
fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_letter_opens_for_its_readers_and_about_its_subject_only() {
        let mut entropy = SeededEntropy::new(7);
        let [ann, tom, eve] = [(); 3].map(|()| NodeSecret::generate(&mut entropy));
        let readers = [ann.exchange_public(), tom.exchange_public()];
        let letter = Letter::seal(b"run docs", b"ann to tom", &readers, &mut entropy).to_bytes();
        for reader in [&ann, &tom] {
            let text = Letter::open(&letter, b"ann to tom", reader).unwrap();
            assert_eq!(text.as_slice(), b"run docs");
            let other = Letter::open(&letter, b"eve to tom", reader);
            assert!(matches!(other, Err(LetterError::NotForUs)));
        }
        assert!(matches!(Letter::open(&letter, b"ann to tom", &eve), Err(LetterError::NotForUs)));
        assert!(!letter.windows(8).any(|bytes| bytes == b"run docs"));
    }

    #[test]
    fn a_letter_that_was_changed_anywhere_does_not_open() {
        let mut entropy = SeededEntropy::new(8);
        let tom = NodeSecret::generate(&mut entropy);
        let letter =
            Letter::seal(b"run docs", b"x", &[tom.exchange_public()], &mut entropy).to_bytes();
        for at in 0..letter.len() {
            for bit in [1, 0x80] {
                let mut damaged = letter.clone();
                damaged[at] ^= bit;
                assert!(Letter::open(&damaged, b"x", &tom).is_err(), "byte {at}");
            }
        }
        for cut in 0..letter.len() {
            assert!(Letter::open(&letter[..cut], b"x", &tom).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_wrapped_archive_key_is_no_key_of_a_letter() {
        let mut entropy = SeededEntropy::new(9);
        let tom = NodeSecret::generate(&mut entropy);
        let key = super::super::ArchiveKey::generate(&mut entropy);
        let wrapped = key.wrap(&tom.exchange_public(), &mut entropy);
        assert!(wrapped.open(LETTER_CONTEXT, &tom).is_err());
    }

    #[test]
    fn too_many_readers_or_another_version_are_unknown() {
        let mut entropy = SeededEntropy::new(10);
        let tom = NodeSecret::generate(&mut entropy);
        let readers = vec![tom.exchange_public(); READERS_MAX + 9];
        let letter = Letter::seal(b"x", b"", &readers, &mut entropy);
        assert!(Letter::open(&letter.to_bytes(), b"", &tom).is_ok(), "the first of them");
        let Letter(Wire(_, wraps, sealed)) = letter;
        let many = Wire(VERSION, [wraps.clone(), wraps.clone()].concat(), sealed.clone());
        let newer = Wire(VERSION + 1, wraps, sealed);
        for wire in [many, newer] {
            let opened = Letter::open(&cbor::encode(&wire), b"", &tom);
            assert!(matches!(opened, Err(LetterError::Unknown)));
        }
    }
}

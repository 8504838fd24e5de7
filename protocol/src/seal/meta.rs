//! The private part of a record: small, seldom, and never deduplicated, so its nonce is random.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::SealError;
use crate::{
    Entropy,
    key::{ArchiveKey, KeyUse},
    limits::RECORD_BYTES_MAX,
};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// By how much the sealed form is longer: version, nonce and tag.
pub const META_OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Seals the private part of a record. Equal parts give different bytes each time. Whoever signs
/// the record keeps it below [`RECORD_BYTES_MAX`].
pub fn seal_meta(key: &ArchiveKey, plain: &[u8], entropy: &mut impl Entropy) -> Vec<u8> {
    let nonce = entropy.array::<NONCE_BYTES>();
    let mut body = plain.to_vec();
    cipher(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from([VERSION]),
            &mut body,
        )
        .expect("a record is within the cipher's bound");
    [&[VERSION][..], &nonce, &body].concat()
}

/// Opens the private part of a record.
///
/// # Errors
/// When it is too large, of another version, changed, or of another archive key.
pub fn open_meta(key: &ArchiveKey, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    if sealed.len() > RECORD_BYTES_MAX {
        return Err(SealError::TooLarge {
            what: "the private part of a record",
            bytes: sealed.len(),
            bytes_max: RECORD_BYTES_MAX,
        });
    }
    let (&version, rest) = sealed.split_first().ok_or(SealError::Meta)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Meta)?;
    let bytes = body.len().checked_sub(TAG_BYTES).ok_or(SealError::Meta)?;
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    cipher(key)
        .open_in_place(nonce, Aad::from([version]), &mut body)
        .map_err(|_| SealError::Meta)?;
    if version != VERSION {
        return Err(SealError::Meta);
    }
    body.truncate(bytes);
    Ok(body)
}

fn cipher(key: &ArchiveKey) -> LessSafeKey {
    let key = key.derive(KeyUse::Meta);
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*key).expect("the key has 32 bytes"))
}

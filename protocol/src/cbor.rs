//! CBOR as everything here uses it: one value, whole, within a bound.
//!
//! Decoding and encoding again is not canonical, so nothing that is signed or hashed is ever
//! re-encoded: the bytes are kept as they came.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are not the one CBOR value that was expected.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Larger than the bound of its kind.
    #[error("{what} has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// What was decoded.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Not CBOR, or not of this shape.
    #[error("{what} cannot be decoded")]
    Malformed {
        /// What was decoded.
        what: &'static str,
        /// Where and why.
        #[source]
        source: ciborium::de::Error<std::io::Error>,
    },
    /// One value and then something else.
    #[error("{what} is followed by {bytes} bytes that do not belong to it")]
    Trailing {
        /// What was decoded.
        what: &'static str,
        /// How many bytes are left over.
        bytes: usize,
    },
}

/// Encodes a value of ours.
///
/// # Panics
/// Never for the types of this crate: memory is the only sink, and their serialisation cannot fail.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).expect("our types serialise, and a Vec takes all bytes");
    out
}

/// Whether these bytes are one value, of whatever shape: a newer program may know it.
#[must_use]
pub fn is_one_value(bytes: &[u8]) -> bool {
    decode::<serde::de::IgnoredAny>("a value", bytes, bytes.len()).is_ok()
}

/// Decodes exactly one value of at most `bytes_max` bytes.
///
/// # Errors
/// When the bytes are too many, malformed, or more than one value.
pub fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, CborError> {
    if bytes.len() > bytes_max {
        return Err(CborError::TooLarge { what, bytes: bytes.len(), bytes_max });
    }
    let mut rest = bytes;
    let value =
        ciborium::from_reader(&mut rest).map_err(|source| CborError::Malformed { what, source })?;
    if rest.is_empty() { Ok(value) } else { Err(CborError::Trailing { what, bytes: rest.len() }) }
}

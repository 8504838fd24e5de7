//! Names of things that are fixed numbers of bytes.
//!
//! One type per thing, so that a chunk's name cannot be passed for a sealed chunk's. All print as
//! lower-case hex, all parse back from it; in JSON they are that hex text, in CBOR a byte string.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is no id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, got {text:?}")]
pub struct ParseIdError {
    expected: usize,
    text: String,
}

fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    let refuse = || ParseIdError { expected: 2 * N, text: text.chars().take(80).collect() };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(refuse());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16).ok_or_else(refuse);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| refuse())?;
    }
    Ok(out)
}

struct BytesVisitor<const N: usize>;

impl<const N: usize> de::Visitor<'_> for BytesVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Self::Value, E> {
        v.try_into().map_err(|_| E::invalid_length(v.len(), &self))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        from_hex(v).map_err(E::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// How many bytes it has.
            pub const BYTES: usize = $bytes;

            /// The first ten hex digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                self.0[..5].iter().map(|b| format!("{b:02x}")).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                from_hex(text).map(Self)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::hex(2 * $bytes)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    d.deserialize_str(BytesVisitor::<$bytes>).map(Self)
                } else {
                    d.deserialize_bytes(BytesVisitor::<$bytes>).map(Self)
                }
            }
        }
    };
}

id! {
    /// A node: its ed25519 public key, which is its libp2p peer id too.
    NodeId, 32
}
id! {
    /// A mesh: random, drawn by the node that founded it.
    MeshId, 32
}
id! {
    /// A chunk by its plaintext: BLAKE3 keyed by the origin's archive key. Never shown to strangers.
    ChunkId, 32
}
id! {
    /// A sealed object by its bytes: plain BLAKE3, so any holder can verify it without a key.
    SealedId, 32
}
id! {
    /// An archive: random, drawn by its origin, so that it tells nothing of the name.
    ArchiveId, 16
}
id! {
    /// A job: random, drawn by the node that owns it.
    JobId, 16
}
id! {
    /// An order: random, drawn by the node that issued it.
    OrderId, 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways_and_wrong_text_is_refused() {
        let id = ArchiveId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "ababababab");
        for wrong in ["", "ab", "zz".repeat(16).as_str(), "é".repeat(16).as_str()] {
            assert!(wrong.parse::<ArchiveId>().is_err(), "{wrong}");
        }
    }
}

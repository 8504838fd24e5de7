//! Paths as the file system has them: bytes, not text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A path of any bytes. Its text form shows what is printable as it is and everything else as
/// `\xNN`, with `\\` for a backslash: it is safe on a terminal and parses back to the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawPath(pub Vec<u8>);

/// A text with a backslash that is followed by neither `\` nor `xNN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backslash in a path is written \\\\, other bytes \\xNN")]
pub struct RawPathError;

/// Characters that a terminal may act on, or that reorder what stands around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|b| write!(f, "\\x{b:02x}"))
        };
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' {
                    f.write_str("\\\\")?;
                } else if is_hidden(c) {
                    escape(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            escape(f, chunk.invalid())?;
        }
        Ok(())
    }
}

impl FromStr for RawPath {
    type Err = RawPathError;

    fn from_str(text: &str) -> Result<Self, RawPathError> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            let (byte, after) = match (byte, after) {
                (b'\\', [b'\\', after @ ..]) => (b'\\', after),
                (b'\\', [b'x', high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
                (b'\\', _) => return Err(RawPathError),
                plain => plain,
            };
            out.push(byte);
            rest = after;
        }
        Ok(Self(out))
    }
}

fn hex(digit: u8) -> Result<u8, RawPathError> {
    let value = char::from(digit).to_digit(16).ok_or(RawPathError)?;
    u8::try_from(value).map_err(|_| RawPathError)
}

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(de::Error::custom)
        } else {
            serde_bytes::ByteBuf::deserialize(d).map(|bytes| Self(bytes.into_vec()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let shown = |bytes: &[u8]| RawPath(bytes.to_vec()).to_string();
        assert_eq!(shown("data/café".as_bytes()), "data/café");
        assert_eq!(shown(b"a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
        assert_eq!(shown(b"\xff\\"), "\\xff\\\\");
        assert_eq!(shown("\u{202e}gpj".as_bytes()), "\\xe2\\x80\\xaegpj");
    }

    #[test]
    fn a_stray_backslash_is_refused() {
        for wrong in ["\\", "\\x", "\\x1", "\\xgg", "\\n"] {
            assert_eq!(wrong.parse::<RawPath>(), Err(RawPathError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive_text_json_and_cbor(bytes: Vec<u8>) {
            let path = RawPath(bytes);
            prop_assert_eq!(&path.to_string().parse::<RawPath>().unwrap(), &path);
            let json = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(&serde_json::from_str::<RawPath>(&json).unwrap(), &path);
            let cbor = crate::cbor::encode(&path);
            prop_assert_eq!(crate::cbor::decode::<RawPath>("path", &cbor, 1 << 20).unwrap(), path);
        }
    }
}

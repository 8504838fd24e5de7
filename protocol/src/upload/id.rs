//! What an upload is called: a random UUID.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ArchiveId, Entropy};

/// Where the dashes of a UUID are.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// Characters of a UUID.
const TEXT_BYTES: usize = 36;

/// The id of an upload: a UUID of version 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId(pub [u8; 16]);

/// A text that is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an upload is a UUID")]
pub struct UploadIdError;

impl UploadId {
    /// A new one.
    pub fn generate(entropy: &mut impl Entropy) -> Self {
        let mut id: [u8; 16] = entropy.array();
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }

    /// The archive that it becomes, so that it becomes only one, whatever stops the node between
    /// the archive's record and the end of the upload.
    #[must_use]
    pub fn archive(&self) -> ArchiveId {
        ArchiveId(self.0)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let bytes = text.as_bytes();
        if bytes.len() != TEXT_BYTES || DASHES.iter().any(|at| bytes[*at] != b'-') {
            return Err(UploadIdError);
        }
        let digits = bytes.iter().enumerate().filter(|(at, _)| !DASHES.contains(at));
        let digits: Option<Vec<_>> = digits.map(|(_, b)| char::from(*b).to_digit(16)).collect();
        let digits = digits.ok_or(UploadIdError)?;
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| UploadIdError)?;
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn an_id_is_a_uuid_of_version_4_and_comes_back_from_its_text() {
        for seed in 0..50 {
            let id = UploadId::generate(&mut SeededEntropy::new(seed));
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id), "{text}");
            assert_eq!(text.to_uppercase().parse(), Ok(id), "{text}");
            assert_eq!(&text[14..15], "4");
            assert!("89ab".contains(&text[19..20]), "{text}");
        }
        let id = UploadId([0xab; 16]);
        assert_eq!(id.to_string(), "abababab-abab-abab-abab-abababababab");
    }

    #[test]
    fn other_texts_are_no_ids() {
        let good = UploadId([7; 16]).to_string();
        let wrong = [
            String::new(),
            good[1..].to_owned(),
            format!("{good}0"),
            good.replace('-', "0"),
            good.replacen('7', "g", 1),
            good.replacen("07", "..", 1),
            "é".repeat(18),
            "0".repeat(36),
            format!("-{}", &good[1..]),
        ];
        for text in wrong {
            assert_eq!(text.parse::<UploadId>(), Err(UploadIdError), "{text}");
        }
    }
}

//! Keys of the HTTP interface: who may ask what over the network with nothing but a text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::{Time, job::Name};

/// Hex digits of a key.
pub const API_KEY_DIGITS: usize = 64;

/// How many of them tell keys apart; they are no secret.
pub const API_KEY_ID_DIGITS: usize = 8;

/// Most keys of one node.
pub const API_KEYS_MAX: usize = 1_000;

/// A key's text: 64 hex digits, of which the first eight name it. `Debug` prints `…`; only
/// [`ApiKey::reveal`] gives it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiKey(String);

/// A text that cannot be a key. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is {API_KEY_DIGITS} hex digits")]
pub struct ApiKeyError;

impl ApiKey {
    /// The text, for the one place that prints or checks it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What names it in lists and logs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0[..API_KEY_ID_DIGITS]
    }
}

impl TryFrom<String> for ApiKey {
    type Error = ApiKeyError;

    fn try_from(mut text: String) -> Result<Self, ApiKeyError> {
        if text.len() == API_KEY_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            text.make_ascii_lowercase();
            return Ok(Self(text));
        }
        text.zeroize();
        Err(ApiKeyError)
    }
}

impl FromStr for ApiKey {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        Self::try_from(text.to_owned())
    }
}

impl From<ApiKey> for String {
    fn from(key: ApiKey) -> Self {
        key.0.clone()
    }
}

impl Drop for ApiKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreate {
    /// What people call it: the program that uses it.
    pub name: Name,
    /// It may look at everything and change nothing.
    pub read_only: bool,
    /// It may read the metrics and nothing else.
    #[serde(default)]
    pub metrics_only: bool,
}

/// A key as it is listed: never its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyReport {
    /// Its first eight digits.
    pub id: String,
    /// What people call it.
    pub name: Name,
    /// It may look at everything and change nothing.
    pub read_only: bool,
    /// It may read the metrics and nothing else.
    #[serde(default)]
    pub metrics_only: bool,
    /// When it was made.
    pub created_ms: Time,
    /// When it was last checked, at most noted once an hour. A key that was checked is remembered
    /// in memory, so this is its first use after the daemon started or after keys changed, and
    /// not each one.
    pub used_ms: Option<Time>,
}

/// A new key. Its text is in this answer and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCreated {
    /// How it is listed.
    pub report: KeyReport,
    /// What a client sends.
    pub key: ApiKey,
}

#[cfg(test)]
mod tests {
    use super::ApiKey;

    #[test]
    fn a_key_is_64_hex_digits_and_is_not_printed() {
        let key: ApiKey = "0123456789ABCDEF".repeat(4).parse().expect("a key");
        assert_eq!((key.id(), key.reveal().len()), ("01234567", 64));
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        for wrong in ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)]
        {
            assert!(wrong.parse::<ApiKey>().is_err(), "{wrong}");
        }
    }
}

//! Names that people give to nodes and jobs, and that archives get from both.
//!
//! The rule is what `YunoHost` accepts for an archive that it can also delete again, without the
//! letters beyond ASCII: such a name is safe as a file name, in a URL and in a shell.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::limits::NAME_BYTES_MAX;

/// A name of 1 to 50 of `A–Z a–z 0–9 . _ -`, without a dot at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name needs at least one character")]
    Empty,
    /// Longer than file systems and `YunoHost` take it.
    #[error("a name has at most {NAME_BYTES_MAX} characters, this one has {bytes} bytes")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// A character outside the allowed ones.
    #[error("{found:?} cannot be in a name: only A-Z, a-z, 0-9, '.', '_' and '-' can")]
    Character {
        /// The first such character.
        found: char,
    },
    /// A dot at an end: a hidden file, or a name that `YunoHost` refuses.
    #[error("a name neither begins nor ends with a dot")]
    Dot,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if let Some(found) = text.chars().find(|&c| !allowed(c)) {
            return Err(NameError::Character { found });
        }
        if text.starts_with('.') || text.ends_with('.') {
            return Err(NameError::Dot);
        }
        Ok(Self(text))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_as_file_names_are_taken() {
        for name in ["a", "jerry_nocodb_20260508", "a.b-c", "-x", &"n".repeat(50)] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn every_refusal_says_why() {
        assert_eq!("".parse::<Name>(), Err(NameError::Empty));
        assert_eq!("n".repeat(51).parse::<Name>(), Err(NameError::TooLong { bytes: 51 }));
        assert_eq!("a/b".parse::<Name>(), Err(NameError::Character { found: '/' }));
        assert_eq!("é".parse::<Name>(), Err(NameError::Character { found: 'é' }));
        for dotted in [".", "..", ".hidden", "end."] {
            assert_eq!(dotted.parse::<Name>(), Err(NameError::Dot), "{dotted}");
        }
    }
}

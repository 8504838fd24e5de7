//! Names of files in the archives folder.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ArchivesError;

/// The longest file name in the archives folder, bytes: an archive name with its endings.
pub const ARCHIVE_FILE_NAME_BYTES_MAX: usize = 100;

pub(super) const TAR: &str = ".tar";
pub(super) const TAR_GZ: &str = ".tar.gz";

const ENDINGS: [&str; 3] = [TAR, TAR_GZ, ".info.json"];

/// A file name in the archives folder: letters, digits, `.`, `_`, `-`, not beginning with a dot,
/// ending with `.tar`, `.tar.gz` or `.info.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveFileName(String);

impl ArchiveFileName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: impl Into<String>) -> Result<Self, ArchivesError> {
        let name = name.into();
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ends = ENDINGS.iter().any(|end| name.len() > end.len() && name.ends_with(end));
        let good = name.len() <= ARCHIVE_FILE_NAME_BYTES_MAX && !name.starts_with('.');
        if good && ends && name.bytes().all(letter) {
            Ok(Self(name))
        } else {
            Err(ArchivesError::Name { name })
        }
    }

    /// The name while it is written.
    pub(super) fn part(&self) -> String {
        format!(".{}.part", self.0)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_gzip(&self) -> bool {
        self.0.ends_with(TAR_GZ)
    }

    /// The archive's name, of a plain tar.
    pub(super) fn stem(&self) -> Option<&str> {
        self.0.strip_suffix(TAR)
    }
}

impl TryFrom<String> for ArchiveFileName {
    type Error = ArchivesError;

    fn try_from(name: String) -> Result<Self, ArchivesError> {
        Self::new(name)
    }
}

impl From<ArchiveFileName> for String {
    fn from(name: ArchiveFileName) -> Self {
        name.0
    }
}

impl fmt::Display for ArchiveFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

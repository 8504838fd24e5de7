//! What an upload says of itself when it is begun.

use crate::job::{Name, NameError};

use super::{FILENAME_BYTES_MAX, PART_BYTES_MAX, PARTS_MAX, TOTAL_BYTES_MAX};

/// Endings that an archive's file may have; the longer one is tried first.
const ENDINGS: [&str; 2] = [".tar.gz", ".tar"];

/// Hex digits of a SHA-256.
const CHECKSUM_DIGITS: usize = 64;

/// What will come, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    filename: String,
    archive: Name,
    total_bytes: u64,
    part_bytes: u64,
    parts: u32,
    sha256: [u8; 32],
}

/// An upload that cannot be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Empty, or longer than file systems take it.
    #[error("the file name has {bytes} bytes, it must have 1 to {FILENAME_BYTES_MAX}")]
    FilenameBytes {
        /// Its size.
        bytes: usize,
    },
    /// A slash, a backslash or a control character: a path, or worse.
    #[error("the file name has {found:?} in it")]
    FilenameCharacter {
        /// The first such character.
        found: char,
    },
    /// A hidden file, a folder, or an option of some command.
    #[error("the file name begins with {found:?}")]
    FilenameBegin {
        /// The character.
        found: char,
    },
    /// No tar.
    #[error("the file name must end with .tar or .tar.gz")]
    FilenameEnd,
    /// The archive would have a name that no archive can have.
    #[error("the file name without its ending is no name of an archive")]
    Archive(#[source] NameError),
    /// Nothing, or more than any archive.
    #[error("the size is {bytes} bytes, it must be 1 to {TOTAL_BYTES_MAX}")]
    Total {
        /// What was said.
        bytes: u64,
    },
    /// Parts of nothing, or too large.
    #[error("parts of {bytes} bytes are not taken, they must have 1 to {PART_BYTES_MAX}")]
    Part {
        /// What was said.
        bytes: u64,
    },
    /// Parts too small for so much.
    #[error("it would have {parts} parts, at most {PARTS_MAX} are taken: make them larger")]
    Parts {
        /// How many it would have.
        parts: u64,
    },
    /// No SHA-256.
    #[error("the checksum must be a SHA-256: {CHECKSUM_DIGITS} hex digits")]
    Checksum,
}

impl Spec {
    /// Checks what somebody says.
    ///
    /// # Errors
    /// When a bound is broken, or the file's name is none that an archive could get its name from.
    pub fn new(
        filename: &str,
        total_bytes: u64,
        part_bytes: u64,
        checksum: &str,
    ) -> Result<Self, SpecError> {
        let sha256 = digest(checksum).ok_or(SpecError::Checksum)?;
        Self::of(filename, total_bytes, part_bytes, sha256)
    }

    pub(super) fn of(
        filename: &str,
        total_bytes: u64,
        part_bytes: u64,
        sha256: [u8; 32],
    ) -> Result<Self, SpecError> {
        let archive = archive_name(filename)?;
        if !(1..=TOTAL_BYTES_MAX).contains(&total_bytes) {
            return Err(SpecError::Total { bytes: total_bytes });
        }
        if !(1..=PART_BYTES_MAX).contains(&part_bytes) {
            return Err(SpecError::Part { bytes: part_bytes });
        }
        let parts = total_bytes.div_ceil(part_bytes);
        let few = u32::try_from(parts).ok().filter(|parts| *parts <= PARTS_MAX);
        let parts = few.ok_or(SpecError::Parts { parts })?;
        let filename = filename.to_owned();
        Ok(Self { filename, archive, total_bytes, part_bytes, parts, sha256 })
    }

    /// What the file is called.
    #[must_use]
    pub fn filename(&self) -> &str {
        &self.filename
    }

    /// What the archive will be called: the file's name without its ending.
    #[must_use]
    pub fn archive(&self) -> &Name {
        &self.archive
    }

    /// The size of all of it.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The size of each part but the last.
    #[must_use]
    pub fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// How many parts there are; at least one.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// The SHA-256 that all of it must have.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Where a part begins and how long it is; none when there is no such part.
    #[must_use]
    pub fn part(&self, number: u32) -> Option<(u64, u64)> {
        if number >= self.parts {
            return None;
        }
        let offset = u64::from(number) * self.part_bytes;
        Some((offset, self.part_bytes.min(self.total_bytes - offset)))
    }
}

fn archive_name(filename: &str) -> Result<Name, SpecError> {
    let bytes = filename.len();
    if !(1..=FILENAME_BYTES_MAX).contains(&bytes) {
        return Err(SpecError::FilenameBytes { bytes });
    }
    let wrong = |c: &char| c.is_control() || matches!(c, '/' | '\\');
    if let Some(found) = filename.chars().find(wrong) {
        return Err(SpecError::FilenameCharacter { found });
    }
    if let Some(found) = filename.chars().next().filter(|c| matches!(c, '.' | '-')) {
        return Err(SpecError::FilenameBegin { found });
    }
    let stem = ENDINGS.iter().find_map(|ending| filename.strip_suffix(ending));
    stem.ok_or(SpecError::FilenameEnd)?.parse().map_err(SpecError::Archive)
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != CHECKSUM_DIGITS {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(out)
}

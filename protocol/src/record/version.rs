//! The order of one author's records.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When its author wrote a record, in the author's own count: first the epoch, then the number.
///
/// A node begins a new epoch at each start, later than any it knows of itself, so that one that was
/// put back from an old copy does not give a number away twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Version {
    /// The author's run: milliseconds since 1970 at its start, or one more than the last one.
    pub epoch: u64,
    /// The number within the run, from 1 on.
    pub seq: u64,
}

impl Version {
    /// The latest epoch that is accepted; far beyond every clock, far below overflow.
    pub const EPOCH_MAX: u64 = 1 << 62;

    /// The last version there can be.
    pub const MAX: Self = Self { epoch: Self::EPOCH_MAX, seq: u64::MAX };

    /// Sixteen bytes, big-endian, so that they sort as versions do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.epoch) << 64) | u128::from(self.seq)).to_be_bytes()
    }

    /// The reverse of [`Version::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        let low = |part: u128| u64::try_from(part & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self { epoch: low(both >> 64), seq: low(both) }
    }
}

impl From<(u64, u64)> for Version {
    fn from((epoch, seq): (u64, u64)) -> Self {
        Self { epoch, seq }
    }
}

impl From<Version> for (u64, u64) {
    fn from(version: Version) -> Self {
        (version.epoch, version.seq)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_versions_do_and_come_back() {
        let early = Version { epoch: 1, seq: u64::MAX };
        let late = Version { epoch: 2, seq: 0 };
        assert!(early < late && early.to_bytes() < late.to_bytes() && late < Version::MAX);
        for version in [early, late, Version::MAX, Version::default()] {
            assert_eq!(Version::from_bytes(version.to_bytes()), version);
        }
    }
}

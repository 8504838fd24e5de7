//! How much a source is, without opening a file.

use std::collections::HashSet;

use protocol::tar::MemberKind;

use super::walk::{Step, Walk};
use super::{SourceError, SourceSpec};

/// How much there is, or was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Members of every kind, the directories above the source among them.
    pub members: u64,
    /// Regular files; one with several names counts once.
    pub files: u64,
    /// Their sizes, bytes, holes counted.
    pub bytes: u64,
}

/// Counts what [`read`](super::read()) would find.
///
/// # Errors
/// As for [`read`](super::read()).
pub fn measure(spec: &SourceSpec) -> Result<Totals, SourceError> {
    let mut walk = Walk::new(spec)?;
    let mut totals = Totals::default();
    let mut seen = HashSet::new();
    while let Some(step) = walk.next() {
        let Step::Found(found) = step else { continue };
        totals.members += 1;
        let stat = found.stat;
        if stat.kind() == Some(MemberKind::File) && (stat.links < 2 || seen.insert(stat.key())) {
            totals.files += 1;
            totals.bytes += stat.bytes;
        }
    }
    Ok(totals)
}

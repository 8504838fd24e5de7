//! A transfer as it is stored.

use protocol::{
    ArchiveId, NodeId,
    control::{TransferReport, TransferState},
};
use serde::{Deserialize, Serialize};

/// Everything that must survive this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// What people see.
    pub(super) report: TransferReport,
    /// Who made the archive.
    pub(super) origin: NodeId,
    /// Which it is.
    pub(super) archive: ArchiveId,
    /// The number of the instance; none for a member of the mesh.
    pub(super) instance: Option<u64>,
    /// The upload that was begun there.
    pub(super) upload: Option<UploadRow>,
    /// How many uploads were begun.
    pub(super) begun: u32,
}

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRow {
    /// Its id there.
    pub(super) id: String,
    /// The size of its parts.
    pub(super) part_bytes: u64,
    /// The first part that was not acknowledged, for instances that do not tell what is missing.
    pub(super) next: u32,
}

impl Row {
    /// Whether something may still happen.
    pub(super) fn is_open(&self) -> bool {
        !self.report.state.has_ended()
    }

    /// As it is after a restart: whatever was at work waits for its turn.
    pub(super) fn awakened(mut self) -> Self {
        if self.is_open() && self.report.state != TransferState::Retrying {
            self.report.state = TransferState::Waiting;
        }
        self
    }
}

/// An archive cut in parts of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) total: u64,
    pub(super) part: u64,
}

impl Cut {
    /// How many parts there are. A tar is never empty.
    pub(super) fn parts(self) -> u64 {
        self.total.div_ceil(self.part.max(1))
    }

    /// Where a part begins and ends.
    pub(super) fn span(self, number: u32) -> (u64, u64) {
        let from = self.part.saturating_mul(number.into()).min(self.total);
        (from, from.saturating_add(self.part).min(self.total))
    }

    /// Bytes of some parts.
    pub(super) fn bytes_of(self, parts: &[u32]) -> u64 {
        parts.iter().map(|part| self.span(*part)).map(|(from, to)| to - from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        for (total, part, parts) in
            [(10, 3, 4), (9, 3, 3), (1, 50, 1), (u64::MAX, 1 << 40, 1 << 24)]
        {
            let cut = Cut { total, part };
            assert_eq!(cut.parts(), parts);
            let last = u32::try_from(parts - 1).unwrap();
            assert_eq!((cut.span(0).0, cut.span(last).1), (0, total));
            assert_eq!(cut.span(last).0, cut.part * u64::from(last));
            assert_eq!(cut.bytes_of(&[last]), total - cut.span(last).0);
        }
        assert_eq!(Cut { total: 10, part: 3 }.span(9), (10, 10));
    }
}

//! What gc will do with each pack: a plain value.

use std::collections::BTreeMap;

use super::mark::Marks;
use crate::chunks::{
    error::Result, frame::PACK_HEADER_BYTES, index::Snapshot, options::GcOptions, report::GcReport,
};

/// Which packs go, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Packs that hold nothing live.
    pub(super) remove: Vec<u32>,
    /// Packs whose live frames are copied first.
    pub(super) rewrite: Vec<u32>,
}

/// The bytes of live frames in each pack, by walking the index once.
fn live_bytes(
    marks: &Marks,
    mut snapshot: Snapshot<'_>,
    report: &mut GcReport,
) -> Result<BTreeMap<u32, u64>> {
    let mut live = BTreeMap::new();
    loop {
        let batch = snapshot.batch()?;
        if batch.is_empty() {
            return Ok(live);
        }
        for (_, place) in batch {
            if marks.contains(place) {
                *live.entry(place.pack).or_insert(0) += place.frame_bytes();
                report.live_objects += 1;
                report.live_bytes += place.frame_bytes();
            } else {
                report.garbage_objects += 1;
            }
        }
    }
}

/// Decides, and fills in what the report can say beforehand.
pub(super) fn plan(
    packs: &BTreeMap<u32, u64>,
    marks: &Marks,
    snapshot: Snapshot<'_>,
    options: &GcOptions,
    report: &mut GcReport,
) -> Result<Plan> {
    let live = live_bytes(marks, snapshot, report)?;
    let mut plan = Plan::default();
    for (pack, bytes) in packs {
        let live = live.get(pack).copied().unwrap_or(0);
        let content = bytes.saturating_sub(PACK_HEADER_BYTES as u64);
        let garbage = content.saturating_sub(live);
        report.garbage_bytes += garbage;
        if live == 0 {
            plan.remove.push(*pack);
            report.bytes_freed += bytes;
        } else if garbage > 0
            && u128::from(garbage) * 100
                >= u128::from(content) * u128::from(options.rewrite_percent)
        {
            plan.rewrite.push(*pack);
            report.bytes_copied += live;
            report.bytes_freed += garbage;
        }
    }
    report.packs_removed = plan.remove.len() as u64;
    report.packs_rewritten = plan.rewrite.len() as u64;
    Ok(plan)
}

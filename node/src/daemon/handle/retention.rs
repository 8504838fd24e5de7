//! Retention and pins, as people ask for them.

use std::sync::Arc;

use protocol::control::{ArchiveRef, ArchiveReport, Failure, Prune, Pruned};

use super::archive;
use crate::{
    daemon::{
        freed, keeping,
        node::{Node, blocking},
        prune::{self, Plan},
    },
    sys,
};

/// Applies the retention of a job or of all, or only says what it would do.
pub(super) async fn prune(node: &Arc<Node>, request: Prune) -> Result<Pruned, Failure> {
    let job = request.job.as_ref().map(|name| node.job(name)).transpose()?;
    let (only, now) = (job.map(|job| job.id), sys::now());
    let plan = Plan::make(node, only.as_ref(), now);
    let drops = plan.dropped();
    let freed_bytes = if drops.is_empty() {
        0
    } else {
        let node = Arc::clone(node);
        let what = "cannot tell what the archives to be dropped use";
        blocking(move || freed::bytes_only_in(&node, &drops, what)).await?
    };
    if request.dry_run {
        return Ok(plan.report(true, freed_bytes));
    }
    // What the plan says may have changed while the store was read: it is made again, and that one
    // is carried out.
    let done = prune::prune(node, only.as_ref(), now).await?;
    Ok(done.report(false, freed_bytes))
}

/// Pins an archive, or lets it go.
pub(super) async fn pin(
    node: &Node,
    wanted: &ArchiveRef,
    pinned: bool,
) -> Result<ArchiveReport, Failure> {
    let found = node.find_archive(wanted)?;
    let verb = if pinned { "pin" } else { "unpin" };
    let what = format!("cannot {verb} archive {}", found.title());
    keeping::own(node, &found, &what, "pin it on its origin: holders keep what the origin keeps")?;
    keeping::amend(node, &found, &what, |_, meta| meta.pinned = pinned).await?;
    archive::show(node, wanted)
}

#[cfg(test)]
mod tests;

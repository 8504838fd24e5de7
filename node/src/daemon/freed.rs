//! What would be free if archives went: objects of their closures that no other closure names.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use protocol::{ArchiveId, SealedId, control::Failure};

use super::{
    failure::store_failure,
    live::{self, Walked},
    node::Node,
};

/// Sealed bytes that only these archives of this node need. Memory: 8 bytes for each object of the
/// others, and 16 for each of these.
///
/// # Errors
/// When the store cannot be read; `what` is what could not be done then.
pub(super) fn bytes_only_in(
    node: &Node,
    archives: &BTreeSet<ArchiveId>,
    what: &str,
) -> Result<u64, Failure> {
    let failed = |error| store_failure(what, &error);
    let roots = node.mesh.look(|catalog| live::roots(catalog, node.id()));
    let mine = |root: &&live::Root| root.origin == node.id() && archives.contains(&root.archive);
    let mut others = Vec::new();
    let mut walked = Walked::default();
    for root in roots.known.iter().filter(|root| !mine(root)) {
        live::closure(&node.store, &root.link, &mut walked, &mut |link| {
            others.push(short(&link.id));
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    }
    others.sort_unstable();
    others.dedup();
    let mut own = BTreeMap::new();
    let mut walked = Walked::default();
    for root in roots.known.iter().filter(mine) {
        live::closure(&node.store, &root.link, &mut walked, &mut |link| {
            if others.binary_search(&short(&link.id)).is_err() {
                own.insert(short(&link.id), u64::from(link.bytes));
            }
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    }
    Ok(own.values().sum())
}

/// Enough of an id to tell objects of one store apart in an estimate.
fn short(id: &SealedId) -> u64 {
    id.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

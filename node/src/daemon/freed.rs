//! What would be free if an archive went: objects of its closure that no other closure names.

use std::{collections::BTreeMap, ops::ControlFlow};

use protocol::{SealedId, control::Failure};

use super::{
    failure::store_failure,
    live::{self, Walked},
    node::Node,
    view::Archive,
};

/// Sealed bytes that only this archive needs. Memory: 8 bytes for each object of the others.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn bytes_only_in(node: &Node, archive: &Archive) -> Result<u64, Failure> {
    let what = format!("cannot tell what archive {} uses", archive.title());
    let failed = |error| store_failure(&what, &error);
    let roots = node.mesh.look(|catalog| live::roots(catalog, node.id()));
    let mut others = Vec::new();
    let mut walked = Walked::default();
    for root in roots.known.iter().filter(|root| root.archive != archive.id) {
        live::closure(&node.store, &root.link, &mut walked, &mut |link| {
            others.push(short(&link.id));
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    }
    others.sort_unstable();
    others.dedup();
    let mut own = BTreeMap::new();
    let mut none = Walked::default();
    live::closure(&node.store, &archive.facts.root, &mut none, &mut |link| {
        if others.binary_search(&short(&link.id)).is_err() {
            own.insert(short(&link.id), u64::from(link.bytes));
        }
        ControlFlow::Continue(())
    })
    .map_err(failed)?;
    Ok(own.values().sum())
}

/// Enough of an id to tell objects of one store apart in an estimate.
fn short(id: &SealedId) -> u64 {
    id.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

//! Orders: one node asks another to do one thing once, before a deadline.
//!
//! An order is a record, so it travels by whatever way is open. The addressed node decides by what
//! it knows itself: the issuer is a member now, has the right that the request needs, and the
//! deadline has not passed by the executing node's clock. Who relayed it does not matter.
//!
//! At most once: before anything is done, the node writes a result that says [`Progress::Begun`],
//! durably. A crash between that and the end leaves `Begun`; after the next start it becomes
//! [`Progress::Interrupted`] and is not repeated. Whoever issued it may issue a new one. A node that
//! was put back from an old copy of its disk may have forgotten results, so it executes nothing
//! until a peer has given it what it holds of the node's own feed. If it meets only peers that have
//! the order but not yet the result, it can still happen twice: nobody it can reach knows better.

use crate::{
    NodeId, OrderId,
    catalog::{Catalog, DueOrder, Refusal},
    record::{Progress, Right},
};

/// Tells which right a request needs; `None` when it cannot be read.
pub type RightOf = Box<dyn Fn(&[u8]) -> Option<Right> + Send>;

/// Whether a node shall execute an order.
///
/// # Errors
/// When the issuer may not ask for this there, or the request cannot be read.
pub fn judge(
    catalog: &Catalog,
    me: NodeId,
    due: &DueOrder,
    right_of: &RightOf,
) -> Result<(), Refusal> {
    let unreadable = Refusal::Unreadable { who: due.issuer };
    let right = right_of(&due.order.request).ok_or(unreadable)?;
    catalog.allows(&me, &due.issuer, right)
}

/// Orders that a node has begun, by its own word.
pub fn begun(catalog: &Catalog, me: NodeId) -> impl Iterator<Item = (NodeId, OrderId)> {
    let results = catalog.tables().results.iter();
    results.filter_map(move |(order, by)| {
        by.get(&me).filter(|outcome| outcome.progress == Progress::Begun).map(|_| *order)
    })
}

//! What is new in the catalog, for those who act on it.

use crate::{ArchiveId, JobId, NodeId, OrderId, record::RecordKey};

/// One thing that is other than before. Look it up in the catalog; an event is only a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CatalogEvent {
    /// A node became a member, stopped being one, or is one with another role or quota.
    MemberChanged {
        /// Which.
        node: NodeId,
    },
    /// A node said something new of itself.
    NodeChanged {
        /// Which.
        node: NodeId,
    },
    /// What a node grants another changed.
    GrantChanged {
        /// Where.
        at: NodeId,
        /// To whom.
        to: NodeId,
    },
    /// An archive key was wrapped for a node, or no longer is.
    WrapChanged {
        /// Whose archive key.
        origin: NodeId,
        /// For whom.
        receiver: NodeId,
    },
    /// A job is new, changed, or gone.
    JobChanged {
        /// Whose.
        owner: NodeId,
        /// Which.
        job: JobId,
    },
    /// An archive is new or changed.
    ArchiveAppeared {
        /// Who made it.
        origin: NodeId,
        /// Which.
        archive: ArchiveId,
    },
    /// An archive was removed by its origin.
    ArchiveRemoved {
        /// Who made it.
        origin: NodeId,
        /// Which.
        archive: ArchiveId,
    },
    /// A node holds an archive now, or no longer.
    HoldChanged {
        /// Who made it.
        origin: NodeId,
        /// Which.
        archive: ArchiveId,
        /// Who holds it.
        holder: NodeId,
    },
    /// An order was issued or withdrawn. Whether this node should execute it, the engine says.
    OrderChanged {
        /// By whom.
        issuer: NodeId,
        /// Which.
        order: OrderId,
    },
    /// A node said how far it is with an order.
    OrderAnswered {
        /// By whom it was issued.
        issuer: NodeId,
        /// Which.
        order: OrderId,
        /// Who answers.
        by: NodeId,
    },
}

impl CatalogEvent {
    /// What a record says to those who use the catalog. Membership is told apart: see the rules.
    pub(super) fn of(author: NodeId, key: &RecordKey, holds: bool) -> Option<Self> {
        Some(match *key {
            RecordKey::Member(_) | RecordKey::Expel(_) => return None,
            RecordKey::Node => Self::NodeChanged { node: author },
            RecordKey::Grant(to) => Self::GrantChanged { at: author, to },
            RecordKey::Wrap(receiver) => Self::WrapChanged { origin: author, receiver },
            RecordKey::Job(job) => Self::JobChanged { owner: author, job },
            RecordKey::Archive(archive) if holds => {
                Self::ArchiveAppeared { origin: author, archive }
            }
            RecordKey::Archive(archive) => Self::ArchiveRemoved { origin: author, archive },
            RecordKey::Hold(origin, archive) => {
                Self::HoldChanged { origin, archive, holder: author }
            }
            RecordKey::Order(order) => Self::OrderChanged { issuer: author, order },
            RecordKey::Result(issuer, order) => Self::OrderAnswered { issuer, order, by: author },
        })
    }
}

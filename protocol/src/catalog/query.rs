//! Questions to the catalog.

use std::ops::RangeInclusive;

use super::Catalog;
use crate::{
    ArchiveId, JobId, NodeId, OrderId, Time,
    key::WrappedKey,
    membership::Member,
    record::{ArchiveFacts, Hold, JobFacts, NodeFacts, Order, Outcome, Right, Rights},
};

/// Why a node may not do something at another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not belong to the mesh, or not any more.
    #[error("{who} is not a member of the mesh")]
    NotAMember {
        /// Who asked.
        who: NodeId,
    },
    /// Its role or a grant does not allow it.
    #[error("{who} has no right to {right} at this node")]
    NotGranted {
        /// Who asked.
        who: NodeId,
        /// For what.
        right: Right,
    },
    /// What it asks for cannot be read here.
    #[error("what {who} asks for cannot be read here, or is none that another node may order")]
    Unreadable {
        /// Who asked.
        who: NodeId,
    },
}

/// An order that waits for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueOrder {
    /// Who issued it.
    pub issuer: NodeId,
    /// Its id, unique per issuer.
    pub id: OrderId,
    /// What to do until when.
    pub order: Order,
}

fn ids<const N: usize, I>(node: NodeId, id: fn([u8; N]) -> I) -> RangeInclusive<(NodeId, I)> {
    (node, id([0; N]))..=(node, id([0xff; N]))
}

impl Catalog {
    /// A present member.
    #[must_use]
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.membership.get(node)
    }

    /// What a node says of itself.
    #[must_use]
    pub fn node(&self, node: &NodeId) -> Option<&NodeFacts> {
        self.tables.nodes.get(node)
    }

    /// The name to show for a node: its own word, else the invitation's.
    #[must_use]
    pub fn name_of(&self, node: &NodeId) -> Option<&str> {
        let own = self.node(node).map(|facts| facts.name.as_str());
        own.or_else(|| self.membership.ever(node).map(|member| member.name.as_str()))
    }

    /// What a node has a right to at another. Everything at itself.
    #[must_use]
    pub fn rights(&self, at: &NodeId, who: &NodeId) -> Rights {
        if at == who {
            return Right::ALL.into_iter().collect();
        }
        let Some(member) = self.membership.get(who) else { return Rights::NONE };
        let by_role = Rights::of(member.role);
        let grant = self.tables.grants.get(&(*at, *who));
        grant.map_or(by_role, |grant| by_role.narrowed(grant.rights))
    }

    /// Whether a node may do this at another.
    ///
    /// # Errors
    /// When it is no member or the right is not granted.
    pub fn allows(&self, at: &NodeId, who: &NodeId, right: Right) -> Result<(), Refusal> {
        if at != who && !self.membership.is_member(who) {
            return Err(Refusal::NotAMember { who: *who });
        }
        if self.rights(at, who).allow(right) {
            return Ok(());
        }
        Err(Refusal::NotGranted { who: *who, right })
    }

    /// The archives of one node, by id.
    pub fn archives_of(&self, origin: NodeId) -> impl Iterator<Item = (&ArchiveId, &ArchiveFacts)> {
        let archives = self.tables.archives.range(ids(origin, ArchiveId));
        archives.map(|((_, archive), facts)| (archive, facts))
    }

    /// One archive.
    #[must_use]
    pub fn archive(&self, origin: NodeId, archive: ArchiveId) -> Option<&ArchiveFacts> {
        self.tables.archives.get(&(origin, archive))
    }

    /// Who has a replica of an archive, by their own word. The origin is not among them.
    pub fn holders(
        &self,
        origin: NodeId,
        archive: ArchiveId,
    ) -> impl Iterator<Item = (&NodeId, &Hold)> {
        let holds = self.tables.holds.get(&(origin, archive));
        holds.into_iter().flatten().filter(move |(holder, _)| **holder != origin)
    }

    /// What the origin had said of an archive that it removed, from a replica that is still held.
    #[must_use]
    pub fn removed_archive(&self, origin: NodeId, archive: ArchiveId) -> Option<ArchiveFacts> {
        self.holders(origin, archive).find_map(|(_, hold)| hold.archive(origin, archive))
    }

    /// The replicas that a node says it has.
    pub fn holds_of(&self, holder: NodeId) -> impl Iterator<Item = (NodeId, ArchiveId, &Hold)> {
        let all = self.tables.holds.iter();
        all.filter_map(move |((origin, archive), by)| Some((*origin, *archive, by.get(&holder)?)))
    }

    /// The jobs of a node.
    pub fn jobs_of(&self, owner: NodeId) -> impl Iterator<Item = (&JobId, &JobFacts)> {
        self.tables.jobs.range(ids(owner, JobId)).map(|((_, job), facts)| (job, facts))
    }

    /// The archive keys that were wrapped for a node, by origin.
    pub fn wraps_for(&self, receiver: NodeId) -> impl Iterator<Item = (NodeId, &WrappedKey)> {
        let all = self.tables.wraps.iter().filter(move |((_, to), _)| *to == receiver);
        all.map(|((origin, _), wrapped)| (*origin, wrapped))
    }

    /// What a node said of an order that it was given.
    #[must_use]
    pub fn outcome(&self, issuer: NodeId, order: OrderId) -> Option<&Outcome> {
        let to = self.tables.orders.get(&(issuer, order))?.to;
        self.outcome_by(to, issuer, order)
    }

    /// What a node said of an order, whether or not the order is still there.
    #[must_use]
    pub fn outcome_by(&self, by: NodeId, issuer: NodeId, order: OrderId) -> Option<&Outcome> {
        self.tables.results.get(&(issuer, order))?.get(&by)
    }

    /// The orders for a node to which it has not answered and whose deadline has not passed.
    pub fn orders_for(&self, node: NodeId, now: Time) -> impl Iterator<Item = DueOrder> {
        let mine = self.tables.orders.iter().filter(move |(_, order)| order.to == node);
        let due = mine.filter(move |(_, order)| now <= order.deadline);
        due.filter(move |((issuer, id), _)| self.outcome_by(node, *issuer, *id).is_none()).map(
            |((issuer, id), order)| DueOrder { issuer: *issuer, id: *id, order: order.clone() },
        )
    }
}

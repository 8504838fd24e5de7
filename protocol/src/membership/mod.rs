//! Who belongs to the mesh: a pure function of the records about it.
//!
//! The mesh was *founded* by its first node, whose id every node knows from its ticket. The founder
//! is an operator by definition. An operator *invites* (`member/<node>`) and *expels*
//! (`expel/<node>`). Whatever the order in which these records arrive, every node that has the same
//! ones finds the same members. The rules:
//!
//! 1. A node is a member when a chain of invitations, each by an operator, leads from the founder to
//!    it. Its *level* is the length of the shortest chain. Only invitations by nodes of a lower
//!    level count, so there are no loops, and a junior does not change the role of a senior. Of
//!    several at the lowest level the one with the latest time counts, then the larger author.
//! 2. Expulsions are considered in the order of *seniority* of their authors (level, then id). One
//!    *stands* when its author is a member at that point and nobody expelled the author before. So
//!    a junior may expel a senior, the founder too (a stolen server can be turned out), but where
//!    two expel each other the senior prevails, on every node.
//! 3. An expulsion stands until its author withdraws it (tombstone). Clocks play no part: an
//!    invitation of later time does not undo it.
//! 4. The signing key of an expelled node may be in foreign hands and can backdate. So an expulsion
//!    names the last version of it that counts (what is later is hidden and refused, not deleted,
//!    since the expulsion may turn out not to stand), and it repeats the invitations by the node that
//!    remain good. Those and no others count from then on, whatever the node signs.
//! 5. Records about membership are accepted from everybody to whom invitations lead when expulsions
//!    are left aside: rule 2 needs to see all of them, or two nodes that heard of them in another
//!    order would disagree for ever.

mod derive;
mod join;
pub mod ticket;
mod words;

use std::collections::BTreeSet;

pub use derive::Evidence;
pub use join::{JoinAnswer, JoinError, JoinRefusal, JoinRequest, Joined};
pub use ticket::{Outstanding, Ticket, TicketError};
pub use words::four_words;

use derive::Derived;

use crate::{
    NodeId, Time,
    key::ExchangePublic,
    record::{Invitation, Role, Version},
};

/// A node that was let in, and perhaps turned out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whose invitation counts; the founder's own for itself.
    pub inviter: NodeId,
    /// What it is in the mesh.
    pub role: Role,
    /// How much it may be given to hold, bytes.
    pub quota_bytes: Option<u64>,
    /// The name it gave when it joined. Its `node` record may have a newer one.
    pub name: String,
    /// The exchange key it gave when it joined.
    pub exchange: ExchangePublic,
    /// When it was invited, by the inviter's clock.
    pub since: Time,
    /// How many invitations lie between the founder and it.
    pub level: u32,
    /// Who turned it out, and up to where its records count.
    pub expelled: Option<(NodeId, Version)>,
}

impl Member {
    fn invitation(&self) -> Invitation {
        Invitation {
            role: self.role,
            quota_bytes: self.quota_bytes,
            name: self.name.clone(),
            exchange: self.exchange,
            time: self.since,
        }
    }
}

/// All members, present and expelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    founder: NodeId,
    derived: Derived,
}

/// What the keys of records about membership begin with.
pub(crate) const MEMBERSHIP_PREFIXES: [&str; 2] = ["expel/", "member/"];

impl Membership {
    /// What the records about it add up to.
    #[must_use]
    pub fn derive(founder: NodeId, evidence: &Evidence) -> Self {
        Self { founder, derived: derive::derive(founder, evidence) }
    }

    /// The first node of the mesh.
    #[must_use]
    pub fn founder(&self) -> NodeId {
        self.founder
    }

    /// A present member.
    #[must_use]
    pub fn get(&self, node: &NodeId) -> Option<&Member> {
        self.derived.all.get(node).filter(|member| member.expelled.is_none())
    }

    /// A node that is or was a member.
    #[must_use]
    pub fn ever(&self, node: &NodeId) -> Option<&Member> {
        self.derived.all.get(node)
    }

    /// Whether a node is a present member.
    #[must_use]
    pub fn is_member(&self, node: &NodeId) -> bool {
        self.get(node).is_some()
    }

    /// Whether a node is a present member and an operator.
    #[must_use]
    pub fn is_operator(&self, node: &NodeId) -> bool {
        self.get(node).is_some_and(|member| member.role == Role::Operator)
    }

    /// The present members.
    pub fn members(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.derived.all.iter().filter(|(_, member)| member.expelled.is_none())
    }

    /// The ids of the present members: who may connect.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<NodeId> {
        self.members().map(|(id, _)| *id).collect()
    }

    /// Those that were turned out.
    pub fn expelled(&self) -> impl Iterator<Item = (&NodeId, &Member)> {
        self.derived.all.iter().filter(|(_, member)| member.expelled.is_some())
    }

    /// Whom a node let in, by whose word they are members, as invitations that say what holds now.
    pub fn invited_by(&self, inviter: &NodeId) -> impl Iterator<Item = (NodeId, Invitation)> {
        let by =
            self.derived.all.iter().filter(move |(id, m)| m.inviter == *inviter && *id != inviter);
        by.map(|(id, member)| (*id, member.invitation()))
    }

    /// The nodes about which two memberships say different things.
    #[must_use]
    pub fn differences(&self, other: &Self) -> BTreeSet<NodeId> {
        let either = self.derived.all.keys().chain(other.derived.all.keys());
        either
            .filter(|node| self.derived.all.get(node) != other.derived.all.get(node))
            .copied()
            .collect()
    }

    /// Up to which version the records of a node count; `None` for strangers.
    ///
    /// Records about membership are exempt: see rule 5. Whose chain of invitations was broken has
    /// no other records that count, so its last version is before all.
    #[must_use]
    pub fn last_version_of(&self, author: &NodeId) -> Option<Version> {
        match self.derived.all.get(author) {
            Some(Member { expelled: Some((_, last)), .. }) => Some(*last),
            Some(_) => Some(Version::MAX),
            // Its own record may not have arrived yet.
            None if *author == self.founder => {
                Some(self.derived.founder_cut.unwrap_or(Version::MAX))
            }
            None => self.derived.ever.contains(author).then(Version::default),
        }
    }
}

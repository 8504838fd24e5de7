//! The rules of membership at work.

use std::collections::{BTreeMap, BTreeSet};

use super::{MEMBERSHIP_PREFIXES, Member};
use crate::{
    NodeId,
    limits::MEMBERS_MAX,
    record::{Expulsion, Fact, Feed, Invitation, RecordKey, Role, Version},
};

/// All invitations and expulsions that are known, by author and then by node.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    invitations: BTreeMap<NodeId, BTreeMap<NodeId, Invitation>>,
    expulsions: BTreeMap<NodeId, BTreeMap<NodeId, Expulsion>>,
}

impl Evidence {
    /// Reads them out of feeds.
    #[must_use]
    pub fn gather(feeds: &BTreeMap<NodeId, Feed>) -> Self {
        let mut evidence = Self::default();
        for (author, feed) in feeds {
            let about = MEMBERSHIP_PREFIXES.iter().flat_map(|prefix| feed.with_prefix(prefix));
            for (key, held) in about {
                let body = held.record().and_then(|record| record.body);
                if let (Ok(key), Some(body)) = (key.parse::<RecordKey>(), body)
                    && let Ok(fact) = Fact::read(&key, &body)
                {
                    evidence.add(*author, fact);
                }
            }
        }
        evidence
    }

    /// Adds what one record says; what is not about membership is passed over.
    pub fn add(&mut self, author: NodeId, fact: Fact) {
        match fact {
            Fact::Member(node, invitation) => {
                self.invitations.entry(author).or_default().insert(node, invitation);
            }
            Fact::Expel(node, expulsion) => {
                self.expulsions.entry(author).or_default().insert(node, expulsion);
            }
            _ => {}
        }
    }

    /// Whom a node let in: by its own records, or if it was expelled by what that left standing.
    fn invited_by<'a>(
        &'a self,
        by: &NodeId,
        standing: &Standing<'a>,
    ) -> Box<dyn Iterator<Item = (&'a NodeId, &'a Invitation)> + 'a> {
        match standing.get(by) {
            Some((_, expulsion)) => Box::new(expulsion.kept.iter().map(|(node, i)| (node, i))),
            None => Box::new(self.invitations.get(by).into_iter().flatten()),
        }
    }
}

/// The expulsions that stand, by expelled node, each with its author.
type Standing<'a> = BTreeMap<NodeId, (NodeId, &'a Expulsion)>;

/// What the rules make of the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Derived {
    /// Present and expelled members.
    pub(super) all: BTreeMap<NodeId, Member>,
    /// Everybody who would be a member had nobody been expelled.
    pub(super) ever: BTreeSet<NodeId>,
    /// Where the founder's feed is cut.
    pub(super) founder_cut: Option<Version>,
}

pub(super) fn derive(founder: NodeId, evidence: &Evidence) -> Derived {
    let mut standing = Standing::new();
    let mut all = reach(founder, evidence, &standing);
    let ever = all.keys().copied().collect();
    let mut seniority: Vec<(u32, NodeId)> =
        all.iter().map(|(node, member)| (member.level, *node)).collect();
    seniority.sort_unstable();
    for (_, author) in seniority {
        for (node, expulsion) in evidence.expulsions.get(&author).into_iter().flatten() {
            let may = !standing.contains_key(&author)
                && all.get(&author).is_some_and(|member| member.role == Role::Operator);
            let concerns = all.contains_key(node) && !standing.contains_key(node);
            if may && concerns && *node != author {
                standing.insert(*node, (author, expulsion));
                all = reach(founder, evidence, &standing);
            }
        }
    }
    for (node, (by, expulsion)) in &standing {
        if let Some(member) = all.get_mut(node) {
            member.expelled = Some((*by, expulsion.last));
        }
    }
    let founder_cut = standing.get(&founder).map(|(_, expulsion)| expulsion.last);
    Derived { all, ever, founder_cut }
}

/// Everybody to whom a chain of invitations leads, expelled or not.
fn reach<'a>(
    founder: NodeId,
    evidence: &'a Evidence,
    standing: &Standing<'a>,
) -> BTreeMap<NodeId, Member> {
    let mut reached = BTreeMap::new();
    let mut operators = BTreeSet::from([founder]);
    let own = evidence.invitations.get(&founder).and_then(|by_founder| by_founder.get(&founder));
    if let Some(own) = own {
        reached.insert(founder, Member { role: Role::Operator, ..member(own, founder, 0) });
    }
    for level in 1.. {
        let mut next: BTreeMap<NodeId, Member> = BTreeMap::new();
        for by in &operators {
            for (node, invitation) in evidence.invited_by(by, standing) {
                let settled = *node == founder || reached.contains_key(node);
                let loses = |other: &Member| (other.since, other.inviter) > (invitation.time, *by);
                if !settled && !next.get(node).is_some_and(loses) {
                    next.insert(*node, member(invitation, *by, level));
                }
            }
        }
        let room = MEMBERS_MAX.saturating_sub(reached.len());
        next = next.into_iter().take(room).collect();
        if next.is_empty() {
            break;
        }
        operators =
            next.iter().filter(|(_, m)| m.role == Role::Operator).map(|(n, _)| *n).collect();
        reached.extend(next);
    }
    reached
}

fn member(invitation: &Invitation, inviter: NodeId, level: u32) -> Member {
    Member {
        inviter,
        role: invitation.role,
        quota_bytes: invitation.quota_bytes,
        name: invitation.name.clone(),
        exchange: invitation.exchange,
        since: invitation.time,
        level,
        expelled: None,
    }
}

#[cfg(test)]
mod tests;

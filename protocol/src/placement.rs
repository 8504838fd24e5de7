//! Which nodes hold an archive: a pure function, computed alike by every node.
//!
//! Nobody coordinates. Every node that knows the same records names the same *holders*; one that
//! finds itself named fetches. The function is rendezvous hashing: each candidate draws a number
//! from its id and the archive's, weighted by the room it offers, and the best few win. So a node
//! that joins takes over only what it wins, and one that leaves gives up only what it held.
//!
//! *Away* nodes keep their rank. While one is away the next best stands in for it; once it is back
//! it is named again, because nothing about its draw has changed, and it still has its replica. A
//! stand-in is then no longer named, and its replica goes when its own lock and retention say so.
//!
//! The draw is an exponential variable divided by the weight, the smallest wins: that is what makes
//! shares exactly proportional to weights. The logarithm is taken in fixed point and quotients are
//! compared by cross multiplication, so that no CPU's floating point can make two nodes disagree.
//!
//! Weights are rounded down to four significant bits first. What a node stores makes its free quota
//! a little smaller every night; without steps, that alone would move archives about.

use std::collections::BTreeSet;

use crate::{ArchiveId, NodeId};

#[cfg(test)]
mod tests;

/// Binary digits after the point of a draw. Times a 64-bit weight it still fits 128 bits.
const FRACTION_BITS: u32 = 48;

/// Significant bits that a weight keeps: steps of at most an eighth.
const WEIGHT_BITS: u32 = 4;

/// Keeps these draws apart from any other use of BLAKE3.
const CONTEXT: &str = "backupmanager placement v1";

/// How many replicas an archive wants, and on whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Replicas on other nodes than the origin.
    pub copies: u8,
    /// Which nodes may have one.
    pub on: Where,
}

/// Which nodes may hold an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// Any that offer room.
    Any,
    /// These and no others.
    Named(BTreeSet<NodeId>),
}

/// A node that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// The room it offers to this origin, bytes: the free quota *plus* what it already holds of the
    /// origin, or a holder would push itself out by holding. None at all excludes it.
    pub weight: u64,
    /// Out of reach for longer than a replica may be without its holder.
    pub away: bool,
}

/// The holders of an archive, best first; fewer than `copies` when not enough nodes are there.
///
/// The order of the candidates does not matter, and the origin is never among the chosen.
#[must_use]
pub fn assign(
    archive: ArchiveId,
    origin: NodeId,
    policy: &Policy,
    candidates: &[Candidate],
) -> Vec<NodeId> {
    ranked(archive, origin, &policy.on, candidates)
        .into_iter()
        .filter(|candidate| !candidate.away)
        .take(usize::from(policy.copies))
        .map(|candidate| candidate.node)
        .collect()
}

/// All who may hold the archive, best first, those who are away too.
#[must_use]
pub fn ranked(
    archive: ArchiveId,
    origin: NodeId,
    on: &Where,
    candidates: &[Candidate],
) -> Vec<Candidate> {
    let allowed = |node: &NodeId| match on {
        Where::Any => true,
        Where::Named(names) => names.contains(node),
    };
    let mut draws: Vec<(u64, u64, Candidate)> = candidates
        .iter()
        .filter(|c| c.node != origin && c.weight > 0 && allowed(&c.node))
        .map(|c| (draw(archive, c.node), stepped(c.weight), *c))
        .collect();
    draws.sort_by(|(a, a_weight, one), (b, b_weight, other)| {
        let (left, right) = (product(*a, *b_weight), product(*b, *a_weight));
        left.cmp(&right).then(one.node.cmp(&other.node))
    });
    draws.dedup_by_key(|(_, _, candidate)| candidate.node);
    draws.into_iter().map(|(_, _, candidate)| candidate).collect()
}

fn product(draw: u64, weight: u64) -> u128 {
    u128::from(draw) * u128::from(weight)
}

/// Rounded down to a step, so that small changes change nothing.
fn stepped(weight: u64) -> u64 {
    let dropped = (u64::BITS - weight.leading_zeros()).saturating_sub(WEIGHT_BITS);
    weight >> dropped << dropped
}

/// -log2 of a number in (0, 1) that follows from the archive and the node.
fn draw(archive: ArchiveId, node: NodeId) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&archive.0).update(&node.0);
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    minus_log2(u64::from_le_bytes(first))
}

/// -log2((hash + 1) / 2^64) with [`FRACTION_BITS`], from integers alone; never zero, so that no
/// weight can be beaten by a draw of nothing.
fn minus_log2(hash: u64) -> u64 {
    let value = u128::from(hash) + 1;
    let whole = value.ilog2();
    // The mantissa in [1, 2) with 63 bits after the point: 2^64 itself is the only larger value.
    let mut mantissa = if whole >= 63 { value >> (whole - 63) } else { value << (63 - whole) };
    let mut log = u64::from(whole);
    for _ in 0..FRACTION_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        let carry = mantissa >> 64;
        mantissa >>= carry;
        log = log << 1 | u64::from(carry == 1);
    }
    ((64 << FRACTION_BITS) - log).max(1)
}

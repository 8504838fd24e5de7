//! What is known of the closure but not begun, deepest first and bounded.

use std::collections::{BTreeSet, VecDeque};

use super::{BRANCHES_MAX, LINKS_PER_BRANCH_MAX, PENDING_LINKS_MAX, message::SessionError};
use crate::{SealedId, limits::OBJECT_BYTES_MAX, object::Link};

/// A link takes at least an id and a length in a branch, so its size bounds what it may bring.
const LINK_BYTES_MIN: u64 = 36;

/// A link and how deep in the closure it was found; the root's depth is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) link: Link,
    pub(super) depth: u8,
}

/// The part of the closure that is still to be visited.
///
/// A branch may be begun only when there is room for the links it may bring: its *reservation*.
#[derive(Debug)]
pub(super) struct Walk {
    /// Links by depth.
    pending: Vec<VecDeque<Link>>,
    /// By the depth of the branches that hold them.
    reserved: Vec<u64>,
    walked: BTreeSet<SealedId>,
}

impl Walk {
    pub(super) fn new(branch_levels: u8) -> Self {
        let levels = usize::from(branch_levels);
        Self {
            pending: vec![VecDeque::new(); levels + 1],
            reserved: vec![0; levels],
            walked: BTreeSet::new(),
        }
    }

    /// The first link.
    pub(super) fn begin(&mut self, root: Link) -> Result<(), SessionError> {
        self.push(0, root)
    }

    /// Whether objects at this depth are walked.
    pub(super) fn is_branch_depth(&self, depth: u8) -> bool {
        usize::from(depth) < self.reserved.len()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.pending.iter().all(VecDeque::is_empty)
    }

    /// The next link to visit: the deepest for which there is room.
    pub(super) fn next(&mut self) -> Option<Placed> {
        for depth in (0..self.pending.len()).rev() {
            let Some(&link) = self.pending[depth].front() else { continue };
            let placed = Placed { link, depth: u8::try_from(depth).unwrap_or(u8::MAX) };
            if self.reserve(placed) {
                self.pending[depth].pop_front();
                return Some(placed);
            }
        }
        None
    }

    /// Takes room for what this object may bring; says whether there was any.
    pub(super) fn reserve(&mut self, placed: Placed) -> bool {
        let depth = usize::from(placed.depth);
        let Some(reserved) = self.reserved.get_mut(depth) else { return true };
        let below = self.pending[depth + 1].len() as u64;
        let wanted = reservation(placed.link);
        let first = below == 0 && *reserved == 0;
        let fits = below + *reserved + wanted <= PENDING_LINKS_MAX;
        if first || fits {
            *reserved += wanted;
        }
        first || fits
    }

    /// Gives the room back: the object turned out a leaf, or nobody has it now.
    pub(super) fn release(&mut self, placed: Placed) {
        if let Some(reserved) = self.reserved.get_mut(usize::from(placed.depth)) {
            *reserved = reserved.saturating_sub(reservation(placed.link));
        }
    }

    pub(super) fn was_walked(&self, id: &SealedId) -> bool {
        self.walked.contains(id)
    }

    /// Branches whose links were taken.
    pub(super) fn walked(&self) -> u64 {
        self.walked.len() as u64
    }

    /// Takes the links of a branch; its reservation ends.
    pub(super) fn expand(&mut self, branch: Placed, links: &[Link]) -> Result<(), SessionError> {
        let id = branch.link.id;
        self.release(branch);
        if !self.is_branch_depth(branch.depth) {
            return Err(SessionError::TooDeep { id, depth: branch.depth });
        }
        if links.len() > LINKS_PER_BRANCH_MAX {
            return Err(SessionError::TooManyLinks { id, links: links.len() });
        }
        if !self.walked.insert(id) {
            return Ok(());
        }
        if self.walked.len() > BRANCHES_MAX {
            return Err(SessionError::TooManyBranches { branches_max: BRANCHES_MAX as u64 });
        }
        links.iter().try_for_each(|link| self.push(usize::from(branch.depth) + 1, *link))
    }

    #[cfg(test)]
    pub(super) fn pending_links(&self) -> usize {
        self.pending.iter().map(VecDeque::len).sum()
    }

    fn push(&mut self, depth: usize, link: Link) -> Result<(), SessionError> {
        if link.bytes == 0 || link.bytes as usize > OBJECT_BYTES_MAX {
            return Err(SessionError::BadLength { id: link.id, bytes: link.bytes });
        }
        self.pending[depth].push_back(link);
        Ok(())
    }
}

fn reservation(link: Link) -> u64 {
    (u64::from(link.bytes) / LINK_BYTES_MIN).clamp(1, LINKS_PER_BRANCH_MAX as u64)
}

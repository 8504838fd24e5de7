//! What a node has of sealed objects: a durable part, and one that a crash may take.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use protocol::{
    Entropy as _, SealedId,
    key::ArchiveKey,
    object::{self, Link, ObjectKind},
    seal::{SealChoice, Sealer},
};

use crate::dice::Dice;

pub(super) type Bytes = Arc<[u8]>;

#[derive(Default)]
pub(super) struct Shelf {
    durable: BTreeMap<SealedId, Bytes>,
    unsynced: BTreeMap<SealedId, Bytes>,
}

impl Shelf {
    pub(super) fn get(&self, id: &SealedId) -> Option<&Bytes> {
        self.durable.get(id).or_else(|| self.unsynced.get(id))
    }

    pub(super) fn put(&mut self, id: SealedId, bytes: Bytes) {
        if !self.durable.contains_key(&id) {
            self.unsynced.insert(id, bytes);
        }
    }

    pub(super) fn flush(&mut self) {
        self.durable.append(&mut self.unsynced);
    }

    /// Of what was not synced the disk has got any part, or none.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        let chance = dice.below(101);
        let kept = std::mem::take(&mut self.unsynced);
        self.durable.extend(kept.into_iter().filter(|_| dice.percent(chance)));
    }

    /// Drops what no root needs.
    pub(super) fn collect(&mut self, roots: &[Link]) -> usize {
        let before = self.durable.len() + self.unsynced.len();
        let live: BTreeSet<SealedId> =
            roots.iter().flat_map(|root| closure(root, |id| self.get(id)).0).collect();
        self.durable.retain(|id, _| live.contains(id));
        self.unsynced.retain(|id, _| live.contains(id));
        before - self.durable.len() - self.unsynced.len()
    }

    /// An object below this root that would not be there after a crash.
    pub(super) fn lacks(&self, root: &Link) -> Option<SealedId> {
        closure(root, |id| self.durable.get(id)).1
    }
}

/// The names of what is there below a root, and one of what is not.
fn closure<'a>(
    root: &Link,
    get: impl Fn(&SealedId) -> Option<&'a Bytes>,
) -> (BTreeSet<SealedId>, Option<SealedId>) {
    let (mut seen, mut missing, mut rest) = (BTreeSet::new(), None, vec![*root]);
    while let Some(link) = rest.pop() {
        match get(&link.id) {
            None => missing = Some(link.id),
            Some(bytes) if seen.insert(link.id) => {
                rest.extend(links(bytes).unwrap_or_default());
            }
            Some(_) => {}
        }
    }
    (seen, missing)
}

/// The links of a branch; a leaf has none.
pub(super) fn links(bytes: &[u8]) -> Option<Vec<Link>> {
    let object = object::parse(bytes).unwrap();
    (object.kind == ObjectKind::Branch).then_some(object.links)
}

/// Makes the objects of one night: leaves, their pages, the root last. A few leaves are the same
/// every night, and sometimes whole pages are.
pub(super) fn night(key: &ArchiveKey, dice: &mut Dice) -> Vec<(Link, Bytes)> {
    let mut sealer = Sealer::new(key, SealChoice::None, 1);
    let mut objects = Vec::new();
    let mut pages = Vec::new();
    for _ in 0..=dice.below(3) {
        let mut leaves = Vec::new();
        for nth in 0..=dice.below(4) {
            let mut plain = vec![u8::try_from(nth).unwrap(); 40];
            if dice.percent(50) {
                dice.fill(&mut plain);
            }
            let leaf = sealer.seal_leaf(&sealer.chunk_id(&plain), &plain).unwrap();
            leaves.push(leaf.link());
            objects.push((leaf.link(), leaf.bytes.into()));
        }
        let page = sealer.seal_branch(&leaves, b"page").unwrap();
        pages.push(page.link());
        objects.push((page.link(), page.bytes.into()));
    }
    let mut private = [0; 16];
    dice.fill(&mut private);
    let root = sealer.seal_branch(&pages, &private).unwrap();
    objects.push((root.link(), root.bytes.into()));
    objects
}

//! What the chunk store must keep: the closures of this node's archives and replicas.
//!
//! A *root* is the root object of an archive of this node, or of a replica that this node says it
//! holds (also when the origin has removed its record since). The *closure* of a root is all that
//! is needed to rebuild the archive. Everything is found through the public links of objects, so
//! it needs no key.
//!
//! The format has three levels: a root names pages, a page names leaves and the bases these stand
//! on. So the links of the root and of its pages are all there is; a branch below a page is named
//! but not followed, and a hostile origin cannot send the walk into the deep.
//!
//! Who collects garbage must know every root and every page. When one of them cannot be known,
//! [`mark`] fails, and nothing may be freed. A replica whose fetch has not ended is no root: what
//! came of it so far may go, and comes again.

use std::{collections::BTreeSet, ops::ControlFlow};

use protocol::{
    ArchiveId, NodeId, SealedId,
    catalog::Catalog,
    engine::Engine,
    object::{self, Link, ObjectError},
    record::RecordKey,
};

use super::{node::Node, view};
use crate::{
    chunks::{ChunkStore, StoreError},
    socket::Cancel,
};

/// Pages that are remembered as walked: 32 MiB of ids. Those beyond are walked again.
const WALKED_MAX: usize = 1 << 20;

/// A closure to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Root {
    /// Who made the archive.
    pub(in crate::daemon) origin: NodeId,
    /// The archive.
    pub(in crate::daemon) archive: ArchiveId,
    /// Its root object.
    pub(in crate::daemon) link: Link,
}

/// What a node's own records say that it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct Roots {
    /// The closures.
    pub(in crate::daemon) known: Vec<Root>,
    /// Records of an archive or a replica that this version cannot read.
    pub(in crate::daemon) unreadable: Vec<String>,
}

/// Why it cannot be told what is live. Nothing may be freed then.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum MarkError {
    /// Its later records are hidden.
    #[error("this node is not a member of its mesh any more, so it may not see all its archives")]
    NotAMember,
    /// The node may have been put back from an old copy.
    #[error("no member has shown yet that it knows no newer records of this node")]
    OwnHistoryUnknown,
    /// The catalog has holes.
    #[error("{count} stored records could not be read when the daemon started")]
    RecordsDamaged {
        /// How many.
        count: u64,
    },
    /// Written by a newer program.
    #[error("this version cannot read what this node said with the record {key}")]
    RecordUnreadable {
        /// Its key.
        key: String,
    },
    /// A root or a page is not here.
    #[error("{count} pages of the archive {archive} cannot be read")]
    Gap {
        /// The archive's name, or its id where the name is not to be seen.
        archive: String,
        /// How many.
        count: u64,
        /// What is wrong with the first.
        #[source]
        first: Box<BranchError>,
    },
    /// The store failed, or the caller asked to stop.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MarkError {
    /// What a person can do about it.
    pub(in crate::daemon) fn hint(&self) -> &'static str {
        match self {
            Self::NotAMember => "have it invited again; nothing was freed",
            Self::OwnHistoryUnknown => {
                "nothing was freed; try again when a member of the mesh has been connected"
            }
            Self::RecordsDamaged { .. } => {
                "nothing was freed; put state.redb back from a copy of the data folder"
            }
            Self::RecordUnreadable { .. } => "nothing was freed; upgrade backupmanager",
            Self::Gap { .. } => {
                "nothing was freed; `backupmanager store check --read-data` finds what is damaged; \
                 when no node has a whole copy, remove that archive"
            }
            Self::Store(error) => error.hint().unwrap_or("nothing was freed"),
        }
    }
}

/// A root or a page that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum BranchError {
    /// It is missing or damaged.
    #[error(transparent)]
    Store(StoreError),
    /// It is no object that this version knows.
    #[error("object {id} is not of a kind that this version knows")]
    Object {
        /// Which.
        id: SealedId,
        /// What is wrong with it.
        #[source]
        source: ObjectError,
    },
}

/// Roots and pages of a closure that could not be read: what they name is unknown.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Gaps {
    /// How many.
    pub(in crate::daemon) count: u64,
    /// What is wrong with the first.
    pub(in crate::daemon) first: Option<BranchError>,
}

impl Gaps {
    fn push(&mut self, error: BranchError) {
        self.count += 1;
        self.first.get_or_insert(error);
    }
}

/// Pages whose links were named before. Nights share most of theirs.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Walked(BTreeSet<SealedId>);

impl Walked {
    fn note(&mut self, id: SealedId) {
        if self.0.len() < WALKED_MAX {
            self.0.insert(id);
        }
    }
}

/// The closures that a node keeps, by its own records.
pub(in crate::daemon) fn roots(catalog: &Catalog, me: NodeId) -> Roots {
    let mut roots = Roots::default();
    let Some(feed) = catalog.feed(&me) else { return roots };
    let about = ["archive/", "hold/"].into_iter().flat_map(|prefix| feed.with_prefix(prefix));
    for (key, held) in about {
        match key.parse().ok().and_then(|key| root(catalog, me, &key)) {
            Some(root) => roots.known.push(root),
            // Either a tombstone, or a record that this version cannot read.
            None if held.record().is_some_and(|record| record.body.is_none()) => {}
            None => roots.unreadable.push(key.to_owned()),
        }
    }
    roots
}

fn root(catalog: &Catalog, me: NodeId, key: &RecordKey) -> Option<Root> {
    let (origin, archive, link) = match *key {
        RecordKey::Archive(archive) => (me, archive, catalog.archive(me, archive)?.root),
        RecordKey::Hold(origin, archive) => {
            let holds = catalog.tables().holds.get(&(origin, archive))?;
            (origin, archive, holds.get(&me)?.root)
        }
        _ => return None,
    };
    Some(Root { origin, archive, link })
}

/// Names every object of a closure to `visit`, whether it is here or not, the root first; some more
/// than once. What pages in `walked` list is passed over: give an empty one to hear of everything.
///
/// # Errors
/// When the store cannot be read at all; [`StoreError::Stopped`] when `visit` breaks off.
pub(in crate::daemon) fn closure(
    store: &ChunkStore,
    root: &Link,
    walked: &mut Walked,
    visit: &mut dyn FnMut(&Link) -> ControlFlow<()>,
) -> Result<Gaps, StoreError> {
    let mut gaps = Gaps::default();
    name(std::slice::from_ref(root), visit)?;
    let Some(pages) = links_of(store, &root.id, &mut gaps)? else { return Ok(gaps) };
    for page in &pages {
        name(std::slice::from_ref(page), visit)?;
        if walked.0.contains(&page.id) {
            continue;
        }
        if let Some(leaves) = links_of(store, &page.id, &mut gaps)? {
            name(&leaves, visit)?;
            walked.note(page.id);
        }
    }
    Ok(gaps)
}

fn name(links: &[Link], visit: &mut dyn FnMut(&Link) -> ControlFlow<()>) -> Result<(), StoreError> {
    match links.iter().try_for_each(visit) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(StoreError::Stopped),
    }
}

/// The links of an object; nothing, and a gap more, when it cannot be read.
fn links_of(
    store: &ChunkStore,
    id: &SealedId,
    gaps: &mut Gaps,
) -> Result<Option<Vec<Link>>, StoreError> {
    let bytes = match store.get(id) {
        Ok(bytes) => bytes,
        Err(error @ (StoreError::Missing { .. } | StoreError::Damaged { .. })) => {
            gaps.push(BranchError::Store(error));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    match object::parse(&bytes) {
        Ok(object) => Ok(Some(object.links)),
        Err(source) => {
            gaps.push(BranchError::Object { id: *id, source });
            Ok(None)
        }
    }
}

/// Names every object that must stay to `keep`, some more than once. To be called when nothing can
/// be added to the store, so that it sees every archive that has been announced.
///
/// # Errors
/// When it cannot be told what must stay, or `cancel` was asked. Then nothing may be freed.
pub(in crate::daemon) fn mark(
    node: &Node,
    cancel: &Cancel,
    keep: &mut dyn FnMut(&SealedId),
) -> Result<(), MarkError> {
    let roots = node.mesh.engine(|engine| {
        judge(engine)?;
        Ok::<_, MarkError>(roots(engine.catalog(), engine.me()))
    })?;
    let title = |root: &Root| {
        let named = |catalog: &Catalog| {
            view::title(catalog, &node.keys_in(catalog), root.origin, root.archive)
        };
        node.mesh.look(named)
    };
    mark_roots(&node.store, roots, title, cancel, keep)
}

/// Whether an engine knows all that its node ever said.
pub(in crate::daemon) fn knows_itself(engine: &Engine) -> bool {
    judge(engine).is_ok()
}

/// The same, with the reason why not.
fn judge(engine: &Engine) -> Result<(), MarkError> {
    let (membership, me) = (engine.catalog().membership(), engine.me());
    if !membership.is_member(&me) {
        return Err(MarkError::NotAMember);
    }
    if engine.own_feed_known() {
        return Ok(());
    }
    let damaged = engine.counters().damaged_at_start;
    if membership.members().any(|(id, _)| *id != me) {
        Err(MarkError::OwnHistoryUnknown)
    } else if damaged > 0 {
        Err(MarkError::RecordsDamaged { count: damaged })
    } else {
        Ok(())
    }
}

fn mark_roots(
    store: &ChunkStore,
    roots: Roots,
    title: impl Fn(&Root) -> String,
    cancel: &Cancel,
    keep: &mut dyn FnMut(&SealedId),
) -> Result<(), MarkError> {
    if let Some(key) = roots.unreadable.into_iter().next() {
        return Err(MarkError::RecordUnreadable { key });
    }
    let mut walked = Walked::default();
    let mut visit = |link: &Link| {
        keep(&link.id);
        if cancel.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    for root in &roots.known {
        let gaps = closure(store, &root.link, &mut walked, &mut visit)?;
        if let Some(first) = gaps.first {
            let (archive, first) = (title(root), Box::new(first));
            return Err(MarkError::Gap { archive, count: gaps.count, first });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::daemon) mod tests;

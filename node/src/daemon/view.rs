//! What this node can tell of the catalog: its jobs, and the archives whose key it has.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    ArchiveId, NodeId, Time,
    archive::ArchiveMeta,
    catalog::Catalog,
    cbor,
    control::{Failure, FailureCode, NodeName, NodeRef},
    job::{Job, Name},
    key::{ArchiveKey, NodeSecret},
    manifest::RootRef,
    record::ArchiveFacts,
    seal,
};

use super::registry::Listing;

/// The largest stored job: excludes and commands within their bounds.
const JOB_BYTES_MAX: usize = 1 << 20;

/// The archive keys this node can use, by origin: its own, and those wrapped for it.
#[derive(Clone, Debug, Default)]
pub struct Keys(BTreeMap<NodeId, ArchiveKey>);

impl Keys {
    /// Collects them.
    #[must_use]
    pub fn gather(catalog: &Catalog, me: &NodeSecret, own: &ArchiveKey) -> Self {
        let wraps = catalog.wraps_for(me.id());
        let opened = wraps.filter_map(|(origin, wrap)| Some((origin, wrap.unwrap(me).ok()?)));
        let mut keys: BTreeMap<_, _> = opened.collect();
        keys.insert(me.id(), own.clone());
        Self(keys)
    }

    /// The key of an origin.
    #[must_use]
    pub fn of(&self, origin: &NodeId) -> Option<&ArchiveKey> {
        self.0.get(origin)
    }
}

/// An archive as the catalog knows it, opened where this node has the key.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The node that made it.
    pub origin: NodeId,
    /// Its id.
    pub id: ArchiveId,
    /// The public part of its record.
    pub facts: ArchiveFacts,
    /// The private part, for those who can open it.
    pub meta: Option<ArchiveMeta>,
}

impl Archive {
    /// What to call it to a person.
    #[must_use]
    pub fn title(&self) -> String {
        self.meta.as_ref().map_or_else(|| self.id.short(), |meta| meta.name.clone())
    }

    /// The root with its private half.
    #[must_use]
    pub fn root(&self) -> Option<RootRef> {
        self.meta.as_ref().map(|meta| meta.root_ref(self.facts.root))
    }
}

/// Every archive in the catalog, removed ones that are still held included; oldest first.
#[must_use]
pub fn archives(catalog: &Catalog, keys: &Keys) -> Vec<Archive> {
    let tables = catalog.tables();
    let mut all: Vec<_> = tables
        .archives
        .iter()
        .map(|((origin, id), facts)| open_archive(keys, *origin, *id, facts.clone()))
        .collect();
    all.sort_by_key(|archive| (archive.facts.created, archive.origin, archive.id));
    all
}

/// An archive, opened where its key is among `keys`.
#[must_use]
pub fn open_archive(keys: &Keys, origin: NodeId, id: ArchiveId, facts: ArchiveFacts) -> Archive {
    let meta = keys.of(&origin).and_then(|key| ArchiveMeta::open(key, &facts.sealed).ok());
    Archive { origin, id, facts, meta }
}

/// What to call an archive to a person, also one that its origin has removed: its name, or its id
/// where the name is not to be seen.
#[must_use]
pub fn title(catalog: &Catalog, keys: &Keys, origin: NodeId, id: ArchiveId) -> String {
    let facts = catalog.archive(origin, id).cloned();
    let facts = facts.or_else(|| catalog.removed_archive(origin, id));
    facts.map_or_else(|| id.short(), |facts| open_archive(keys, origin, id, facts).title())
}

/// The archive that somebody names, by its name or its id.
///
/// # Errors
/// When there is none, or several nodes have one of that name.
pub fn find_archive(
    listing: &Listing,
    origin: Option<NodeId>,
    me: NodeId,
    name: &Name,
) -> Result<Archive, Failure> {
    let found: Vec<_> = listing
        .archives_called(name.as_str())
        .filter(|archive| origin.is_none_or(|origin| archive.origin == origin))
        .collect();
    let mine = found.iter().find(|archive| archive.origin == me);
    if let Some(archive) = mine.filter(|_| found.len() > 1) {
        return Ok(Archive::clone(archive));
    }
    let what = format!("cannot find archive {name}");
    match found.len() {
        1 => Ok(Archive::clone(found[0])),
        0 => Err(Failure::new(FailureCode::NotFound, what, "no node that is known here has it")
            .hint("`backupmanager archive list` shows those that can be named")),
        count => {
            let why = format!("{count} nodes have one of that name");
            Err(Failure::new(FailureCode::Invalid, what, why).hint("say whose with --node-of"))
        }
    }
}

/// The member that somebody names, expelled ones included.
///
/// # Errors
/// When there is none, or several have that name.
pub fn find_node(catalog: &Catalog, wanted: &NodeRef) -> Result<NodeId, Failure> {
    let membership = catalog.membership();
    let all: BTreeSet<_> =
        membership.members().chain(membership.expelled()).map(|(id, _)| *id).collect();
    let found: Vec<_> = all
        .into_iter()
        .filter(|id| match wanted {
            NodeRef::Id(wanted) => id == wanted,
            NodeRef::Name(name) => catalog.name_of(id) == Some(name.as_str()),
        })
        .collect();
    let what = format!("cannot find node {wanted}");
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(FailureCode::NotFound, what, "no member of the mesh has that name")
            .hint("`backupmanager mesh list` shows the members")),
        _ => Err(Failure::new(FailureCode::Invalid, what, "several members have that name")
            .hint("name it by its id, as `mesh list --json` shows it")),
    }
}

/// A node as it is shown.
#[must_use]
pub fn node_name(catalog: &Catalog, id: NodeId) -> NodeName {
    let name = catalog.name_of(&id).map_or_else(|| id.short(), str::to_owned);
    NodeName { id, name }
}

/// A job as its record carries it, with its size; none when it does not open.
#[must_use]
pub fn open_job(key: &ArchiveKey, sealed: &[u8]) -> Option<(Job, usize)> {
    let plain = seal::open_meta(key, sealed).ok()?;
    let job = cbor::decode("job", &plain, JOB_BYTES_MAX).ok()?;
    Some((job, plain.len()))
}

/// Copies of an archive that stand, the origin's own not counted.
#[must_use]
pub fn copies(catalog: &Catalog, archive: &Archive) -> usize {
    let membership = catalog.membership();
    let holders = catalog.holders(archive.origin, archive.id);
    holders
        .filter(|(holder, hold)| membership.is_member(holder) && hold.root == archive.facts.root)
        .count()
}

/// Whether a lock of a hold still stands at `now`.
#[must_use]
pub fn is_locked(locked_until: Time, now: Time) -> bool {
    now < locked_until
}

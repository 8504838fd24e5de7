//! Archives that are being read, and one decision about archives at a time.
//!
//! A retention drops nothing that somebody reads. Whoever pins, changes or drops archives of this
//! node looks at their records and publishes new ones; between the two nobody else may.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{
    ArchiveId, NodeId,
    archive::ArchiveMeta,
    control::{Failure, FailureCode},
    record::{ArchiveFacts, Fact, RecordKey},
};

use super::{
    mesh::Change,
    node::Node,
    view::{self, Archive},
};
use crate::sys::OsEntropy;

type Readers = Arc<Mutex<BTreeMap<(NodeId, ArchiveId), usize>>>;

/// Which archives are read, and who decides.
#[derive(Debug, Default)]
pub struct Keeping {
    readers: Readers,
    deciding: tokio::sync::Mutex<()>,
}

/// Somebody reads an archive, for as long as this lives.
#[derive(Debug)]
pub(super) struct Reading {
    readers: Readers,
    which: (NodeId, ArchiveId),
}

impl Keeping {
    /// Notes that an archive is read.
    pub(super) fn reading(&self, archive: &Archive) -> Reading {
        let which = (archive.origin, archive.id);
        *lock(&self.readers).entry(which).or_default() += 1;
        Reading { readers: Arc::clone(&self.readers), which }
    }

    /// Whether an archive is read now.
    pub(super) fn is_read(&self, archive: &Archive) -> bool {
        lock(&self.readers).contains_key(&(archive.origin, archive.id))
    }

    /// Waits until nobody else decides. Hold it from looking until publishing.
    pub(super) async fn decide(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.deciding.lock().await
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = lock(&self.readers);
        if let Some(count) = readers.get_mut(&self.which) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.which);
            }
        }
    }
}

fn lock(readers: &Readers) -> MutexGuard<'_, BTreeMap<(NodeId, ArchiveId), usize>> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Publishes the record of an archive of this node again, changed. It keeps its id, time and root,
/// so for who holds it, it is the same archive. When nothing changes nothing is published.
///
/// # Errors
/// When the archive is gone, does not open, or the record cannot be stored.
pub(super) async fn amend(
    node: &Node,
    archive: &Archive,
    what: &str,
    change: impl FnOnce(&mut ArchiveFacts, &mut ArchiveMeta),
) -> Result<(), Failure> {
    let _deciding = node.keeping.decide().await;
    let newest = node.mesh.look(|catalog| catalog.archive(node.id(), archive.id).cloned());
    let Some(before) = newest else {
        return Err(Failure::new(FailureCode::Conflict, what, "it was removed meanwhile"));
    };
    let meta_before = ArchiveMeta::open(&node.key, &before.sealed)
        .map_err(|error| Failure::caused(FailureCode::Damaged, what, &error))?;
    let (mut facts, mut meta) = (before.clone(), meta_before.clone());
    change(&mut facts, &mut meta);
    if meta != meta_before {
        facts.sealed = meta.seal(&node.key, &mut OsEntropy);
    } else if facts == before {
        return Ok(());
    }
    node.mesh.publish(vec![Change::Say(Fact::Archive(archive.id, facts))]).await
}

/// Says that archives of this node are no more; their chunks go with the next collection. Whoever
/// calls it decides meanwhile, see [`Keeping::decide`].
///
/// # Errors
/// When that cannot be stored; the first of them may be gone.
pub(super) async fn drop_archives(node: &Node, archives: &[ArchiveId]) -> Result<(), Failure> {
    let gone = archives.iter().map(|id| Change::Unsay(RecordKey::Archive(*id)));
    node.mesh.publish(gone.collect()).await
}

/// Refuses what only the node that made an archive may do with it.
///
/// # Errors
/// When another made it; `hint` says what helps.
pub(super) fn own(node: &Node, archive: &Archive, what: &str, hint: &str) -> Result<(), Failure> {
    if archive.origin == node.id() {
        return Ok(());
    }
    let origin = node.mesh.look(|catalog| view::node_name(catalog, archive.origin).name);
    let why = format!("another node made it: {origin}");
    Err(Failure::new(FailureCode::Refused, what, why).hint(hint))
}

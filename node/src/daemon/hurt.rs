//! Archives of which objects were found missing or damaged here, until they are whole again.
//!
//! Who reads the store for people (`store check`, `archive verify`) notes what it finds; the worker
//! that fetches replicas gets the lacking objects from whoever holds them, this node's own archives
//! included. The retention counts what is noted as no good archive, so a note outlives the daemon: it
//! goes when the archive was fetched, found whole by a check, or removed.
//!
//! Limits: [`NOTED_MAX`] own archives and as many of others. A note that the disk refuses is kept in
//! memory, with a warning. Noting and forgetting wait for the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{ArchiveId, NodeId, object::Link, record::ArchiveFacts};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{
    live,
    news::Bus,
    node::{Node, blocking},
    replicas::{WORKER, fetch_objects, hold},
};
use crate::{
    db::{Db, DbError},
    replicate::{Cancel, FetchError},
};

/// Archives of this node that are remembered, and of others; those beyond are found by the next check.
/// They are counted apart: what others send must not make this node forget its own.
const NOTED_MAX: usize = 10_000;

/// What is to be made whole.
pub struct Hurt {
    db: Arc<Db>,
    me: NodeId,
    archives: Mutex<BTreeMap<(NodeId, ArchiveId), Link>>,
    news: Notify,
    told: Arc<Bus>,
}

impl Hurt {
    /// What was noted when the daemon ran last, of the node `me`.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>, me: NodeId) -> Result<Self, DbError> {
        let archives = Mutex::new(db.hurt()?.into_iter().collect());
        Ok(Self { db, me, archives, news: Notify::new(), told: Arc::default() })
    }

    /// The same, telling those who watch.
    #[must_use]
    pub fn telling(mut self, told: &Arc<Bus>) -> Self {
        self.told = Arc::clone(told);
        self
    }

    /// Everything that is noted.
    pub(super) fn noted(&self) -> BTreeSet<(NodeId, ArchiveId)> {
        self.lock().keys().copied().collect()
    }

    /// Objects of this archive are missing.
    pub(super) fn note(&self, origin: NodeId, archive: ArchiveId, root: Link) {
        let (mut archives, key) = (self.lock(), (origin, archive));
        if archives.get(&key) != Some(&root) {
            let is_own = |origin: &NodeId| *origin == self.me;
            let alike = archives.keys().filter(|(other, _)| is_own(other) == is_own(&origin));
            if !archives.contains_key(&key) && alike.count() >= NOTED_MAX {
                warn!(archive.id = archive.short(), "too many archives are not whole to note it");
                return;
            }
            if let Err(error) = self.db.note_hurt(&(key, root)) {
                let id = archive.short();
                warn!(archive.id = id, %error, "that it is not whole is known until the next start");
            }
            archives.insert(key, root);
            self.told.look();
        }
        self.news.notify_one();
    }

    /// Until something is noted.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Whether objects of an archive are missing, as far as is known.
    pub(super) fn is_noted(&self, origin: NodeId, archive: ArchiveId) -> bool {
        self.lock().contains_key(&(origin, archive))
    }

    /// It is whole, or gone.
    pub(super) fn forget(&self, origin: NodeId, archive: ArchiveId) {
        let mut archives = self.lock();
        if archives.remove(&(origin, archive)).is_none() {
            return;
        }
        self.told.look();
        if let Err(error) = self.db.forget_hurt(&origin, &archive) {
            let id = archive.short();
            warn!(archive.id = id, %error, "that it is whole again is known until the next start");
        }
    }

    /// All that are noted.
    pub(super) fn list(&self) -> Vec<(NodeId, ArchiveId)> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(NodeId, ArchiveId), Link>> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches what is missing of every archive that was noted and that somebody else holds; true when
/// that failed and is to be tried again.
pub(super) async fn mend(node: &Arc<Node>, stop: &Cancel) -> bool {
    let noted: Vec<_> = node.hurt.lock().iter().map(|(key, root)| (*key, *root)).collect();
    let mut failed = false;
    for ((origin, archive), root) in noted {
        let Some((facts, holders)) = whole_copies(node, origin, archive, root) else {
            // What is not in a catalog with holes is not gone.
            if node.mesh.engine(live::knows_itself) {
                forget(node, origin, archive).await;
            }
            continue;
        };
        let title = archive.short();
        if holders.is_empty() {
            node.workers.waiting(WORKER, format!("no other holder of {title} is connected"));
            continue;
        }
        node.workers.working(WORKER, format!("making {title} whole again"));
        let _not_collected_meanwhile = hold(node).await;
        match fetch_objects(node, &facts, &holders, stop).await {
            Ok(report) => {
                let bytes = report.progress.bytes_fetched;
                info!(archive.id = title, bytes, "an archive is whole again");
                forget(node, origin, archive).await;
                node.workers.done(WORKER);
            }
            Err(FetchError::Cancelled) => return false,
            Err(error) => {
                warn!(archive.id = title, %error, "an archive is still not whole");
                node.workers.failed(WORKER, format!("cannot make {title} whole again: {error}"));
                failed = true;
            }
        }
    }
    failed
}

/// Forgets away from the network.
async fn forget(node: &Arc<Node>, origin: NodeId, archive: ArchiveId) {
    let node = Arc::clone(node);
    let forgotten = blocking(move || {
        node.hurt.forget(origin, archive);
        Ok(())
    });
    if let Err(failure) = forgotten.await {
        warn!(archive.id = archive.short(), %failure, "it is still noted as not whole");
    }
}

/// What is known of the archive, and the connected nodes that hold it; nothing when it is gone.
fn whole_copies(
    node: &Node,
    origin: NodeId,
    archive: ArchiveId,
    root: Link,
) -> Option<(ArchiveFacts, Vec<NodeId>)> {
    let (me, connected) = (node.id(), node.mesh.connected());
    node.mesh.look(|catalog| {
        let facts = catalog.archive(origin, archive).filter(|facts| facts.root == root)?;
        let holders = catalog.holders(origin, archive);
        let holders = holders.filter(|(_, hold)| hold.root == root).map(|(holder, _)| *holder);
        let holders = std::iter::once(origin).chain(holders);
        let there = holders.filter(|holder| *holder != me && connected.contains_key(holder));
        Some((facts.clone(), there.collect()))
    })
}

#[cfg(test)]
mod tests {
    use protocol::SealedId;

    use super::*;

    #[test]
    fn archives_of_others_never_take_the_place_of_own_ones() {
        let dir = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
        let (me, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let root = Link { id: SealedId([3; 32]), bytes: 4 };
        let id = |number: usize| ArchiveId(u128::try_from(number).expect("it fits").to_be_bytes());
        let hurt = Hurt::open(Arc::clone(&db), me).unwrap();
        // The disk is asked for each note: most of them are put into the memory alone.
        hurt.lock().extend((0..NOTED_MAX).map(|number| ((other, id(number)), root)));
        hurt.note(other, id(NOTED_MAX), root);
        assert!(!hurt.is_noted(other, id(NOTED_MAX)));
        hurt.note(me, id(0), root);
        assert!(hurt.is_noted(me, id(0)));
        let moved = Link { bytes: 5, ..root };
        hurt.note(other, id(0), moved);
        assert_eq!(db.hurt().unwrap(), [((me, id(0)), root), ((other, id(0)), moved)]);
        hurt.forget(other, id(0));
        hurt.note(other, id(NOTED_MAX), root);
        assert!(hurt.is_noted(other, id(NOTED_MAX)));
        drop(hurt);
        let again = Hurt::open(db, me).unwrap();
        assert!(again.is_noted(me, id(0)) && !again.is_noted(other, id(0)));
    }
}

//! Archives of which objects were found missing or damaged here, until they are whole again.
//!
//! Who reads the store for people (`store check`, `archive verify`) notes what it finds; the worker
//! that fetches replicas gets the lacking objects from whoever holds them, this node's own archives
//! included. The note is lost when the daemon stops: the next check finds what is still missing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{ArchiveId, NodeId, object::Link, record::ArchiveFacts};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{
    node::Node,
    replicas::{WORKER, fetch_objects, hold},
};
use crate::replicate::{Cancel, FetchError};

/// Archives that are remembered; those beyond are found by the next check.
const NOTED_MAX: usize = 10_000;

/// What is to be made whole.
#[derive(Debug, Default)]
pub struct Hurt {
    archives: Mutex<BTreeMap<(NodeId, ArchiveId), Link>>,
    news: Notify,
}

impl Hurt {
    /// Objects of this archive are missing.
    pub(super) fn note(&self, origin: NodeId, archive: ArchiveId, root: Link) {
        let mut archives = self.lock();
        if archives.len() < NOTED_MAX {
            archives.insert((origin, archive), root);
            self.news.notify_one();
        }
    }

    /// Until something is noted.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Whether objects of an archive are missing, as far as is known.
    pub(super) fn is_noted(&self, origin: NodeId, archive: ArchiveId) -> bool {
        self.lock().contains_key(&(origin, archive))
    }

    fn forget(&self, origin: NodeId, archive: ArchiveId) {
        self.lock().remove(&(origin, archive));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(NodeId, ArchiveId), Link>> {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches what is missing of every archive that was noted and that somebody else holds; true when
/// that failed and is to be tried again.
pub(super) async fn mend(node: &Node, stop: &Cancel) -> bool {
    let noted: Vec<_> = node.hurt.lock().iter().map(|(key, root)| (*key, *root)).collect();
    let mut failed = false;
    for ((origin, archive), root) in noted {
        let Some((facts, holders)) = whole_copies(node, origin, archive, root) else {
            node.hurt.forget(origin, archive);
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
                node.hurt.forget(origin, archive);
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

//! The worker that keeps what this node is to hold for others.
//!
//! It looks at the catalog when something changes, and every so often. Placement is a pure function
//! of the catalog, so every node knows alike who is to hold what; this one fetches what it is named
//! for and lacks, and says that it holds an archive once all of it is durable. A replica whose
//! origin dropped the archive is kept until its lock has ended by this node's clock.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use protocol::{
    ArchiveId, NodeId, Time,
    catalog::Catalog,
    fetch::{Expected, Progress},
    placement::{self, Candidate, Policy, Where},
    record::{ArchiveFacts, Fact, Hold, Place, RecordKey, Right},
};
use tracing::{info, warn};

use super::{
    hurt,
    mesh::Change,
    node::Node,
    objects::{MemberDialer, Shelf},
    view,
};
use crate::{
    chunks::StoreHold,
    replicate::{Cancel, FetchError, FetchOptions, FetchReport, Fetcher},
    sys,
};

/// Name of the worker.
pub(super) const WORKER: &str = "replicate";

/// How often it looks without a reason.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The wait after a fetch that failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long a replica is kept whatever its origin says.
const LOCK: Duration = Duration::from_secs(14 * 24 * 3600);

/// A node that said nothing for so long is away: others take over what it holds.
const AWAY_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Room that a node without a quota is taken to offer when it did not say.
const ROOM_UNKNOWN: u64 = 1 << 30;

/// An archive that is to be fetched.
struct Wanted {
    origin: NodeId,
    archive: ArchiveId,
    facts: ArchiveFacts,
    record: Vec<u8>,
    holders: Vec<NodeId>,
}

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    node.workers.idle(WORKER);
    loop {
        changes.mark_unchanged();
        let failed = round(&node, &stop).await;
        let wait = if failed { RETRY_AFTER } else { LOOK_EVERY };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = node.hurt.news() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Fetches everything that can be had now; true when something failed and is to be tried again.
async fn round(node: &Arc<Node>, stop: &Cancel) -> bool {
    release(node).await;
    let mut failed = hurt::mend(node, stop).await;
    let wanted = node.mesh.look(|catalog| wanted(node, catalog));
    for wanted in wanted {
        if stop.is_cancelled() {
            return false;
        }
        let title = wanted.archive.short();
        if wanted.holders.is_empty() {
            node.workers.waiting(WORKER, format!("no holder of {title} is connected"));
            continue;
        }
        match fetch(node, &wanted, stop).await {
            Ok(()) => node.workers.done(WORKER),
            Err(FetchError::Cancelled) => return false,
            Err(error) => {
                let failure = protocol::control::Failure::caused(
                    protocol::control::FailureCode::Internal,
                    format!("cannot fetch {title}"),
                    &error,
                );
                warn!(archive.id = title, %failure, "a replica is not complete");
                node.workers.failed(WORKER, failure.to_string());
                failed = true;
            }
        }
    }
    failed
}

async fn fetch(node: &Arc<Node>, wanted: &Wanted, stop: &Cancel) -> Result<(), FetchError> {
    let title = wanted.archive.short();
    node.workers.working(WORKER, format!("fetching {title}"));
    // While it lives nothing that arrived is collected; until then the record does not name it.
    let hold = hold(node).await;
    let report = fetch_objects(node, &wanted.facts, &wanted.holders, stop).await?;
    let fetched = report.progress.bytes_fetched;
    info!(archive.id = title, bytes = fetched, duration_ms = report.took.as_millis(), "fetched");
    let now = sys::now();
    let held = Hold {
        root: wanted.facts.root,
        bytes: report.progress.bytes_done,
        since: now,
        locked_until: now.after(LOCK),
        record: wanted.record.clone(),
    };
    let fact = Fact::Hold(wanted.origin, wanted.archive, held);
    if let Err(failure) = node.mesh.publish(vec![Change::Say(fact)]).await {
        warn!(%failure, "cannot say that a replica is held");
    }
    drop(hold);
    Ok(())
}

/// Keeps the garbage collection away while it lives.
pub(super) async fn hold(node: &Node) -> Option<StoreHold> {
    let store = node.store.clone();
    tokio::task::spawn_blocking(move || store.hold()).await.ok()
}

/// Fetches the objects of an archive that are not here.
pub(super) async fn fetch_objects(
    node: &Node,
    facts: &ArchiveFacts,
    holders: &[NodeId],
    stop: &Cancel,
) -> Result<FetchReport, FetchError> {
    let fetcher = Fetcher::new(
        Arc::new(MemberDialer(node.mesh.clone())),
        Arc::new(Shelf(node.store.clone())),
    );
    let expected = Expected { objects: facts.objects, bytes: facts.sealed_bytes };
    let options = FetchOptions { cancel: stop.clone(), ..FetchOptions::default() };
    let shown = |progress: &Progress| node.workers.progress(WORKER, shown(progress));
    let report = fetcher.fetch(facts.root, expected, holders, options, shown).await?;
    for (holder, found) in &report.holders {
        if let Some(fault) = &found.fault {
            warn!(peer.id = %holder.short(), %fault, "a holder did not answer as it should");
        }
    }
    Ok(report)
}

fn shown(progress: &Progress) -> protocol::control::Progress {
    protocol::control::Progress {
        what: "fetching".to_owned(),
        done: progress.done,
        total: Some(progress.total),
        bytes_done: progress.bytes_done,
        bytes_total: Some(progress.bytes_total),
        rate_bytes: progress.rate,
        eta_ms: progress.eta.map(|eta| u64::try_from(eta.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// What this node is to hold and does not say it holds.
fn wanted(node: &Node, catalog: &Catalog) -> Vec<Wanted> {
    let (me, now) = (node.id(), sys::now());
    let connected = node.mesh.connected();
    let archives = catalog.tables().archives.iter();
    let mine = archives.filter(|((origin, archive), facts)| {
        *origin != me
            && facts.copies > 0
            && catalog.allows(&me, origin, Right::Store).is_ok()
            && !held(catalog, me, *origin, *archive, facts)
            && assigned(catalog, *origin, *archive, facts, now).contains(&me)
    });
    mine.filter_map(|((origin, archive), facts)| {
        let key = RecordKey::Archive(*archive).to_string();
        let record = catalog.feed(origin)?.get(&key)?.bytes.to_vec();
        let holders = catalog.holders(*origin, *archive);
        let holders = holders.filter(|(_, hold)| hold.root == facts.root).map(|(id, _)| *id);
        let holders = std::iter::once(*origin).chain(holders);
        let holders = holders.filter(|id| connected.contains_key(id)).collect();
        let (origin, archive) = (*origin, *archive);
        Some(Wanted { origin, archive, facts: facts.clone(), record, holders })
    })
    .collect()
}

fn held(
    catalog: &Catalog,
    me: NodeId,
    origin: NodeId,
    archive: ArchiveId,
    facts: &ArchiveFacts,
) -> bool {
    let mut holders = catalog.holders(origin, archive);
    holders.any(|(holder, hold)| *holder == me && hold.root == facts.root)
}

/// The nodes that are to hold an archive.
pub(super) fn assigned(
    catalog: &Catalog,
    origin: NodeId,
    archive: ArchiveId,
    facts: &ArchiveFacts,
    now: Time,
) -> Vec<NodeId> {
    let on = match &facts.place {
        Place::Any => Where::Any,
        Place::Named(nodes) => Where::Named(nodes.iter().copied().collect::<BTreeSet<_>>()),
    };
    let candidates: Vec<_> = catalog
        .membership()
        .members()
        .map(|(node, member)| Candidate {
            node: *node,
            weight: room(catalog, *node, member.quota_bytes),
            away: is_away(catalog, *node, now),
        })
        .collect();
    placement::assign(archive, origin, &Policy { copies: facts.copies, on }, &candidates)
}

/// What a node offers: its quota where it has one, otherwise what it says is free.
fn room(catalog: &Catalog, node: NodeId, quota: Option<u64>) -> u64 {
    quota.unwrap_or_else(|| {
        let said = catalog.node(&node).map_or(ROOM_UNKNOWN, |facts| facts.free_bytes);
        let holds: u64 = catalog.holds_of(node).map(|(_, _, hold)| hold.bytes).sum();
        said.saturating_add(holds)
    })
}

fn is_away(catalog: &Catalog, node: NodeId, now: Time) -> bool {
    catalog.node(&node).is_some_and(|facts| now.since(facts.time) > AWAY_AFTER)
}

/// Gives up replicas whose origin dropped the archive, when their lock has ended.
async fn release(node: &Arc<Node>) {
    let (me, now) = (node.id(), sys::now());
    let ended: Vec<_> = node.mesh.look(|catalog| {
        let holds = catalog.holds_of(me);
        let dropped = holds.filter(|(origin, archive, hold)| {
            catalog.archive(*origin, *archive).is_none() && !view::is_locked(hold.locked_until, now)
        });
        dropped.map(|(origin, archive, _)| RecordKey::Hold(origin, archive)).collect()
    });
    if ended.is_empty() {
        return;
    }
    let changes = ended.into_iter().map(Change::Unsay).collect();
    if let Err(failure) = node.mesh.publish(changes).await {
        warn!(%failure, "cannot give up replicas");
    }
}

//! The worker that drops archives by the retention of their jobs.
//!
//! It looks every hour, and when this node has made an archive. First a [`Plan`] is made, a plain
//! value that a dry run shows; then what it drops is dropped as if a person had removed it.
//! Archives of jobs that are no more (safety archives excepted), of other nodes, and those that this
//! node cannot open are in no plan. What was dropped is freed by itself, at most every few hours.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use protocol::{
    ArchiveId, JobId, Time,
    archive::ArchiveMeta,
    catalog::Catalog,
    control::{Failure, PruneVerdict, Pruned},
    job::Job,
    retention::{self, Item, SAFETY_KEPT, Verdict},
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{handle::store, keeping, node::Node, view::Archive, zone};
use crate::{replicate::Cancel, socket::EventSink, sys};

/// Name of the worker.
pub(super) const WORKER: &str = "prune";

/// How often it looks without a reason: days end when nothing happens, too.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// Name of the worker that frees what was dropped.
const GC_WORKER: &str = "gc";

/// How often that is done at most: it looks at everything that the archives need.
const COLLECT_EVERY: Duration = Duration::from_secs(6 * 3_600);

/// How much older than now a job's newest archive may be before time stands still for the others.
const GRACE_MS: u64 = 2 * 24 * 3_600 * 1_000;

/// Archives dropped at once: so many a person waits for.
const BATCH: usize = 256;

/// What the retention of one or all jobs says.
#[derive(Debug)]
pub(super) struct Plan {
    /// Newest first.
    verdicts: Vec<Judged>,
}

#[derive(Debug)]
struct Judged {
    archive: Arc<Archive>,
    job: String,
    verdict: Verdict,
}

impl Plan {
    /// Applies the retention of one job, or of all, to the archives there are.
    pub(super) fn make(node: &Node, only: Option<&JobId>, now: Time) -> Self {
        Self::at(node, only, now, false)
    }

    /// Unattended, time goes on only as far as a job makes archives: a clock that stands years ahead,
    /// or a machine that was off for weeks, makes no archive too old.
    fn at(node: &Node, only: Option<&JobId>, now: Time, unattended: bool) -> Self {
        let archives = node.archive_list();
        let jobs = node.jobs();
        let wanted = jobs.iter().filter(|job| only.is_none_or(|only| job.id == *only));
        let mut verdicts: Vec<_> =
            wanted.flat_map(|job| judge(node, job, &archives, now, unattended)).collect();
        if only.is_none() {
            let known: BTreeSet<_> = jobs.iter().map(|job| job.id).collect();
            verdicts.extend(judge_orphans(node, &known, &archives, now));
        }
        verdicts.sort_by_key(|judged| {
            std::cmp::Reverse((judged.archive.facts.created, judged.archive.id))
        });
        Self { verdicts }
    }

    /// What it drops.
    pub(super) fn dropped(&self) -> BTreeSet<ArchiveId> {
        self.drops().map(|judged| judged.archive.id).collect()
    }

    fn drops(&self) -> impl Iterator<Item = &Judged> {
        self.verdicts.iter().filter(|judged| !judged.verdict.keep)
    }

    /// For people.
    pub(super) fn report(&self, dry_run: bool, freed_bytes: u64) -> Pruned {
        let dropped = self.drops().count() as u64;
        let told = |judged: &Judged| PruneVerdict {
            archive: judged.archive.title(),
            job: judged.job.clone(),
            created_ms: judged.archive.facts.created,
            keep: judged.verdict.keep,
            reason: judged.verdict.reason.clone(),
        };
        Pruned {
            dry_run,
            verdicts: self.verdicts.iter().take(Pruned::LISTED_MAX).map(told).collect(),
            kept: self.verdicts.len() as u64 - dropped,
            dropped,
            freed_bytes,
        }
    }
}

/// Safety archives of jobs that are no more: kept as long as those of others.
fn judge_orphans(
    node: &Node,
    known: &BTreeSet<JobId>,
    archives: &[Arc<Archive>],
    now: Time,
) -> Vec<Judged> {
    let orphan = |archive: &&Arc<Archive>| {
        let safety = |meta: &ArchiveMeta| meta.safety && !known.contains(&meta.job);
        archive.origin == node.id() && archive.meta.as_ref().is_some_and(safety)
    };
    let judged = |archive: &Arc<Archive>| {
        let pinned = archive.meta.as_ref().is_some_and(|meta| meta.pinned);
        let young = now.since(archive.facts.created) <= SAFETY_KEPT;
        let keep = pinned || young || node.keeping.is_read(archive);
        let reason = "made by a restore, of a job that is no more: kept for 30 days";
        let verdict = Verdict { id: archive.id, keep, reason: reason.to_owned() };
        let job = archive.meta.as_ref().map(|meta| meta.job_name.clone()).unwrap_or_default();
        Judged { archive: Arc::clone(archive), job, verdict }
    };
    archives.iter().filter(orphan).map(judged).collect()
}

/// The time by which a job's archives are judged when nobody watches.
fn unattended_now(items: &[Item], now: Time) -> Time {
    let past = items.iter().filter(|item| item.good && !item.safety && item.created <= now);
    let newest = past.map(|item| item.created).max();
    newest.map_or(now, |newest| now.min(Time(newest.0.saturating_add(GRACE_MS))))
}

fn judge(
    node: &Node,
    job: &Job,
    archives: &[Arc<Archive>],
    now: Time,
    unattended: bool,
) -> Vec<Judged> {
    let of_job = |archive: &&Arc<Archive>| {
        archive.origin == node.id() && archive.meta.as_ref().is_some_and(|m| m.job == job.id)
    };
    let mine: BTreeMap<_, _> =
        archives.iter().filter(of_job).map(|archive| (archive.id, archive)).collect();
    let items: Vec<_> = mine.values().map(|archive| item(node, archive)).collect();
    let now = if unattended { unattended_now(&items, now) } else { now };
    let verdicts =
        retention::plan(job.spec.retention, &items, now, &zone::of(job.spec.schedule.as_ref()));
    let judged = |mut verdict: Verdict| {
        let archive = (*mine.get(&verdict.id)?).clone();
        if !verdict.keep && node.keeping.is_read(&archive) {
            verdict.keep = true;
            verdict.reason = "in use: somebody reads it".to_owned();
        }
        Some(Judged { archive, job: job.spec.name.to_string(), verdict })
    };
    verdicts.into_iter().filter_map(judged).collect()
}

fn item(node: &Node, archive: &Archive) -> Item {
    let meta = archive.meta.as_ref();
    Item {
        id: archive.id,
        created: archive.facts.created,
        good: !node.hurt.is_noted(archive.origin, archive.id),
        pinned: meta.is_some_and(|meta| meta.pinned),
        safety: meta.is_some_and(|meta| meta.safety),
        // What was not made here belongs to no job of this node, until somebody adopts it.
        foreign: false,
    }
}

/// Plans and carries out, with nobody pinning or removing in between.
///
/// # Errors
/// When a removal cannot be stored; what was dropped before it is gone.
pub(super) async fn prune(node: &Node, only: Option<&JobId>, now: Time) -> Result<Plan, Failure> {
    let _deciding = node.keeping.decide().await;
    carry_out(node, Plan::make(node, only, now)).await
}

async fn carry_out(node: &Node, plan: Plan) -> Result<Plan, Failure> {
    let drops: Vec<_> = plan.drops().collect();
    for batch in drops.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|judged| judged.archive.id).collect();
        keeping::drop_archives(node, &ids).await?;
        for judged in batch {
            let (name, reason) = (judged.archive.title(), &judged.verdict.reason);
            info!(
                archive.name = name,
                job = judged.job,
                reason,
                "the retention dropped an archive"
            );
        }
    }
    Ok(plan)
}

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    let mut known = node.mesh.look(|catalog| own(&node, catalog));
    let mut next = Instant::now() + LOOK_EVERY;
    let (mut dropped, mut collected): (bool, Option<Instant>) = (false, None);
    node.workers.idle(WORKER);
    node.workers.idle(GC_WORKER);
    loop {
        changes.mark_unchanged();
        let now_there = node.mesh.look(|catalog| own(&node, catalog));
        let made_one = !now_there.is_subset(&known);
        known = now_there;
        if made_one || Instant::now() >= next {
            dropped |= round(&node).await;
            next = Instant::now() + LOOK_EVERY;
        }
        if dropped && collected.is_none_or(|last| last.elapsed() >= COLLECT_EVERY) {
            collect(&node).await;
            (dropped, collected) = (false, Some(Instant::now()));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// The archives of this node.
fn own(node: &Node, catalog: &Catalog) -> BTreeSet<ArchiveId> {
    let me = node.id();
    let (first, last) = ((me, ArchiveId([0; 16])), (me, ArchiveId([u8::MAX; 16])));
    catalog.tables().archives.range(first..=last).map(|((_, id), _)| *id).collect()
}

/// Applies every retention; true when something was dropped.
async fn round(node: &Node) -> bool {
    node.workers.working(WORKER, "applying the retention of every job");
    let pruned = {
        let _deciding = node.keeping.decide().await;
        carry_out(node, Plan::at(node, None, sys::now(), true)).await
    };
    match &pruned {
        Ok(_) => node.workers.done(WORKER),
        Err(failure) => {
            warn!(%failure, "archives that are too old stay");
            node.workers.failed(WORKER, failure.to_string());
        }
    }
    pruned.is_ok_and(|plan| plan.drops().next().is_some())
}

/// Frees what was dropped, so that a disk does not fill up with what nobody wants any more.
async fn collect(node: &Arc<Node>) {
    node.workers.working(GC_WORKER, "freeing what no archive needs");
    match store::collect(Arc::clone(node), false, EventSink::deaf()).await {
        Ok(collected) => {
            info!(freed.bytes = collected.freed_bytes, "what no archive needs was freed");
            node.workers.done(GC_WORKER);
        }
        Err(failure) => {
            warn!(%failure, "what no archive needs stays");
            node.workers.failed(GC_WORKER, failure.to_string());
        }
    }
}

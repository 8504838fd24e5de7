//! The chunk store: numbers, checking, mending, collecting.

use std::{collections::BTreeSet, ops::ControlFlow, os::unix::ffi::OsStrExt as _, sync::Arc};

use protocol::{
    SealedId,
    control::{
        Damage, Failure, Progress, RawPath, StoreChecked, StoreCollected, StoreRebuilt, StoreStats,
    },
};
use tracing::warn;

use crate::{
    chunks::{
        CheckReport, ChunkStore, DamagedObject, GcOptions, RebuildReport, StoreError, StoreProgress,
    },
    daemon::{
        failure::store_failure,
        live::{self, Root, Walked},
        node::{Node, blocking},
        workers::Meter,
    },
    socket::EventSink,
    sys,
};

/// Objects that are looked up in one go.
const LOOKUP_BATCH: usize = 4_096;

/// Missing objects that are told apart: 32 MiB of ids. Beyond, one may be counted twice.
const LOST_MAX: usize = 1 << 20;

/// How often marking tells how far it is, objects.
const MARKS_PER_EVENT: u64 = 1 << 16;

/// How full the store is.
pub(super) async fn stats(node: Arc<Node>) -> Result<StoreStats, Failure> {
    const WHAT: &str = "cannot look at the chunk store";
    blocking(move || {
        let failed = |error| store_failure(WHAT, &error);
        let usage = node.store.usage().map_err(failed)?;
        let stats = node.store.stats().map_err(failed)?;
        let path = node.data.store();
        Ok(StoreStats {
            free_bytes: sys::free_bytes(&path),
            path: RawPath(path.as_os_str().as_bytes().to_vec()),
            objects: usage.objects,
            object_bytes: usage.object_bytes,
            packs: stats.packs,
            pack_bytes: stats.pack_bytes,
            garbage_bytes: usage.garbage_bytes,
            index_bytes: stats.index_bytes,
        })
    })
    .await
}

/// Compares packs and index, and asks whether all that archives need is here.
pub(super) async fn check(
    node: Arc<Node>,
    read_data: bool,
    events: EventSink,
) -> Result<StoreChecked, Failure> {
    const WHAT: &str = "cannot check the chunk store";
    blocking(move || {
        let mut told = Told::new(&events, "checking");
        let report = node.store.check(read_data, &mut |at| told.tell(at));
        let report = report.map_err(|error| store_failure(WHAT, &error))?;
        warn_of_repairs(&report, &events);
        let roots = node.mesh.engine(|engine| live::roots(engine.catalog(), engine.me()));
        for key in &roots.unreadable {
            events.warning(key.as_str(), "this version cannot read that record of this node");
        }
        let mut found = |root: &Root, state| match state {
            State::Hurt => node.hurt.note(root.origin, root.archive, root.link),
            State::Whole => node.hurt.forget(root.origin, root.archive),
            State::Strange => {}
        };
        let missing_total = missing(&node.store, &roots.known, &events, &mut found)
            .map_err(|error| store_failure(WHAT, &error))?;
        Ok(StoreChecked {
            packs: report.packs,
            objects: report.frames,
            bytes: report.bytes,
            read_data,
            damaged: report.damaged.iter().take(StoreChecked::LISTED_MAX).map(damage).collect(),
            damaged_total: report.damaged_objects,
            missing_total,
            duration_ms: told.meter.elapsed_ms(),
        })
    })
    .await
}

fn damage(object: &DamagedObject) -> Damage {
    Damage {
        pack: format!("{:08}.pack", object.pack),
        offset: object.offset.into(),
        object: Some(object.id),
        why: "its bytes are not what they were, or gone".to_owned(),
    }
}

fn warn_of_repairs(report: &CheckReport, events: &EventSink) {
    let notes = [
        (u64::from(report.index_rebuilt), "the index was damaged and was made again"),
        (report.objects_added, "objects that the index did not know were added to it"),
        (report.objects_rescued, "objects in frames with a damaged header were written again"),
        (report.pack_headers_damaged, "packs with a damaged header were read all the same"),
        (report.unreadable_bytes, "bytes of packs belong to no object"),
    ];
    for (count, why) in notes.into_iter().filter(|(count, _)| *count > 0) {
        events.warning("store", format!("{count} × {why}"));
    }
}

/// How an archive is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All of it.
    Whole,
    /// Objects are missing.
    Hurt,
    /// It has pages that this version cannot read.
    Strange,
}

/// How many objects that the roots need are not here. Every root that lacks one is told, also when
/// another lacks the same.
fn missing(
    store: &ChunkStore,
    roots: &[Root],
    events: &EventSink,
    found: &mut dyn FnMut(&Root, State),
) -> Result<u64, StoreError> {
    let _not_collected_meanwhile = store.try_hold()?;
    let mut lost =
        Lost { store, waiting: Vec::new(), ids: BTreeSet::new(), count: 0, found: false };
    let mut walked = Walked::default();
    let mut marks = Marks::new(events, "looking for what archives need");
    for root in roots {
        let mut failed = Ok(());
        let mut visit = |link: &protocol::object::Link| {
            failed = lost.look(link.id);
            if failed.is_ok() { marks.step() } else { ControlFlow::Break(()) }
        };
        let gaps = live::closure(store, &root.link, &mut walked, &mut visit);
        failed?;
        let gaps = gaps?;
        let mut state = if gaps.count > 0 { State::Strange } else { State::Whole };
        if let Some(first) = gaps.first {
            events.warning(root.archive.short(), format!("not all of it is here: {first}"));
        }
        lost.look_up()?;
        if std::mem::take(&mut lost.found) {
            state = State::Hurt;
            // What its pages lack is named again to the next root that shares them.
            walked = Walked::default();
        }
        found(root, state);
    }
    Ok(lost.count)
}

/// Counts objects that are not here, each once.
struct Lost<'a> {
    store: &'a ChunkStore,
    waiting: Vec<SealedId>,
    ids: BTreeSet<SealedId>,
    count: u64,
    /// One was found since this was last cleared, also one that was counted before.
    found: bool,
}

impl Lost<'_> {
    fn look(&mut self, id: SealedId) -> Result<(), StoreError> {
        self.waiting.push(id);
        if self.waiting.len() < LOOKUP_BATCH { Ok(()) } else { self.look_up() }
    }

    fn look_up(&mut self) -> Result<(), StoreError> {
        let here = self.store.has_all(&self.waiting)?;
        for (id, here) in self.waiting.drain(..).zip(here) {
            self.found |= !here;
            if !here && (self.ids.len() >= LOST_MAX || self.ids.insert(id)) {
                self.count += 1;
            }
        }
        Ok(())
    }
}

/// Makes the index again from the packs alone.
pub(super) async fn rebuild(node: Arc<Node>, events: EventSink) -> Result<StoreRebuilt, Failure> {
    blocking(move || {
        let mut told = Told::new(&events, "reading packs");
        let report = node.store.rebuild(&mut |at| told.tell(at));
        let report =
            report.map_err(|error| store_failure("cannot make the index again", &error))?;
        let RebuildReport { packs, objects, bytes, unreadable_bytes } = report;
        if unreadable_bytes > 0 {
            events
                .warning("store", format!("{unreadable_bytes} bytes of packs belong to no object"));
        }
        let duration_ms = told.meter.elapsed_ms();
        Ok(StoreRebuilt { packs, objects, bytes, damaged: Vec::new(), duration_ms })
    })
    .await
}

/// Frees what no archive and no replica of this node needs.
pub(in crate::daemon) async fn collect(
    node: Arc<Node>,
    dry_run: bool,
    events: EventSink,
) -> Result<StoreCollected, Failure> {
    const WHAT: &str = "cannot free what no archive needs";
    blocking(move || {
        let mut told = Told::new(&events, "collecting");
        let mut marks = Marks::new(&events, "looking for what archives need");
        let mut live = |keep: &mut dyn FnMut(&SealedId)| {
            let mut keep = |id: &SealedId| {
                let _ = marks.step();
                keep(id);
            };
            live::mark(&node, events.cancel(), &mut keep).map_err(Into::into)
        };
        let options = GcOptions { dry_run, ..GcOptions::default() };
        let report = node.store.gc(&mut live, options, &mut |at| told.tell(at));
        let report = report.map_err(|error| store_failure(WHAT, &error))?;
        if report.live_missing > 0 {
            let why = format!("{} objects that archives need are not here", report.live_missing);
            events.warning("store", why);
        }
        if report.damaged_objects > 0 {
            let why = format!("{} objects that archives need are damaged", report.damaged_objects);
            events.warning("store", why);
        }
        if !dry_run {
            forget_known(&node);
        }
        Ok(StoreCollected {
            dry_run: report.dry_run,
            live_objects: report.live_objects,
            dead_objects: report.garbage_objects,
            freed_bytes: report.bytes_freed,
            packs_deleted: report.packs_removed,
            packs_rewritten: report.packs_rewritten,
            rewritten_bytes: report.bytes_copied,
            duration_ms: told.meter.elapsed_ms(),
        })
    })
    .await
}

/// Drops what is known of chunks that went. Only a cache: what stays behind does no harm.
fn forget_known(node: &Node) {
    if let Err(error) = node.db.forget_known(|id| node.store.has(id).unwrap_or(true)) {
        warn!(%error, "cannot forget the chunks that were freed");
    }
}

/// Tells progress in bytes, and stops when the caller asked for it.
struct Told<'a> {
    events: &'a EventSink,
    what: &'static str,
    meter: Meter,
}

impl<'a> Told<'a> {
    fn new(events: &'a EventSink, what: &'static str) -> Self {
        Self { events, what, meter: Meter::new(0) }
    }

    fn tell(&mut self, at: StoreProgress) -> ControlFlow<()> {
        let progress = self.meter.progress(self.what, at.bytes_done, Some(at.bytes_total));
        self.events.progress(progress);
        if self.events.cancel().is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Tells progress in objects, and stops when the caller asked for it.
struct Marks<'a> {
    events: &'a EventSink,
    what: &'static str,
    done: u64,
}

impl<'a> Marks<'a> {
    fn new(events: &'a EventSink, what: &'static str) -> Self {
        Self { events, what, done: 0 }
    }

    fn step(&mut self) -> ControlFlow<()> {
        self.done += 1;
        if !self.done.is_multiple_of(MARKS_PER_EVENT) {
            return ControlFlow::Continue(());
        }
        let what = self.what.to_owned();
        self.events.progress(Progress { what, done: self.done, ..Progress::default() });
        if self.events.cancel().is_set() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[cfg(test)]
mod tests;

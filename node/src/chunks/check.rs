//! Checking a store: every frame of every pack, against the index and back.
//!
//! Two threads walk packs, each one from its beginning to its end with large reads, and hash; the
//! calling thread compares with a snapshot of the index. From the packs to the index each frame is
//! looked up. Back it is enough to count: each entry has one place, so when as many frames were met
//! in their entry's place as there are entries, every entry is right. Only otherwise each entry's
//! frame is looked at. Memory does not depend on the size of the store.
//!
//! Puts and gets go on meanwhile; what they add is not looked at.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use protocol::id::SealedId;

use super::{
    error::{Result, StoreError},
    folder::lock,
    frame::{PACK_HEADER_BYTES, PackHeader, Place},
    index::{Places, Snapshot},
    inner::Inner,
    rebuild,
    report::{CheckReport, DamagedObject, OnProgress, tell},
    walk::{Found, Walk},
};

/// Threads that read and hash.
const THREADS: usize = 2;

/// Frames that are compared in one go.
const BATCH_FRAMES: usize = 1_000;

/// Batches that may wait to be compared.
const BATCHES_WAITING: usize = 8;

/// What a thread met in a pack.
struct Seen {
    found: Vec<Found>,
    bytes: u64,
    packs: u64,
    headers_damaged: u64,
}

/// Checks the store; with `read_data` every object is read and hashed. An index that turns out to be
/// damaged is made again, and the check begins anew.
pub(super) fn run(store: &Inner, read_data: bool, progress: OnProgress<'_>) -> Result<CheckReport> {
    match pass(store, read_data, &mut *progress) {
        // what the index lost it may have lost by damage, which redb's checksums no longer show
        // once a commit has written the page again
        Ok(report) if report.objects_added == 0 || answers(store)? => return Ok(report),
        Ok(_) | Err(StoreError::IndexDamaged { .. }) => {}
        Err(error) => return Err(error),
    }
    rebuild::run(store, &mut *progress)?;
    let report = pass(store, read_data, progress)?;
    Ok(CheckReport { index_rebuilt: true, ..report })
}

fn pass(store: &Inner, read_data: bool, progress: OnProgress<'_>) -> Result<CheckReport> {
    store.flush()?;
    if !store.index.is_sound()? {
        return Err(StoreError::IndexDamaged { path: store.index.path().to_owned() });
    }
    let _hold = super::lease::Lease::hold(&store.lease);
    store.flush()?;
    let (extents, snapshot) = extents(store)?;
    let report = CheckReport::default();
    let mut check = Check { store, extents: &extents, snapshot, read_data, report, matched: 0 };
    check.packs(progress)?;
    if check.matched != check.snapshot.len()? {
        check.entries()?;
    }
    store.flush()?;
    Ok(check.report)
}

/// Whether the index finds each of its own entries, and has them in order.
fn answers(store: &Inner) -> Result<bool> {
    let walk = || -> Result<bool> {
        let mut snapshot = store.index.snapshot()?;
        let mut last = None;
        loop {
            let batch = snapshot.batch()?;
            let ids: Vec<SealedId> = batch.iter().map(|(id, _)| *id).collect();
            let places: Vec<_> = batch.iter().map(|(_, place)| Some(*place)).collect();
            let ascending = ids.is_sorted_by(|a, b| a < b) && last.as_ref() < ids.first();
            if ids.is_empty() {
                return Ok(true);
            }
            if !ascending || snapshot.get_all(&ids)? != places {
                return Ok(false);
            }
            last = ids.last().copied();
        }
    };
    match walk() {
        Err(StoreError::IndexDamaged { .. }) => Ok(false),
        other => other,
    }
}

/// How far each pack is to be looked at, and the index of the same moment.
fn extents(store: &Inner) -> Result<(Vec<(u32, u64)>, Snapshot<'_>)> {
    let _no_flush = lock(&store.flushing);
    let mut writer = lock(&store.writer);
    let mut extents: BTreeMap<u32, u64> = store.packs.list()?;
    let known = store.index.packs()?;
    // somebody removed the file that is written to
    writer.current.take_if(|pack| !extents.contains_key(&pack.number));
    let current = writer.current.as_ref().map(|pack| pack.number);
    for pack in writer.unsynced.keys().copied().chain(current) {
        let end = known.get(&pack).copied().unwrap_or(PACK_HEADER_BYTES as u64);
        extents.entry(pack).and_modify(|bytes| *bytes = end.min(*bytes));
    }
    Ok((extents.into_iter().collect(), store.index.snapshot()?))
}

struct Check<'a> {
    store: &'a Inner,
    /// Packs on disk, ascending, and how far to look at them.
    extents: &'a [(u32, u64)],
    snapshot: Snapshot<'a>,
    read_data: bool,
    report: CheckReport,
    /// Entries of the snapshot whose frame was met.
    matched: u64,
}

impl Check<'_> {
    fn packs(&mut self, progress: OnProgress<'_>) -> Result<()> {
        let extents = self.extents;
        let total = extents.iter().map(|(_, bytes)| bytes).sum();
        let (store, read_data) = (self.store, self.read_data);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            // when this side fails the channel closes, and the threads end
            let (send, seen) = sync_channel(BATCHES_WAITING);
            for _ in 0..THREADS {
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    while let Some(extent) = extents.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !read_pack(store, *extent, read_data, &send) {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for seen in seen {
                self.compare(seen?)?;
                tell(&mut *progress, self.report.bytes, total)?;
            }
            Ok(())
        })
    }

    fn compare(&mut self, seen: Seen) -> Result<()> {
        self.report.packs += seen.packs;
        self.report.bytes += seen.bytes;
        self.report.pack_headers_damaged += seen.headers_damaged;
        let ids: Vec<SealedId> = seen.found.iter().filter_map(id_of).collect();
        let mut known = self.snapshot.get_all(&ids)?.into_iter();
        let (mut unknown, mut damaged) = (Places::new(), Vec::new());
        for found in seen.found {
            let (id, place, good) = match found {
                Found::Frame(id, place) => (id, place, true),
                Found::Damaged(id, place) | Found::Suspect(id, place) => (id, place, false),
                Found::Junk { bytes } => {
                    self.report.unreadable_bytes += bytes;
                    continue;
                }
            };
            self.report.frames += 1;
            match known.next().flatten() {
                Some(entry) if entry == place => {
                    self.matched += 1;
                    if !good {
                        damaged.push((id, place));
                    }
                }
                None if good && self.is_readable(&id, place)? => drop(unknown.insert(id, place)),
                _ => self.report.frames_unused += 1,
            }
        }
        self.report.objects_added += self.add(&unknown)?;
        self.lose(&damaged)
    }

    /// Whether an object that the index does not know may be added: it may be unknown because it
    /// was found damaged.
    fn is_readable(&self, id: &SealedId, place: Place) -> Result<bool> {
        if self.read_data {
            return Ok(true);
        }
        match self.store.read(id, place) {
            Ok(object) => Ok(object.is_some()),
            Err(error) if super::walk::unreadable(&error) => Ok(false),
            Err(error) => Err(StoreError::io("read", self.store.packs.path(place.pack))(error)),
        }
    }

    fn add(&self, unknown: &Places) -> Result<u64> {
        let _alone = lock(&self.store.flushing);
        self.store.index.add_unknown(unknown)
    }

    /// Marks objects missing, durably.
    fn lose(&mut self, damaged: &[(SealedId, Place)]) -> Result<()> {
        for (id, place) in damaged {
            tracing::error!(object.id = %id, place.pack, place.offset, "object is damaged, now missing");
            let Place { pack, offset, .. } = *place;
            self.report.note_damaged(DamagedObject { id: *id, pack, offset });
        }
        let _alone = lock(&self.store.flushing);
        self.store.index.forget(damaged).map(drop)
    }

    /// Looks at the frame of each entry, as some were not met.
    fn entries(&mut self) -> Result<()> {
        loop {
            let batch = self.snapshot.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            let mut lost = Vec::new();
            for (id, place) in batch {
                if !self.has_header(&id, place) && !self.rescue(&id, place)? {
                    lost.push((id, place));
                }
            }
            self.lose(&lost)?;
        }
    }

    fn has_header(&self, id: &SealedId, place: Place) -> bool {
        // a removed pack that is still open can be read, but not for long
        let on_disk = self.extents.binary_search_by_key(&place.pack, |(pack, _)| *pack).is_ok();
        on_disk && self.store.has_header(id, place)
    }

    /// An object that can be read though its frame header is damaged or its pack was removed is
    /// written anew: the index alone knew of it.
    fn rescue(&mut self, id: &SealedId, place: Place) -> Result<bool> {
        let Ok(Some(bytes)) = self.store.read(id, place) else { return Ok(false) };
        self.store.flush_if_due()?;
        let mut writer = lock(&self.store.writer);
        self.store.append_again(&mut writer, id, &bytes)?;
        self.report.objects_rescued += 1;
        Ok(true)
    }
}

const fn id_of(found: &Found) -> Option<SealedId> {
    match found {
        Found::Frame(id, _) | Found::Damaged(id, _) | Found::Suspect(id, _) => Some(*id),
        Found::Junk { .. } => None,
    }
}

/// Walks a pack and sends what it finds; false when nobody listens any more.
fn read_pack(
    store: &Inner,
    (pack, end): (u32, u64),
    read_data: bool,
    send: &SyncSender<Result<Seen>>,
) -> bool {
    let mut seen = Seen { found: Vec::new(), bytes: 0, packs: 0, headers_damaged: 0 };
    let walked = walk_pack(store, (pack, end), read_data, &mut seen, send);
    match walked {
        Ok(true) => send.send(Ok(seen)).is_ok(),
        Ok(false) => false,
        Err(error) => send.send(Err(error)).is_ok(),
    }
}

fn walk_pack(
    store: &Inner,
    (pack, end): (u32, u64),
    read_data: bool,
    seen: &mut Seen,
    send: &SyncSender<Result<Seen>>,
) -> Result<bool> {
    seen.headers_damaged = u64::from(store.packs.header(pack)? != PackHeader::Good);
    let file = store.packs.must_open(pack)?;
    let mut walk = Walk::new(&file, pack, PACK_HEADER_BYTES as u64, end, read_data);
    let mut told = 0;
    while let Some(found) = walk.next().map_err(StoreError::io("read", store.packs.path(pack)))? {
        seen.found.push(found);
        if seen.found.len() >= BATCH_FRAMES {
            seen.bytes = walk.position() - told;
            told += seen.bytes;
            let empty = Seen { found: Vec::new(), bytes: 0, packs: 0, headers_damaged: 0 };
            if send.send(Ok(std::mem::replace(seen, empty))).is_err() {
                return Ok(false);
            }
        }
    }
    seen.bytes = end - told;
    seen.packs = 1;
    Ok(true)
}

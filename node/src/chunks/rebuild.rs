//! Making the index again from packs alone.
//!
//! It is built in a file of its own, in sorted batches that are not durable, ended by one durable
//! commit, and then takes the place of the old one by a rename. Packs are read in the order of their
//! numbers, and a later frame of an object replaces an earlier one, as when they were written.
//!
//! Objects are verified in the newest packs only, where writes may not have reached the disk;
//! elsewhere headers are believed, and `get` and `check` find what is damaged.

use std::{
    collections::BTreeMap,
    fs, mem,
    path::{Path, PathBuf},
    sync::PoisonError,
    time::Duration,
};

use super::{
    error::{Result, StoreError},
    folder::{PackFolder, lock, sync_dir},
    frame::{FORMAT_VERSION, PACK_HEADER_BYTES, PackHeader},
    index::{Index, Numbers, Places},
    inner::{Fresh, Inner},
    report::{OnProgress, RebuildReport, tell},
    steps::Step,
    walk::{Found, Walk},
    writer::Writer,
};

/// Objects in one batch of a new index: some 10 MiB.
const BATCH_OBJECTS: usize = 100_000;

/// Two flushes' worth of writes may be without a sync, and each may have begun a pack.
const VERIFIED_PACKS: usize = 4;

/// How long rebuild waits for holds to end.
const WAIT: Duration = Duration::from_secs(10);

/// Where an index grows until it is finished.
pub(super) fn unfinished(dir: &Path) -> PathBuf {
    dir.join("index.redb.new")
}

/// Makes the index of an open store again.
pub(super) fn run(store: &Inner, progress: OnProgress<'_>) -> Result<RebuildReport> {
    let _collecting = store.lease.collect(WAIT)?;
    let _no_flush = lock(&store.flushing);
    let mut writer = lock(&store.writer);
    writer.must_be_sound()?;
    // no flush: it would need the index, and what is fresh lies in the packs
    store.sync_packs(&writer.unsynced).map_err(|(pack, error)| {
        writer.failed = Some(pack);
        error
    })?;
    let cache_bytes = store.options.index_cache_bytes;
    let (index, report) = build(&store.dir, &store.packs, cache_bytes, progress)?;
    store.steps.reached(Step::IndexBuilt);
    store.index.replace_by(index)?;
    sync_dir(&store.dir)?;
    store.steps.reached(Step::IndexSwapped);
    // the new index opens no pack for appending
    *writer = Writer::new(None, writer.next_pack);
    *store.fresh.write().unwrap_or_else(PoisonError::into_inner) = Fresh::default();
    Ok(report)
}

/// Builds an index beside the old one. No pack of it is open for appending.
pub(super) fn build(
    dir: &Path,
    packs: &PackFolder,
    cache_bytes: usize,
    progress: OnProgress<'_>,
) -> Result<(Index, RebuildReport)> {
    let path = unfinished(dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", path)(error));
        }
        _ => {}
    }
    let index = Index::create(&path, cache_bytes)?;
    let list = packs.list()?;
    let total = list.values().sum();
    let mut building =
        Building { packs, index, batch: Places::new(), report: RebuildReport::default() };
    for (nth, (pack, bytes)) in list.iter().enumerate() {
        let verify = nth + VERIFIED_PACKS >= list.len();
        building.read(*pack, *bytes, verify)?;
        tell(progress, building.report.bytes, total)?;
    }
    building.finish(&list)
}

struct Building<'a> {
    packs: &'a PackFolder,
    index: Index,
    batch: Places,
    report: RebuildReport,
}

impl Building<'_> {
    /// Adds a pack.
    fn read(&mut self, pack: u32, bytes: u64, verify: bool) -> Result<()> {
        if let PackHeader::Newer(found) = self.packs.header(pack)? {
            let path = self.packs.path(pack);
            return Err(StoreError::NewerVersion { path, found, known: FORMAT_VERSION });
        }
        let file = self.packs.must_open(pack)?;
        let mut walk = Walk::new(&file, pack, PACK_HEADER_BYTES as u64, bytes, verify);
        while let Some(found) =
            walk.next().map_err(StoreError::io("read", self.packs.path(pack)))?
        {
            match found {
                Found::Frame(id, place) => drop(self.batch.insert(id, place)),
                Found::Damaged(_, place) => self.report.unreadable_bytes += place.frame_bytes(),
                Found::Suspect(..) => {}
                Found::Junk { bytes } => self.report.unreadable_bytes += bytes,
            }
            if self.batch.len() >= BATCH_OBJECTS {
                self.index.commit_soft(&mem::take(&mut self.batch))?;
            }
        }
        if verify && bytes > 0 {
            // its frames may not have reached the disk, and the index will say that they did
            file.sync_data().map_err(StoreError::io("sync", self.packs.path(pack)))?;
        }
        self.report.packs += 1;
        self.report.bytes += bytes;
        Ok(())
    }

    fn finish(mut self, list: &BTreeMap<u32, u64>) -> Result<(Index, RebuildReport)> {
        let next = list.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.index.commit(&self.batch, list, Numbers { next, open: None })?;
        self.report.objects = self.index.len()?;
        Ok((self.index, self.report))
    }
}

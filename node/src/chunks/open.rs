//! Opening a store: what a crash, or a person, left behind is mended and told.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex, RwLock, atomic::AtomicU64},
};

use super::{
    admit,
    error::{Result, StoreError},
    folder::{PackFolder, sync_dir},
    frame::{FRAME_HEADER_BYTES, PACK_HEADER_BYTES, PackHeader},
    index::{Index, Numbers, Opening, Places},
    inner::{Fresh, Inner},
    lease::Lease,
    options::StoreOptions,
    rebuild,
    report::OpenReport,
    steps::{Step, Steps},
    walk::{Found, Walk},
    writer::{OpenPack, Writer},
};

/// The largest pack that may be asked for: offsets are 32 bits, and the last frame may pass it.
const PACK_BYTES_MAX: u64 = 1 << 30;

/// Recovered objects that wait for one commit.
const BATCH_OBJECTS: usize = 100_000;

/// Opens the folder.
pub(super) fn open(dir: &Path, mut options: StoreOptions) -> Result<(Inner, OpenReport)> {
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let lock = admit::take_lock(dir)?;
    let packs = PackFolder::open(dir.join("packs"))?;
    let steps = Steps::of(&options);
    options.pack_bytes = options.pack_bytes.clamp(PACK_HEADER_BYTES as u64, PACK_BYTES_MAX);
    let mut report =
        OpenReport { format_restored: admit::admit(dir, &packs)?, ..OpenReport::default() };
    let mut opening = Recovery { dir, packs: &packs, steps: &steps, report: &mut report };
    let index = opening.index(options.index_cache_bytes)?;
    opening.tails(&index)?;
    let list = packs.list()?;
    let writer = resume(&packs, &index, &list, options.pack_bytes)?;
    let pack_bytes = AtomicU64::new(list.values().sum());
    let inner = Inner {
        dir: dir.to_owned(),
        options,
        packs,
        index,
        writer: Mutex::new(writer),
        flushing: Mutex::default(),
        fresh: RwLock::new(Fresh::default()),
        lease: Arc::new(Lease::default()),
        pack_bytes,
        steps,
        _lock: lock,
    };
    Ok((inner, report))
}

/// Goes on with the newest pack when it is sound and has room.
fn resume(
    packs: &PackFolder,
    index: &Index,
    list: &BTreeMap<u32, u64>,
    pack_bytes: u64,
) -> Result<Writer> {
    let after_last = list.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
    let numbers = index.numbers()?;
    let next_pack = numbers.next.max(after_last);
    let Some((&number, &end)) = list.last_key_value() else {
        return Ok(Writer::new(None, next_pack));
    };
    // another pack may end in something that hides what is appended after it
    let is_open = numbers.open == Some(number);
    let has_room = end + FRAME_HEADER_BYTES as u64 <= pack_bytes && end >= PACK_HEADER_BYTES as u64;
    if !is_open || !has_room || packs.header(number)? != PackHeader::Good {
        return Ok(Writer::new(None, next_pack));
    }
    let file = packs.reopen(number)?;
    Ok(Writer::new(Some(OpenPack { number, file, end }), next_pack))
}

struct Recovery<'a> {
    dir: &'a Path,
    packs: &'a PackFolder,
    steps: &'a Steps,
    report: &'a mut OpenReport,
}

impl Recovery<'_> {
    /// The index: the one that is there, or one made from the packs.
    fn index(&mut self, cache_bytes: usize) -> Result<Index> {
        let path = self.dir.join("index.redb");
        let why = match Index::open(&path, cache_bytes)? {
            Opening::Ready(index) => {
                self.finish_removals(&index)?;
                match self.mismatch(&index)? {
                    None => return Ok(index),
                    Some(why) => why,
                }
            }
            Opening::Useless(why) => why,
        };
        self.index_from_packs(&path, cache_bytes, why)
    }

    /// Packs that were doomed when the store stopped.
    fn finish_removals(&mut self, index: &Index) -> Result<()> {
        let doomed = index.doomed()?;
        if doomed.is_empty() {
            return Ok(());
        }
        self.packs.remove(&doomed, self.steps)?;
        self.report.packs_removed = doomed.len() as u64;
        index.bury()
    }

    /// Why the index cannot belong to these packs, if so.
    fn mismatch(&self, index: &Index) -> Result<Option<String>> {
        let list = self.packs.list()?;
        for (pack, end) in index.packs()? {
            match list.get(&pack) {
                None => return Ok(Some(format!("pack {pack:08} was missing"))),
                Some(len) if *len < end => {
                    return Ok(Some(format!("pack {pack:08} was shorter than indexed")));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    fn index_from_packs(&mut self, path: &Path, cache: usize, why: String) -> Result<Index> {
        let is_new = self.packs.list()?.is_empty() && !path.exists();
        if path.exists() {
            // one is kept for whoever wants to know what happened to it
            let aside = self.dir.join("index.redb.damaged");
            fs::rename(path, &aside).map_err(StoreError::io("rename", path))?;
        }
        let go_on = &mut |_| ControlFlow::Continue(());
        let (index, built) = rebuild::build(self.dir, self.packs, cache, go_on)?;
        self.steps.reached(Step::IndexBuilt);
        let index = index.rename_to(path)?;
        sync_dir(self.dir)?;
        self.steps.reached(Step::IndexSwapped);
        if !is_new {
            tracing::warn!(why, objects = built.objects, "the index was made again from the packs");
            self.report.rebuilt = Some(why);
            self.report.unreadable_bytes += built.unreadable_bytes;
        }
        Ok(index)
    }

    /// Indexes what was written after the last commit, and cuts off a torn end.
    fn tails(&mut self, index: &Index) -> Result<()> {
        let known = index.packs()?;
        let list = self.packs.list()?;
        let newest = list.last_key_value().map(|(pack, _)| *pack);
        for (pack, bytes) in list {
            let from = known.get(&pack).copied().unwrap_or(PACK_HEADER_BYTES as u64);
            if bytes > from || (bytes < from && !known.contains_key(&pack)) {
                self.tail(index, pack, from.min(bytes), bytes, newest == Some(pack))?;
            }
        }
        Ok(())
    }

    fn tail(
        &mut self,
        index: &Index,
        pack: u32,
        from: u64,
        bytes: u64,
        newest: bool,
    ) -> Result<()> {
        if let PackHeader::Newer(found) = self.packs.header(pack)? {
            let (path, known) = (self.packs.path(pack), super::FORMAT_VERSION);
            return Err(StoreError::NewerVersion { path, found, known });
        }
        let file = self.packs.reopen(pack)?;
        let failed = |what| StoreError::io(what, self.packs.path(pack));
        let mut walk = Walk::new(&file, pack, from, bytes, true);
        let mut places = Places::new();
        let (mut junk, mut end) = (0, from);
        while let Some(found) = walk.next().map_err(failed("read"))? {
            match found {
                Found::Frame(id, place) => {
                    places.insert(id, place);
                    end = place.end();
                }
                Found::Damaged(_, place) => junk += place.frame_bytes(),
                Found::Suspect(..) => {}
                Found::Junk { bytes } => junk += bytes,
            }
            if places.len() >= BATCH_OBJECTS {
                file.sync_data().map_err(failed("sync"))?;
                self.report.objects_recovered += index.add_unknown(&std::mem::take(&mut places))?;
            }
        }
        if newest && end < bytes {
            file.set_len(end).map_err(failed("cut"))?;
            self.report.torn_bytes += bytes - end;
            junk -= bytes - end;
        } else {
            end = bytes;
        }
        self.report.unreadable_bytes += junk;
        file.sync_data().map_err(failed("sync"))?;
        self.report.objects_recovered += index.add_unknown(&places)?;
        let next = index.numbers()?.next.max(pack.saturating_add(1));
        let open = newest.then_some(pack);
        index.commit(&Places::new(), &BTreeMap::from([(pack, end)]), Numbers { next, open })?;
        self.steps.reached(Step::TailIndexed);
        Ok(())
    }
}

//! Collecting garbage: objects that nothing live names.
//!
//! gc has the store to itself: no hold exists, so no ingest or fetch counts on an object that it
//! does not know as live. It marks every live object's place, decides per pack, then removes packs
//! without live objects first (that frees room) and rewrites others in groups. Every group goes in
//! this order, so that a crash anywhere leaves every live object readable:
//!
//! 1. live frames are copied, verified, to new packs;
//! 2. flush: the copies are synced, then the index points to them;
//! 3. entries that still point into the old packs, all garbage, are removed from the index;
//! 4. the old packs are doomed, in one commit;
//! 5. their files are removed, and the folder synced.

mod mark;
mod plan;

use protocol::id::SealedId;

use self::{
    mark::{Marker, Marks},
    plan::{Plan, plan},
};
use super::{
    error::{Result, StoreError},
    folder::{lock, read_vec},
    frame::{FRAME_HEADER_BYTES, PACK_HEADER_BYTES, Place, read_frame_header},
    index::Places,
    inner::Inner,
    options::GcOptions,
    report::{GcReport, OnProgress, tell},
    steps::Step,
    store::NameLive,
    walk::{Found, Walk},
};

/// Packs that are rewritten before the old ones go: some 1 GiB of room is needed for the copies.
const GROUP_PACKS: usize = 16;

/// Runs gc.
pub(super) fn run(
    store: &Inner,
    live: NameLive<'_>,
    options: GcOptions,
    progress: OnProgress<'_>,
) -> Result<GcReport> {
    let _alone = store.lease.collect(options.wait)?;
    store.flush()?;
    let mut marker = Marker::new(&store.index);
    live(&mut |id| marker.mark(id)).map_err(StoreError::Live)?;
    let marks = marker.finish()?;
    let mut report =
        GcReport { dry_run: options.dry_run, live_missing: marks.missing, ..GcReport::default() };
    let packs = store.packs.list()?;
    let plan = plan(&packs, &marks, store.index.snapshot()?, &options, &mut report)?;
    if !options.dry_run {
        let mut collection = Collection { store, marks: &marks, report: &mut report };
        let plan = collection.spare_misplaced(plan)?;
        collection.carry_out(&plan, progress)?;
    }
    Ok(report)
}

struct Collection<'a> {
    store: &'a Inner,
    marks: &'a Marks,
    report: &'a mut GcReport,
}

impl Collection<'_> {
    fn carry_out(&mut self, plan: &Plan, progress: OnProgress<'_>) -> Result<()> {
        let total = self.report.bytes_copied;
        (self.report.bytes_copied, self.report.bytes_freed) = (0, 0);
        self.close_open_pack(plan);
        let before = self.pack_bytes();
        self.drop_packs(&plan.remove)?;
        for group in plan.rewrite.chunks(GROUP_PACKS) {
            for pack in group {
                tell(&mut *progress, self.report.bytes_copied, total)?;
                self.copy_live(*pack)?;
            }
            self.store.flush()?;
            self.drop_packs(group)?;
        }
        self.report.bytes_freed = before.saturating_sub(self.pack_bytes());
        tell(progress, self.report.bytes_copied, total)
    }

    /// The index is believed about what is live, and it may be damaged. So the frames of packs that
    /// are to go are looked at; a pack with a frame that the index should have named is spared until
    /// the next gc, and the index mended.
    fn spare_misplaced(&mut self, plan: Plan) -> Result<Plan> {
        let mut spared = Plan::default();
        for pack in plan.remove {
            if !self.adopt(pack)? {
                spared.remove.push(pack);
            }
        }
        for pack in plan.rewrite {
            if !self.adopt(pack)? {
                spared.rewrite.push(pack);
            }
        }
        self.report.packs_removed = spared.remove.len() as u64;
        self.report.packs_rewritten = spared.rewrite.len() as u64;
        Ok(spared)
    }

    /// Adds the good frames of a pack that the index should know. True if there were any.
    fn adopt(&mut self, pack: u32) -> Result<bool> {
        let file = self.store.packs.must_open(pack)?;
        let failed = || StoreError::io("read", self.store.packs.path(pack));
        let bytes = file.metadata().map_err(failed())?.len();
        let mut walk = Walk::new(&file, pack, PACK_HEADER_BYTES as u64, bytes, false);
        let (mut unknown, mut wrong) = (Places::new(), Vec::new());
        while let Some(found) = walk.next().map_err(failed())? {
            let Found::Frame(id, place) = found else { continue };
            let known = self.store.find(&id)?;
            let named = match known {
                Some(known) => known == place || self.is_sound(&id, known),
                // when every live object was found, this one is none
                None => self.marks.missing == 0,
            };
            if !named && self.is_sound(&id, place) {
                wrong.extend(known.map(|known| (id, known)));
                unknown.insert(id, place);
            }
        }
        self.store.index.forget(&wrong)?;
        Ok(self.store.index.add_unknown(&unknown)? > 0)
    }

    fn is_sound(&self, id: &SealedId, place: Place) -> bool {
        self.store.read(id, place).is_ok_and(|object| object.is_some())
    }

    fn pack_bytes(&self) -> u64 {
        self.store.pack_bytes.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Copies go to a pack that stays.
    fn close_open_pack(&self, plan: &Plan) {
        let mut writer = lock(&self.store.writer);
        let goes = |pack: u32| plan.remove.contains(&pack) || plan.rewrite.contains(&pack);
        if writer.current.as_ref().is_some_and(|pack| goes(pack.number)) {
            writer.current = None;
        }
    }

    /// Copies the live objects of a pack.
    fn copy_live(&mut self, pack: u32) -> Result<()> {
        let mut nameless = Vec::new();
        for offset in self.marks.of_pack(pack) {
            match self.header(pack, offset)? {
                Some((id, place)) => self.copy(&id, place)?,
                None => nameless.push(offset),
            }
        }
        if nameless.is_empty() { Ok(()) } else { self.copy_nameless(pack, &nameless) }
    }

    fn header(&self, pack: u32, offset: u32) -> Result<Option<(SealedId, Place)>> {
        let file = self.store.packs.must_open(pack)?;
        let header = read_vec(&file, u64::from(offset), FRAME_HEADER_BYTES);
        let header = header.unwrap_or_default();
        let Some((id, place)) = read_frame_header(&header, pack, u64::from(offset)) else {
            return Ok(None);
        };
        Ok((self.store.find(&id)? == Some(place)).then_some((id, place)))
    }

    /// Frames with a damaged header: the index alone knows which objects they are.
    fn copy_nameless(&mut self, pack: u32, offsets: &[u32]) -> Result<()> {
        let mut snapshot = self.store.index.snapshot()?;
        loop {
            let batch = snapshot.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            for (id, place) in batch {
                if place.pack == pack && offsets.contains(&place.offset) {
                    self.copy(&id, place)?;
                }
            }
        }
    }

    fn copy(&mut self, id: &SealedId, place: Place) -> Result<()> {
        self.store.flush_if_due()?;
        match self.store.read(id, place) {
            Ok(Some(bytes)) => {
                let mut writer = lock(&self.store.writer);
                self.store.append_again(&mut writer, id, &bytes)?;
                self.report.bytes_copied += place.frame_bytes();
                Ok(())
            }
            Err(error) if !super::walk::unreadable(&error) && !is_short(&error) => {
                Err(StoreError::io("read", self.store.packs.path(place.pack))(error))
            }
            _ => {
                tracing::error!(object.id = %id, place.pack, place.offset, "object is damaged, now missing");
                self.report.damaged_objects += 1;
                self.store.forget(id, place)
            }
        }
    }

    /// Removes packs, of which no live object is left, from the index and from the disk.
    fn drop_packs(&self, packs: &[u32]) -> Result<()> {
        if packs.is_empty() {
            return Ok(());
        }
        let mut sorted = packs.to_vec();
        sorted.sort_unstable();
        self.forget_all_of(&sorted)?;
        self.store.steps.reached(Step::GarbageForgotten);
        self.store.index.doom(&sorted)?;
        self.store.steps.reached(Step::PacksDoomed);
        let sizes = self.store.packs.list()?;
        let bytes = sorted.iter().filter_map(|pack| sizes.get(pack)).sum();
        self.store.packs.remove(&sorted, &self.store.steps)?;
        self.store.pack_bytes.fetch_sub(bytes, std::sync::atomic::Ordering::Relaxed);
        self.store.index.bury()
    }

    fn forget_all_of(&self, packs: &[u32]) -> Result<()> {
        let mut snapshot = self.store.index.snapshot()?;
        loop {
            let mut batch = snapshot.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            batch.retain(|(_, place)| packs.binary_search(&place.pack).is_ok());
            self.store.index.forget(&batch)?;
        }
    }
}

fn is_short(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::UnexpectedEof
}

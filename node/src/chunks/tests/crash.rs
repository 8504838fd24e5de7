//! A crash at every step of the store's writing, played by copying the folder at that moment: what a
//! kill leaves behind. To play a loss of power too, what no sync has covered is then cut or zeroed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::*;
use crate::chunks::steps::{Step, StepHook};

/// What is known of a store while it works.
#[derive(Default)]
struct Witness {
    dir: Option<PathBuf>,
    /// Objects that must survive a crash now.
    acknowledged: BTreeSet<SealedId>,
    /// Lengths of packs as of the last sync.
    synced: BTreeMap<u32, u64>,
    seen: BTreeSet<Step>,
}

fn pack_lengths(dir: &Path) -> BTreeMap<u32, u64> {
    let length = |path: PathBuf| fs::metadata(path).unwrap().len();
    packs_in(dir).into_iter().map(|(pack, path)| (pack, length(path))).collect()
}

impl Witness {
    /// Plays every kind of crash at this step.
    fn crash(&mut self, step: Step) {
        let Some(dir) = self.dir.clone() else { return };
        match step {
            Step::PackSynced | Step::TailIndexed => self.synced = pack_lengths(&dir),
            Step::PackNamed => {
                let lengths = pack_lengths(&dir);
                lengths
                    .into_iter()
                    .for_each(|(pack, len)| _ = self.synced.entry(pack).or_insert(len));
            }
            _ => {}
        }
        self.seen.insert(step);
        for how in [Unsynced::Kept, Unsynced::Cut, Unsynced::Halved, Unsynced::Zeroed] {
            for without_index in [false, true] {
                let copy = scratch();
                copy_folder(&dir, copy.path());
                self.lose_unsynced(copy.path(), how);
                let case = format!("{step:?}, {how:?}, without index: {without_index}");
                self.survives(copy.path(), without_index, &case);
            }
        }
    }
}

/// What the disk did with bytes that no sync covers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unsynced {
    Kept,
    Cut,
    Halved,
    Zeroed,
}

impl Witness {
    fn lose_unsynced(&self, dir: &Path, how: Unsynced) {
        for (pack, path) in packs_in(dir) {
            let mut bytes = fs::read(&path).unwrap();
            let synced = self.synced.get(&pack).copied().unwrap_or(32) as usize;
            let kept = synced.min(bytes.len());
            match how {
                Unsynced::Kept => {}
                Unsynced::Cut => bytes.truncate(kept),
                Unsynced::Halved => bytes.truncate(kept + (bytes.len() - kept) / 2),
                Unsynced::Zeroed => bytes[kept..].fill(0),
            }
            fs::write(path, bytes).unwrap();
        }
    }

    fn survives(&self, dir: &Path, without_index: bool, case: &str) {
        let index = dir.join("index.redb");
        if without_index {
            _ = fs::remove_file(&index);
        }
        let has_index = index.exists();
        let (store, report) = ChunkStore::open(dir, small()).unwrap();
        assert!(report.rebuilt.is_none() || !has_index, "{case}: {report:?}");
        for id in &self.acknowledged {
            assert!(store.get(id).is_ok(), "{case}: an acknowledged object is lost");
        }
        assert_eq!(store.check(true, &mut go_on).unwrap().damaged_objects, 0, "{case}");
        // it goes on as if nothing had been
        let bytes = object(77_777, 1_500);
        store.put(&id_of(&bytes), &bytes).unwrap();
        store.flush().unwrap();
        drop(store);
        let (store, report) = ChunkStore::open(dir, small()).unwrap();
        assert!(report.is_clean(), "{case}: {report:?}");
        assert!(store.get(&id_of(&bytes)).is_ok(), "{case}");
    }
}

/// Runs something on a store, with a crash at each of its steps. Returns the steps it went through.
fn crash_at_every_step(work: impl FnOnce(&mut Bench, &dyn Fn(&[SealedId]))) -> BTreeSet<Step> {
    let witness = Arc::new(Mutex::new(Witness::default()));
    let seen = Arc::clone(&witness);
    let hook = move |step| seen.lock().unwrap_or_else(PoisonError::into_inner).crash(step);
    let options = StoreOptions { on_step: Some(StepHook(Arc::new(hook))), ..small() };
    let mut bench = Bench::new(options);
    witness.lock().unwrap().dir = Some(bench.path().to_owned());
    work(&mut bench, &|ids| witness.lock().unwrap().acknowledged.extend(ids));
    let seen = witness.lock().unwrap().seen.clone();
    assert!(seen.len() > 3);
    seen
}

#[test]
fn a_crash_at_any_step_of_put_and_flush_loses_nothing_acknowledged() {
    let steps = crash_at_every_step(|bench, acknowledge| {
        for round in 0..3 {
            let ids: Vec<_> = (0..5).map(|number| bench.put(round * 10 + number, 700)).collect();
            bench.store().flush().unwrap();
            acknowledge(&ids);
        }
    });
    let expected = [
        Step::PackHeaderWritten,
        Step::PackNamed,
        Step::FrameHeaderWritten,
        Step::FrameWritten,
        Step::PackSynced,
        Step::IndexCommitted,
    ];
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_crash_at_any_step_of_gc_keeps_every_live_object() {
    let steps = crash_at_every_step(|bench, acknowledge| {
        let ids = bench.fill(12);
        let live: Vec<_> = ids[3..].iter().copied().step_by(3).collect();
        acknowledge(&live);
        bench.gc(&live);
    });
    for step in [Step::GarbageForgotten, Step::PacksDoomed, Step::PackRemoved] {
        assert!(steps.contains(&step), "{step:?}");
    }
}

#[test]
fn a_crash_while_recovering_or_rebuilding_can_be_recovered_from() {
    let steps = crash_at_every_step(|bench, acknowledge| {
        let ids = bench.fill(7);
        acknowledge(&ids);
        bench.put(100, 900);
        bench.put(101, 900);
        let report = bench.reopen();
        assert_eq!(report.objects_recovered, 2);
        bench.store().rebuild(&mut go_on).unwrap();
        bench.close();
        fs::remove_file(bench.path().join("index.redb")).unwrap();
        bench.reopen();
    });
    for step in [Step::TailIndexed, Step::IndexBuilt, Step::IndexSwapped] {
        assert!(steps.contains(&step), "{step:?}");
    }
}

#[test]
fn what_was_written_but_not_flushed_is_found_again_after_a_kill() {
    let mut bench = Bench::new(small());
    let ids: Vec<_> = (0..7).map(|number| bench.put(number, 1_000)).collect();
    let report = bench.reopen();
    assert_eq!((report.objects_recovered, report.torn_bytes), (7, 0));
    assert!(ids.iter().all(|id| bench.store().get(id).is_ok()));
    assert!(bench.reopen().is_clean());
}

#[test]
fn a_torn_frame_is_cut_off_and_the_pack_goes_on_after_it() {
    let mut bench = Bench::new(small());
    let first = bench.fill(1)[0];
    let second = bench.put(2, 1_000);
    bench.close();
    let pack = bench.packs()[&1].clone();
    let whole = fs::metadata(&pack).unwrap().len();
    fs::File::options().write(true).open(&pack).unwrap().set_len(whole - 10).unwrap();
    let report = bench.reopen();
    assert_eq!((report.objects_recovered, report.torn_bytes), (0, 1_034));
    assert!(bench.store().get(&first).is_ok() && !bench.store().has(&second).unwrap());
    // the new frame is not hidden behind the torn one, for the packs alone tell of it
    let third = bench.put(3, 600);
    bench.store().flush().unwrap();
    assert_eq!(bench.packs().len(), 1);
    bench.store().rebuild(&mut go_on).unwrap();
    assert!(bench.store().get(&third).is_ok());
}

#[test]
fn a_pack_that_was_never_named_is_removed() {
    let mut bench = Bench::new(small());
    bench.fill(1);
    bench.close();
    let unnamed = bench.path().join("packs/00000002.pack.tmp");
    fs::write(&unnamed, b"half a header").unwrap();
    assert!(bench.reopen().is_clean());
    assert!(!unnamed.exists());
}

//! No room: by quota, by the reserve, and on a real file system that is full.

use std::process::Command;

use super::*;
use crate::chunks::{FullReason, StoreError};

fn reason<T>(result: Result<T, StoreError>) -> Option<FullReason> {
    match result {
        Err(StoreError::Full { reason, .. }) => Some(reason),
        _ => None,
    }
}

fn try_put(bench: &Bench, number: u64, bytes: usize) -> Result<Put, StoreError> {
    let object = object(number, bytes);
    bench.store().put(&id_of(&object), &object)
}

#[test]
fn a_quota_refuses_before_it_writes_and_gc_makes_room() {
    let mut bench = Bench::new(StoreOptions { bytes_max: Some(10_000), ..small() });
    let stored = (0..20).take_while(|number| try_put(&bench, *number, 1_000).is_ok()).count();
    assert_eq!(stored, 9);
    let before = bench.store().stats().unwrap().pack_bytes;
    let refused = try_put(&bench, 50, 1_000).unwrap_err();
    assert!(matches!(refused, StoreError::Full { needed: 1_044, reason: FullReason::Quota, .. }));
    assert!(refused.hint().is_some_and(|hint| hint.contains("quota")));
    assert_eq!(bench.store().stats().unwrap().pack_bytes, before);
    bench.store().flush().unwrap();
    bench.reopen();
    assert_eq!(reason(try_put(&bench, 50, 1_000)), Some(FullReason::Quota));
    let kept = id_of(&object(0, 1_000));
    bench.gc(&[kept]);
    assert_eq!(try_put(&bench, 50, 1_000).unwrap(), Put::New);
    assert_eq!(bench.store().get(&kept).unwrap(), object(0, 1_000));
}

#[test]
fn a_reserve_of_the_disk_is_left_free() {
    let bench = Bench::new(StoreOptions { free_bytes_min: u64::MAX, ..small() });
    assert_eq!(reason(try_put(&bench, 1, 1_000)), Some(FullReason::Reserve));
    assert_eq!(bench.store().stats().unwrap().pack_bytes, 0);
}

/// A file system of its own, which is taken away at the end.
pub(super) struct Mounted(pub(super) TempDir);

impl Mounted {
    pub(super) fn tmpfs(mib: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
        let done = mount.status().expect("the program mount runs");
        assert!(done.success(), "this test mounts a tmpfs, so it needs root");
        Self(dir)
    }

    /// Fills it to the last byte; the file is to be removed to have room again.
    fn fill_up(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.path().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        while file.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room() {
    let disk = Mounted::tmpfs(12);
    let dir = disk.0.path().join("store");
    let options = StoreOptions { pack_bytes: 1 << 20, ..small() };
    let (store, _) = ChunkStore::open(&dir, options.clone()).unwrap();
    let put = |number: u64| {
        let bytes = object(number, 50_000);
        store.put(&id_of(&bytes), &bytes)
    };
    let have = |number: u64| store.get(&id_of(&object(number, 50_000))).is_ok();
    (0..20).for_each(|number| _ = put(number).unwrap());
    store.flush().unwrap();
    let put_before_full = (20..1_000).take_while(|number| put(*number).is_ok()).count() as u64;
    let next = 20 + put_before_full;
    assert!(put_before_full > 10 && next < 1_000);
    assert!(matches!(reason(put(next)), Some(FullReason::Disk | FullReason::Reserve)));
    let ballast = disk.fill_up();
    let flushed = store.flush();
    assert!((0..next).all(have), "what was put is still there");
    fs::remove_file(ballast).unwrap();
    store.flush().unwrap();
    drop(flushed);
    assert!((0..next).all(have));
    // the partial frame is gone, so that the packs hold frames only
    assert!(store.check(true, &mut go_on).unwrap().is_clean());
    let live = [id_of(&object(0, 50_000))];
    let mut name = |emit: &mut dyn FnMut(&SealedId)| {
        live.iter().for_each(emit);
        Ok(())
    };
    store.gc(&mut name, gc_now(), &mut go_on).unwrap();
    assert_eq!(put(next).unwrap(), Put::New);
    store.flush().unwrap();
    drop(store);
    let (store, report) = ChunkStore::open(&dir, options).unwrap();
    assert!(report.is_clean());
    assert!(store.get(&live[0]).is_ok() && store.get(&id_of(&object(next, 50_000))).is_ok());
}

#[test]
fn a_flush_on_a_full_disk_can_be_done_again() {
    let disk = Mounted::tmpfs(16);
    let dir = disk.0.path().join("store");
    let (store, _) =
        ChunkStore::open(&dir, StoreOptions { pack_bytes: 1 << 20, ..small() }).unwrap();
    // many small objects, so that the index must grow to hold them
    let objects: Vec<_> = (0..15_000).map(|number| object(number, 20)).collect();
    for bytes in &objects {
        store.put(&id_of(bytes), bytes).unwrap();
    }
    let ballast = disk.fill_up();
    assert_eq!(reason(store.flush()), Some(FullReason::Disk));
    assert_eq!(reason(store.flush()), Some(FullReason::Disk));
    assert!(objects.iter().all(|bytes| store.get(&id_of(bytes)).is_ok_and(|got| got == *bytes)));
    fs::remove_file(ballast).unwrap();
    store.flush().unwrap();
    assert_eq!(store.stats().unwrap().objects_fresh, 0);
    drop(store);
    let (store, report) = ChunkStore::open(&dir, small()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(objects.iter().all(|bytes| store.get(&id_of(bytes)).is_ok_and(|got| got == *bytes)));
}

//! Tests of the store as a whole.

mod basics;
mod crash;
mod damage;
mod full;
mod model;

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use protocol::id::SealedId;
use tempfile::TempDir;

use super::{ChunkStore, GcOptions, GcReport, OpenReport, Put, StoreOptions, StoreProgress};

/// Some bytes that differ by number; incompressible, so that no part looks like another.
fn object(number: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn id_of(bytes: &[u8]) -> SealedId {
    SealedId(*blake3::hash(bytes).as_bytes())
}

/// A folder in memory where there is one: these tests open many stores, and a sync of a real disk
/// tells them nothing.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Small packs, so that a few objects fill several.
fn small() -> StoreOptions {
    StoreOptions { pack_bytes: 4_000, free_bytes_min: 0, ..StoreOptions::default() }
}

fn go_on(_: StoreProgress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn gc_now() -> GcOptions {
    GcOptions { wait: std::time::Duration::ZERO, ..GcOptions::default() }
}

/// A folder with a store, which can be closed and opened.
struct Bench {
    dir: TempDir,
    store: Option<ChunkStore>,
    options: StoreOptions,
}

impl Bench {
    fn new(options: StoreOptions) -> Self {
        Self::new_in(scratch(), options)
    }

    fn new_in(dir: TempDir, options: StoreOptions) -> Self {
        let mut bench = Self { dir, store: None, options };
        assert!(bench.reopen().is_clean());
        bench
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn store(&self) -> &ChunkStore {
        self.store.as_ref().unwrap()
    }

    /// Closes without a flush, and opens.
    fn reopen(&mut self) -> OpenReport {
        self.close();
        let (store, report) = ChunkStore::open(self.dir.path(), self.options.clone()).unwrap();
        self.store = Some(store);
        report
    }

    fn close(&mut self) {
        self.store = None;
    }

    fn put(&self, number: u64, bytes: usize) -> SealedId {
        let bytes = object(number, bytes);
        let id = id_of(&bytes);
        assert_eq!(self.store().put(&id, &bytes).unwrap(), Put::New);
        id
    }

    /// Puts and flushes `count` objects of 1,000 bytes: three to a pack.
    fn fill(&self, count: u64) -> Vec<SealedId> {
        let ids = (0..count).map(|number| self.put(number, 1_000)).collect();
        self.store().flush().unwrap();
        ids
    }

    fn gc(&self, live: &[SealedId]) -> GcReport {
        self.gc_with(live, gc_now())
    }

    fn gc_with(&self, live: &[SealedId], options: GcOptions) -> GcReport {
        let mut name = |emit: &mut dyn FnMut(&SealedId)| {
            live.iter().for_each(emit);
            Ok(())
        };
        self.store().gc(&mut name, options, &mut go_on).unwrap()
    }

    fn packs(&self) -> BTreeMap<u32, PathBuf> {
        packs_in(self.path())
    }
}

fn packs_in(dir: &Path) -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir(dir.join("packs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let packs = paths.filter(|path| path.extension().is_some_and(|end| end == "pack"));
    packs.map(|path| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), path)).collect()
}

/// Copies a store's folder as it is on disk at this moment.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

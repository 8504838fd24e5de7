//! The folder `packs/`: which packs there are, making and removing them, and open files for reading.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    error::{Result, StoreError},
    frame::{PACK_HEADER_BYTES, PackHeader, pack_header, read_pack_header},
    steps::{Step, Steps},
};

/// Packs that are kept open for reading.
const OPEN_PACKS_MAX: usize = 32;

/// The longest pack that is read: offsets are 32 bits.
const PACK_FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// The packs on disk.
#[derive(Debug)]
pub(super) struct PackFolder {
    dir: PathBuf,
    open: Mutex<VecDeque<(u32, Arc<File>)>>,
}

/// Locks, also when a thread panicked while it held the lock: what is guarded stays consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what was created, renamed or removed in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(StoreError::io("sync", dir))
}

/// Reads exactly this many bytes at a place, into a vector of its own.
pub(super) fn read_vec(file: &File, at: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

impl PackFolder {
    /// Opens the folder, making it if needed, and removes packs that were never named.
    pub(super) fn open(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(StoreError::io("create", &dir))?;
        for entry in fs::read_dir(&dir).map_err(StoreError::io("read", &dir))? {
            let path = entry.map_err(StoreError::io("read", &dir))?.path();
            let unnamed = path.to_str().is_some_and(|p| p.ends_with(".pack.tmp"));
            if unnamed {
                fs::remove_file(&path).map_err(StoreError::io("remove", path))?;
            }
        }
        Ok(Self { dir, open: Mutex::default() })
    }

    pub(super) fn path(&self, pack: u32) -> PathBuf {
        self.dir.join(format!("{pack:08}.pack"))
    }

    /// All packs and their lengths. Other files are not looked at.
    pub(super) fn list(&self) -> Result<BTreeMap<u32, u64>> {
        let mut packs = BTreeMap::new();
        for entry in fs::read_dir(&self.dir).map_err(StoreError::io("read", &self.dir))? {
            let entry = entry.map_err(StoreError::io("read", &self.dir))?;
            let name = entry.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(".pack"));
            let Some(pack) = digits.and_then(|digits| digits.parse::<u32>().ok()) else { continue };
            let meta = fs::metadata(entry.path()).map_err(StoreError::io("read", entry.path()))?;
            if meta.is_file() && self.path(pack) == entry.path() {
                packs.insert(pack, meta.len().min(PACK_FILE_BYTES_MAX));
            }
        }
        Ok(packs)
    }

    /// A pack for reading.
    pub(super) fn file(&self, pack: u32) -> io::Result<Arc<File>> {
        let mut open = lock(&self.open);
        if let Some(at) = open.iter().position(|(number, _)| *number == pack)
            && let Some(hit) = open.remove(at)
        {
            let file = Arc::clone(&hit.1);
            open.push_back(hit);
            return Ok(file);
        }
        drop(open);
        let file = Arc::new(File::open(self.path(pack))?);
        self.remember(pack, &file);
        Ok(file)
    }

    fn remember(&self, pack: u32, file: &Arc<File>) {
        let mut open = lock(&self.open);
        if open.len() >= OPEN_PACKS_MAX {
            open.pop_front();
        }
        open.push_back((pack, Arc::clone(file)));
    }

    /// Opens a pack, with what opening or reading it can fail with.
    pub(super) fn must_open(&self, pack: u32) -> Result<Arc<File>> {
        self.file(pack).map_err(StoreError::io("open", self.path(pack)))
    }

    /// What the header of a pack says.
    pub(super) fn header(&self, pack: u32) -> Result<PackHeader> {
        let file = self.must_open(pack)?;
        match read_vec(&file, 0, PACK_HEADER_BYTES) {
            Ok(bytes) => Ok(read_pack_header(&bytes, pack)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(PackHeader::Damaged),
            Err(error) if super::walk::unreadable(&error) => Ok(PackHeader::Damaged),
            Err(source) => Err(StoreError::io("read", self.path(pack))(source)),
        }
    }

    /// Makes a new pack: durable, with its header and its name.
    pub(super) fn create(&self, pack: u32, steps: &Steps) -> io::Result<Arc<File>> {
        let temporary = self.dir.join(format!("{pack:08}.pack.tmp"));
        let made = self.write_new(&temporary, pack, steps);
        if made.is_err() {
            let _gone_anyway_at_next_open = fs::remove_file(&temporary);
        }
        made
    }

    fn write_new(&self, temporary: &Path, pack: u32, steps: &Steps) -> io::Result<Arc<File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(temporary)?;
        file.write_all_at(&pack_header(pack), 0)?;
        file.sync_all()?;
        steps.reached(Step::PackHeaderWritten);
        fs::rename(temporary, self.path(pack))?;
        File::open(&self.dir)?.sync_all()?;
        steps.reached(Step::PackNamed);
        let file = Arc::new(file);
        self.remember(pack, &file);
        Ok(file)
    }

    /// Opens a pack for appending.
    pub(super) fn reopen(&self, pack: u32) -> Result<Arc<File>> {
        let path = self.path(pack);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = Arc::new(file.map_err(StoreError::io("open", path))?);
        self.remember(pack, &file);
        Ok(file)
    }

    /// Removes packs, durably. Those that are gone already are fine.
    pub(super) fn remove(&self, packs: &[u32], steps: &Steps) -> Result<()> {
        for pack in packs {
            lock(&self.open).retain(|(number, _)| number != pack);
            match fs::remove_file(self.path(*pack)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", self.path(*pack))(error));
                }
                _ => steps.reached(Step::PackRemoved),
            }
        }
        if packs.is_empty() { Ok(()) } else { sync_dir(&self.dir) }
    }
}

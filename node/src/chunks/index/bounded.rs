//! The index file with a bound on its growth.
//!
//! redb believes what its file says of free space. When that is damaged it may enlarge the file again
//! and again, until the disk is full. So the file may only grow in proportion to what is put into it.

use std::{
    fs::OpenOptions,
    io,
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// What a small index may take in any case.
const BYTES_FREE_OF_REASON: u64 = 16 << 20;

/// A commit writes new pages before it frees old ones, and redb doubles its regions.
const TIMES_ITS_LENGTH: u64 = 4;

/// What one object more may cost; 270 bytes were measured.
const BYTES_PER_OBJECT: u64 = 2 << 10;

/// How many objects were added through this index: what its growth is measured by.
pub(super) type Added = Arc<AtomicU64>;

/// The file.
#[derive(Debug)]
pub(super) struct BoundedFile {
    file: FileBackend,
    bytes_at_open: u64,
    added: Added,
}

impl BoundedFile {
    pub(super) fn open(path: &Path, create: bool, added: Added) -> Result<Self, redb::Error> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(create).truncate(false).open(path);
        let file = file.map_err(redb::Error::Io)?;
        let bytes_at_open = file.metadata().map_err(redb::Error::Io)?.len();
        Ok(Self { file: FileBackend::new(file)?, bytes_at_open, added })
    }

    fn bytes_max(&self) -> u64 {
        let added = self.added.load(Ordering::Relaxed).saturating_mul(BYTES_PER_OBJECT);
        let grown = self.bytes_at_open.saturating_mul(TIMES_ITS_LENGTH);
        BYTES_FREE_OF_REASON.saturating_add(grown).saturating_add(added)
    }

    fn must_be_within(&self, end: u64) -> io::Result<()> {
        if end <= self.bytes_max() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the index grows without reason"))
    }
}

impl StorageBackend for BoundedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.must_be_within(len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.must_be_within(offset.saturating_add(data.len() as u64))?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(from, to)
    }

    fn try_lock_shared_range(
        &self,
        from: Bound<u64>,
        to: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(from, to)
    }

    fn lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(from, to)
    }

    fn lock_shared_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(from, to)
    }

    fn unlock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(from, to)
    }

    fn query_lock_range(&self, from: Bound<u64>, to: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_grows_with_what_is_added_and_not_without() {
        let dir = tempfile::tempdir().unwrap();
        let added = Added::default();
        let file = BoundedFile::open(&dir.path().join("i"), true, Arc::clone(&added)).unwrap();
        file.set_len(BYTES_FREE_OF_REASON).unwrap();
        let refused = file.set_len(BYTES_FREE_OF_REASON + 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(file.write(BYTES_FREE_OF_REASON, b"x").is_err());
        added.fetch_add(1, Ordering::Relaxed);
        file.set_len(BYTES_FREE_OF_REASON + BYTES_PER_OBJECT).unwrap();
    }
}

//! The files that hold the bytes of uploads.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use protocol::{
    control::{Failure, FailureCode},
    upload::UploadId,
};

use crate::sys;

/// The folder of spools.
#[derive(Debug)]
pub(super) struct Spool(PathBuf);

impl Spool {
    /// Opens the folder, making it on the first start.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Ok(Self(folder))
    }

    /// Where the bytes of an upload are.
    pub(super) fn path(&self, id: &UploadId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Makes an empty one, durable.
    pub(super) fn create(&self, id: &UploadId) -> io::Result<()> {
        let path = self.path(id);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all()?;
        self.sync()
    }

    /// Opens one to write to.
    pub(super) fn writable(&self, id: &UploadId) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path(id))
    }

    /// Whether it is there.
    pub(super) fn has(&self, id: &UploadId) -> bool {
        self.path(id).is_file()
    }

    /// Removes one; what is not there is not missed.
    pub(super) fn remove(&self, id: &UploadId) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.path(id)))
    }

    /// Removes every file that is none of these.
    pub(super) fn sweep(&self, keep: &BTreeSet<UploadId>) -> io::Result<u64> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            if id.is_some_and(|id| keep.contains(&id)) || entry.file_type()?.is_dir() {
                continue;
            }
            absent_is_fine(fs::remove_file(entry.path()))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Bytes that can still be written there.
    pub(super) fn free_bytes(&self) -> u64 {
        sys::free_bytes(&self.0)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// What the disk refused.
pub(super) fn disk_failure(what: &str, error: &io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::NoSpace } else { FailureCode::Internal };
    Failure::caused(code, what, error).hint("look at the room and the health of the data folder")
}

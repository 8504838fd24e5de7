//! The archives folder: tars and their descriptions, as YunoHost keeps them.
//!
//! Files directly in it, by names that cannot lead elsewhere, and the links that YunoHost makes in
//! place of some (`link` has the rules). A file is written under `.NAME.part`, which YunoHost does
//! not list, and held by a lock as long as its descriptor is open anywhere; what a crash left behind
//! is not locked and is used again. A plain tar can get more members (`extend`). Where the folder is
//! missing it is made as YunoHost makes it (`folder`).

mod extend;
mod folder;
mod link;
mod name;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use protocol::tar::FileTime;
use rustix::{
    fs::{AtFlags, FlockOperation, OFlags, RenameFlags, flock, renameat_with, unlinkat},
    io::Errno,
};
use serde::{Deserialize, Serialize};

pub use self::{
    extend::EXTENSION_BYTES_MAX,
    name::{ARCHIVE_FILE_NAME_BYTES_MAX, ArchiveFileName},
};

/// How many files are listed.
const LISTED_MAX: usize = 10_000;

/// While a file is written nobody else reads it.
const PART_MODE: u32 = 0o600;

/// As YunoHost leaves its archives, in a folder that keeps others out.
const MODE: u32 = 0o644;

/// In a folder that lets others in.
const CLOSED_MODE: u32 = 0o640;

/// The archives folder did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchivesError {
    /// A name that no archive has.
    #[error("{name:?} is no name of an archive file")]
    Name {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("the archive file {name} exists already")]
    Exists {
        /// The name.
        name: ArchiveFileName,
    },
    /// Somebody is writing it.
    #[error("the archive file {name} is being written")]
    Busy {
        /// The name.
        name: ArchiveFileName,
    },
    /// It is not what this can be done with.
    #[error("the archive file {name} {why}")]
    Refused {
        /// The name.
        name: ArchiveFileName,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file system.
    #[error("cannot {what} in {}", folder.display())]
    Io {
        /// What.
        what: String,
        /// The archives folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A file in the archives folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFile {
    /// Its name.
    pub name: ArchiveFileName,
    /// Its size; of a link, the size of the file it means.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: FileTime,
    /// Whether it is a link to a file in another folder. A link to a file of this folder is not
    /// listed: it and that file are one archive, under the file's name.
    pub is_link: bool,
    /// Whether it is a tar that is compressed as a whole.
    pub is_gzip: bool,
}

impl ArchiveFile {
    fn new(name: ArchiveFileName, data: &Metadata, is_link: bool, is_gzip: bool) -> Self {
        let nanos = u32::try_from(data.mtime_nsec()).unwrap_or(0);
        let modified = FileTime { seconds: data.mtime(), nanos };
        Self { name, bytes: data.len(), modified, is_link, is_gzip }
    }
}

/// The folder.
pub(super) struct Archives {
    folder: PathBuf,
}

impl Archives {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn error(&self, what: impl Into<String>) -> impl FnOnce(io::Error) -> ArchivesError {
        let (what, folder) = (what.into(), self.folder.clone());
        move |source| ArchivesError::Io { what, folder, source }
    }

    /// Opened for each request: it may be mounted, or made, meanwhile.
    fn open_folder(&self) -> Result<File, ArchivesError> {
        let flags = OFlags::DIRECTORY.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags);
        options.open(&self.folder).map_err(self.error("open the archives folder"))
    }

    fn open_file(&self, file: &str, options: &mut OpenOptions) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = options.custom_flags(flags.bits().cast_signed()).open(self.folder.join(file))?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
        }
    }

    pub(super) fn list(&self) -> Result<Vec<ArchiveFile>, ArchivesError> {
        let failed = || self.error("list the archives");
        let (mut files, mut links, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        for entry in fs::read_dir(&self.folder).map_err(failed())?.take(LISTED_MAX) {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().into_string().ok();
            let Some(Ok(name)) = name.map(ArchiveFileName::new) else { continue };
            let Ok(data) = entry.metadata() else { continue };
            if data.is_symlink() {
                links.push(name);
            } else if data.is_file() {
                ids.insert((data.dev(), data.ino()));
                let is_gzip = name.is_gzip();
                files.push(ArchiveFile::new(name, &data, false, is_gzip));
            }
        }
        for name in links {
            // Broken links, and those that are not followed, are no archives.
            let Ok((target, data)) = self.look_behind(&name) else { continue };
            if !ids.contains(&(data.dev(), data.ino())) {
                files.push(ArchiveFile::new(name, &data, true, link::is_gzip(&target)));
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    pub(super) fn create(&self, name: &ArchiveFileName) -> Result<File, ArchivesError> {
        if fs::symlink_metadata(self.path(name)).is_ok() {
            return Err(ArchivesError::Exists { name: name.clone() });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PART_MODE);
        let failed = || self.error(format!("make {name}"));
        folder::make_if_missing(&self.folder).map_err(failed())?;
        let file = self.open_file(&name.part(), &mut options).map_err(failed())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(ArchivesError::Busy { name: name.clone() }),
            Err(errno) => return Err(failed()(errno.into())),
        }
        file.set_len(0).map_err(failed())?;
        Ok(file)
    }

    pub(super) fn publish(&self, name: &ArchiveFileName) -> Result<(), ArchivesError> {
        let failed = || self.error(format!("publish {name}"));
        let folder = self.open_folder()?;
        let file = self.open_file(&name.part(), OpenOptions::new().read(true));
        let is_open = folder.metadata().map_err(failed())?.permissions().mode() & 0o001 != 0;
        let mode = Permissions::from_mode(if is_open { CLOSED_MODE } else { MODE });
        file.and_then(|file| {
            file.set_permissions(mode)?;
            file.sync_all()
        })
        .map_err(failed())?;
        match renameat_with(&folder, name.part(), &folder, name.as_str(), RenameFlags::NOREPLACE) {
            Ok(()) => folder.sync_all().map_err(failed()),
            Err(Errno::EXIST) => Err(ArchivesError::Exists { name: name.clone() }),
            Err(errno) => Err(failed()(errno.into())),
        }
    }

    /// Follows a link, where that is safe.
    pub(super) fn open(&self, name: &ArchiveFileName) -> Result<File, ArchivesError> {
        let failed = || self.error(format!("open {name}"));
        if self.is_symlink(name) {
            return self.open_behind(name).map_err(failed());
        }
        self.open_file(name.as_str(), OpenOptions::new().read(true)).map_err(failed())
    }

    pub(super) fn discard(&self, name: &ArchiveFileName) -> Result<(), ArchivesError> {
        self.unlink(&name.part())
    }

    /// Removes a file; a link together with the file of this folder that it means, and the other
    /// way round. A file of another folder stays.
    pub(super) fn remove(&self, name: &ArchiveFileName) -> Result<(), ArchivesError> {
        if let Some(other) = self.other_half(name) {
            self.unlink(other.as_str())?;
        }
        self.unlink(name.as_str())
    }

    fn path(&self, name: &ArchiveFileName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    fn unlink(&self, file: &str) -> Result<(), ArchivesError> {
        let folder = self.open_folder()?;
        unlinkat(&folder, file, AtFlags::empty())
            .map_err(|errno| self.error(format!("remove {file}"))(errno.into()))
    }
}

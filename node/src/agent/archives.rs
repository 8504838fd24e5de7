//! The archives folder: plain tars and their descriptions, as YunoHost keeps them.
//!
//! Only regular files directly in it, by names that cannot lead elsewhere. A file is written under
//! `.NAME.part`, which YunoHost does not list, and held by a lock as long as its descriptor is open
//! anywhere; what a crash left behind is not locked and is used again.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::PathBuf,
};

use protocol::tar::FileTime;
use rustix::{
    fs::{AtFlags, FlockOperation, OFlags, RenameFlags, flock, renameat_with, unlinkat},
    io::Errno,
};
use serde::{Deserialize, Serialize};

/// The longest file name in the archives folder, bytes: an archive name with its endings.
pub const ARCHIVE_FILE_NAME_BYTES_MAX: usize = 100;

/// How many files are listed.
const LISTED_MAX: usize = 10_000;

/// Whoever may enter the folder reads them by its group; nobody else.
const MODE: u32 = 0o640;

const ENDINGS: [&str; 3] = [".tar", ".tar.gz", ".info.json"];

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

/// A file name in the archives folder: letters, digits, `.`, `_`, `-`, not beginning with a dot,
/// ending with `.tar`, `.tar.gz` or `.info.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveFileName(String);

impl ArchiveFileName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: impl Into<String>) -> Result<Self, ArchivesError> {
        let name = name.into();
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ends = ENDINGS.iter().any(|end| name.len() > end.len() && name.ends_with(end));
        let good = name.len() <= ARCHIVE_FILE_NAME_BYTES_MAX && !name.starts_with('.');
        if good && ends && name.bytes().all(letter) {
            Ok(Self(name))
        } else {
            Err(ArchivesError::Name { name })
        }
    }

    fn part(&self) -> String {
        format!(".{}.part", self.0)
    }
}

impl TryFrom<String> for ArchiveFileName {
    type Error = ArchivesError;

    fn try_from(name: String) -> Result<Self, ArchivesError> {
        Self::new(name)
    }
}

impl From<ArchiveFileName> for String {
    fn from(name: ArchiveFileName) -> Self {
        name.0
    }
}

impl fmt::Display for ArchiveFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file in the archives folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFile {
    /// Its name.
    pub name: ArchiveFileName,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: FileTime,
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
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed())?.take(LISTED_MAX) {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().into_string().ok();
            let Some(Ok(name)) = name.map(ArchiveFileName::new) else { continue };
            let Ok(data) = entry.metadata() else { continue };
            if data.is_file() {
                let nanos = u32::try_from(data.mtime_nsec()).unwrap_or(0);
                let modified = FileTime { seconds: data.mtime(), nanos };
                files.push(ArchiveFile { name, bytes: data.len(), modified });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    pub(super) fn create(&self, name: &ArchiveFileName) -> Result<File, ArchivesError> {
        if fs::symlink_metadata(self.folder.join(&name.0)).is_ok() {
            return Err(ArchivesError::Exists { name: name.clone() });
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE);
        let failed = || self.error(format!("make {name}"));
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
        file.and_then(|file| file.sync_all()).map_err(failed())?;
        match renameat_with(&folder, name.part(), &folder, &name.0, RenameFlags::NOREPLACE) {
            Ok(()) => folder.sync_all().map_err(failed()),
            Err(Errno::EXIST) => Err(ArchivesError::Exists { name: name.clone() }),
            Err(errno) => Err(failed()(errno.into())),
        }
    }

    pub(super) fn open(&self, name: &ArchiveFileName) -> Result<File, ArchivesError> {
        let failed = self.error(format!("open {name}"));
        self.open_file(&name.0, OpenOptions::new().read(true)).map_err(failed)
    }

    pub(super) fn discard(&self, name: &ArchiveFileName) -> Result<(), ArchivesError> {
        self.unlink(&name.part())
    }

    pub(super) fn remove(&self, name: &ArchiveFileName) -> Result<(), ArchivesError> {
        self.unlink(&name.0)
    }

    fn unlink(&self, file: &str) -> Result<(), ArchivesError> {
        let folder = self.open_folder()?;
        unlinkat(&folder, file, AtFlags::empty())
            .map_err(|errno| self.error(format!("remove {file}"))(errno.into()))
    }
}

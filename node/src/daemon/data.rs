//! The data folder: who may use it, which layout it has, where everything lies.
//!
//! ```text
//! DATA/format          the layout, one line
//! DATA/lock            held by the daemon that uses the folder
//! DATA/node.key        the node's secret, 32 bytes, mode 600
//! DATA/archive.key     the origin's archive key, 32 bytes, mode 600
//! DATA/state.redb      records, runs, settings
//! DATA/store/          the chunk store
//! DATA/reuse/JOB       what a job's next run can reuse
//! DATA/uploads/ID      the bytes of an upload that have come, mode 600
//! DATA/keys/           the ssh key of this node, and host keys of others
//! DATA/transfers/N     what a transfer by ssh sends
//! DATA/control.sock    where commands reach the daemon
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use protocol::{
    JobId,
    key::{ArchiveKey, NodeSecret},
};

use crate::sys::OsEntropy;

/// The layout that this program reads and writes.
const FORMAT: &str = "backupmanager data 1";

/// A data folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// The operation.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("another daemon uses {path}")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Made by another version.
    #[error("{path} has the layout {found:?}, this program knows {FORMAT:?}")]
    Format {
        /// The folder.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A key file of the wrong length.
    #[error("the key file {path} is damaged: it must have 32 bytes")]
    Key {
        /// The file.
        path: PathBuf,
    },
}

impl DataError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "the daemon's user must own the folder, and the disk must have room",
            Self::InUse { .. } => "stop the other daemon, or give this one its own --data",
            Self::Format { .. } => "use the version of backupmanager that made it, or a newer one",
            Self::Key { .. } => "put the file back from a copy of the data folder",
        }
    }
}

/// An open data folder. It stays locked while this lives.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens the folder, making it on the first start.
    ///
    /// # Errors
    /// When it cannot be made or locked, or has another layout.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let fail = |what| move |source| DataError::Io { what, path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail("make"))?;
        let lock = private().create(true).truncate(false).open(path.join("lock"));
        let lock = lock.map_err(fail("lock"))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DataError::InUse { path: path.to_owned() });
            }
            Err(errno) => return Err(fail("lock")(errno.into())),
        }
        let data = Self { path: path.to_owned(), _lock: lock };
        data.check_format()?;
        fs::create_dir_all(data.path.join("reuse")).map_err(fail("make"))?;
        Ok(data)
    }

    fn check_format(&self) -> Result<(), DataError> {
        let file = self.path.join("format");
        match fs::read_to_string(&file) {
            Ok(found) if found.trim() == FORMAT => Ok(()),
            Ok(found) => Err(DataError::Format {
                path: self.path.clone(),
                found: found.trim().chars().take(60).collect(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&file, format!("{FORMAT}\n").as_bytes())
            }
            Err(source) => Err(DataError::Io { what: "read", path: file, source }),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state file.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path.join("state.redb")
    }

    /// The chunk store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// What a job's next run can reuse.
    #[must_use]
    pub fn reuse(&self, job: &JobId) -> PathBuf {
        self.path.join("reuse").join(job.to_string())
    }

    /// Where the bytes of uploads wait.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// The node's secret, made on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is no key.
    pub fn node_secret(&self) -> Result<NodeSecret, DataError> {
        let seed = self.secret_file("node.key", || NodeSecret::generate(&mut OsEntropy).seed())?;
        Ok(NodeSecret::from_seed(&seed))
    }

    /// The archive key, made on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is no key.
    pub fn archive_key(&self) -> Result<ArchiveKey, DataError> {
        let bytes =
            self.secret_file("archive.key", || ArchiveKey::generate(&mut OsEntropy).bytes())?;
        Ok(ArchiveKey::from_bytes(*bytes))
    }

    fn secret_file(
        &self,
        name: &str,
        make: impl Fn() -> zeroize::Zeroizing<[u8; 32]>,
    ) -> Result<zeroize::Zeroizing<[u8; 32]>, DataError> {
        let path = self.path.join(name);
        let fail = |what| {
            let path = path.clone();
            move |source| DataError::Io { what, path, source }
        };
        match File::open(&path) {
            Ok(file) => {
                let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(33));
                file.take(33).read_to_end(&mut bytes).map_err(fail("read"))?;
                let bytes = <[u8; 32]>::try_from(bytes.as_slice());
                Ok(zeroize::Zeroizing::new(bytes.map_err(|_| DataError::Key { path })?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = make();
                write_durably(&path, &*secret)?;
                Ok(secret)
            }
            Err(source) => Err(fail("read")(source)),
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Writes a new file so that after a crash it is whole or absent.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = private().create(true).truncate(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|source| DataError::Io { what: "write", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_start_makes_keys_that_the_second_finds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let (node, key) = (first.node_secret().unwrap().id(), first.archive_key().unwrap());
        drop(first);
        let second = DataDir::open(&path).unwrap();
        assert_eq!(second.node_secret().unwrap().id(), node);
        assert_eq!(second.archive_key().unwrap(), key);
        for file in ["node.key", "archive.key"] {
            let mode = fs::metadata(path.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_second_daemon_another_layout_and_a_cut_key_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let open = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataError::InUse { .. })));
        open.node_secret().unwrap();
        fs::write(path.join("node.key"), [1; 31]).unwrap();
        assert!(matches!(open.node_secret(), Err(DataError::Key { .. })));
        drop(open);
        fs::write(path.join("format"), "backupmanager data 7\n").unwrap();
        let Err(error) = DataDir::open(&path) else { panic!("opened an unknown layout") };
        assert!(error.to_string().contains("data 7"), "{error}");
    }
}

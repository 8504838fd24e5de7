//! Where the socket lies, however long its path is.
//!
//! The kernel takes at most 107 bytes for a socket's path. A longer one is reached through an open
//! handle of its folder, as `/proc/self/fd/N/control.sock`, which is short.

use std::{
    ffi::OsStr,
    os::fd::{AsRawFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

/// The socket's name in a data folder.
pub const SOCKET_FILE: &str = "control.sock";

/// What the kernel's `sun_path` takes, without the final zero.
const SUN_PATH_BYTES_MAX: usize = 107;

/// A path that no socket can have.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The folder cannot be opened.
    #[error("the folder {} cannot be opened", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The last part of the path alone is too long, or there is none.
    #[error("{} cannot be the path of a socket", .path.display())]
    Name {
        /// Which.
        path: PathBuf,
    },
}

/// A path that the kernel takes, good as long as this lives.
pub(super) struct Address {
    pub(super) path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    pub(super) fn of(path: &Path) -> Result<Self, AddressError> {
        if path.as_os_str().len() <= SUN_PATH_BYTES_MAX {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let refuse = || AddressError::Name { path: path.to_owned() };
        let file = path.file_name().ok_or_else(refuse)?;
        let folder = path.parent().ok_or_else(refuse)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(folder, flags, Mode::empty())
            .map_err(|e| AddressError::Folder { folder: folder.to_owned(), source: e.into() })?;
        let short = short(&open, file);
        if short.as_os_str().as_bytes().len() > SUN_PATH_BYTES_MAX {
            return Err(refuse());
        }
        Ok(Self { path: short, _folder: Some(open) })
    }
}

fn short(folder: &OwnedFd, file: &OsStr) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(file)
}

//! An open directory: its names in order, and files in it by name, never through a link.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::stat::FileStat;

/// How much of a directory the kernel gives at once, bytes.
const LISTING_BYTES: usize = 64 << 10;

/// Cleared when the system refuses `O_NOATIME`, which only owners and root may ask for.
static WITHOUT_ATIME: AtomicBool = AtomicBool::new(true);

/// A directory that is read. It stays open as long as files in it may be.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

/// One name in a directory.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: CString,
    /// Absent where the file system does not say.
    pub(super) is_directory: Option<bool>,
}

impl Directory {
    /// Opens a path, following links in it.
    pub(super) fn open(path: &std::path::Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).map(Self)
    }

    /// Opens a directory in this one.
    pub(super) fn directory(&self, name: &CStr) -> Result<Self, Errno> {
        self.open_at(name, OFlags::DIRECTORY).map(Self)
    }

    /// Opens a file in this one; a pipe does not block.
    pub(super) fn file(&self, name: &CStr) -> Result<OwnedFd, Errno> {
        self.open_at(name, OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    fn open_at(&self, name: &CStr, more: OFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        let open = |flags| rustix::fs::openat(&self.0, name, flags, Mode::empty());
        if WITHOUT_ATIME.load(Ordering::Relaxed) {
            match open(flags | OFlags::NOATIME) {
                Err(Errno::PERM) => WITHOUT_ATIME.store(false, Ordering::Relaxed),
                opened => return opened,
            }
        }
        open(flags)
    }

    pub(super) fn stat(&self) -> Result<FileStat, Errno> {
        rustix::fs::fstat(&self.0).map(FileStat::from)
    }

    /// What a name in it is, a link being a link.
    pub(super) fn stat_of(&self, name: &CStr) -> Result<FileStat, Errno> {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).map(FileStat::from)
    }

    pub(super) fn link_target(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlinkat(&self.0, name, Vec::new()).map(CString::into_bytes)
    }

    /// A path to a name in it for calls that know no directory handles.
    pub(super) fn path_of(&self, name: &CStr) -> Vec<u8> {
        let mut path = format!("/proc/self/fd/{}/", self.0.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        path
    }

    /// All names but `.` and `..`, sorted by their bytes.
    pub(super) fn names(&self) -> Result<Vec<Name>, Errno> {
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); LISTING_BYTES];
        let mut listing = RawDir::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Unknown => None,
                kind => Some(kind == FileType::Directory),
            };
            names.push(Name { name: name.to_owned(), is_directory });
        }
        names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

//! Opening directories without leaving the destination.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat},
    io::Errno,
};

use super::{
    error::ItemError,
    name::{DEPTH_MAX, show},
};

/// As the kernel has it.
const LINKS_MAX: usize = 40;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// Opens the directory `name` of `dir`; a link is never followed.
pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Opens the directory `name` of `dir` as a place only, which needs no right to list it.
pub(super) fn open_place(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Opens whatever `name` is, as a place only.
pub(super) fn open_path(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a directory of the running system by its absolute path, the way a restore in place does.
pub(crate) fn open_system_dir(path: &Path) -> io::Result<OwnedFd> {
    let root = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let name = path.as_os_str().as_bytes();
    let parts: Vec<_> = name.split(|&b| b == b'/').collect();
    if !path.is_absolute() || parts.contains(&&b".."[..]) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not plain"));
    }
    let (made, uid) = (BTreeSet::new(), rustix::process::geteuid().as_raw());
    let follower = Follower { root: root.as_fd(), made: &made, uid };
    follower.open(&parts).map_err(io::Error::other)
}

/// Follows links of the system in the place of directories, as the page of [`super`] allows.
pub(super) struct Follower<'a> {
    /// The destination: `/` of every absolute target.
    pub(super) root: BorrowedFd<'a>,
    /// Links that this restore made, device and inode.
    pub(super) made: &'a BTreeSet<(u64, u64)>,
    /// Who runs this.
    pub(super) uid: u32,
}

impl Follower<'_> {
    /// Opens the directory with these parts.
    pub(super) fn open(&self, parts: &[&[u8]]) -> Result<OwnedFd, ItemError> {
        let mut waiting: VecDeque<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        let mut trail: Vec<(OwnedFd, Stat)> = Vec::new();
        let mut links = 0;
        while let Some(part) = waiting.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    trail.pop();
                    continue;
                }
                _ => {}
            }
            let dir = trail.last().map_or(self.root, |(fd, _)| fd.as_fd());
            let fd = open_path(dir, &part).map_err(ItemError::io("open a directory"))?;
            let stat = fstat(&fd).map_err(ItemError::io("examine a directory"))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if trail.len() < DEPTH_MAX => trail.push((fd, stat)),
                FileType::Directory => return Err(ItemError::Deep(DEPTH_MAX)),
                FileType::Symlink => {
                    links += 1;
                    self.check(&part, &stat, &trail, links)?;
                    let target = readlinkat(&fd, "", Vec::new())
                        .map_err(ItemError::io("read a symbolic link"))?;
                    if target.to_bytes().starts_with(b"/") {
                        trail.clear();
                    }
                    for part in target.to_bytes().split(|&b| b == b'/').rev() {
                        waiting.push_front(part.to_vec());
                    }
                }
                _ => return Err(ItemError::NotADirectory(show(&part))),
            }
        }
        let last = trail.last().map_or(self.root, |(fd, _)| fd.as_fd());
        open_dir(last, b".").map_err(ItemError::io("open a directory"))
    }

    fn check(
        &self,
        part: &[u8],
        link: &Stat,
        trail: &[(OwnedFd, Stat)],
        links: usize,
    ) -> Result<(), ItemError> {
        let refuse = |why| Err(ItemError::Link { path: show(part), why });
        let ours = |stat: &Stat| stat.st_uid == 0 || stat.st_uid == self.uid;
        let safe = |stat: &Stat| ours(stat) && stat.st_mode & OTHERS_MAY_WRITE == 0;
        let root = fstat(self.root).map_err(ItemError::io("examine the destination"))?;
        if links > LINKS_MAX {
            refuse("there are too many links in a row")
        } else if self.made.contains(&(link.st_dev, link.st_ino)) {
            refuse("this archive made it")
        } else if !ours(link) {
            refuse("it belongs to another user")
        } else if !trail.iter().map(|(_, stat)| stat).chain([&root]).all(safe) {
            refuse("others may write where it lies")
        } else {
            Ok(())
        }
    }
}

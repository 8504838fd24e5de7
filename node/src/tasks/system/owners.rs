//! Giving a whole tree an owner, whatever is in the tree.
//!
//! The tree may be hostile: it came out of an archive, and the account that owns it may change it
//! meanwhile. So every directory is opened one name at a time from the directory above it, never
//! through a link, and what is changed is exactly what was looked at, through its open place. A link
//! gets the owner itself; what it points to is not touched.
//!
//! A file with several names could have one of them outside: `ln /etc/shadow x`, and the tree's new
//! owner would own the passwords. Such a file gets the owner only when all its names were found in
//! the tree, which is why the tree is walked twice.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, openat},
    io::Errno,
};

use super::{TaskError, failed, place::Place};

/// How deep a tree may be: each level holds a descriptor.
const DEPTH_MAX: usize = 400;

/// Files with several names that are counted: 48 MiB.
const LINKED_MAX: usize = 1 << 20;

/// What is said of a tree, at most so many lines.
const LINES_MAX: usize = 50;

/// The new owner; none leaves as it is.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: Option<u32>,
}

impl Owner {
    fn is(self, stat: &Stat) -> bool {
        stat.st_uid == self.uid && self.gid.is_none_or(|gid| stat.st_gid == gid)
    }
}

/// A walk over a tree.
pub(super) struct Walk<'a> {
    owner: Owner,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Device and inode of files with several names, and how many of these were found.
    linked: BTreeMap<(u64, u64), u64>,
    /// How many got another owner.
    pub(super) changed: u64,
    /// What was left alone, and why.
    pub(super) lines: Vec<String>,
    left_out: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(owner: Owner, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let linked = BTreeMap::new();
        Self { owner, cancelled, linked, changed: 0, lines: Vec::new(), left_out: 0 }
    }

    /// Gives everything in the tree its owner, the top last.
    pub(super) fn run(&mut self, top: &Place) -> Result<(), TaskError> {
        if top.kind() == FileType::Directory {
            self.below(top.fd.as_fd(), &mut Self::count)?;
            self.below(top.fd.as_fd(), &mut Self::change)?;
        } else {
            self.count("", &top.fd, &top.stat)?;
        }
        self.change("", &top.fd, &top.stat)?;
        if self.left_out > 0 {
            self.lines.push(format!("and {} more", self.left_out));
        }
        Ok(())
    }

    /// Visits everything below a directory, each directory after what is in it.
    fn below(&mut self, top: BorrowedFd<'_>, visit: &mut Visit<'a>) -> Result<(), TaskError> {
        let first = open(top, c".".to_bytes(), DIRECTORY).map_err(failed("open the directory"))?;
        let mut levels = vec![Level::new(first, String::new())?];
        while let Some(level) = levels.last_mut() {
            if (self.cancelled)() {
                return Err(TaskError::Cancelled);
            }
            let Some(name) = level.names.pop() else {
                let Some(done) = levels.pop() else { break };
                if !levels.is_empty() {
                    let stat = fstat(&done.fd).map_err(failed(format!("examine {}", done.path)))?;
                    visit(self, &done.path, &done.fd, &stat)?;
                }
                continue;
            };
            let path = format!("{}/{}", level.path, String::from_utf8_lossy(&name));
            let place = match open(level.fd.as_fd(), &name, OFlags::PATH) {
                Ok(fd) => fd,
                // Gone meanwhile.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(format!("open {path}"))(errno)),
            };
            let stat = fstat(&place).map_err(failed(format!("examine {path}")))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                visit(self, &path, &place, &stat)?;
            } else if levels.len() < DEPTH_MAX {
                let inside = open(place.as_fd(), b".", DIRECTORY);
                levels.push(Level::new(inside.map_err(failed(format!("open {path}")))?, path)?);
            } else {
                self.say(format!("{path} is too deep, and was left alone"));
            }
        }
        Ok(())
    }

    fn count(&mut self, _: &str, _: &OwnedFd, stat: &Stat) -> Result<(), TaskError> {
        let room = self.linked.len() < LINKED_MAX;
        if has_more_names(stat) && room {
            *self.linked.entry((stat.st_dev, stat.st_ino)).or_default() += 1;
        }
        Ok(())
    }

    // The number of names has another width on other processors.
    #[allow(clippy::useless_conversion)]
    fn change(&mut self, path: &str, place: &OwnedFd, stat: &Stat) -> Result<(), TaskError> {
        if self.owner.is(stat) {
            return Ok(());
        }
        let found = self.linked.get(&(stat.st_dev, stat.st_ino)).copied().unwrap_or(0);
        if has_more_names(stat) && found < u64::from(stat.st_nlink) {
            self.say(format!("{path} has names outside of this tree, and was left alone"));
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.owner.uid), self.owner.gid.map(Gid::from_raw));
        chownat(place, "", Some(uid), gid, AtFlags::EMPTY_PATH)
            .map_err(failed(format!("change the owner of .{path}")))?;
        self.changed += 1;
        Ok(())
    }

    fn say(&mut self, line: String) {
        // The second walk finds the same again.
        if self.lines.contains(&line) {
            return;
        }
        if self.lines.len() < LINES_MAX {
            self.lines.push(line);
        } else {
            self.left_out += 1;
        }
    }
}

type Visit<'a> = dyn FnMut(&mut Walk<'a>, &str, &OwnedFd, &Stat) -> Result<(), TaskError>;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Directories have a name for each directory in them; that is no second name.
fn has_more_names(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) != FileType::Directory && stat.st_nlink > 1
}

fn open(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// A directory on the way, and the names in it that are not visited yet.
struct Level {
    fd: OwnedFd,
    path: String,
    names: Vec<Vec<u8>>,
}

impl Level {
    fn new(fd: OwnedFd, path: String) -> Result<Self, TaskError> {
        let read = || format!("read the directory {path}");
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(failed(read()))? {
            let entry = entry.map_err(failed(read()))?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        Ok(Self { fd, path, names })
    }
}

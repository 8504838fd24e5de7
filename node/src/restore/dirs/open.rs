//! Opening or making the next directory of the way.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use protocol::tar::Member;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, Stat, chmodat, fstat, mkdirat, statat, unlinkat},
    io::Errno,
};

use super::{Dirs, MADE_LINKS_MAX, UNFINISHED_DIR};
use crate::restore::{
    beneath::{Follower, open_dir, open_path, open_place},
    error::ItemError,
    means::Means,
    name::show,
    spec::LinkRule,
};

/// A directory that was just opened.
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    /// As it was before anything was changed.
    pub(super) stat: Stat,
    pub(super) through_link: bool,
    /// Its mode was changed so that files can be made in it.
    pub(super) unlocked: bool,
}

impl Opened {
    fn new(fd: OwnedFd, through_link: bool) -> Result<Self, ItemError> {
        let stat = fstat(&fd).map_err(ItemError::io("examine the directory"))?;
        Ok(Self { fd, stat, through_link, unlocked: false })
    }

    pub(super) fn is_unfinished(&self, uid: u32) -> bool {
        self.stat.st_mode & 0o7777 == UNFINISHED_DIR && self.stat.st_uid == uid
    }

    /// Root needs no mode; everybody else needs to read and write their own directory.
    fn unlock(&mut self, uid: u32) {
        let mode = self.stat.st_mode & 0o7777;
        if uid != 0 && self.stat.st_uid == uid && mode & 0o700 != 0o700 {
            let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
            let mode = Mode::from_raw_mode(mode | 0o700);
            self.unlocked = chmodat(CWD, path, mode, AtFlags::empty()).is_ok();
        }
    }
}

impl Dirs {
    pub(super) fn make(&self, name: &[u8]) -> Result<Opened, ItemError> {
        mkdirat(self.fd(), name, Mode::from_raw_mode(UNFINISHED_DIR))
            .map_err(ItemError::io("make the directory"))?;
        let fd = open_dir(self.fd(), name).map_err(ItemError::io("open the directory"))?;
        Opened::new(fd, false)
    }

    /// Opens what is there; none when nothing is there (any more).
    pub(super) fn open_existing(
        &self,
        name: &[u8],
        way: &[&[u8]],
        member: Option<&Member>,
        means: &Means,
    ) -> Result<Option<Opened>, ItemError> {
        match open_dir(self.fd(), name) {
            Ok(fd) => {
                let mut opened = Opened::new(fd, false)?;
                opened.unlock(means.uid);
                Ok(Some(opened))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::ACCESS) => self.open_locked(name, means.uid).map(Some),
            Err(Errno::LOOP | Errno::NOTDIR) => self.open_in_the_way(name, way, member, means),
            Err(errno) => Err(ItemError::Io { what: "open the directory", errno }),
        }
    }

    /// A directory of one's own without the right to read it.
    fn open_locked(&self, name: &[u8], uid: u32) -> Result<Opened, ItemError> {
        let error = ItemError::io("open the directory");
        let mut closed = Opened::new(open_path(self.fd(), name).map_err(&error)?, false)?;
        closed.unlock(uid);
        let fd = open_dir(self.fd(), name).map_err(&error)?;
        Ok(Opened { fd, ..closed })
    }

    /// Something that is no directory: a link to follow, or a thing that a directory replaces.
    fn open_in_the_way(
        &self,
        name: &[u8],
        way: &[&[u8]],
        member: Option<&Member>,
        means: &Means,
    ) -> Result<Option<Opened>, ItemError> {
        let stat = statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(ItemError::io("examine what is in the way"))?;
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let not_dir = || ItemError::NotADirectory(show(&means.member_path(&way.join(&b'/'))));
        let followed = if is_link { self.follow(way, means) } else { Err(not_dir()) };
        if followed.is_err() && member.is_some_and(|member| means.may_replace(member, &stat)) {
            unlinkat(self.fd(), name, AtFlags::empty())
                .map_err(ItemError::io("remove what is in the way"))?;
            return Ok(None);
        }
        followed.map(Some)
    }

    fn follow(&self, way: &[&[u8]], means: &Means) -> Result<Opened, ItemError> {
        let path = || show(&means.member_path(&way.join(&b'/')));
        if means.spec.links == LinkRule::Refuse {
            let why = "links are not followed in this restore";
            return Err(ItemError::Link { path: path(), why });
        }
        if self.made_links.len() >= MADE_LINKS_MAX {
            return Err(ItemError::Link { path: path(), why: "the archive has too many links" });
        }
        let follower = Follower { root: self.root(), made: &self.made_links, uid: means.uid };
        Opened::new(follower.open(way)?, true)
    }

    /// Opens another directory, as a place only: every name on the way must be a directory.
    pub(in super::super) fn open_elsewhere(
        &self,
        parts: &[&[u8]],
        means: &Means,
    ) -> Result<OwnedFd, ItemError> {
        let error = ItemError::io("open the directory of its first name");
        let mut last: Option<OwnedFd> = None;
        for (at, part) in parts.iter().enumerate() {
            let above = last.as_ref().map_or_else(|| self.root(), AsFd::as_fd);
            last = Some(match open_place(above, part) {
                Ok(fd) => fd,
                Err(Errno::LOOP | Errno::NOTDIR) => self.follow(&parts[..=at], means)?.fd,
                Err(errno) => return Err(error(errno)),
            });
        }
        last.map_or_else(|| open_place(self.root(), b".").map_err(error), Ok)
    }
}

//! The open directories from the destination down to where the restore is.
//!
//! A tar stream names a directory before what lies in it, so the way down is a stack: going
//! elsewhere *leaves* the directories that are not on the new way, and on leaving a directory gets
//! its attributes. A stream in another order works too: a directory that is entered again gets its
//! time and mode again.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use protocol::tar::{FileTime, Member};
use rustix::{
    fs::{Stat, fgetxattr},
    io::Errno,
};

mod open;

use self::open::Opened;
use super::{
    attributes::{self, DEFAULT_ACL, Target, Wish},
    beneath::open_dir,
    check,
    error::ItemError,
    means::Means,
    report::{RestoreReport, Setting},
    seen::Seen,
    spec::Check,
};

/// The mode of a directory that is not complete: nobody else may enter, and no real directory has it.
pub(super) const UNFINISHED_DIR: u32 = 0o1700;

/// The mode of a directory that is complete and that the archive does not name.
const PRIVATE_DIR: u32 = 0o700;

/// How many of the deepest directories stay open.
const OPEN_MAX: usize = 64;

/// Links remembered so as not to be followed; beyond it none is followed.
const MADE_LINKS_MAX: usize = 1 << 18;

/// How a directory came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This restore made it: it holds nothing else.
    Fresh,
    /// A restore made it and was killed.
    Unfinished,
    /// It existed.
    Existing,
}

/// One directory on the way.
pub(super) struct Level {
    name: Vec<u8>,
    /// Closed when the way is deep; opened again when it is needed.
    fd: Option<OwnedFd>,
    pub(super) origin: Origin,
    /// New files in it begin with an ACL.
    pub(super) inherits_acl: bool,
    /// Remains of killed restores were looked for.
    pub(super) swept: bool,
    through_link: bool,
    pending: Option<Pending>,
}

/// What a directory gets when it is left.
enum Pending {
    /// All that the member says.
    All(Box<Member>),
    /// The mode and time that it had: something was made in it.
    Again { mode: u32, mtime: FileTime },
    /// Nobody but the owner: the archive does not say anything.
    Private,
}

/// The way down.
pub(super) struct Dirs {
    /// The first is the destination, which stays open.
    levels: Vec<Level>,
    /// Directories that got their attributes.
    finished: Seen,
    /// Directory members that were not selected and lie above where the stream is.
    unselected: Vec<(Vec<u8>, Member)>,
    made_links: BTreeSet<(u64, u64)>,
}

impl Dirs {
    pub(super) fn new(root: OwnedFd, origin: Origin) -> Self {
        let inherits_acl = has_default_acl(root.as_fd());
        let level = Level {
            name: Vec::new(),
            fd: Some(root),
            origin,
            inherits_acl,
            swept: false,
            through_link: false,
            pending: (origin != Origin::Existing).then_some(Pending::Private),
        };
        Self {
            levels: vec![level],
            finished: Seen::new(),
            unselected: Vec::new(),
            made_links: BTreeSet::new(),
        }
    }

    /// The destination.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.levels[0].fd.as_ref().expect("the destination stays open").as_fd()
    }

    /// The directory where the restore is.
    pub(super) fn here(&self) -> &Level {
        self.levels.last().expect("the destination stays")
    }

    /// The same, open: [`Dirs::go_to`] saw to it.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.here().fd.as_ref().map_or_else(|| self.root(), AsFd::as_fd)
    }

    /// Remains of killed restores were looked for here.
    pub(super) fn set_swept(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.swept = true;
        }
    }

    /// A directory member that the patterns do not select: something beneath it may be selected.
    pub(super) fn note_unselected(&mut self, parts: &[&[u8]], member: &Member) {
        let path = parts.join(&b'/');
        self.unselected.retain(|(above, _)| is_above(above, &path));
        self.unselected.push((path, member.clone()));
    }

    /// A link was made: it must not lead anywhere.
    pub(super) fn note_link(&mut self, stat: &Stat) {
        if self.made_links.len() < MADE_LINKS_MAX {
            self.made_links.insert((stat.st_dev, stat.st_ino));
        }
    }

    /// Goes to a directory, leaving those that are not on its way and making what is missing.
    pub(super) fn go_to(
        &mut self,
        parts: &[&[u8]],
        means: &Means,
        report: &mut RestoreReport,
    ) -> Result<(), ItemError> {
        let common = self.levels[1..].iter().zip(parts).take_while(|(l, p)| l.name == **p).count();
        while self.levels.len() > common + 1 {
            self.leave(means, report);
        }
        self.reopen(common)?;
        for part in &parts[common..] {
            self.descend(part, None, means, report)?;
        }
        Ok(())
    }

    /// Goes to the directory that a member is, and remembers what it shall be.
    pub(super) fn go_to_member(
        &mut self,
        parts: &[&[u8]],
        member: &Member,
        means: &Means,
        report: &mut RestoreReport,
    ) -> Result<(), ItemError> {
        let Some((last, parents)) = parts.split_last() else {
            if self.levels[0].origin != Origin::Existing && means.destination_is_source {
                self.levels[0].pending = Some(Pending::All(Box::new(member.clone())));
            }
            return Ok(());
        };
        self.go_to(parents, means, report)?;
        self.descend(last, Some(member), means, report)
    }

    /// Leaves everything: the deepest first, the destination last. It stays open.
    pub(super) fn leave_all(&mut self, means: &Means, report: &mut RestoreReport) {
        while self.levels.len() > 1 {
            self.leave(means, report);
        }
        if let Some(pending) = self.levels[0].pending.take() {
            self.give(pending, &means.spec.strip, means, report);
        }
    }

    /// Gives the deepest directory what it shall have.
    fn leave(&mut self, means: &Means, report: &mut RestoreReport) {
        let last = self.levels.len() - 1;
        if let Some(pending) = self.levels[last].pending.take() {
            let way = self.way();
            match self.reopen(last) {
                Ok(()) => self.give(pending, &means.member_path(&way.join(&b'/')), means, report),
                Err(error) => report.fail(&means.member_path(&way.join(&b'/')), &error),
            }
            let way: Vec<&[u8]> = way.iter().map(Vec::as_slice).collect();
            self.finished.add(&way);
        }
        self.levels.pop();
    }

    fn way(&self) -> Vec<Vec<u8>> {
        self.levels[1..].iter().map(|level| level.name.clone()).collect()
    }

    fn give(&self, pending: Pending, path: &[u8], means: &Means, report: &mut RestoreReport) {
        let target = Target { fd: self.fd(), path_only: false, symlink: false };
        match pending {
            Pending::All(member) => {
                let wish = Wish {
                    member: &member,
                    owner: means.owner_of(&member),
                    made_as: None,
                    inherited_acl: self.here().inherits_acl,
                    existed: self.here().origin != Origin::Fresh,
                };
                let applied = attributes::apply(target, &wish, report);
                if means.spec.check != Check::Nothing {
                    check::compare(target, &member, applied, report);
                }
                report.directories += 1;
            }
            Pending::Again { mode, mtime } => target.set_again(path, mode, Some(mtime), report),
            Pending::Private => target.set_again(path, PRIVATE_DIR, None, report),
        }
    }

    /// Opens or makes one directory below the deepest. `member` when it is one that is restored.
    fn descend(
        &mut self,
        name: &[u8],
        member: Option<&Member>,
        means: &Means,
        report: &mut RestoreReport,
    ) -> Result<(), ItemError> {
        let mut way: Vec<&[u8]> = self.levels[1..].iter().map(|l| l.name.as_slice()).collect();
        way.push(name);
        let path = way.join(&b'/');
        let named = || {
            let member = member.or_else(|| self.unselected_at(&path))?;
            Some(Pending::All(Box::new(member.clone())))
        };
        let (opened, origin, pending) =
            if let Some(opened) = self.open_existing(name, &way, member, means)? {
                if opened.is_unfinished(means.uid) && !opened.through_link {
                    let pending = named().unwrap_or(Pending::Private);
                    (opened, Origin::Unfinished, Some(pending))
                } else {
                    let pending = self.pending_of_existing(&opened, &way, member, means);
                    (opened, Origin::Existing, pending)
                }
            } else {
                let pending = named().unwrap_or_else(|| {
                    let why = "the archive does not name it: for its owner only";
                    report.not_set(&means.member_path(&path), Setting::Unnamed, &why);
                    Pending::Private
                });
                (self.make(name)?, Origin::Fresh, Some(pending))
            };
        self.push(name, opened, origin, pending);
        Ok(())
    }

    fn pending_of_existing(
        &self,
        opened: &Opened,
        way: &[&[u8]],
        member: Option<&Member>,
        means: &Means,
    ) -> Option<Pending> {
        if opened.through_link {
            return None;
        }
        let finished = self.finished.has(way) == Some(true);
        let may = |m: &&Member| finished || means.may_change_dir(m, way, &opened.stat);
        if let Some(member) = member.filter(may) {
            return Some(Pending::All(Box::new(member.clone())));
        }
        let again = finished || opened.unlocked;
        again.then(|| Pending::Again {
            mode: opened.stat.st_mode & 0o7777,
            mtime: mtime(&opened.stat),
        })
    }

    fn push(&mut self, name: &[u8], opened: Opened, origin: Origin, pending: Option<Pending>) {
        // An empty directory that was made below one without a default ACL has none.
        let inherits_acl = (origin != Origin::Fresh || self.here().inherits_acl)
            && has_default_acl(opened.fd.as_fd());
        self.levels.push(Level {
            name: name.to_vec(),
            fd: Some(opened.fd),
            origin,
            inherits_acl,
            swept: origin == Origin::Fresh,
            through_link: opened.through_link,
            pending,
        });
        if let Some(far) = self.levels.len().checked_sub(OPEN_MAX + 1)
            && far > 0
            && !self.levels[far].through_link
        {
            self.levels[far].fd = None;
        }
    }

    /// Opens a directory of the way again that was closed because the way was long.
    fn reopen(&mut self, at: usize) -> Result<(), ItemError> {
        if self.levels[at].fd.is_some() {
            return Ok(());
        }
        let from = (0..at).rev().find(|&i| self.levels[i].fd.is_some()).unwrap_or(0);
        let mut last: Option<OwnedFd> = None;
        for i in from + 1..=at {
            let above = last.as_ref().or(self.levels[from].fd.as_ref());
            let above = above.map_or_else(|| self.root(), AsFd::as_fd);
            let fd = open_dir(above, &self.levels[i].name);
            last = Some(fd.map_err(ItemError::io("open a directory again"))?);
        }
        self.levels[at].fd = last;
        Ok(())
    }

    fn unselected_at(&self, path: &[u8]) -> Option<&Member> {
        self.unselected.iter().find(|(at, _)| at == path).map(|(_, member)| member)
    }
}

/// The time of the last change that the kernel knows.
pub(super) fn mtime(stat: &Stat) -> FileTime {
    FileTime { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) }
}

fn is_above(above: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn has_default_acl(dir: BorrowedFd<'_>) -> bool {
    let mut start = [0_u8; 64];
    match fgetxattr(dir, DEFAULT_ACL, start.as_mut_slice()) {
        Ok(bytes) => bytes > 0,
        Err(errno) => errno == Errno::RANGE,
    }
}

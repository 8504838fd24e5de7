//! Giving something its final name.

use std::path::Path;

use protocol::tar::{Member, MemberKind};
use rustix::{
    fs::{AtFlags, Dir, FileType, RenameFlags, Stat, renameat, renameat_with, statat, unlinkat},
    io::Errno,
};

use super::{
    dirs::{Dirs, Origin, mtime},
    error::ItemError,
    file::UNFINISHED_FILE,
    means::Means,
    spec::Overwrite,
};

const TEMPORARY_FRONT: &str = ".backupmanager-";
const TEMPORARY_END: &str = ".part";

/// What has the name now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupant {
    /// Nothing.
    Nothing,
    /// Something that makes room.
    Replace,
    /// Something that stays, for this reason.
    Keep(&'static str),
    /// The same already, by kind, size, time, mode and owner.
    Present,
}

/// Temporary names, and final ones.
pub(super) struct Place {
    temporary: String,
}

impl Place {
    /// A temporary name that no other restore uses; the process is in it, so that what a killed one
    /// left behind can be told from what a living one is writing.
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let random = RandomState::new().hash_one(0);
        let process = std::process::id();
        Self { temporary: format!("{TEMPORARY_FRONT}{process}-{random:016x}{TEMPORARY_END}") }
    }

    pub(super) fn temporary(&self) -> &[u8] {
        self.temporary.as_bytes()
    }

    /// Looks at what has the name, and decides by the policy.
    pub(super) fn occupant(
        &self,
        dirs: &mut Dirs,
        name: &[u8],
        member: &Member,
        means: &Means,
    ) -> Result<Occupant, ItemError> {
        let origin = dirs.here().origin;
        if origin == Origin::Fresh {
            return Ok(Occupant::Nothing);
        }
        if !dirs.here().swept {
            sweep(dirs);
            dirs.set_swept();
        }
        let stat = match statat(dirs.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Occupant::Nothing),
            Err(errno) => return Err(ItemError::Io { what: "examine what exists", errno }),
        };
        if origin == Origin::Unfinished && is_unfinished(&stat) {
            return Ok(Occupant::Replace);
        }
        let may_be_present = match means.spec.overwrite {
            Overwrite::Refuse | Overwrite::KeepNewer => true,
            Overwrite::Changed => member.kind == MemberKind::File,
            Overwrite::Replace => false,
        };
        if may_be_present && is_same(&stat, member, means) {
            return Ok(Occupant::Present);
        }
        Ok(match means.spec.overwrite {
            _ if means.may_replace(member, &stat) => Occupant::Replace,
            Overwrite::KeepNewer => Occupant::Keep("what exists was changed later"),
            _ => Occupant::Keep("it exists"),
        })
    }

    /// Makes something under its own name when nothing has it, otherwise under a temporary one;
    /// says under which.
    pub(super) fn make(
        &self,
        dirs: &Dirs,
        name: &[u8],
        occupant: Occupant,
        create: impl Fn(&Dirs, &[u8]) -> Result<(), Errno>,
    ) -> Result<Vec<u8>, ItemError> {
        let error = ItemError::io("make it");
        if occupant == Occupant::Nothing {
            match create(dirs, name) {
                Ok(()) => return Ok(name.to_vec()),
                // The archive has two members of one name: the later one counts.
                Err(Errno::EXIST) if dirs.here().origin == Origin::Fresh => {}
                Err(errno) => return Err(error(errno)),
            }
        }
        create(dirs, self.temporary()).map_err(error)?;
        Ok(self.temporary().to_vec())
    }

    /// Gives what has the temporary name its own.
    pub(super) fn rename(
        &self,
        dirs: &Dirs,
        name: &[u8],
        occupant: Occupant,
    ) -> Result<(), ItemError> {
        let (dir, from) = (dirs.fd(), self.temporary());
        let rename = || match occupant {
            Occupant::Replace => renameat(dir, from, dir, name),
            _ => match renameat_with(dir, from, dir, name, RenameFlags::NOREPLACE) {
                // Some file systems cannot promise it.
                Err(Errno::INVAL | Errno::NOSYS) => renameat(dir, from, dir, name),
                other => other,
            },
        };
        let mut result = rename();
        if occupant == Occupant::Replace && result == Err(Errno::ISDIR) {
            result = match unlinkat(dir, name, AtFlags::REMOVEDIR) {
                Ok(()) => rename(),
                Err(_) => return Err(ItemError::DirectoryInTheWay),
            };
        }
        result.map_err(ItemError::io("give it its name"))
    }

    /// Removes what will not be finished.
    pub(super) fn discard(&self, dirs: &Dirs, name: &[u8]) {
        if let Err(errno) = unlinkat(dirs.fd(), name, AtFlags::empty()) {
            tracing::warn!(name = %String::from_utf8_lossy(name), %errno, "cannot remove a half file");
        }
    }
}

/// Removes what killed restores left under temporary names.
fn sweep(dirs: &Dirs) {
    let Ok(entries) = Dir::read_from(dirs.fd()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_ok_and(is_left_behind) {
            let _gone = unlinkat(dirs.fd(), name, AtFlags::empty());
        }
    }
}

/// `.backupmanager-PID-RANDOM.part` of a process that is no more.
fn is_left_behind(name: &str) -> bool {
    let middle = name.strip_prefix(TEMPORARY_FRONT).and_then(|n| n.strip_suffix(TEMPORARY_END));
    let process = middle.and_then(|middle| middle.split_once('-')).map(|(process, _)| process);
    process
        .filter(|process| process.parse::<u32>().is_ok())
        .is_some_and(|process| !Path::new("/proc").join(process).exists())
}

fn is_unfinished(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_mode & 0o7777 == UNFINISHED_FILE
}

/// A hard link is compared when its first name is known.
fn is_same(stat: &Stat, member: &Member, means: &Means) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let bytes = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    let mode = stat.st_mode & 0o7777 == member.mode & 0o7777;
    let like = match member.kind {
        MemberKind::File => kind == FileType::RegularFile && bytes == member.real_bytes() && mode,
        MemberKind::Symlink => kind == FileType::Symlink && bytes == member.link.len() as u64,
        MemberKind::Fifo => kind == FileType::Fifo && mode,
        _ => false,
    };
    like && mtime(stat) == member.mtime && means.owner_of(member) == (stat.st_uid, stat.st_gid)
}

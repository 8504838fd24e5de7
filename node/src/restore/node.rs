//! Links, pipes and devices: things without data.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use protocol::tar::{Member, MemberKind};
use rustix::{
    fs::{AtFlags, FileType, Mode, Stat, fstat, linkat, makedev, mknodat, statat, symlinkat},
    io::Errno,
};

use super::{
    attributes::{Target, Wish, apply},
    beneath::open_path,
    check,
    dirs::Dirs,
    error::ItemError,
    means::Means,
    report::RestoreReport,
    spec::Check,
};

/// Nobody may use a pipe or a device before it has its owner.
const CLOSED: Mode = Mode::empty();

/// Makes the thing that a member is. `Errno::EXIST` comes back as it is.
pub(super) fn create(dir: BorrowedFd<'_>, name: &[u8], member: &Member) -> Result<(), Errno> {
    let device = makedev(member.device.0, member.device.1);
    match member.kind {
        MemberKind::Symlink => symlinkat(&member.link, dir, name),
        MemberKind::CharDevice => mknodat(dir, name, FileType::CharacterDevice, CLOSED, device),
        MemberKind::BlockDevice => mknodat(dir, name, FileType::BlockDevice, CLOSED, device),
        _ => mknodat(dir, name, FileType::Fifo, CLOSED, 0),
    }
}

/// Gives it its attributes, when it is still what was made; says its device and inode.
pub(super) fn finish(
    dirs: &mut Dirs,
    name: &[u8],
    member: &Member,
    means: &Means,
    report: &mut RestoreReport,
) -> Result<(u64, u64), ItemError> {
    let fd = open_path(dirs.fd(), name).map_err(ItemError::io("open what was made"))?;
    let stat = fstat(&fd).map_err(ItemError::io("examine what was made"))?;
    let symlink = member.kind == MemberKind::Symlink;
    if FileType::from_raw_mode(stat.st_mode) != file_type(member.kind) {
        return Err(ItemError::Io { what: "find what was made", errno: Errno::NOENT });
    }
    if symlink {
        dirs.note_link(&stat);
    }
    let target = Target { fd: fd.as_fd(), path_only: true, symlink };
    let wish = Wish {
        member,
        owner: means.owner_of(member),
        made_as: Some((stat.st_uid, stat.st_gid)),
        inherited_acl: false,
        existed: false,
    };
    let applied = apply(target, &wish, report);
    if means.spec.check != Check::Nothing {
        check::compare(target, member, applied, report);
    }
    Ok((stat.st_dev, stat.st_ino))
}

fn file_type(kind: MemberKind) -> FileType {
    match kind {
        MemberKind::File | MemberKind::HardLink => FileType::RegularFile,
        MemberKind::Symlink => FileType::Symlink,
        MemberKind::Directory => FileType::Directory,
        MemberKind::Fifo => FileType::Fifo,
        MemberKind::CharDevice => FileType::CharacterDevice,
        MemberKind::BlockDevice => FileType::BlockDevice,
    }
}

/// The first name of a file that gets another one.
pub(super) struct FirstName<'a> {
    dir: BorrowedFd<'a>,
    name: &'a [u8],
}

impl<'a> FirstName<'a> {
    pub(super) fn new(dir: &'a OwnedFd, name: &'a [u8]) -> Self {
        Self { dir: dir.as_fd(), name }
    }

    /// What it is, not what it leads to.
    pub(super) fn stat(&self) -> Option<Stat> {
        statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Whether `name` is another name of it already.
    pub(super) fn is_same(&self, first: &Stat, dir: BorrowedFd<'_>, name: &[u8]) -> bool {
        statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (first.st_dev, first.st_ino))
    }

    /// Makes the other name; of a link, not of what it leads to.
    pub(super) fn link(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        linkat(self.dir, self.name, dir, name, AtFlags::empty())
    }
}

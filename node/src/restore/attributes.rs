//! Owner, extended attributes, times and mode of something that was just written.
//!
//! The order matters: changing the owner clears capabilities and setuid, so it comes first; a
//! read-only mode forbids extended attributes to those who are not root, so it comes last.

use std::os::fd::{AsRawFd, BorrowedFd};

use protocol::tar::{FileTime, Member};
use rustix::{
    fs::{
        AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat,
        chownat, fchmod, fchown, flistxattr, fremovexattr, fsetxattr, futimens, setxattr,
        utimensat,
    },
    io::Errno,
};

use super::report::{RestoreReport, Setting};

/// The ACL that says who may do what.
pub(super) const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
/// The ACL that new files in a directory begin with.
pub(super) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// The longest list of names of extended attributes that the kernel gives, bytes.
const XATTR_LIST_BYTES_MAX: usize = 64 << 10;
const SETUID_SETGID: u32 = 0o6000;
const NANOS_MAX: u32 = 999_999_999;

/// What the attributes are set on.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// Opened with `O_PATH`: a link, a pipe or a device, reached through `/proc/self/fd`.
    pub(super) path_only: bool,
    /// A link has no mode of its own.
    pub(super) symlink: bool,
}

/// What they shall be, besides what the member says.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) member: &'a Member,
    pub(super) owner: (u32, u32),
    /// The owner that it already has for certain.
    pub(super) made_as: Option<(u32, u32)>,
    /// It may have got ACLs from its directory that the member does not have.
    pub(super) inherited_acl: bool,
    /// It existed before: attributes that the member does not have go.
    pub(super) existed: bool,
}

/// What was set, so that it can be asked back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Applied {
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    pub(super) time: Option<FileTime>,
}

/// Sets everything, and lists what could not be set.
pub(super) fn apply(target: Target<'_>, wish: &Wish<'_>, report: &mut RestoreReport) -> Applied {
    let member = wish.member;
    let mut applied = Applied::default();
    let mut mode = member.mode & 0o7777;
    if wish.made_as == Some(wish.owner) || target.set_owner(wish.owner, member, report) {
        applied.owner = Some(wish.owner);
    } else if !target.symlink && mode & SETUID_SETGID != 0 {
        mode &= !SETUID_SETGID;
        report.not_set(&member.path, Setting::SpecialBits, &"the owner is another one");
    }
    target.remove_others(wish);
    if !target.set_xattrs(member, report) {
        mode = without_acl(mode, member);
    }
    match target.set_time(member.mtime) {
        Ok(()) => applied.time = Some(member.mtime),
        Err(errno) => report.not_set(&member.path, Setting::Time, &errno),
    }
    if !target.symlink {
        match target.set_mode(mode) {
            Ok(()) => applied.mode = Some(mode),
            Err(errno) => report.not_set(&member.path, Setting::Mode, &errno),
        }
    }
    applied
}

impl Target<'_> {
    fn proc_path(self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }

    /// Sets mode and perhaps time again, and lists what could not be set.
    pub(super) fn set_again(
        self,
        path: &[u8],
        mode: u32,
        time: Option<FileTime>,
        report: &mut RestoreReport,
    ) {
        if let Some(Err(errno)) = time.map(|time| self.set_time(time)) {
            report.not_set(path, Setting::Time, &errno);
        }
        if let Err(errno) = self.set_mode(mode) {
            report.not_set(path, Setting::Mode, &errno);
        }
    }

    fn set_owner(self, owner: (u32, u32), member: &Member, report: &mut RestoreReport) -> bool {
        let valid = |id: u32| id != u32::MAX;
        let result = if valid(owner.0) && valid(owner.1) {
            let (user, group) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
            if self.path_only {
                chownat(self.fd, "", user, group, AtFlags::EMPTY_PATH)
            } else {
                fchown(self.fd, user, group)
            }
        } else {
            Err(Errno::INVAL)
        };
        if let Err(errno) = result {
            report.not_set(&member.path, Setting::Owner, &errno);
        }
        result.is_ok()
    }

    /// Whether the ACL, if there is one, was set; the rest is listed only.
    fn set_xattrs(self, member: &Member, report: &mut RestoreReport) -> bool {
        let mut acl_set = true;
        for (name, value) in &member.xattrs {
            let result = if self.path_only {
                setxattr(self.proc_path(), name.as_slice(), value, XattrFlags::empty())
            } else {
                fsetxattr(self.fd, name.as_slice(), value, XattrFlags::empty())
            };
            if let Err(errno) = result {
                acl_set &= name != ACCESS_ACL;
                let name = String::from_utf8_lossy(name).into_owned();
                report.not_set(&member.path, Setting::Xattr(name), &errno);
            }
        }
        acl_set
    }

    /// Removes what a directory handed down, or what was there before. Failure shows when it is
    /// asked back; a file system without such attributes is the usual reason.
    fn remove_others(self, wish: &Wish<'_>) {
        if self.path_only {
            return;
        }
        let named = |name: &[u8]| wish.member.xattrs.iter().any(|(n, _)| n == name);
        if wish.existed {
            for name in self.removable() {
                if !named(&name) {
                    let _gone = fremovexattr(self.fd, name.as_slice());
                }
            }
        } else if wish.inherited_acl {
            for name in [ACCESS_ACL, DEFAULT_ACL] {
                if !named(name) {
                    let _gone = fremovexattr(self.fd, name);
                }
            }
        }
    }

    /// The user's attributes and the ACLs; what the system keeps for itself stays.
    fn removable(self) -> Vec<Vec<u8>> {
        let mut list = vec![0; XATTR_LIST_BYTES_MAX];
        let bytes = flistxattr(self.fd, list.as_mut_slice()).unwrap_or(0);
        list.truncate(bytes);
        list.split(|&b| b == 0)
            .filter(|name| {
                name.starts_with(b"user.") || *name == ACCESS_ACL || *name == DEFAULT_ACL
            })
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn set_time(self, time: FileTime) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: time.seconds,
                tv_nsec: time.nanos.min(NANOS_MAX).into(),
            },
        };
        if self.path_only {
            utimensat(CWD, self.proc_path(), &times, AtFlags::empty())
        } else {
            futimens(self.fd, &times)
        }
    }

    fn set_mode(self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode);
        if self.path_only {
            chmodat(CWD, self.proc_path(), mode, AtFlags::empty())
        } else {
            fchmod(self.fd, mode)
        }
    }
}

/// With an ACL the group bits of a mode are the ACL's mask. Where the ACL could not be set they
/// would open the file to its group, so they become what the ACL grants to that group.
fn without_acl(mode: u32, member: &Member) -> u32 {
    const GROUP_OBJ: u16 = 0x04;
    const MASK: u16 = 0x10;
    const HEAD_BYTES: usize = 4;
    const ENTRY_BYTES: usize = 8;
    let acl = member.xattrs.iter().find(|(name, _)| name == ACCESS_ACL).map(|(_, value)| value);
    let entries = acl.map_or(&[][..], |acl| acl.get(HEAD_BYTES..).unwrap_or_default());
    let permissions = |wanted: u16| {
        entries
            .chunks_exact(ENTRY_BYTES)
            .find(|e| u16::from_le_bytes([e[0], e[1]]) == wanted)
            .map(|e| u32::from(u16::from_le_bytes([e[2], e[3]])) & 0o7)
    };
    let group = permissions(GROUP_OBJ).unwrap_or(0) & permissions(MASK).unwrap_or(0o7);
    mode & !0o070 | (group << 3) & mode
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::tar::MemberKind;

    #[test]
    fn a_lost_acl_does_not_open_the_file_to_its_group() {
        let mut member = Member::new(MemberKind::File, "a");
        // user::rw-  user:1000:rw-  group::---  mask::rw-  other::---
        let entries: [(u16, u16, u32); 5] = [
            (0x01, 6, u32::MAX),
            (0x02, 6, 1000),
            (0x04, 0, u32::MAX),
            (0x10, 6, u32::MAX),
            (0x20, 0, u32::MAX),
        ];
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            acl.extend(tag.to_le_bytes());
            acl.extend(permissions.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        member.xattrs = vec![(ACCESS_ACL.to_vec(), acl)];
        assert_eq!(without_acl(0o660, &member), 0o600);
        member.xattrs[0].1 = b"garbage".to_vec();
        assert_eq!(without_acl(0o664, &member), 0o604);
    }
}

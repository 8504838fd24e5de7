//! Owner and mode of a restored tree.

use std::{os::fd::AsRawFd as _, path::Path};

use protocol::job::Permissions;
use rustix::fs::{AtFlags, CWD, FileType, Mode, chmodat, fstat};

use super::{
    TaskError, TaskIo, account, failed, invalid,
    owners::{Owner, Walk},
    place::{self, Place},
};
use crate::tasks::Answer;

/// Gives a tree its owner and its top the mode.
///
/// The mode is for the top only, as with `chmod` without `-R`: one mode for directories, programs
/// and data alike would either open files or break programs, and the files below came back with
/// the modes that they had. The owner goes first, because changing it clears setuid and setgid.
pub(super) fn set(
    path: &Path,
    permissions: &Permissions,
    io: TaskIo<'_>,
) -> Result<Answer, TaskError> {
    let mode = mode(&permissions.mode)?;
    let owner = owner(&permissions.owner, &io)?;
    let top = place::open(path)?;
    // A service's own programs never need it, and a tree of somebody else's must not gain it.
    if top.kind() != FileType::Directory && mode & 0o6000 != 0 {
        return Err(invalid(format!("{} would run as its owner for everybody", path.display())));
    }
    let mut walk = Walk::new(owner, io.cancelled);
    walk.run(&top)?;
    let moded = set_mode(&top, mode, path)?;
    Ok(match (walk.lines.is_empty(), walk.changed > 0 || moded) {
        (false, _) => Answer::Partly(walk.lines),
        (true, true) => Answer::Done,
        (true, false) => Answer::Unchanged,
    })
}

fn set_mode(top: &Place, mode: u32, path: &Path) -> Result<bool, TaskError> {
    let what = || format!("change the mode of {}", path.display());
    let is = fstat(&top.fd).map_err(failed(what()))?.st_mode & 0o7777;
    if is == mode {
        return Ok(false);
    }
    // A place has no mode to set, but its entry in /proc leads to exactly what was opened.
    let entry = format!("/proc/self/fd/{}", top.fd.as_raw_fd());
    chmodat(CWD, entry, Mode::from_raw_mode(mode), AtFlags::empty()).map_err(failed(what()))?;
    Ok(true)
}

fn mode(text: &str) -> Result<u32, TaskError> {
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    mode.ok_or_else(|| invalid(format!("{text:?} is not three or four octal digits")))
}

/// `user` or `user:group`, as numbers of this machine.
pub(super) fn owner(text: &str, io: &TaskIo<'_>) -> Result<Owner, TaskError> {
    let missing = |what: &str, name: &str| TaskError::NotFound {
        what: format!("there is no {what} {name} on this machine"),
    };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let uid = account::user(user, io)?.ok_or_else(|| missing("user", user))?.uid;
    let gid = match group {
        Some(name) => Some(account::group(name, io)?.ok_or_else(|| missing("group", name))?),
        None => None,
    };
    Ok(Owner { uid, gid })
}

//! Asking the file system back what was just set on it.

use std::os::fd::BorrowedFd;

use protocol::tar::{Member, MemberKind};
use rustix::fs::{fgetxattr, fstat, readlinkat};

use super::{
    attributes::{Applied, Target},
    report::RestoreReport,
};

/// Values that are compared; the kernel gives no larger ones.
const XATTR_BYTES_MAX: usize = 64 << 10;

/// Compares what was set with what the file system now says. What could not be set is listed
/// already and not compared again.
pub(super) fn compare(
    target: Target<'_>,
    member: &Member,
    applied: Applied,
    report: &mut RestoreReport,
) {
    let stat = match fstat(target.fd) {
        Ok(stat) => stat,
        Err(errno) => return report.differ(&member.path, format!("cannot be examined: {errno}")),
    };
    let mut differ = |what: &str, is: String, wanted: String| {
        report.differ(&member.path, format!("{what} is {is}, not {wanted}"));
    };
    if let Some(owner) = applied.owner
        && owner != (stat.st_uid, stat.st_gid)
    {
        let is = format!("{}:{}", stat.st_uid, stat.st_gid);
        differ("the owner", is, format!("{}:{}", owner.0, owner.1));
    }
    if let Some(mode) = applied.mode
        && mode != stat.st_mode & 0o7777
    {
        differ("the mode", format!("{:04o}", stat.st_mode & 0o7777), format!("{mode:04o}"));
    }
    let is = (stat.st_mtime, stat.st_mtime_nsec);
    if let Some(time) = applied.time
        && is != (time.seconds, time.nanos.into())
    {
        differ("the time", format!("{}.{:09}", is.0, is.1), {
            format!("{}.{:09}", time.seconds, time.nanos)
        });
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if member.kind == MemberKind::File && size != member.real_bytes() {
        differ("the size", size.to_string(), member.real_bytes().to_string());
    }
    if member.kind == MemberKind::Symlink && !target_is(target.fd, &member.link) {
        differ("the target", "another".to_owned(), String::from_utf8_lossy(&member.link).into());
    }
    if !target.path_only {
        compare_xattrs(target.fd, member, report);
    }
}

fn target_is(fd: BorrowedFd<'_>, link: &[u8]) -> bool {
    readlinkat(fd, "", Vec::new()).is_ok_and(|target| target.to_bytes() == link)
}

/// A value that cannot be read is not counted: who cannot read it could not set it either, and that
/// is listed.
fn compare_xattrs(fd: BorrowedFd<'_>, member: &Member, report: &mut RestoreReport) {
    if member.xattrs.is_empty() {
        return;
    }
    let mut is = vec![0; XATTR_BYTES_MAX];
    for (name, value) in &member.xattrs {
        let read = fgetxattr(fd, name.as_slice(), is.as_mut_slice());
        if read.is_ok_and(|bytes| is[..bytes] != **value) {
            let name = String::from_utf8_lossy(name);
            report.differ(&member.path, format!("the attribute {name} is another"));
        }
    }
}

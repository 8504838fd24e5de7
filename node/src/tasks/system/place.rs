//! Opening what a path names without being led elsewhere.
//!
//! The directories on the way are opened as an in-place restore opens them: a link among them is
//! followed only when root made it, in a place where nobody else could have. The last name is never
//! followed at all.

use std::{
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};

use super::{TaskError, failed, invalid};
use crate::restore::open_system_dir;

/// Something that was opened as a place: its owner and mode can be set through it.
pub(super) struct Place {
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
}

impl Place {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Opens what is at an absolute path; a link there is an error.
pub(super) fn open(path: &Path) -> Result<Place, TaskError> {
    open_with(path, OFlags::PATH)
}

/// Opens a regular file for reading.
pub(super) fn open_file(path: &Path) -> Result<Place, TaskError> {
    let place = open_with(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    match place.kind() {
        FileType::RegularFile => Ok(place),
        _ => Err(invalid(format!("{} is no regular file", path.display()))),
    }
}

fn open_with(path: &Path, flags: OFlags) -> Result<Place, TaskError> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(invalid(format!("{} is not a path below the root", path.display())));
    };
    let what = format!("open {}", path.display());
    let above = open_system_dir(above).map_err(failed(what.clone()))?;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let link = || invalid(format!("{} is a symbolic link, which is not followed", path.display()));
    let fd = match openat(above.as_fd(), name.as_bytes(), flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::LOOP) => return Err(link()),
        Err(errno) => return Err(failed(what)(errno)),
    };
    let stat = fstat(&fd).map_err(failed(what))?;
    let place = Place { fd, stat };
    if place.kind() == FileType::Symlink { Err(link()) } else { Ok(place) }
}

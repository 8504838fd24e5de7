//! Links in the archives folder.
//!
//! YunoHost makes them in two cases: `NAME.tar` beside `NAME.tar.gz` when it compresses, and
//! `NAME.tar` for an archive that an administrator had written to another folder. The folder can be
//! written by the members of a group, and this process reads whatever root may read. So a link is
//! followed only when
//!
//! - its name is `NAME.tar`, and it means a file called `NAME.tar` or `NAME.tar.gz`, which no
//!   password file is;
//! - root (or the user of this process) made it;
//! - that file is a regular one, no further link, and belongs to root or the user of this process.
//!
//! Others are not listed and not opened. Descriptions are never links.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{
    Archives,
    name::{ArchiveFileName, TAR, TAR_GZ},
};

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn is_trusted(data: &Metadata) -> bool {
    data.uid() == 0 || data.uid() == rustix::process::geteuid().as_raw()
}

/// Whether a file is one that may be read for a link, which was asked of it while it was open.
fn check_target(data: &Metadata) -> io::Result<()> {
    if !data.is_file() {
        return Err(refused("the link does not mean a regular file"));
    }
    if is_trusted(data) { Ok(()) } else { Err(refused("the file behind the link is not root's")) }
}

pub(super) fn is_gzip(target: &Path) -> bool {
    target.extension().is_some_and(|ending| ending == "gz")
}

impl Archives {
    pub(super) fn is_symlink(&self, name: &ArchiveFileName) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok_and(|data| data.is_symlink())
    }

    /// The path that a link means, if it is one to be followed.
    fn target(&self, name: &ArchiveFileName) -> io::Result<PathBuf> {
        let path = self.path(name);
        let data = fs::symlink_metadata(&path)?;
        if !data.is_symlink() {
            return Err(refused("it is no link"));
        }
        if !is_trusted(&data) {
            return Err(refused("the link is not root's"));
        }
        let target = self.folder.join(fs::read_link(&path)?);
        let file = target.file_name().and_then(|file| file.to_str());
        let stem = name.stem().zip(file);
        match stem.and_then(|(stem, file)| file.strip_prefix(stem)) {
            Some(TAR | TAR_GZ) => Ok(target),
            _ => Err(refused("the link does not mean an archive of its name")),
        }
    }

    /// The file behind a link.
    pub(super) fn look_behind(&self, name: &ArchiveFileName) -> io::Result<(PathBuf, Metadata)> {
        let target = self.target(name)?;
        let data = fs::symlink_metadata(&target)?;
        check_target(&data)?;
        Ok((target, data))
    }

    /// Opens the file behind a link.
    pub(super) fn open_behind(&self, name: &ArchiveFileName) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = options.open(self.target(name)?)?;
        check_target(&file.metadata()?)?;
        Ok(file)
    }

    /// The file of this folder that a link means, or the link that means a file.
    pub(super) fn other_half(&self, name: &ArchiveFileName) -> Option<ArchiveFileName> {
        let (link, compressed) = match name.as_str().strip_suffix(TAR_GZ) {
            Some(stem) => (ArchiveFileName::new(format!("{stem}{TAR}")).ok()?, name.clone()),
            None => (name.clone(), ArchiveFileName::new(format!("{}{TAR_GZ}", name.stem()?)).ok()?),
        };
        let (_, behind) = self.look_behind(&link).ok()?;
        let data = fs::symlink_metadata(self.path(&compressed)).ok()?;
        let is_same = (data.dev(), data.ino()) == (behind.dev(), behind.ino());
        is_same.then(|| if link == *name { compressed } else { link })
    }
}

//! What a backup that was stopped half-way leaves: a file that YunoHost lists as an archive, and its
//! work folder with copies of secrets.
//!
//! Only what has the name that was asked for and was not there before. Files are removed only when
//! the call had begun to work: while it waited for the lock, another may have made them. It says
//! nothing while it collects parts of the system, so the work folder, which no operation leaves
//! behind that ends by itself, goes also when no operation runs any more. A work folder in which
//! something is mounted is left alone: what is mounted there is the machine's own data.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{
    Yunohost,
    call::{Heard, Talk},
};
use crate::tasks::{Line, TaskError};

const ENDINGS: [&str; 3] = [".tar", ".tar.gz", ".info.json"];

/// What was there of a name before a call.
pub(super) struct Leftovers {
    /// The files of an archive, and whether they were there.
    files: Vec<(PathBuf, bool)>,
    /// YunoHost's work folder for it, `tmp/NAME` beside the archives folder.
    work: PathBuf,
    work_was_there: bool,
}

fn is_there(path: &Path) -> Result<bool, TaskError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(TaskError::Io { what: format!("look for {}", path.display()), source }),
    }
}

impl Leftovers {
    pub(super) fn before(archives: &Path, name: &str) -> Result<Self, TaskError> {
        let file = |ending| {
            let path = archives.join(format!("{name}{ending}"));
            is_there(&path).map(|there| (path, there))
        };
        let files = ENDINGS.into_iter().map(file).collect::<Result<_, _>>()?;
        let work = archives.parent().unwrap_or(archives).join("tmp").join(name);
        let work_was_there = is_there(&work)?;
        Ok(Self { files, work, work_was_there })
    }

    /// Whether YunoHost has an archive of that name. A description alone is none.
    pub(super) fn is_archive_there(&self) -> bool {
        let is_info = |path: &Path| path.as_os_str().as_bytes().ends_with(b".info.json");
        self.files.iter().any(|(path, there)| *there && !is_info(path))
    }

    /// Removes what a backup left.
    pub(super) fn remove(&self, yunohost: &Yunohost, heard: &Heard, talk: &Talk<'_>) {
        for (path, was_there) in self.files.iter().filter(|_| heard.begun) {
            if !was_there && is_there(path).is_ok_and(|there| there) {
                tell(talk, path, fs::remove_file(path));
            }
        }
        self.remove_work(yunohost, heard, talk);
    }

    /// Removes the work folder alone.
    pub(super) fn remove_work(&self, yunohost: &Yunohost, heard: &Heard, talk: &Talk<'_>) {
        if !heard.begun && is_locked(&yunohost.lock) {
            return;
        }
        if self.work_was_there || !is_there(&self.work).is_ok_and(|there| there) {
            return;
        }
        let removed = match is_mounted_in(&self.work) {
            Ok(false) => fs::remove_dir_all(&self.work),
            Ok(true) => Err(io::Error::other("something is mounted in it")),
            Err(error) => Err(error),
        };
        tell(talk, &self.work, removed);
    }
}

fn tell(talk: &Talk<'_>, path: &Path, removed: io::Result<()>) {
    let path = path.display();
    talk.tell(match removed {
        Ok(()) => {
            Line { is_error: false, text: format!("removed {path}, which was left unfinished") }
        }
        Err(error) => {
            Line { is_error: true, text: format!("cannot remove {path}, left unfinished: {error}") }
        }
    });
}

/// Whether an operation of YunoHost runs: its lock names processes, also such as have ended.
fn is_locked(lock: &Path) -> bool {
    match fs::read_to_string(lock) {
        Ok(holders) => holders.split_whitespace().any(|id| Path::new("/proc").join(id).exists()),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether a file system is mounted at a folder or anywhere below it.
fn is_mounted_in(folder: &Path) -> io::Result<bool> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read("/proc/self/mountinfo")?;
    let mut points = mounts
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4).map(unescape));
    Ok(points.any(|point| point.starts_with(&folder)))
}

/// Spaces and the like are written as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        let code = after.get(..3).filter(|_| *byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                path.push(escaped);
                rest = &after[3..];
            }
            None => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_spaces_are_read() {
        assert_eq!(unescape(br"/a\040b/c\134d"), Path::new(r"/a b/c\d"));
        assert_eq!(unescape(br"/a\9"), Path::new(r"/a\9"));
    }

    #[test]
    fn a_lock_is_held_by_processes_that_live() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        assert!(!is_locked(&lock));
        for (holders, is_held) in [
            (String::new(), false),
            ("4194399\n".to_owned(), false),
            (format!("4194399\n{}", std::process::id()), true),
        ] {
            fs::write(&lock, &holders).unwrap();
            assert_eq!(is_locked(&lock), is_held, "{holders}");
        }
        assert!(is_locked(folder.path()), "what cannot be read may be held");
    }

    #[test]
    fn mounts_at_and_below_a_folder_are_seen() {
        assert!(is_mounted_in(Path::new("/proc")).unwrap());
        assert!(is_mounted_in(Path::new("/")).unwrap());
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mounted_in(folder.path()).unwrap());
        assert!(is_mounted_in(&folder.path().join("absent")).is_err(), "not known is not no");
    }
}

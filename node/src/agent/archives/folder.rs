//! The folder itself, where it is missing: as YunoHost makes it.
//!
//! Root owns it, and the members of `admins` (a group in YunoHost's directory of users, not in a
//! file) may read and write; nobody else may enter. The folder above it is made the same way.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown},
    path::Path,
    time::Duration,
};

use crate::tasks::{TaskIo, process::Program};

const MODE: u32 = 0o770;

/// The group of administrators.
const GROUP: &str = "admins";

/// How long the system may think about a group.
const GROUP_LIMIT: Duration = Duration::from_secs(30);

pub(super) fn make_if_missing(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let is_root = rustix::process::geteuid().is_root();
    let group = if is_root { group_id(GROUP) } else { None };
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(far) = above.and_then(Path::parent) {
        fs::create_dir_all(far)?;
    }
    for folder in above.into_iter().chain([folder]) {
        match DirBuilder::new().mode(MODE & 0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
        if is_root {
            chown(folder, Some(0), group)?;
        }
        // Last: until then nobody but its owner enters.
        fs::set_permissions(folder, Permissions::from_mode(MODE))?;
    }
    Ok(())
}

/// The number of a group, wherever this machine keeps its groups.
fn group_id(name: &str) -> Option<u32> {
    let getent = Program::new("getent").args(["group", name]).limit(GROUP_LIMIT);
    let io = TaskIo { input: None, output: None, line: &mut |_| {}, cancelled: &|| false };
    let ended = getent.run(io).ok().filter(|ended| ended.code == 0)?;
    ended.stdout.iter().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_missing_folder_is_made_for_root_and_administrators_alone_and_others_stay() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("far/backup/archives");
        make_if_missing(&folder).unwrap();
        for made in [&folder, folder.parent().unwrap()] {
            let data = fs::metadata(made).unwrap();
            assert_eq!(data.mode() & 0o7777, 0o770);
            assert_eq!(data.uid(), rustix::process::geteuid().as_raw());
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o701)).unwrap();
        make_if_missing(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o701, "it was there");
    }

    #[test]
    fn groups_are_found_by_name() {
        assert_eq!(group_id("root"), Some(0));
        assert_eq!(group_id("no-such-group"), None);
    }
}

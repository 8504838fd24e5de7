//! A restore by somebody who is not root: this test starts itself as another user.

use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    process::Command,
};

use super::*;

const FOLDER: &str = "BACKUPMANAGER_TEST_FOLDER";
const NOBODY: u32 = 65534;

#[test]
fn without_rights_what_cannot_be_set_is_listed_and_nothing_is_opened_wider() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return as_nobody(Path::new(&folder));
    }
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("owner");
    let name = "restore::tests::user::\
        without_rights_what_cannot_be_set_is_listed_and_nothing_is_opened_wider";
    let output = Command::new("/proc/self/exe")
        .args([name, "--exact", "--nocapture"])
        .env(FOLDER, folder.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

fn as_nobody(folder: &Path) {
    let (mut setuid, data) = file("d/setuid", "program");
    (setuid.uid, setuid.gid, setuid.mode) = (0, 0, 0o6755);
    setuid.xattrs = vec![(b"security.capability".to_vec(), vec![1; 20])];
    let mut own = file("d/own", "mine");
    own.0.mode = 0o4711;
    let mut locked = dir("d/locked");
    locked.0.mode = 0o555;
    let mut closed = dir("d/closed");
    closed.0.mode = 0o000;
    let mut device = member(MemberKind::CharDevice, "null");
    device.device = (1, 3);
    let members = [
        dir("d"),
        (setuid, data),
        own,
        locked,
        file("d/locked/a", "a"),
        closed,
        file("d/closed/a", "a"),
        (device, b""),
    ];
    for overwrite in [Overwrite::Refuse, Overwrite::Replace, Overwrite::Replace] {
        let spec = RestoreSpec { overwrite, ..RestoreSpec::new(folder.join("to")) };
        let report = restore(&spec, &members);
        assert_eq!(report.not_set_counts[&Setting::Owner], 1, "{report:?}");
        assert_eq!(report.not_set_counts[&Setting::SpecialBits], 1);
        assert_eq!(report.not_set_counts[&Setting::Xattr("security.capability".into())], 1);
        assert_eq!(report.not_set.count, 3, "{report:?}");
        assert_eq!(report.failed.count, 1, "the device: {report:?}");
        let mode = |name: &str| {
            fs::metadata(folder.join("to/d").join(name)).expect("there").mode() & 0o7777
        };
        assert_eq!((mode("setuid"), mode("own")), (0o755, 0o4711));
        assert_eq!((mode("locked"), mode("closed")), (0o555, 0o000));
        assert_eq!(text(folder.join("to/d/locked/a")), "a");
    }
    // The folder is removed by somebody else, who may.
}

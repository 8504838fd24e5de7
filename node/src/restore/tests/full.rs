//! A disk that is full, on a file system of 64 KiB.

use std::process::Command;

use super::*;

/// Mounted while it lives. Only root may.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(dir.path());
        let mounted = is_root() && mount.status().is_ok_and(|status| status.success());
        mounted.then(|| Self { dir })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg(self.dir.path()).status();
    }
}

#[test]
fn a_full_disk_ends_the_restore_with_what_it_needs_and_nothing_half() {
    let Some(disk) = SmallDisk::new("size=64k") else {
        return;
    };
    let spec = RestoreSpec::new(disk.dir.path().join("to"));
    let big = vec![7; 100_000];
    let mut extractor = Extractor::new(&spec).expect("a destination");
    give(&mut extractor, &[file("a", "fits"), dir("d")]);
    let (mut member, _) = file("d/big", "");
    member.data_bytes = big.len() as u64;
    assert_eq!(extractor.member(&member).expect("goes on"), Wanted::Data);
    let error = extractor.data(&big).expect_err("it does not fit");
    let RestoreError::DiskFull { path, bytes_needed, bytes_free } = &error else {
        panic!("{error:?}");
    };
    assert_eq!((path, *bytes_needed), (&spec.destination.join("d/big"), 100_000));
    assert!(*bytes_free < 100_000);
    drop(extractor);
    assert_eq!(fs::read_dir(spec.destination.join("d")).expect("readable").count(), 0);
    assert_eq!(text(spec.destination.join("a")), "fits");
}

#[test]
fn a_disk_without_room_for_names_says_so_as_well() {
    let Some(disk) = SmallDisk::new("size=1m,nr_inodes=4") else {
        return;
    };
    let spec = RestoreSpec::new(disk.dir.path().join("to"));
    let mut extractor = Extractor::new(&spec).expect("a destination");
    let full = (0..10).find_map(|at| {
        let (member, _) = symlink(&format!("link{at}"), "x");
        extractor.member(&member).err()
    });
    assert!(matches!(full, Some(RestoreError::DiskFull { .. })), "{full:?}");
}

//! Files of every kind, with everything that can be set on them.

use std::{
    ffi::OsStr,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
};

use protocol::tar::{Extent, FileTime, SparseMap};
use rustix::fs::lgetxattr;

use super::*;

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let bytes = lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(bytes);
    Some(value)
}

/// `u::rw- u:1000:rw- g::--- m::rw- o::---`, as the kernel has it.
fn acl() -> Vec<u8> {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 1000),
        (4, 0, u32::MAX),
        (16, 6, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

#[test]
fn owners_modes_times_attributes_and_capabilities_are_set() {
    if !is_root() {
        return;
    }
    let yard = Yard::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (mut setuid, data) = file("setuid", "program");
    (setuid.mode, setuid.uid, setuid.gid) = (0o6755, 1234, 5678);
    setuid.mtime = FileTime { seconds: -2, nanos: 999_999_999 };
    setuid.xattrs = vec![
        (b"security.capability".to_vec(), capability.to_vec()),
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.note".to_vec(), b"\0\xff binary".to_vec()),
    ];
    let (mut shared, _) = file("shared", "");
    (shared.mode, shared.xattrs) = (0o660, vec![(b"system.posix_acl_access".to_vec(), acl())]);
    let (mut link, _) = symlink("link", "nowhere/\u{e9}");
    (link.uid, link.gid) = (77, 78);
    link.xattrs = vec![(b"trusted.note".to_vec(), b"on the link".to_vec())];
    let (mut sticky, _) = dir("sticky");
    (sticky.mode, sticky.gid) = (0o3777, 50);
    let spec = RestoreSpec { check: Check::Content, ..yard.spec() };
    let report = restore(&spec, &[(setuid, data), (shared, b""), (link, b""), (sticky, b"")]);
    assert!(report.is_clean(), "{report:?}");
    let stat = |name: &str| fs::symlink_metadata(yard.to(name)).expect("there");
    let is = |name: &str| {
        let stat = stat(name);
        (stat.mode() & 0o7777, stat.uid(), stat.gid(), stat.mtime(), stat.mtime_nsec())
    };
    assert_eq!(is("setuid"), (0o6755, 1234, 5678, -2, 999_999_999));
    assert_eq!(is("sticky"), (0o3777, 0, 50, 1_700_000_000, 123_456_789));
    assert_eq!(is("link"), (0o777, 77, 78, 1_700_000_000, 123_456_789));
    assert_eq!(is("shared").0, 0o660);
    assert_eq!(xattr(&yard.to("setuid"), "security.capability"), Some(capability.to_vec()));
    assert_eq!(xattr(&yard.to("setuid"), "user.empty"), Some(Vec::new()));
    assert_eq!(xattr(&yard.to("setuid"), "user.note"), Some(b"\0\xff binary".to_vec()));
    assert_eq!(xattr(&yard.to("shared"), "system.posix_acl_access"), Some(acl()));
    assert_eq!(xattr(&yard.to("link"), "trusted.note"), Some(b"on the link".to_vec()));
}

#[test]
fn pipes_and_devices_are_made_with_their_owner_and_mode() {
    if !is_root() {
        return;
    }
    let yard = Yard::new();
    let mut pipe = member(MemberKind::Fifo, "pipe");
    (pipe.mode, pipe.uid) = (0o622, 9);
    let mut null = member(MemberKind::CharDevice, "null");
    (null.mode, null.device) = (0o666, (1, 3));
    let mut disk = member(MemberKind::BlockDevice, "disk");
    (disk.mode, disk.device) = (0o660, (7, 300));
    let report = yard.restore(&[(pipe, b""), (null, b""), (disk, b"")]);
    assert!(report.is_clean() && report.specials == 3, "{report:?}");
    let stat = |name: &str| fs::symlink_metadata(yard.to(name)).expect("there");
    assert!(stat("pipe").file_type().is_fifo() && stat("pipe").uid() == 9);
    assert_eq!(stat("pipe").mode() & 0o7777, 0o622);
    assert_eq!(fs::read(yard.to("null")).expect("it is /dev/null"), b"");
    let device = rustix::fs::makedev(7, 300);
    assert!(stat("disk").file_type().is_block_device() && stat("disk").rdev() == device);
}

#[test]
fn holes_stay_holes() {
    let yard = Yard::new();
    let (mut sparse, _) = file("sparse", "");
    let extents = vec![
        Extent { offset: 1 << 20, bytes: 4 },
        Extent { offset: 5 << 20, bytes: 0 },
        Extent { offset: 8 << 20, bytes: 3 },
    ];
    sparse.sparse = Some(SparseMap { real_bytes: 50 << 30, extents });
    sparse.data_bytes = 7;
    let (mut empty, _) = file("empty", "");
    empty.sparse = Some(SparseMap { real_bytes: 1 << 20, extents: Vec::new() });
    let spec = RestoreSpec { check: Check::Content, ..yard.spec() };
    let report = restore(&spec, &[(sparse, b"abcdefg"), (empty, b"")]);
    assert!(report.is_clean(), "{report:?}");
    let stat = fs::metadata(yard.to("sparse")).expect("there");
    assert_eq!(stat.len(), 50 << 30);
    assert!(stat.blocks() * 512 < 1 << 20, "{} blocks", stat.blocks());
    let mut data = [0; 3];
    rustix::io::pread(fs::File::open(yard.to("sparse")).expect("open"), &mut data, 8 << 20)
        .expect("read");
    assert_eq!(&data, b"efg");
    assert_eq!(fs::metadata(yard.to("empty")).expect("there").len(), 1 << 20);
}

#[test]
fn names_that_are_not_text_and_paths_longer_than_the_kernel_takes() {
    let yard = Yard::new();
    let odd = b"caf\xe9\n\x1b[31m";
    let mut member_odd = member(MemberKind::File, "");
    member_odd.path = odd.to_vec();
    let part = "x".repeat(200);
    let mut path = String::new();
    let mut members = vec![(member_odd, &b""[..])];
    for _ in 0..100 {
        path = format!("{path}{part}/");
        members.push(dir(path.trim_end_matches('/')));
    }
    members.push(file(&format!("{path}deep"), "deep"));
    members.push(hard_link("deep", &format!("{path}deep")));
    members.push(file(&format!("{path}deeper"), "deeper"));
    let report = yard.restore(&members);
    assert!(report.is_clean(), "{:?}", report);
    assert!(yard.path("to").join(OsStr::from_bytes(odd)).exists());
    assert_eq!(text(yard.to("deep")), "deep");
    assert_eq!(report.directories, 100);
    // The folder is too deep for those who use whole paths, as the one that tidies up.
    remove_deep(&yard.to(&part));
}

/// Brings what lies deep up, and removes it there.
fn remove_deep(top: &Path) {
    while top.exists() {
        let (mut at, mut steps) = (top.to_owned(), 0);
        while let Some(Ok(next)) = fs::read_dir(&at).ok().and_then(|mut entries| entries.next()) {
            (at, steps) = (next.path(), steps + 1);
            if steps == 15 && at.is_dir() {
                let up = top.with_file_name("up");
                fs::rename(&at, &up).expect("moved up");
                fs::remove_dir_all(top).expect("removed");
                fs::rename(up, top).expect("moved");
                break;
            }
        }
        if steps < 15 {
            fs::remove_dir_all(top).expect("removed");
        }
    }
}

#[test]
fn files_do_not_take_acls_from_the_directories_they_come_into() {
    if !is_root() {
        return;
    }
    let yard = Yard::new();
    let default = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(yard.path("to"), "system.posix_acl_default", &acl(), default)
        .expect("an ACL");
    let (mut with_default, _) = dir("d/with");
    with_default.xattrs = vec![(b"system.posix_acl_default".to_vec(), acl())];
    let report = yard.restore(&[
        file("a", "a"),
        dir("d"),
        file("d/a", "a"),
        (with_default, b""),
        file("d/with/a", "a"),
    ]);
    assert!(report.is_clean(), "{report:?}");
    for name in ["a", "d", "d/a", "d/with/a"] {
        assert_eq!(xattr(&yard.to(name), "system.posix_acl_access"), None, "{name}");
        assert_eq!(xattr(&yard.to(name), "system.posix_acl_default"), None, "{name}");
    }
    assert_eq!(xattr(&yard.to("d/with"), "system.posix_acl_default"), Some(acl()));
}

#[test]
fn owners_by_name_are_those_of_this_machine() {
    if !is_root() {
        return;
    }
    let yard = Yard::new();
    let (mut named, data) = file("named", "x");
    (named.user, named.group, named.uid, named.gid) = (b"daemon".into(), b"sys".into(), 5000, 5001);
    let (mut unknown, _) = file("unknown", "x");
    (unknown.user, unknown.uid) = (b"nobody-has-this-name".into(), 5000);
    let spec = RestoreSpec { owners: Owners::ByName, ..yard.spec() };
    let report = restore(&spec, &[(named, data), (unknown, data)]);
    assert!(report.is_clean(), "{report:?}");
    let stat = |name| fs::metadata(yard.to(name)).expect("there");
    assert_eq!((stat("named").uid(), stat("named").gid()), (1, 3));
    assert_eq!(stat("unknown").uid(), 5000);
}

#[test]
fn two_trees_are_compared_in_everything() {
    let (one, two) = (Yard::new(), Yard::new());
    let members = |content: &'static str| {
        vec![dir("d"), file("d/a", content), hard_link("d/b", "d/a"), symlink("d/l", content)]
    };
    one.restore(&members("same!"));
    two.restore(&members("same!"));
    assert_eq!(compare_trees(&one.to("d"), &two.to("d")), []);
    let other = Yard::new();
    let mut changed = members("other");
    (changed[0].0.mode, changed[0].0.mtime.nanos) = (0o700, 5);
    changed[2] = file("d/b", "other");
    changed.push(file("d/new", ""));
    other.restore(&changed);
    let found = compare_trees(&one.to("d"), &other.to("d"));
    let mut whats: Vec<_> =
        found.iter().map(|d| format!("{} {}", d.path.display(), d.what)).collect();
    whats.sort();
    assert_eq!(
        whats,
        [
            " mode",
            " time",
            "a content",
            "b content",
            "b same file as",
            "l target",
            "new only in one",
        ]
    );
}

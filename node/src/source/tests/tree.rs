use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use protocol::tar::FileTime;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};

use super::*;

#[test]
fn members_come_in_order_with_the_directories_above_them() {
    let tree = Tree::new();
    tree.file("b/2", "x");
    tree.file("b.c", "y");
    tree.file("a", "z");
    let kept = read_all(&tree.spec());
    let order: Vec<_> = told_offsets(&kept).into_iter().map(|(path, _)| path).collect();
    let text: Vec<_> = order.iter().map(|path| String::from_utf8_lossy(path)).collect();
    assert_eq!(text[..2], ["data", "data/custom"]);
    let below = [
        tree.member(""),
        tree.member("a"),
        tree.member("b"),
        tree.member("b/2"),
        tree.member("b.c"),
    ];
    assert_eq!(order[order.len() - 5..], below);
    let members = members(&kept);
    let folder = tree.folder.path();
    let above = [b"data/custom", folder.to_str().unwrap().as_bytes()].concat();
    assert_eq!(members[&above].0.mode, folder.metadata().unwrap().permissions().mode() & 0o7777);
    assert_eq!((members[&b"data"[..]].0.mode, members[&b"data"[..]].0.uid), (0o755, 0));
    assert_eq!(members[&tree.member("b/2")].1, b"x");
}

#[test]
fn every_kind_of_file_is_kept_as_it_is() {
    let tree = Tree::new();
    let root = tree.root();
    let first = tree.file("links/1", "same");
    std::fs::hard_link(&first, root.join("links/2")).unwrap();
    symlink("../nowhere/é", root.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::from(0o640)).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let setuid = tree.file("setuid", "#!");
    std::fs::set_permissions(&setuid, PermissionsExt::from_mode(0o6711)).unwrap();
    std::fs::create_dir(root.join("sticky")).unwrap();
    std::fs::set_permissions(root.join("sticky"), PermissionsExt::from_mode(0o1777)).unwrap();
    std::fs::write(root.join(OsStr::from_bytes(b"raw \xff\xfe\nline")), "odd").unwrap();
    let long = "n".repeat(255);
    tree.file(&long, "long");
    if is_root() {
        let device = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("null"),
            FileType::CharacterDevice,
            Mode::from(0o666),
            device,
        )
        .unwrap();
        std::os::unix::fs::chown(&setuid, Some(3_000_000), Some(44)).unwrap();
        std::fs::set_permissions(&setuid, PermissionsExt::from_mode(0o6711)).unwrap();
    }
    let kept = read_all(&tree.spec());
    assert_eq!(kept.warnings(), [("socket".to_owned(), "socket ignored")]);
    let members = members(&kept);
    let of = |name: &str| &members[&tree.member(name)];
    assert_eq!(of("links/1").1, b"same");
    let second = &of("links/2").0;
    assert_eq!((second.kind, &second.link), (MemberKind::HardLink, &tree.member("links/1")));
    assert_eq!(
        (of("link").0.kind, &of("link").0.link[..]),
        (MemberKind::Symlink, "../nowhere/é".as_bytes())
    );
    assert_eq!(of("pipe").0.kind, MemberKind::Fifo);
    assert_eq!((of("setuid").0.mode, of("sticky").0.mode), (0o6711, 0o1777));
    assert_eq!(of(&long).1, b"long");
    let odd = [&tree.member("")[..], b"/raw \xff\xfe\nline"].concat();
    assert_eq!(members[&odd].1, b"odd");
    assert!(!members.contains_key(&tree.member("socket")));
    if is_root() {
        assert_eq!((of("null").0.kind, of("null").0.device), (MemberKind::CharDevice, (1, 3)));
        assert_eq!((of("setuid").0.uid, of("setuid").0.gid), (3_000_000, 44));
    }
}

#[test]
fn times_keep_their_nanoseconds_also_before_1970() {
    let tree = Tree::new();
    for (name, seconds, nanos) in [("new", 1_700_000_000, 123_456_789), ("old", -2, 500_000_000)] {
        set_mtime(&tree.file(name, "x"), seconds, nanos);
    }
    let members = members(&read_all(&tree.spec()));
    let mtime = |name| members[&tree.member(name)].0.mtime;
    assert_eq!(mtime("new"), FileTime { seconds: 1_700_000_000, nanos: 123_456_789 });
    assert_eq!(mtime("old"), FileTime { seconds: -2, nanos: 500_000_000 });
}

pub(super) fn set_mtime(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, AtFlags::empty()).unwrap();
}

/// An ACL in the kernel's form that lets one more user in.
pub(super) fn acl() -> Vec<u8> {
    let mut raw = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 6, 1234),
        (4, 4, u32::MAX),
        (16, 6, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        raw.extend_from_slice(&tag.to_le_bytes());
        raw.extend_from_slice(&permissions.to_le_bytes());
        raw.extend_from_slice(&id.to_le_bytes());
    }
    raw
}

/// `cap_net_bind_service=ep` in the kernel's form.
pub(super) const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn attributes_acls_and_capabilities_of_all_kinds_are_kept() {
    if !is_root() {
        return;
    }
    let tree = Tree::new();
    let file = tree.file("dir/file", "x");
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    set(&file, "user.note", b"a\0b=c\n");
    set(&file, "user.empty", b"");
    set(&file, "security.capability", &CAPABILITY);
    set(&file, "system.posix_acl_access", &acl());
    set(&tree.root().join("dir"), "system.posix_acl_default", &acl());
    set(&tree.root().join("dir"), "trusted.mark", b"t");
    symlink("x", tree.root().join("link")).unwrap();
    set(&tree.root().join("link"), "trusted.mark", b"on the link");
    let large = tree.file("large", vec![1; 200_000]);
    set(&large, "user.large", &vec![b'v'; 3000]);
    let members = members(&read_all(&tree.spec()));
    let of = |name: &str| -> BTreeMap<String, Vec<u8>> {
        let all = members[&tree.member(name)].0.xattrs.iter().cloned();
        all.map(|(name, value)| (String::from_utf8(name).unwrap(), value)).collect()
    };
    let file = of("dir/file");
    assert_eq!(file.len(), 4);
    assert_eq!((&file["user.note"][..], &file["user.empty"][..]), (&b"a\0b=c\n"[..], &b""[..]));
    assert_eq!(
        (&file["security.capability"][..], &file["system.posix_acl_access"]),
        (&CAPABILITY[..], &acl())
    );
    assert_eq!(
        (&of("dir")["system.posix_acl_default"], &of("dir")["trusted.mark"][..]),
        (&acl(), &b"t"[..])
    );
    assert_eq!(of("link")["trusted.mark"], b"on the link");
    assert_eq!(of("large")["user.large"].len(), 3000);
}

#[test]
fn holes_are_kept_in_small_and_large_files() {
    let tree = Tree::new();
    for (name, size, stretches) in [
        ("small", 1 << 20, vec![(262_144_u64, 5000_usize)]),
        ("large", 1 << 34, vec![(0, 300_000), (1 << 33, 100_000)]),
        ("all", 1 << 20, vec![]),
    ] {
        let path = tree.file(name, "");
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        for (offset, bytes) in stretches {
            std::os::unix::fs::FileExt::write_all_at(&file, &vec![7; bytes], offset).unwrap();
        }
        file.set_len(size).unwrap();
    }
    let kept = read_all(&tree.spec());
    assert!(kept.warnings.is_empty());
    let members = members(&kept);
    for (name, size, sevens) in
        [("small", 1 << 20, 5000), ("large", 1 << 34, 400_000), ("all", 1 << 20, 0)]
    {
        let (member, data) = &members[&tree.member(name)];
        assert_eq!(member.real_bytes(), size);
        assert!(data.len() < 600_000, "{name} has {} bytes", data.len());
        assert_eq!(data.iter().filter(|&&b| b == 7).count(), sevens);
    }
}

#[test]
fn excluded_directories_are_not_even_opened() {
    let tree = Tree::new();
    for name in ["a.tmp", "d/keep.tmp", "d/x.tmp", "cache/f", "d/cache/f", "top-only", "d/top-only"]
    {
        tree.file(name, "x");
    }
    let mut spec = tree.spec();
    spec.excludes = ["*.tmp", "!keep.tmp", "cache/", "/top-only"].map(str::to_owned).to_vec();
    assert_eq!(names(&read_all(&spec), &tree), ["d", "d/keep.tmp", "d/top-only"]);
    assert_eq!(measure(&spec).unwrap().files, 2);
}

#[test]
fn own_data_is_never_read_wherever_it_lies() {
    let tree = Tree::new();
    tree.file("own/store", "x");
    tree.file("other", "y");
    let mut spec = tree.spec();
    symlink(tree.root().join("own"), tree.folder.path().join("alias")).unwrap();
    spec.never = vec![tree.folder.path().join("alias"), "/does/not/exist".into()];
    assert_eq!(names(&read_all(&spec), &tree), ["other"]);
    spec.path = tree.root().join("own");
    assert!(matches!(measure(&spec), Err(SourceError::Own { .. })));
}

#[test]
fn trees_deeper_than_any_path_are_read_to_the_bottom() {
    let tree = Tree::new();
    let name = "d".repeat(60);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let mut here = rustix::fs::open(tree.root(), flags, Mode::empty()).unwrap();
    for _ in 0..200 {
        rustix::fs::mkdirat(&here, &*name, Mode::from(0o755)).unwrap();
        let file = OFlags::CREATE | OFlags::WRONLY;
        let file = rustix::fs::openat(&here, "z", file, Mode::from(0o644)).unwrap();
        rustix::io::write(&file, b"deep").unwrap();
        here = rustix::fs::openat(&here, &*name, flags, Mode::empty()).unwrap();
    }
    let kept = read_all(&tree.spec());
    assert_eq!(kept.warnings(), []);
    let members = members(&kept);
    let deepest = members.keys().map(Vec::len).max().unwrap();
    assert!(deepest > 200 * 61);
    assert_eq!(members.values().filter(|(_, data)| data == b"deep").count(), 200);
}

#[test]
fn paths_beyond_the_limit_are_left_out_with_a_warning() {
    let tree = Tree::new();
    let name = "d".repeat(250);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let mut here = rustix::fs::open(tree.root(), flags, Mode::empty()).unwrap();
    for _ in 0..80 {
        rustix::fs::mkdirat(&here, &*name, Mode::from(0o755)).unwrap();
        here = rustix::fs::openat(&here, &*name, flags, Mode::empty()).unwrap();
    }
    let kept = read_all(&tree.spec());
    assert_eq!(kept.warnings[0].what, "left out: its path is too long");
    assert_eq!(kept.warnings.len(), 1);
    members(&kept);
}

#[test]
fn one_file_or_a_linked_directory_can_be_a_source() {
    let tree = Tree::new();
    let file = tree.file("one", "alone");
    let kept = read_all(&spec(&file));
    let members_of_file = members(&kept);
    assert_eq!(members_of_file[&tree.member("one")].1, b"alone");
    assert!(told_offsets(&kept).last().unwrap().0.ends_with(b"/src/one"));
    let link = tree.folder.path().join("link");
    symlink(tree.root(), &link).unwrap();
    let kept = read_all(&spec(&link));
    assert!(told_offsets(&kept).last().unwrap().0.ends_with(b"/link/one"));
}

#[test]
fn a_source_that_cannot_be_read_is_an_error() {
    let tree = Tree::new();
    let missing = spec(&tree.root().join("missing"));
    assert!(matches!(measure(&missing), Err(SourceError::Open { .. })));
    assert!(matches!(measure(&spec(Path::new("etc"))), Err(SourceError::NotAbsolute { .. })));
    assert!(matches!(
        measure(&spec(Path::new("/etc/../etc"))),
        Err(SourceError::NotAbsolute { .. })
    ));
    assert!(matches!(measure(&spec(Path::new("/dev/null"))), Err(SourceError::Kind { .. })));
    let mut bad = tree.spec();
    bad.excludes = vec!["{a".to_owned()];
    assert!(matches!(measure(&bad), Err(SourceError::Pattern { .. })));
    assert_eq!(names(&read_all(&tree.spec()), &tree), Vec::<String>::new());
}

#[test]
fn the_file_systems_of_the_kernel_are_empty_directories() {
    let inside = spec(Path::new("/proc/self"));
    // Asked for by name it is read; met on the way it is not.
    assert!(measure(&inside).unwrap().members > 5);
    let mut all = spec(Path::new("/"));
    all.excludes = vec!["/*".to_owned(), "!/proc".to_owned()];
    assert_eq!(measure(&all).unwrap().members, 3);
}

#[test]
fn measure_counts_what_reading_finds() {
    let tree = Tree::new();
    let first = tree.file("a/1", vec![1; 1000]);
    std::fs::hard_link(first, tree.root().join("a/2")).unwrap();
    tree.file("large", vec![2; 100_000]);
    let (_, report) = run(&tree.spec(), Kept::default());
    let totals = measure(&tree.spec()).unwrap();
    assert_eq!(totals, report.totals);
    assert_eq!((totals.files, totals.bytes), (2, 101_000));
    assert_eq!(report.bytes_read, 101_000);
}

#[test]
fn files_that_may_not_be_read_are_warnings_for_others_than_root() {
    let tree = Tree::new();
    let path = tree.file("x", "x");
    assert_eq!(path.metadata().unwrap().uid(), rustix::process::geteuid().as_raw());
    if is_root() {
        return;
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let kept = read_all(&tree.spec());
    assert_eq!(kept.warnings(), [("x".to_owned(), "permission denied")]);
}

#[test]
fn a_second_name_of_a_link_pipe_or_device_is_a_hard_link() {
    let tree = Tree::new();
    let root = tree.root();
    symlink("nowhere", root.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::from(0o640)).unwrap();
    let mut names = vec!["link", "pipe"];
    if is_root() {
        let (kind, device) = (FileType::CharacterDevice, rustix::fs::makedev(1, 3));
        let mode = Mode::from(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, root.join("null"), kind, mode, device).unwrap();
        names.push("null");
    }
    for name in &names {
        std::fs::hard_link(root.join(name), root.join(format!("{name}2"))).unwrap();
    }
    let members = members(&read_all(&tree.spec()));
    for name in names {
        let (first, second) = (&members[&tree.member(name)].0, format!("{name}2"));
        let second = &members[&tree.member(&second)].0;
        assert_ne!(first.kind, MemberKind::HardLink, "{name}");
        assert_eq!((second.kind, &second.link), (MemberKind::HardLink, &tree.member(name)));
        assert_eq!(second.device, (0, 0));
    }
    assert_eq!(members[&tree.member("link")].0.link, b"nowhere");
}

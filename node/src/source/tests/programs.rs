//! GNU tar and Python's tarfile on our stream, and our parser on theirs.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{Mode, XattrFlags};

use super::tree::{CAPABILITY, acl, set_mtime};
use super::*;

/// A tree with everything that a tar can go wrong with.
fn awkward() -> Tree {
    let tree = Tree::new();
    let root = tree.root();
    let plain = tree.file("dir/plain", "plain");
    std::fs::hard_link(&plain, root.join("dir/second name")).unwrap();
    symlink("../é/target", root.join("link")).unwrap();
    symlink("t".repeat(300), root.join("long link")).unwrap();
    tree.file(&format!("{}/{}/f", "p".repeat(200), "q".repeat(255)), "far down");
    tree.file("é", "not ASCII");
    std::fs::write(raw_name(&root), "not UTF-8").unwrap();
    tree.file("new\nline", "odd");
    tree.file("empty", "");
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::from(0o640)).unwrap();
    tree.file("large", (0..300_001_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    sparse(&tree.file("holes", ""), 5 << 20, &[(1 << 20, 70_000), (3 << 20, 4096)]);
    sparse(&tree.file("é holes", ""), 1 << 20, &[(0, 4096)]);
    sparse(&tree.file("all hole", ""), 3 << 20, &[]);
    let many: Vec<_> = (0..40).map(|n| (n * 16_384, 4096)).collect();
    sparse(&tree.file("many holes", ""), 1 << 20, &many);
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o4755)).unwrap();
    let set = |name: &str, key: &str, value: &[u8]| {
        rustix::fs::lsetxattr(root.join(name), key, value, XattrFlags::empty()).unwrap();
    };
    if is_root() {
        set("é", "user.k=%y", b"v\0=\n");
        set("large", "security.capability", &CAPABILITY);
        set("empty", "system.posix_acl_access", &acl());
        set("dir", "system.posix_acl_default", &acl());
        std::os::unix::fs::chown(root.join("empty"), Some(3_000_000), Some(4_000_000)).unwrap();
        std::os::unix::fs::lchown(root.join("link"), Some(12), Some(13)).unwrap();
    }
    set_mtime(&root.join("empty"), -2, 500_000_000);
    set_mtime(&root.join("é"), 1_700_000_000, 123_456_789);
    tree
}

fn raw_name(root: &Path) -> PathBuf {
    root.join(std::ffi::OsStr::from_bytes(b"raw \xff\xfe"))
}

fn sparse(path: &Path, bytes: u64, stretches: &[(u64, usize)]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for (offset, length) in stretches {
        file.write_all_at(&vec![7; *length], *offset).unwrap();
    }
    file.set_len(bytes).unwrap();
}

/// All that is below a directory, relative, in order.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut wait = vec![root.to_owned()];
    while let Some(directory) = wait.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            all.push(path.strip_prefix(root).unwrap().to_owned());
            if path.symlink_metadata().unwrap().is_dir() {
                wait.push(path);
            }
        }
    }
    all.sort();
    all
}

fn assert_same_tree(left: &Path, right: &Path) {
    assert_eq!(below(left), below(right));
    for name in below(left) {
        let (a, b) = (left.join(&name), right.join(&name));
        let (of_a, of_b) = (a.symlink_metadata().unwrap(), b.symlink_metadata().unwrap());
        let fields = |m: &std::fs::Metadata| {
            let bytes = if m.is_dir() { 0 } else { m.len() };
            (m.mode(), m.uid(), m.gid(), m.nlink(), bytes, m.mtime(), m.mtime_nsec())
        };
        assert_eq!(fields(&of_a), fields(&of_b), "{}", name.display());
        let attributes =
            |path: &Path| attributes::Reader::new().of_path(path.as_os_str().as_bytes());
        assert_eq!(attributes(&a), attributes(&b), "{}", name.display());
        if of_a.is_symlink() {
            assert_eq!(a.read_link().unwrap(), b.read_link().unwrap());
        } else if of_a.is_file() {
            assert!(std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap(), "{}", name.display());
            assert_eq!(of_a.blocks() < of_a.len() / 512, of_b.blocks() < of_b.len() / 512);
        }
    }
}

/// Runs a program that must succeed without a word of complaint; gives back what it says.
fn succeed(command: &mut Command) -> Vec<u8> {
    let done = command.env("LC_ALL", "C.UTF-8").output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && errors.is_empty(), "{command:?}: {errors}");
    done.stdout
}

#[test]
fn gnu_tar_restores_our_stream_as_it_was() {
    let tree = awkward();
    let kept = read_all(&tree.spec());
    let archive = tree.folder.path().join("archive.tar");
    std::fs::write(&archive, kept.stream()).unwrap();
    let out = tree.folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--acls", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]);
    // It wonders at `hdrcharset`, which POSIX has and it has not, and at times before 1970.
    tar.arg(&archive).args(["--warning=no-unknown-keyword", "--warning=no-timestamp", "-C"]);
    tar.arg(&out);
    succeed(&mut tar);
    let restored = out.join(std::ffi::OsString::from_vec(tree.member("")));
    assert_same_tree(&tree.root(), &restored);
}

const LIST: &str = "
import sys, tarfile
tar = tarfile.open(sys.argv[1], errors='surrogateescape')
for member in tar:
    data = tar.extractfile(member).read() if member.isreg() else b''
    line = f'{len(data)} {member.size} {oct(member.mode)} {member.uid} {member.name!r}'
    sys.stdout.buffer.write(line.encode('utf-8', 'surrogateescape') + b'\\n')
";

#[test]
fn python_reads_every_member_of_our_stream() {
    let tree = awkward();
    let kept = read_all(&tree.spec());
    let archive = tree.folder.path().join("archive.tar");
    std::fs::write(&archive, kept.stream()).unwrap();
    let said = succeed(Command::new("python3").args(["-X", "utf8", "-c", LIST]).arg(&archive));
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(said.lines().count(), told_offsets(&kept).len());
    let root = String::from_utf8(tree.member("")).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    for expected in [
        format!("300001 300001 0o644 {uid} '{root}/large'"),
        format!("5242880 5242880 0o644 {uid} '{root}/holes'"),
        format!("1048576 1048576 0o644 {uid} '{root}/é holes'"),
        format!("3145728 3145728 0o644 {uid} '{root}/all hole'"),
        format!("9 9 0o644 {uid} '{root}/raw \\udcff\\udcfe'"),
        format!("3 3 0o644 {uid} '{root}/new\\nline'"),
        format!("8 8 0o644 {uid} '{root}/{}/{}/f'", "p".repeat(200), "q".repeat(255)),
    ] {
        assert!(said.lines().any(|line| line == expected), "{expected} in {said}");
    }
}

/// What a parser sees of an archive that GNU tar made of the tree.
fn parsed_from_gnu(tree: &Tree, options: &[&str]) -> BTreeMap<Vec<u8>, (Member, Vec<u8>)> {
    let archive = tree.folder.path().join("gnu.tar");
    let mut tar = Command::new("tar");
    tar.args(options).arg("-cf").arg(&archive).arg("-C").arg(tree.root()).arg(".");
    succeed(&mut tar);
    let mut parser = Parser::new(Limits::default());
    let mut all = Vec::<(Member, Vec<u8>)>::new();
    let bytes = std::fs::read(&archive).unwrap();
    parser
        .push(&bytes, &mut |event| {
            match event {
                Event::Member(member, _) => all.push((member, Vec::new())),
                Event::Data(data) => all.last_mut().unwrap().1.extend_from_slice(data),
                Event::MemberEnd | Event::End => {}
            }
            Ok::<(), TarError>(())
        })
        .unwrap();
    assert!(parser.has_ended());
    all.into_iter().map(|(member, data)| (member.path.clone(), (member, data))).collect()
}

/// The content of a member with its holes.
fn filled((member, data): &(Member, Vec<u8>)) -> Vec<u8> {
    let Some(map) = &member.sparse else { return data.clone() };
    let mut all = vec![0; map.real_bytes as usize];
    let mut rest = &data[..];
    for extent in &map.extents {
        let (now, later) = rest.split_at(extent.bytes as usize);
        let begin = extent.offset as usize;
        all[begin..begin + now.len()].copy_from_slice(now);
        rest = later;
    }
    assert!(rest.is_empty());
    all
}

#[test]
fn every_format_of_gnu_tar_is_read() {
    let tree = awkward();
    // Hard links come in the order of the directory on disk.
    for options in [
        &["--format=pax", "--sparse", "--xattrs", "--xattrs-include=*", "--acls"][..],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax"],
        &["--format=gnu", "--sparse"],
        &["--format=gnu"],
        &["--format=oldgnu", "--sparse"],
    ] {
        let parsed = parsed_from_gnu(&tree, options);
        assert_eq!(parsed.len(), below(&tree.root()).len() + 1, "{options:?}");
        for name in below(&tree.root()) {
            let seen = &parsed[name.as_os_str().as_bytes()];
            let real = tree.root().join(&name);
            let meta = real.symlink_metadata().unwrap();
            assert_eq!(seen.0.mode, meta.mode() & 0o7777, "{options:?} {}", name.display());
            assert_eq!(seen.0.uid, meta.uid());
            if seen.0.kind == MemberKind::File {
                let same = filled(seen) == std::fs::read(&real).unwrap();
                assert!(same, "{options:?} {}", name.display());
            }
        }
        let sparse = parsed[&b"many holes"[..]].0.sparse.is_some();
        assert_eq!(sparse, options.contains(&"--sparse"), "{options:?}");
        if options.contains(&"--acls") && is_root() {
            let xattrs = |name: &[u8]| parsed[name].0.xattrs.clone();
            let access = (b"system.posix_acl_access".to_vec(), acl());
            assert_eq!(xattrs(b"empty"), [access]);
            assert_eq!(xattrs("é".as_bytes()), [(b"user.k=%y".to_vec(), b"v\0=\n".to_vec())]);
            assert_eq!(xattrs(b"large"), [(b"security.capability".to_vec(), CAPABILITY.to_vec())]);
        }
    }
}

#[test]
fn the_oldest_formats_are_read_as_far_as_they_go() {
    let tree = Tree::new();
    tree.file("dir/plain", "plain");
    symlink("plain", tree.root().join("dir/link")).unwrap();
    for format in ["--format=v7", "--format=ustar"] {
        let parsed = parsed_from_gnu(&tree, &[format]);
        assert_eq!(parsed[&b"dir"[..]].0.kind, MemberKind::Directory, "{format}");
        assert_eq!(parsed[&b"dir/plain"[..]].1, b"plain");
        assert_eq!(parsed[&b"dir/link"[..]].0.link, b"plain");
        assert_eq!(parsed[&b"."[..]].0.kind, MemberKind::Directory);
    }
}

#[test]
fn archives_made_by_yunohost_are_read() {
    for (archive, members) in [
        (&include_bytes!("../../../../tests/fixtures/yunohost/hermes-agent.tar")[..], 11),
        (include_bytes!("../../../../tests/fixtures/yunohost/dummyapp.tar"), 35),
    ] {
        let mut parser = Parser::new(Limits::default());
        let mut paths = Vec::new();
        parser
            .push(archive, &mut |event| {
                if let Event::Member(member, _) = event {
                    paths.push(String::from_utf8(member.path).unwrap());
                }
                Ok::<(), TarError>(())
            })
            .unwrap();
        assert!(parser.has_ended());
        assert!(paths.iter().any(|path| path == "info.json"), "{paths:?}");
        assert_eq!(paths.len(), members, "{paths:?}");
    }
}

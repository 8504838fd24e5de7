//! Links, modes, and tars that get more members; what GNU tar and Python make of them.

use std::{
    os::unix::fs::{chown, lchown, symlink},
    path::Path,
    process::Command,
};

use protocol::tar::{END, Member, MemberKind, encode, padding};
use tempfile::TempDir;

use super::*;

const REAL: &[u8] = include_bytes!("../../../../tests/fixtures/yunohost/dummyapp.tar");

struct Shelf {
    top: TempDir,
    archives: Archives,
}

impl Shelf {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("archives")).unwrap();
        let archives = Archives::new(top.path().join("archives"));
        Self { top, archives }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.top.path().join(file)
    }

    fn write(&self, file: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(file), bytes).unwrap();
        self.path(file)
    }

    /// Name, size, whether a link, whether compressed.
    fn listed(&self) -> Vec<(String, u64, bool, bool)> {
        let files = self.archives.list().unwrap().into_iter();
        files.map(|file| (file.name.into(), file.bytes, file.is_link, file.is_gzip)).collect()
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        let opened = self.archives.open(&name(file));
        let mut opened = opened.map_err(|error| match error {
            ArchivesError::Io { source, .. } => source,
            other => panic!("{other:?}"),
        })?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut opened, &mut bytes)?;
        Ok(bytes)
    }
}

fn name(file: &str) -> ArchiveFileName {
    ArchiveFileName::new(file).unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_compressed_archive_and_the_link_to_it_are_one() {
    for is_absolute in [true, false] {
        let shelf = Shelf::new();
        let tar = shelf.write("archives/a.tar.gz", b"gzip");
        let target = if is_absolute { tar.as_path() } else { Path::new("a.tar.gz") };
        symlink(target, shelf.path("archives/a.tar")).unwrap();
        assert_eq!(shelf.listed(), [("a.tar.gz".to_owned(), 4, false, true)]);
        assert_eq!(shelf.read("a.tar").unwrap(), b"gzip");
        assert_eq!(shelf.read("a.tar.gz").unwrap(), b"gzip");
        let taken = shelf.archives.create(&name("a.tar")).unwrap_err();
        assert!(matches!(taken, ArchivesError::Exists { .. }));
        let removed = if is_absolute { "a.tar" } else { "a.tar.gz" };
        shelf.archives.remove(&name(removed)).unwrap();
        assert_eq!(fs::read_dir(shelf.path("archives")).unwrap().count(), 0, "{removed}");
    }
}

#[test]
fn an_archive_in_another_folder_is_read_through_its_link_and_not_removed_with_it() {
    let shelf = Shelf::new();
    fs::create_dir(shelf.path("out")).unwrap();
    let plain = shelf.write("out/a.tar", b"a plain one");
    let compressed = shelf.write("out/b.tar.gz", b"gzip");
    symlink(&plain, shelf.path("archives/a.tar")).unwrap();
    symlink(&compressed, shelf.path("archives/b.tar")).unwrap();
    let [a, b] = ["a.tar", "b.tar"].map(str::to_owned);
    assert_eq!(shelf.listed(), [(a, 11, true, false), (b, 4, true, true)]);
    assert_eq!(shelf.read("a.tar").unwrap(), b"a plain one");
    shelf.archives.remove(&name("a.tar")).unwrap();
    shelf.archives.remove(&name("b.tar")).unwrap();
    assert!(shelf.listed().is_empty() && plain.exists() && compressed.exists());
}

#[test]
fn links_that_lead_to_anything_but_an_archive_of_their_name_are_none() {
    let shelf = Shelf::new();
    shelf.write("shadow", b"secret");
    shelf.write("b.tar", b"another's");
    shelf.write("c.info.json", b"{}");
    fs::create_dir(shelf.path("d.tar")).unwrap();
    symlink("b.tar", shelf.path("e.tar")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, shelf.path("f.tar"), 0o600.into()).unwrap();
    for (link, target) in [
        ("shadow.tar", "../shadow"),
        ("a.tar", "../b.tar"),
        ("c.info.json", "../c.info.json"),
        ("d.tar", "../d.tar"),
        ("e.tar", "../e.tar"),
        ("f.tar", "../f.tar"),
        ("g.tar", "g.tar"),
        ("h.tar", "../h.tar"),
        ("i.tar.gz", "../b.tar"),
        ("j.tar", ".."),
        ("k.tar", "/"),
    ] {
        symlink(target, shelf.path("archives").join(link)).unwrap();
        assert!(shelf.read(link).is_err(), "{link}");
        assert!(shelf.listed().is_empty(), "{link}");
        let bytes = encode(&Member::new(MemberKind::File, "x"));
        let error = shelf.archives.extend(&name(link), 0, &bytes).unwrap_err();
        assert!(matches!(error, ArchivesError::Refused { .. }), "{link}: {error:?}");
    }
}

#[test]
fn links_and_files_of_other_users_are_not_followed() {
    if !is_root() {
        return;
    }
    let shelf = Shelf::new();
    let tar = shelf.write("a.tar", b"root's");
    let link = shelf.path("archives/a.tar");
    symlink("../a.tar", &link).unwrap();
    assert_eq!(shelf.listed().len(), 1);
    chown(&tar, Some(65_534), None).unwrap();
    assert_eq!(shelf.read("a.tar").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert!(shelf.listed().is_empty(), "the file is another's");
    chown(&tar, Some(0), None).unwrap();
    lchown(&link, Some(65_534), None).unwrap();
    assert_eq!(shelf.read("a.tar").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert!(shelf.listed().is_empty(), "the link is another's");
}

#[test]
fn files_are_readable_as_yunohosts_are_where_the_folder_keeps_others_out() {
    for (folder_mode, mode) in [(0o770, 0o644), (0o755, 0o640), (0o700, 0o644)] {
        let shelf = Shelf::new();
        let folder = shelf.path("archives");
        fs::set_permissions(&folder, Permissions::from_mode(folder_mode)).unwrap();
        drop(shelf.archives.create(&name("a.tar")).unwrap());
        let part = fs::metadata(folder.join(".a.tar.part")).unwrap();
        assert_eq!(part.mode() & 0o7777, 0o600, "while it is written");
        shelf.archives.publish(&name("a.tar")).unwrap();
        let file = fs::metadata(folder.join("a.tar")).unwrap();
        assert_eq!(file.mode() & 0o7777, mode, "in a folder {folder_mode:o}");
    }
}

#[test]
fn the_folder_is_made_for_the_first_archive() {
    let shelf = Shelf::new();
    let archives = Archives::new(shelf.path("backup/archives"));
    drop(archives.create(&name("a.tar")).unwrap());
    archives.publish(&name("a.tar")).unwrap();
    assert_eq!(archives.list().unwrap().len(), 1);
    let folder = fs::metadata(shelf.path("backup/archives")).unwrap();
    assert_eq!(folder.mode() & 0o7777, 0o770);
}

fn member(path: &str, data: &[u8]) -> Vec<u8> {
    let mut member = Member::new(MemberKind::File, path);
    member.data_bytes = data.len() as u64;
    let mut bytes = [encode(&member), data.to_vec()].concat();
    bytes.resize(bytes.len() + usize::try_from(padding(data.len() as u64)).unwrap(), 0);
    bytes
}

/// Where the zeros at the end of a real tar begin.
fn end_of(tar: &[u8]) -> usize {
    let used = tar.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    used.next_multiple_of(512)
}

/// The members by Python, as YunoHost reads them, and by GNU tar, and what they complain of.
fn list(path: &Path) -> (Vec<String>, String) {
    let python = "import sys,tarfile; [print(m.name) for m in tarfile.open(sys.argv[1])]";
    let mut complaints = String::new();
    let mut run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        complaints += &String::from_utf8(output.stderr).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end_matches('/').to_owned()).collect::<Vec<_>>()
    };
    let by_python = run("python3", &["-c", python]);
    let by_tar = run("tar", &["--quoting-style=literal", "-tf"]);
    assert_eq!(by_python, by_tar);
    (by_tar, complaints)
}

fn tar_lists(path: &Path) -> Vec<String> {
    let (members, complaints) = list(path);
    assert_eq!(complaints, "");
    members
}

#[test]
fn a_tar_of_yunohost_gets_members_that_every_program_reads_as_often_as_one_likes() {
    let shelf = Shelf::new();
    let path = shelf.write("archives/a.tar", REAL);
    let before = tar_lists(&path);
    let first = member("backup_info.json", b"{}");
    shelf.archives.extend(&name("a.tar"), end_of(REAL) as u64, &first).unwrap();
    let large = member("large", &vec![7; 500_000]);
    let end = (end_of(REAL) + first.len()) as u64;
    shelf.archives.extend(&name("a.tar"), end, &large).unwrap();
    let tar = fs::read(&path).unwrap();
    assert_eq!(tar[..end_of(REAL)], REAL[..end_of(REAL)], "what was there is untouched");
    assert_eq!(tar.len(), end_of(REAL) + first.len() + large.len() + 1_024);
    let after = tar_lists(&path);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], ["backup_info.json", "large"]);
}

#[test]
fn a_crash_or_a_full_disk_half_way_leaves_the_old_tar() {
    let shelf = Shelf::new();
    let path = shelf.write("archives/a.tar", REAL);
    let before = tar_lists(&path);
    let (at, large) = (end_of(REAL) as u64, member("large", &[7; 50_000]));
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    extend::write_rest(&file, at + 512, &large[512..]).unwrap();
    let (members, complaints) = list(&path);
    assert_eq!(members, before);
    assert!(complaints.starts_with("tar: A lone zero block"), "{complaints}");
    extend::put_back(&file, at, REAL.len() as u64);
    assert!(fs::read(&path).unwrap() == REAL);
}

#[test]
fn tars_that_are_not_finished_or_written_or_compressed_get_nothing() {
    let shelf = Shelf::new();
    let end = end_of(REAL) as u64;
    let more = member("more", b"more");
    let half = &REAL[..20_480];
    let not_quite = [&REAL[..end_of(REAL)], &END[1..], b"x"].concat();
    for (file, bytes, at) in [
        ("half.tar", half, 20_480),
        ("half.tar", half, 10_240),
        ("tail.tar", &not_quite, end),
        ("cut.tar", &REAL[..end_of(REAL) + 512], end),
        ("a.tar", REAL, end - 512),
        ("a.tar", REAL, end + 1),
        ("a.tar", REAL, REAL.len() as u64),
        ("a.tar", REAL, u64::MAX),
        ("a.tar.gz", REAL, end),
        ("a.info.json", REAL, end),
    ] {
        let path = shelf.write(&format!("archives/{file}"), bytes);
        let error = shelf.archives.extend(&name(file), at, &more).unwrap_err();
        assert!(matches!(error, ArchivesError::Refused { .. }), "{file} {at}: {error:?}");
        assert!(fs::read(path).unwrap() == bytes, "{file} {at}");
    }
    for bytes in [&b""[..], &more[..511], &[0; 512], &vec![1; EXTENSION_BYTES_MAX + 512]] {
        let error = shelf.archives.extend(&name("a.tar"), end, bytes).unwrap_err();
        assert!(matches!(error, ArchivesError::Refused { .. }), "{error:?}");
    }
    let mut written = shelf.archives.create(&name("w.tar")).unwrap();
    io::Write::write_all(&mut written, REAL).unwrap();
    shelf.archives.publish(&name("w.tar")).unwrap();
    let error = shelf.archives.extend(&name("w.tar"), end, &more).unwrap_err();
    assert!(matches!(error, ArchivesError::Busy { .. }), "its writer has it open: {error:?}");
    drop(written);
    shelf.archives.extend(&name("w.tar"), end, &more).unwrap();
}

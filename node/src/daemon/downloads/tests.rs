use std::{
    fs,
    io::Read as _,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::StreamExt as _;
use protocol::{
    contents::CONTENTS_ENTRIES_MAX,
    control::{ArchiveExport, ArchiveRef, ArchiveRemove, ForeignAdopt, Reply, Request},
    object::Link,
    tar::{self, Extent, Member, SparseMap},
};
use tempfile::TempDir;

use super::*;
use crate::{
    archive::{MissingObject, Objects},
    daemon::{handle::Answers, live::tests::node, objects::ArchiveObjects},
    socket::{Caller, EventSink, Handler as _},
};

/// A node with one archive, whose tar is known.
pub(in crate::daemon) struct World {
    pub(in crate::daemon) dir: TempDir,
    pub(in crate::daemon) node: Arc<Node>,
    pub(in crate::daemon) tar: Vec<u8>,
}

/// A member and its data as the tar has it.
pub(in crate::daemon) type Made = (Member, Vec<u8>);

pub(in crate::daemon) fn made(kind: MemberKind, path: &[u8], data: &[u8]) -> Made {
    let mut member = Member::new(kind, path);
    member.data_bytes = data.len() as u64;
    member.mtime.seconds = 1_778_209_200;
    (member, data.to_vec())
}

pub(in crate::daemon) fn file(path: &str, data: &[u8]) -> Made {
    made(MemberKind::File, path.as_bytes(), data)
}

pub(in crate::daemon) fn folder(path: &str) -> Made {
    made(MemberKind::Directory, path.as_bytes(), b"")
}

pub(in crate::daemon) fn link(kind: MemberKind, path: &str, to: &str) -> Made {
    let (mut member, data) = made(kind, path.as_bytes(), b"");
    member.link = to.as_bytes().to_vec();
    (member, data)
}

/// A file of 1 MiB with data at two places; only the last stretch may end within a block.
pub(in crate::daemon) fn sparse(path: &str) -> (Made, Vec<u8>) {
    let (first, second) = (noise(1, 10_240), noise(2, 70_001));
    let (mut member, data) = file(path, &[first.clone(), second.clone()].concat());
    let mut real = vec![0; 1 << 20];
    let mut extents = Vec::new();
    for (at, bytes) in [(4_096, &first), (499_712, &second)] {
        real[at..at + bytes.len()].copy_from_slice(bytes);
        extents.push(Extent { offset: at as u64, bytes: bytes.len() as u64 });
    }
    member.sparse = Some(SparseMap { real_bytes: real.len() as u64, extents });
    ((member, data), real)
}

/// Bytes that no two chunks share and that do not shrink.
pub(in crate::daemon) fn noise(seed: u8, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut out);
    out
}

impl World {
    pub(in crate::daemon) async fn new(members: &[Made]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let mut tar = Vec::new();
        for (member, data) in members {
            tar.extend(tar::encode(member));
            tar.extend(data);
            tar.resize(tar.len() + tar::padding(data.len() as u64) as usize, 0);
        }
        tar.extend(tar::END);
        let folder = dir.path().join("archives");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("it.tar"), &tar).unwrap();
        let adopt = ForeignAdopt { name: "it".parse().unwrap(), job: None, wait: true };
        let world = Self { dir, node, tar };
        let ended = world.ask(Request::ForeignAdopt(adopt)).await;
        let Ok(Reply::RunEnded(run)) = ended else { panic!("{ended:?}") };
        assert_eq!(run.archive.as_deref(), Some("it"), "{run:?}");
        world
    }

    async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let caller = Caller::Local { uid: 0, pid: None };
        Answers(Arc::clone(&self.node)).handle(caller, request, EventSink::deaf()).await
    }

    pub(in crate::daemon) async fn find(&self, part: DownloadPart) -> Result<Downloaded, Failure> {
        find(Arc::clone(&self.node), Download { archive: it(), part }, ()).await
    }

    async fn file(&self, path: &str) -> Result<Downloaded, Failure> {
        self.find(DownloadPart::File(raw(path))).await
    }

    pub(in crate::daemon) async fn folder(&self, path: &str, format: FolderFormat) -> Vec<u8> {
        let found = self.find(DownloadPart::Folder(raw(path), format)).await.unwrap();
        assert_eq!((found.bytes, &found.tag), (None, &None));
        read(found, 0..u64::MAX).await.unwrap()
    }

    /// What the member of that path has.
    async fn part(&self, path: &str, part: Range<u64>) -> Vec<u8> {
        read(self.file(path).await.unwrap(), part).await.unwrap()
    }

    async fn refused(&self, part: DownloadPart) -> Failure {
        let failure = self.find(part).await.unwrap_err();
        assert!(failure.hint.is_some(), "{failure}");
        failure
    }

    fn is_read(&self) -> bool {
        let listing = self.node.listing();
        self.node.keeping.is_read(&listing.archives()[0])
    }

    /// Until the thread of a download has ended, which may be a moment after its last byte.
    async fn until_unused(&self) {
        while self.is_read() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn packs(&self) -> Vec<PathBuf> {
        let (mut folders, mut packs) = (vec![self.node.data.store()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.extension().is_some_and(|e| e == "pack") => packs.push(path),
                    false => {}
                }
            }
        }
        packs
    }
}

fn it() -> ArchiveRef {
    ArchiveRef { name: "it".parse().unwrap(), node_of: None }
}

fn raw(path: &str) -> RawPath {
    path.parse().unwrap()
}

pub(in crate::daemon) async fn read(
    found: Downloaded,
    part: Range<u64>,
) -> std::io::Result<Vec<u8>> {
    let (mut body, mut all) = ((found.open)(part), Vec::new());
    while let Some(piece) = body.next().await {
        all.extend(piece?);
    }
    Ok(all)
}

fn code(failure: &Failure) -> FailureCode {
    failure.code
}

#[tokio::test]
async fn the_whole_is_what_an_export_writes_and_every_range_is_a_piece_of_it() {
    let world = World::new(&[folder("data"), file("data/a", &noise(3, 9 << 20))]).await;
    let to = world.dir.path().join("exported.tar");
    let to_raw = RawPath(to.to_str().unwrap().as_bytes().to_vec());
    let export = ArchiveExport { archive: it(), to: to_raw, overwrite: false };
    world.ask(Request::ArchiveExport(export)).await.unwrap();
    let exported = fs::read(to).unwrap();
    let whole = world.find(DownloadPart::Tar).await.unwrap();
    assert_eq!((whole.bytes, &*whole.name.0), (Some(exported.len() as u64), &b"it.tar"[..]));
    let tag = whole.tag.clone();
    assert!(read(whole, 0..exported.len() as u64).await.unwrap() == exported, "other bytes");
    let end = exported.len() as u64;
    for part in [0..1, 511..513, 5_000_000..5_000_001, 1..end, end - 1..end, 3 << 20..7 << 20, 0..0]
    {
        let whole = world.find(DownloadPart::Tar).await.unwrap();
        assert_eq!(whole.tag, tag);
        let (from, to) = (part.start as usize, part.end as usize);
        let bytes = read(whole, part.clone()).await.unwrap();
        assert!(bytes == exported[from..to], "{part:?}");
    }
    assert!(exported.starts_with(&world.tar[..1_024]));
}

/// Counts what is asked for.
struct Counting {
    objects: ArchiveObjects,
    asked: AtomicUsize,
}

impl Objects for Counting {
    fn get(&self, link: &Link) -> Result<Vec<u8>, MissingObject> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.objects.get(link)
    }
}

#[tokio::test]
async fn a_range_at_the_end_reads_no_chunk_before_it() {
    let world = World::new(&[file("a", &noise(4, 24 << 20))]).await;
    let listing = world.node.listing();
    let (archive, node) = (&listing.archives()[0], &world.node);
    let objects = ArchiveObjects::local(&node.store);
    let objects = Arc::new(Counting { objects, asked: AtomicUsize::new(0) });
    let root = archive.root().unwrap();
    let reader = ArchiveReader::open(Arc::clone(&objects) as _, &node.key, &root).unwrap();
    let mut chunks = 0;
    reader
        .chunks(|_| {
            chunks += 1;
            true
        })
        .unwrap();
    assert!(chunks > 8, "{chunks}");
    objects.asked.store(0, Ordering::SeqCst);
    let end = reader.stream_bytes();
    let mut bytes = 0;
    let span = Span { from: end - 10, to: end };
    copy(&reader, vec![span], |piece| {
        bytes += piece.len();
        Ok(())
    })
    .unwrap();
    assert_eq!(bytes, 10);
    // A page of the manifest and the last chunk, with what it may be a difference to.
    assert!(objects.asked.load(Ordering::SeqCst) <= 4, "{objects:?}", objects = objects.asked);
    let missing = copy(&reader, vec![Span { from: end - 10, to: end + 1 }], |_| Ok(()));
    assert!(matches!(missing, Err(DownloadError::Short { wanted: 11, found: 10 })), "{missing:?}");
}

#[tokio::test]
async fn a_file_is_had_by_its_name_its_other_name_and_in_ranges() {
    let text = noise(5, 3 << 20);
    let ((hollow, hollow_data), real) = sparse("d/hollow");
    let long = "d/".to_owned() + &"long-name/".repeat(30) + "x";
    let members = [
        folder("d"),
        file("d/text", b"an old one"),
        file("d/text", &text),
        (hollow, hollow_data),
        link(MemberKind::HardLink, "d/again", "d/text"),
        link(MemberKind::HardLink, "d/thrice", "d/again"),
        link(MemberKind::HardLink, "d/holes", "d/hollow"),
        file("d/empty", b""),
        made(MemberKind::File, b"d/caf\xe9 \x01", b"raw"),
        file(&long, b"deep"),
    ];
    let world = World::new(&members).await;
    for name in ["d/text", "d/again", "d/thrice"] {
        let found = world.file(name).await.unwrap();
        assert_eq!(found.bytes, Some(text.len() as u64));
        assert_eq!(found.name.0, name.as_bytes()[2..]);
        assert!(world.part(name, 0..text.len() as u64).await == text, "{name}");
        assert!(world.part(name, 77_777..2_000_001).await == text[77_777..2_000_001], "{name}");
    }
    let end = real.len() as u64;
    let parts = [0..end, 0..1, 4_095..4_097, 14_335..14_337, 20_000..30_000, 499_711..569_714];
    for part in parts.into_iter().chain([end - 1..end, 4_000..600_000, 5_000..6_000, 3..3]) {
        let (from, to) = (part.start as usize, part.end as usize);
        for name in ["d/hollow", "d/holes"] {
            assert!(world.part(name, part.clone()).await == real[from..to], "{name} {part:?}");
        }
    }
    assert_eq!(world.part("d/empty", 0..0).await, b"");
    assert_eq!(world.part("d/caf\\xe9 \\x01", 0..3).await, b"raw");
    assert_eq!(world.part(&long, 1..3).await, b"ee");
    let tags: Vec<_> = [world.file("d/text").await, world.file("d/empty").await]
        .map(|found| found.unwrap().tag.unwrap())
        .into();
    assert_ne!(tags[0], tags[1]);
}

#[tokio::test]
async fn what_is_no_file_or_folder_is_refused_with_what_helps() {
    let members = [
        folder("d"),
        link(MemberKind::Symlink, "d/link", "/etc/passwd"),
        made(MemberKind::Fifo, b"d/pipe", b""),
        made(MemberKind::CharDevice, b"d/null", b""),
        link(MemberKind::HardLink, "d/of-link", "d/link"),
        link(MemberKind::HardLink, "d/of-nothing", "d/none"),
        link(MemberKind::HardLink, "d/of-itself", "d/of-itself"),
        file("d/f", b"f"),
    ];
    let world = World::new(&members).await;
    for path in ["d", "d/link", "d/pipe", "d/null"] {
        let refused = world.refused(DownloadPart::File(raw(path))).await;
        assert_eq!(code(&refused), FailureCode::Invalid, "{refused}");
    }
    for path in ["d/of-link", "d/of-nothing", "d/of-itself"] {
        let failure = world.file(path).await.unwrap_err();
        assert_eq!(code(&failure), FailureCode::Damaged, "{failure}");
    }
    for path in ["none", "d/f/x", "D", "d/", "/d/f", "../d/f", "%64/f", "d/*"] {
        let refused = world.refused(DownloadPart::File(raw(path))).await;
        assert_eq!(code(&refused), FailureCode::NotFound, "{refused}");
        let part = DownloadPart::Folder(raw(path), FolderFormat::Tar);
        assert_eq!(code(&world.refused(part).await), FailureCode::NotFound, "{path}");
    }
    for path in ["d/f", "d/link", "d/of-link"] {
        for format in [FolderFormat::Tar, FolderFormat::Zip] {
            let refused = world.refused(DownloadPart::Folder(raw(path), format)).await;
            assert_eq!(code(&refused), FailureCode::Invalid, "{refused}");
        }
    }
    let none = ArchiveRef { name: "none".parse().unwrap(), node_of: None };
    let none = Download { archive: none, part: DownloadPart::Tar };
    let failure = find(Arc::clone(&world.node), none, ()).await.unwrap_err();
    assert_eq!(code(&failure), FailureCode::NotFound);
}

/// Path, kind, link and data of each member of a tar.
fn members(tar: &[u8]) -> Vec<(String, ::tar::EntryType, String, Vec<u8>)> {
    let mut archive = ::tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    let shown = entries.map(|entry| {
        let mut entry = entry.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (path, kind) = (text(&entry.path_bytes()), entry.header().entry_type());
        let link = entry.link_name_bytes().map(|link| text(&link)).unwrap_or_default();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        (path, kind, link, data)
    });
    shown.collect()
}

#[tokio::test]
async fn a_folder_as_a_tar_begins_at_the_folder_and_leads_nowhere_else() {
    let members_in = [
        folder("data"),
        file("data/outside", b"shared"),
        folder("data/opt"),
        file("data/opt/a", &noise(6, 200_000)),
        link(MemberKind::HardLink, "data/opt/b", "data/opt/a"),
        link(MemberKind::HardLink, "data/opt/c", "data/outside"),
        link(MemberKind::HardLink, "data/opt/d", "data/outside"),
        link(MemberKind::Symlink, "data/opt/e", "../../../etc"),
        made(MemberKind::File, b"data/opt/../../up", b"up"),
        file("data/optional", b"another folder's"),
        file("zz", b"zz"),
    ];
    let world = World::new(&members_in).await;
    let tar = world.folder("data/opt", FolderFormat::Tar).await;
    let (file, hard) = (::tar::EntryType::Regular, ::tar::EntryType::Link);
    let expected = [
        ("opt/", ::tar::EntryType::Directory, "", vec![]),
        ("opt/a", file, "", noise(6, 200_000)),
        ("opt/b", hard, "opt/a", vec![]),
        ("opt/c", file, "", b"shared".to_vec()),
        ("opt/d", hard, "opt/c", vec![]),
        ("opt/e", ::tar::EntryType::Symlink, "../../../etc", vec![]),
        ("opt/%2e%2e/%2e%2e/up", file, "", b"up".to_vec()),
    ];
    let found = members(&tar);
    let names: Vec<_> = found.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(names, expected.clone().map(|(path, ..)| path));
    for ((path, kind, link, data), (_, is, to, bytes)) in found.iter().zip(expected) {
        assert_eq!((kind, link.as_str()), (&is, to), "{path}");
        assert!(*data == bytes, "{path}");
    }
    let all = world.folder(".", FolderFormat::Tar).await;
    assert_eq!(members(&all).len(), members_in.len());
    let found = world.find(DownloadPart::Folder(raw("."), FolderFormat::Zip)).await.unwrap();
    assert_eq!(found.name.0, b"it.zip");
}

#[tokio::test]
async fn a_folder_of_many_pages_is_whole_in_both_formats() {
    let count = 3 * CONTENTS_ENTRIES_MAX;
    let mut many = vec![folder("m")];
    many.extend((0..count).map(|n| file(&format!("m/{n:05}"), n.to_string().as_bytes())));
    let ((hollow, data), real) = sparse("m/hollow");
    many.push((hollow, data));
    let world = World::new(&many).await;
    let bytes = world.folder("m", FolderFormat::Tar).await;
    let tar = members(&bytes);
    assert_eq!(tar.len(), many.len());
    for (n, (path, _, _, data)) in tar[1..=count].iter().enumerate() {
        assert_eq!((path.as_str(), &**data), (&*format!("m/{n:05}"), n.to_string().as_bytes()));
    }
    let (to, path) = (world.dir.path().join("out"), world.dir.path().join("m.tar"));
    fs::create_dir(&to).unwrap();
    fs::write(&path, bytes).unwrap();
    let mut gnu_tar = std::process::Command::new("tar");
    let extracted = gnu_tar.arg("-xf").arg(&path).arg("-C").arg(&to).status().unwrap();
    assert!(extracted.success());
    assert!(fs::read(to.join("m/hollow")).unwrap() == real, "its holes are where they were");
    let zip = world.folder("m", FolderFormat::Zip).await;
    let listed = super::zip::tests::python(&world.dir, &zip);
    assert_eq!(listed.len(), many.len());
    assert_eq!(listed["m/00017"]["sha256"], super::zip::tests::sha256(b"17"));
    assert_eq!(listed["m/hollow"]["sha256"], super::zip::tests::sha256(&real));
}

#[tokio::test]
async fn what_is_damaged_cuts_the_body_and_is_noted_and_nothing_else_comes() {
    let bytes = noise(7, 12 << 20);
    let world = World::new(&[folder("d"), file("d/a", &bytes), file("d/b", b"b")]).await;
    let parts = [
        DownloadPart::Tar,
        DownloadPart::File(raw("d/a")),
        DownloadPart::Folder(raw("d"), FolderFormat::Tar),
        DownloadPart::Folder(raw("d"), FolderFormat::Zip),
    ];
    let mut found = Vec::new();
    for part in parts {
        found.push(world.find(part).await.unwrap());
    }
    for pack in world.packs() {
        let mut bytes = fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0xff);
        fs::write(pack, bytes).unwrap();
    }
    let archive = Arc::clone(&world.node.listing().archives()[0]);
    for (number, one) in found.into_iter().enumerate() {
        let end = one.bytes.unwrap_or(u64::MAX);
        let (mut body, mut came, mut cut) = ((one.open)(0..end), Vec::new(), false);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(bytes) if !cut => came.extend(bytes),
                Ok(_) => panic!("more came after the error"),
                Err(_) => cut = true,
            }
        }
        assert!(cut && (came.len() as u64) < end, "{number}");
        let known = match number {
            0 => world.tar.starts_with(&came[..came.len().min(1 << 20)]),
            1 => bytes.starts_with(&came),
            _ => true,
        };
        assert!(known, "{number}: other bytes");
        assert!(world.node.hurt.is_noted(archive.origin, archive.id), "{number}");
        world.node.hurt.forget(archive.origin, archive.id);
    }
}

#[tokio::test]
async fn an_archive_is_in_use_from_when_it_is_found_until_nobody_reads_it_any_more() {
    let world = World::new(&[file("a", &noise(8, 20 << 20))]).await;
    let remove = ArchiveRemove { archive: it(), dry_run: true };
    let remove = || world.ask(Request::ArchiveRemove(remove.clone()));
    // It is pinned, being taken in.
    world.ask(Request::ArchivePin { archive: it(), pinned: false }).await.unwrap();
    let found = world.find(DownloadPart::Tar).await.unwrap();
    assert_eq!(code(&remove().await.unwrap_err()), FailureCode::Busy);
    drop(found);
    remove().await.unwrap();
    let found = world.find(DownloadPart::Tar).await.unwrap();
    let mut body = (found.open)(0..world.tar.len() as u64);
    body.next().await.unwrap().unwrap();
    assert_eq!(code(&remove().await.unwrap_err()), FailureCode::Busy);
    drop(body);
    world.until_unused().await;
    remove().await.unwrap();
}

#[tokio::test]
async fn a_thread_that_dies_never_ends_a_body_well() {
    let world = World::new(&[file("a", b"a")]).await;
    let opened = archive::open(&world.node, &it()).await.unwrap();
    let pouring = Pouring::new(Arc::clone(&world.node), &opened, ());
    let mut body = pouring.pour(|out| {
        out.write(b"some")?;
        out.flush()?;
        panic!("a fault of the reader")
    });
    assert_eq!(body.next().await.unwrap().unwrap(), "some");
    assert!(body.next().await.unwrap().is_err());
    assert!(body.next().await.is_none());
}

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
    process::Command,
};

use serde_json::Value;
use sha2::Digest as _;
use tempfile::TempDir;
use web::FolderFormat;

use super::{format::*, packer::Packer, *};
use crate::daemon::{
    downloads::tests::{World, file, folder, link, made, noise, sparse},
    handle::archive::hex,
};

/// Lists a zip, and reads all of it.
const SCRIPT: &str = r#"
import hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps({i.filename: {
        "sha256": hashlib.sha256(z.read(i)).hexdigest(), "size": i.file_size,
        "packed": i.compress_size, "mode": i.external_attr >> 16, "at": i.header_offset,
        "time": list(i.date_time), "folder": i.is_dir(), "method": i.compress_type,
    } for i in z.infolist()}))
"#;

pub(in crate::daemon::downloads) fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// What Python reads in a zip, by name, after `unzip` found nothing wrong with it.
pub(in crate::daemon::downloads) fn python(dir: &TempDir, zip: &[u8]) -> BTreeMap<String, Value> {
    let path = dir.path().join("it.zip");
    fs::write(&path, zip).unwrap();
    read(&path)
}

fn read(path: &Path) -> BTreeMap<String, Value> {
    let run = |program: &mut Command| {
        let ran = program.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}\n{error}");
        said
    };
    run(Command::new("unzip").arg("-tqq").arg(path));
    serde_json::from_str(&run(Command::new("python3").args(["-c", SCRIPT]).arg(path))).unwrap()
}

#[tokio::test]
async fn a_zip_has_every_file_as_it_is_under_a_name_that_is_harmless() {
    let ((hollow, hollow_data), real) = sparse("s/d/hollow");
    let text = b"the same words again and again, ".repeat(20_000);
    let mut script = file("s/d/run.sh", b"#!/bin/sh\n");
    script.0.mode = 0o4755;
    let members = [
        file("elsewhere", b"shared"),
        folder("s/d"),
        file("s/d/text", &text),
        file("s/d/noise", &noise(1, 300_001)),
        file("s/d/empty", b""),
        (hollow, hollow_data),
        script,
        link(MemberKind::HardLink, "s/d/inside", "s/d/text"),
        link(MemberKind::HardLink, "s/d/outside", "elsewhere"),
        link(MemberKind::Symlink, "s/d/link", "../../etc"),
        made(MemberKind::Fifo, b"s/d/pipe", b""),
        made(MemberKind::File, b"s/d/caf\xe9\\..\\x", b"raw"),
        made(MemberKind::File, "s/d/\u{fc}.txt".as_bytes(), b"utf-8"),
        made(MemberKind::File, b"s/d/../../../up", b"up"),
    ];
    let world = World::new(&members).await;
    let zip = world.folder("s/d", FolderFormat::Zip).await;
    let listed = python(&world.dir, &zip);
    let expected: [(&str, &[u8], u64); 12] = [
        ("d/", b"", 0o040_755),
        ("d/%2e%2e/%2e%2e/%2e%2e/up", b"up", 0o100_644),
        ("d/caf%e9%5c..%5cx", b"raw", 0o100_644),
        ("d/empty", b"", 0o100_644),
        ("d/hollow", &real, 0o100_644),
        ("d/inside", &text, 0o100_644),
        ("d/link", b"../../etc", 0o120_777),
        ("d/noise", &noise(1, 300_001), 0o100_644),
        ("d/outside", b"shared", 0o100_644),
        ("d/run.sh", b"#!/bin/sh\n", 0o100_755),
        ("d/text", &text, 0o100_644),
        ("d/\u{fc}.txt", b"utf-8", 0o100_644),
    ];
    let names: Vec<_> = listed.keys().map(String::as_str).collect();
    assert_eq!(names, expected.map(|(name, ..)| name));
    for (name, data, mode) in expected {
        let one = &listed[name];
        assert_eq!(one["sha256"], sha256(data), "{name}");
        assert_eq!((&one["size"], &one["mode"]), (&data.len().into(), &mode.into()), "{name}");
        assert_eq!(one["time"], serde_json::json!([2026, 5, 8, 3, 0, 0]), "{name}");
    }
    let packed = |name: &str| listed[name]["packed"].as_u64().unwrap();
    assert!(packed("d/text") < 10_000 && packed("d/hollow") < 90_000, "{listed:#?}");
    assert!(packed("d/noise") < 301_000, "stored, with some bytes around it");
}

#[tokio::test]
async fn what_unzip_writes_is_what_was_there() {
    let members =
        [folder("d"), file("d/a", b"a"), link(MemberKind::Symlink, "d/to-a", "a"), folder("d/e")];
    let world = World::new(&members).await;
    let zip = world.dir.path().join("it.zip");
    fs::write(&zip, world.folder("d", FolderFormat::Zip).await).unwrap();
    let to = world.dir.path().join("out");
    let unzipped = Command::new("unzip").arg("-q").arg(&zip).arg("-d").arg(&to).status().unwrap();
    assert!(unzipped.success());
    assert_eq!(fs::read(to.join("d/a")).unwrap(), b"a");
    assert_eq!(fs::read_link(to.join("d/to-a")).unwrap(), Path::new("a"));
    assert!(to.join("d/e").is_dir());
    let time = fs::metadata(to.join("d/a")).unwrap().modified().unwrap();
    let seconds = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, 1_778_209_200);
}

/// Packs one file at a place of a file on the disk; where it ends.
fn put(out: &mut File, listed: &mut Listed, data: &[u8], directory: &mut Directory) -> u64 {
    out.write_all(&listed.local()).unwrap();
    let (mut packer, mut bytes) = (Packer::default(), Vec::new());
    let mut gather = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    packer.push(data, &mut gather).unwrap();
    let packed = packer.finish(&mut gather).unwrap();
    assert_eq!(packed.packed_bytes, bytes.len() as u64);
    out.write_all(&bytes).unwrap();
    listed.packed(&packed);
    listed.plain_bytes = packed.plain_bytes;
    out.write_all(&listed.descriptor()).unwrap();
    directory.add(listed);
    out.stream_position().unwrap()
}

#[test]
fn beyond_four_gigabytes_places_and_sizes_are_those_of_zip64() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.zip");
    let (mut out, mut directory) = (File::create(&path).unwrap(), Directory::default());
    let mut first = Listed::new(b"first".to_vec(), 0, FILE | 0o644, 0);
    // As large as that it might have become, and has the wide fields.
    first.streamed(0xf000_0000);
    put(&mut out, &mut first, b"one", &mut directory);
    // A hole, instead of a file that takes a minute to pack.
    let far = out.seek(SeekFrom::Start(5 << 30)).unwrap();
    let mut second = Listed::new(b"second".to_vec(), far, FILE | 0o644, i64::MAX);
    second.streamed(3);
    let at = put(&mut out, &mut second, b"two", &mut directory);
    out.write_all(&directory.ended(at)).unwrap();
    drop(out);
    let listed = read(&path);
    assert_eq!(listed["first"]["sha256"], sha256(b"one"));
    assert_eq!(listed["second"]["sha256"], sha256(b"two"));
    assert_eq!(listed["second"]["at"], far);
}

#[test]
fn more_members_than_sixteen_bits_count_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut out, mut directory) = (Vec::new(), Directory::default());
    for number in 0..70_000 {
        let at = out.len() as u64;
        let mut listed = Listed::new(format!("{number}/").into_bytes(), at, DIRECTORY | 0o755, -1);
        listed.known(&[]);
        out.extend(listed.local());
        directory.add(&listed);
    }
    let at = out.len() as u64;
    out.extend(directory.ended(at));
    let listed = python(&dir, &out);
    assert_eq!(listed.len(), 70_000);
    assert_eq!(listed["69999/"]["folder"], true);
    assert_eq!(listed["69999/"]["time"], serde_json::json!([1980, 1, 1, 0, 0, 0]));
}

#[test]
fn a_file_is_packed_alike_whatever_the_pieces_it_comes_in() {
    let data = [b"words and ".repeat(30_000), noise(9, 200_000)].concat();
    let mut first = None;
    for piece_bytes in [1_000, 65_535, 65_536, 65_537, data.len()] {
        let (mut packer, mut packed) = (Packer::default(), Vec::new());
        let mut gather = |piece: &[u8]| {
            packed.extend_from_slice(piece);
            Ok(())
        };
        for piece in data.chunks(piece_bytes) {
            packer.push(piece, &mut gather).unwrap();
        }
        let ended = packer.finish(&mut gather).unwrap();
        assert_eq!(ended.plain_bytes, data.len() as u64);
        let mut plain = Vec::new();
        let mut inflate = flate2::read::DeflateDecoder::new(packed.as_slice());
        std::io::Read::read_to_end(&mut inflate, &mut plain).unwrap();
        assert!(plain == data, "{piece_bytes}");
        assert_eq!(*first.get_or_insert(ended.crc), ended.crc);
    }
}

#[test]
fn holes_are_where_the_map_has_them() {
    let map = |extents: &[(u64, u64)], real_bytes| {
        let extents = extents
            .iter()
            .map(|(offset, bytes)| protocol::tar::Extent { offset: *offset, bytes: *bytes });
        Some(SparseMap { real_bytes, extents: extents.collect() })
    };
    let mut holes = Holes::new(map(&[(10, 5), (15, 0), (20, 5)], 30), 10);
    assert_eq!(holes.before(3), (10, 3));
    assert_eq!(holes.before(7), (0, 2));
    assert_eq!(holes.before(5), (5, 5));
    assert_eq!(holes.at_the_end(), 5);
    let mut none = Holes::new(None, 7);
    assert_eq!((none.before(7), none.at_the_end()), ((0, 7), 0));
    assert_eq!(Holes::new(map(&[], 9), 0).at_the_end(), 9);
}

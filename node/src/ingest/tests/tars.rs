use std::{fs, io::Write as _, path::Path, process::Command};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use protocol::tar::{END, Member, MemberKind, encode, padding};

use super::*;
use crate::source::{SegmentEnd, SegmentHead, SourceWarning, Verdict};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/yunohost").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn spec() -> TarSpec {
    let info = BackupInfo {
        instance: "jerry".to_owned(),
        instance_url: Some("https://jerry.mondomaine.fr".to_owned()),
        app: "dummyapp".to_owned(),
        kind: "ynh_app".to_owned(),
        created_local: "2026-05-08T03:00:00".to_owned(),
        yunohost_version: Some("12.1.25".to_owned()),
        ..BackupInfo::default()
    };
    TarSpec { groups_key: [3; 32], backup_info: Some(info), created_seconds: 1_778_209_200 }
}

impl Bench {
    fn put_tar(&mut self, tar: &[u8]) -> (Ingested, TarReport) {
        let mut report = None;
        let made = self.put(|sink| {
            report = Some(read_tar(tar, &spec(), sink).map_err(failed)?);
            Ok(())
        });
        (made.unwrap(), report.unwrap())
    }
}

/// A sink that keeps nothing.
#[derive(Default)]
struct Counted {
    bytes: u64,
    refuse_after: Option<u64>,
}

impl SourceSink for Counted {
    fn segment(&mut self, _: SegmentHead) -> std::io::Result<Verdict> {
        Ok(Verdict::Read)
    }

    fn data(&mut self, bytes: Vec<u8>) -> std::io::Result<()> {
        assert!(!bytes.is_empty() && bytes.len() <= protocol::limits::CHUNK_BYTES_MAX);
        self.bytes += bytes.len() as u64;
        if self.refuse_after.is_some_and(|max| self.bytes > max) {
            return Err(std::io::Error::other("full"));
        }
        Ok(())
    }

    fn end(&mut self, end: SegmentEnd) -> std::io::Result<()> {
        assert!(!end.stable);
        Ok(())
    }

    fn warning(&mut self, warning: SourceWarning) {
        panic!("{warning:?}");
    }
}

fn read(tar: &[u8]) -> Result<TarReport, TarSourceError> {
    read_tar(tar, &spec(), &mut Counted::default())
}

fn member(path: &str, data: &[u8]) -> Vec<u8> {
    let mut member = Member::new(MemberKind::File, path);
    member.data_bytes = data.len() as u64;
    let mut out = encode(&member);
    out.extend_from_slice(data);
    out.resize(out.len() + padding(data.len() as u64) as usize, 0);
    out
}

/// Where the zeros at the end begin.
fn end_of(tar: &[u8]) -> usize {
    let (last, _) = members(tar).pop().unwrap();
    let data = last.real_bytes + padding(last.real_bytes);
    let headers = tar[last.offset as usize..].chunks(512);
    let headers =
        headers.take_while(|block| block[156] == b'x' || block[156] == b'L').count() as u64;
    // Each extended header here has one block of records.
    (last.offset + headers * 1_024 + 512 + data) as usize
}

#[test]
fn a_tar_of_yunohost_is_kept_byte_for_byte_and_gets_our_description() {
    let tar = fixture("dummyapp.tar");
    let mut bench = Bench::new();
    let (made, report) = bench.put_tar(&tar);
    let out = bench.tar(&made);
    let end = end_of(&tar);
    assert!(out[..end] == tar[..end]);
    assert!(tar[end..].iter().all(|&b| b == 0));
    assert_eq!((report.bytes, report.members), (end as u64, made.members - 1));
    let kept = check_contents(&bench, &made);
    let (added, data) = kept.last().unwrap();
    assert_eq!(added.path, b"backup_info.json");
    let added: serde_json::Value = serde_json::from_slice(data).unwrap();
    assert_eq!((&added["app"], &added["type"]), (&"dummyapp".into(), &"ynh_app".into()));
    let described = report.described().unwrap().unwrap();
    assert_eq!((described.apps, described.parts), (vec!["dummyapp".to_owned()], Vec::new()));
    assert_eq!(described.yunohost_version.unwrap(), "12.1.25");
    assert_eq!(
        made.sha256,
        Some(
            sha2::Digest::finalize(sha2::Digest::chain_update(
                <sha2::Sha256 as sha2::Digest>::new(),
                &out
            ))
            .into()
        )
    );
    let inner = kept.iter().find(|(entry, _)| entry.path == b"info.json").unwrap();
    assert_eq!(sidecar(&report.info_json.unwrap()).unwrap(), inner.1);
}

#[test]
fn a_compressed_tar_is_the_same_archive_as_a_plain_one() {
    let packed = fixture("archives/jerry_dummyapp-gz_20260508.tar.gz");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
    let mut bench = Bench::new();
    let (from_packed, report) = bench.put_tar(&packed);
    let (from_plain, _) = bench.put_tar(&plain);
    assert_eq!(from_packed.root, from_plain.root);
    assert_eq!(report.described().unwrap().unwrap().apps, ["dummyapp"]);
}

#[test]
fn gnu_tar_lists_what_comes_out() {
    let mut bench = Bench::new();
    let (made, _) = bench.put_tar(&fixture("dummyapp.tar"));
    let dir = tempfile::tempdir().unwrap();
    let list = |name: &str, tar: &[u8]| {
        let file = dir.path().join(name);
        fs::write(&file, tar).unwrap();
        let out = Command::new("tar").arg("-tvf").arg(&file).output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let (before, after) = (list("in", &fixture("dummyapp.tar")), list("out", &bench.tar(&made)));
    let added = after.strip_prefix(&before).unwrap();
    assert!(added.lines().count() == 1 && added.contains("backup_info.json"), "{added}");
}

#[test]
fn a_description_of_ours_that_is_there_already_stays_the_only_one() {
    let mut bench = Bench::new();
    let (once, _) = bench.put_tar(&fixture("dummyapp.tar"));
    let first = bench.tar(&once);
    let (twice, report) = bench.put_tar(&first);
    assert!(report.had_backup_info);
    assert!(bench.tar(&twice) == first);
    assert_eq!(twice.payload_new_bytes, 0);
}

#[test]
fn every_form_of_gnu_tar_is_kept_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let long = format!("{}/{}", "d".repeat(120), "é".repeat(60));
    fs::create_dir_all(tree.join(&long)).unwrap();
    fs::write(tree.join(&long).join("file"), noise(1, 5_000)).unwrap();
    fs::write(tree.join("large"), noise(2, 900_001)).unwrap();
    fs::write(tree.join("info.json"), b"{}").unwrap();
    fs::hard_link(tree.join("large"), tree.join("again")).unwrap();
    std::os::unix::fs::symlink("s".repeat(150), tree.join("link")).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &noise(3, 300_000), 9 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"tail", 30 << 20).unwrap();
    for options in [
        &["--format=gnu", "-S"][..],
        &["--format=posix", "-S"],
        &["--format=posix", "-S", "--sparse-version=0.1"],
        &["--format=gnu", "--incremental"],
        &["--format=posix", "--pax-option=globexthdr.name=g,comment=all"],
    ] {
        let mut tar = Command::new("tar");
        let out = tar.args(options).arg("-C").arg(&tree).args(["-cf", "-", "."]).output().unwrap();
        assert!(out.status.success(), "{options:?}: {}", String::from_utf8_lossy(&out.stderr));
        let mut bench = Bench::new();
        let (made, report) = bench.put_tar(&out.stdout);
        let kept = bench.tar(&made);
        let end = report.bytes as usize;
        assert!(kept[..end] == out.stdout[..end], "{options:?}");
        assert!(out.stdout[end..].iter().all(|&b| b == 0), "{options:?}");
        check_contents(&bench, &made);
        assert_eq!(report.info_json.unwrap(), b"{}");
    }
}

#[test]
fn archives_of_two_nights_share_what_did_not_change() {
    let night = |night: u64| {
        let mut tar = Vec::new();
        for n in 0..3_000_u64 {
            let changed = if n % 1_000 == 0 { night } else { 0 };
            tar.extend(member(&format!("apps/x/{n}"), &noise(n * 10 + changed, 2_000)));
        }
        tar.extend(member("backup.csv", b"a,b\r\n"));
        tar.extend(member("info.json", format!("{{\"created_at\":{night}}}").as_bytes()));
        tar.extend(member("apps/x/large", &noise(7, 2_000_000)));
        tar.extend(END);
        tar
    };
    let mut bench = Bench::new();
    let (first, _) = bench.put_tar(&night(1));
    let (second, _) = bench.put_tar(&night(2));
    assert!(first.payload_new_bytes > 8_000_000);
    assert!(second.payload_new_bytes < 1_000_000, "{} new bytes", second.payload_new_bytes);
    let (third, _) = bench.put_tar(&night(2));
    assert_eq!((third.new_bytes, third.payload_new_bytes), (0, 0));
}

#[test]
fn a_tar_that_is_cut_off_anywhere_is_refused_with_the_place() {
    let tar = [member("a", &noise(1, 700)), member("large", &noise(2, 100_000)), END.to_vec()];
    let tar = tar.concat();
    for length in [0, 1, 511, 512, 1_000, 2_048, 2_560, 50_000, tar.len() - END.len()] {
        let error = read(&tar[..length]).unwrap_err();
        let TarSourceError::CutOff { at } = error else { panic!("{length}: {error:?}") };
        assert_eq!(at, length as u64);
    }
    assert!(read(&tar[..tar.len() - 512]).is_ok(), "one block of zeros is an end");
}

#[test]
fn a_compressed_tar_that_is_cut_off_or_damaged_is_refused() {
    let packed = fixture("archives/jerry_dummyapp-gz_20260508.tar.gz");
    for length in [1, 10, 2_000, packed.len() - 1] {
        assert!(read(&packed[..length]).is_err(), "{length}");
    }
    let mut damaged = packed.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    assert!(
        matches!(read(&damaged), Err(TarSourceError::Read { .. })),
        "its checksum is looked at"
    );
}

#[test]
fn what_is_no_tar_is_refused_with_the_place() {
    let damaged = |tar: &[u8]| match read(tar) {
        Err(TarSourceError::Damaged { at, .. }) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!(damaged(&noise(1, 5_000)), 0);
    let mut tar = [member("a", b"x"), member("b", b"y"), END.to_vec()].concat();
    tar[1_024] ^= 1;
    assert_eq!(damaged(&tar), 1_024);
    let error = read(&tar).unwrap_err();
    assert_eq!(error.to_string(), "the tar is damaged at byte 1024");
}

#[test]
fn headers_without_end_are_refused_before_they_fill_the_memory() {
    let mut global = encode(&Member::new(MemberKind::File, "g"));
    global[156] = b'g';
    let sum = |block: &mut [u8]| {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    };
    sum(&mut global);
    let endless = std::iter::repeat_with(|| global.clone());
    struct Endless<I>(I);
    impl<I: Iterator<Item = Vec<u8>>> std::io::Read for Endless<I> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let block = self.0.next().unwrap();
            let taken = out.len().min(block.len());
            assert_eq!(taken, block.len());
            out[..taken].copy_from_slice(&block);
            Ok(taken)
        }
    }
    let error = read_tar(Endless(endless), &spec(), &mut Counted::default()).unwrap_err();
    assert!(matches!(error, TarSourceError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_sink_that_gives_up_ends_it() {
    let mut full = Counted { refuse_after: Some(10_000), ..Counted::default() };
    let error = read_tar(&fixture("dummyapp.tar")[..], &spec(), &mut full).unwrap_err();
    assert!(matches!(error, TarSourceError::Sink(_)), "{error:?}");
}

#[test]
fn the_last_of_several_descriptions_counts() {
    let tar = [member("info.json", b"old"), member("./info.json", b"new"), END.to_vec()].concat();
    assert_eq!(read(&tar).unwrap().info_json.unwrap(), b"new");
    let huge = [member("info.json", &vec![b' '; 2 << 20]), END.to_vec()].concat();
    assert_eq!(read(&huge).unwrap().info_json, None);
    let wide = [member("info.json", &vec![b' '; 200_000]), END.to_vec()].concat();
    assert_eq!(read(&wide).unwrap().info_json.unwrap().len(), 200_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_bytes_are_nothing_panics(
        at in 0_usize..71_680,
        noise in proptest::collection::vec(any::<u8>(), 1..600),
        packed in any::<bool>(),
    ) {
        let mut tar = fixture("dummyapp.tar");
        let end = (at + noise.len()).min(tar.len());
        tar.splice(at..end, noise);
        if packed {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&tar).unwrap();
            tar = encoder.finish().unwrap();
        }
        let mut sink = Counted::default();
        if let Ok(report) = read_tar(&tar[..], &spec(), &mut sink) {
            prop_assert!(sink.bytes >= report.bytes);
        }
    }
}

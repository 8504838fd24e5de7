use std::{error::Error as _, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use protocol::tar::{END, Extent, Member, SparseMap, encode, padding};

use super::*;

const NOW: Time = Time(1_778_209_200_000);

fn sum(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn look(file: &[u8], bounds: &Bounds) -> Result<Inspected, InspectError> {
    inspect(file, &sum(file), bounds, NOW, &mut |_| true)
}

fn look_at(file: &[u8]) -> Result<Inspected, InspectError> {
    look(file, &Bounds::of(file.len() as u64))
}

/// The whole reason, as a person reads it.
fn why(error: &InspectError) -> String {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        why += &format!(": {cause}");
        source = cause.source();
    }
    why
}

fn put(tar: &mut Vec<u8>, mut member: Member, data: &[u8]) {
    member.data_bytes = data.len() as u64;
    tar.extend(encode(&member));
    tar.extend_from_slice(data);
    tar.resize(tar.len() + padding(data.len() as u64) as usize, 0);
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, data) in members {
        put(&mut tar, Member::new(MemberKind::File, *path), data);
    }
    tar.extend_from_slice(&END);
    tar
}

fn link(kind: MemberKind, path: &str, target: &str) -> Vec<u8> {
    let mut member = Member::new(kind, path);
    member.link = target.as_bytes().to_vec();
    let mut tar = Vec::new();
    put(&mut tar, member, b"");
    tar.extend_from_slice(&END);
    tar
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_member_that_leads_elsewhere_is_refused_by_name() {
    for (path, reason) in [
        ("../evil", "`..`"),
        ("a/../../evil", "`..`"),
        ("/etc/cron.d/evil", "absolute"),
        ("..", "`..`"),
    ] {
        let bad = tar(&[("good", b"x"), (path, b"evil")]);
        let error = look_at(&bad).unwrap_err();
        assert!(matches!(error, InspectError::Path { .. }), "{path}: {error:?}");
        let why = why(&error);
        assert!(why.contains(path) && why.contains(reason), "{why}");
        // Compressed it is no better.
        assert!(matches!(look_at(&gz(&bad)), Err(InspectError::Path { .. })), "{path}");
    }
    // What a large file is called counts as well.
    let large = vec![7; 3 << 20];
    assert!(matches!(look_at(&tar(&[("../large", &large)])), Err(InspectError::Path { .. })));
    let odd = why(&look_at(&tar(&[("../\x1b[2J\n", b"")])).unwrap_err());
    assert!(odd.contains("\\x1b") && !odd.contains('\n'), "{odd}");
}

#[test]
fn a_hard_link_must_stay_inside_and_a_symbolic_one_may_point_anywhere() {
    for target in ["/etc/shadow", "../../etc/shadow", ""] {
        let error = look_at(&link(MemberKind::HardLink, "a", target)).unwrap_err();
        assert!(matches!(error, InspectError::HardLink { .. }), "{target}: {error:?}");
    }
    look_at(&link(MemberKind::HardLink, "a", "b/c")).unwrap();
    look_at(&link(MemberKind::Symlink, "a", "/etc/shadow")).unwrap();
}

#[test]
fn garbage_half_a_tar_and_an_empty_one_are_no_archives() {
    let whole = tar(&[("a", b"x"), ("b", &[7; 5_000])]);
    let noise: Vec<u8> =
        (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let zipped = gz(&whole);
    let mut broken = zipped.clone();
    let checksum = broken.len() - 6;
    broken[checksum] ^= 1;
    for (what, bytes) in [
        ("noise", noise.as_slice()),
        ("text", b"hello".as_slice()),
        ("cut in data", &whole[..1_500]),
        ("cut before its end", &whole[..whole.len() - END.len()]),
        ("cut gzip", &zipped[..zipped.len() / 2]),
        ("damaged gzip", &broken),
        ("a gzip of noise", &gz(&noise)),
        ("a gzip in a gzip", &gz(&zipped)),
        ("the beginning of a gzip", &[0x1f, 0x8b]),
    ] {
        let error = look_at(bytes).unwrap_err();
        assert!(matches!(error, InspectError::Tar(_)), "{what}: {error:?}");
        assert!(why(&error).starts_with("it is no whole tar: "), "{what}: {}", why(&error));
    }
    assert!(matches!(look_at(&[0; 10_240]), Err(InspectError::Empty)));
    assert_eq!(look_at(&whole).unwrap().members, 2);
    assert_eq!(look_at(&zipped).unwrap().members, 2);
}

#[test]
fn what_unpacks_to_far_more_than_it_is_is_refused_before_it_is_unpacked() {
    let bomb = gz(&tar(&[("zeros", &vec![0; 8 << 20])]));
    assert!(bomb.len() < 64 << 10);
    let bounds = Bounds { stream_bytes: 1 << 20, real_bytes: TOTAL_BYTES_MAX };
    let error = look(&bomb, &bounds).unwrap_err();
    assert_eq!(why(&error), "unpacked it would have more than 1048576 bytes");
    // The same bytes are fine where so much is allowed.
    look_at(&bomb).unwrap();
    let of = |bytes| Bounds::of(bytes).stream_bytes;
    assert_eq!([of(1), of(16 << 20), of(1 << 44)], [GROWS_TO, 3_355_443_200, TOTAL_BYTES_MAX]);
}

#[test]
fn files_of_holes_without_end_are_refused() {
    let sparse = |real_bytes: u64, count: usize| {
        let mut tar = Vec::new();
        for number in 0..count {
            let mut member = Member::new(MemberKind::File, format!("hole{number}"));
            let extents = vec![Extent { offset: 0, bytes: 1 }];
            member.sparse = Some(SparseMap { real_bytes, extents });
            put(&mut tar, member, b"x");
        }
        tar.extend_from_slice(&END);
        tar
    };
    let error = look_at(&sparse(i64::MAX as u64, 1)).unwrap_err();
    assert!(matches!(error, InspectError::Holes { .. }), "{error:?}");
    // Many together count as one.
    let error = look_at(&sparse(TOTAL_BYTES_MAX / 2, 3)).unwrap_err();
    assert!(matches!(error, InspectError::Holes { .. }), "{error:?}");
    look_at(&sparse(100 << 30, 2)).unwrap();
}

#[test]
fn a_wrong_checksum_counts_before_whatever_the_bytes_say() {
    for bytes in [tar(&[("a", b"x")]), tar(&[("../a", b"x")]), b"noise".to_vec()] {
        let bounds = Bounds::of(bytes.len() as u64);
        let error = inspect(bytes.as_slice(), &[7; 32], &bounds, NOW, &mut |_| true).unwrap_err();
        let InspectError::Checksum { found, wanted } = &error else { panic!("{error:?}") };
        assert_eq!(
            (found, wanted),
            (&crate::daemon::handle::archive::hex(&sum(&bytes)), &"07".repeat(32))
        );
    }
    // What lies behind the end of the tar is part of what was promised.
    let mut longer = tar(&[("a", b"x")]);
    longer.extend_from_slice(&[9; 70_000]);
    look_at(&longer).unwrap();
}

#[test]
fn it_stops_when_somebody_asks_and_a_bad_disk_is_not_a_bad_archive() {
    struct Bad;
    impl Read for Bad {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is bad"))
        }
    }
    let large = tar(&[("a", &vec![1; 4 << 20])]);
    let mut asked = 0;
    let mut at = |bytes| {
        asked += 1;
        bytes < 1 << 20
    };
    let bounds = Bounds::of(1);
    let error = inspect(large.as_slice(), &sum(&large), &bounds, NOW, &mut at).unwrap_err();
    assert!(matches!(error, InspectError::Stopped), "{error:?}");
    assert!(asked < 20, "{asked}");
    let error = inspect(Bad, &[0; 32], &bounds, NOW, &mut |_| true).unwrap_err();
    assert_eq!(why(&error), "the bytes that came cannot be read: the disk is bad");
}

#[test]
fn an_archive_says_what_it_is_or_is_just_a_tar() {
    let info = |apps: &str, system: &str| {
        let text = format!(
            r#"{{"description":"","created_at":1778209200,"apps":{{{apps}}},"system":{{{system}}}}}"#
        );
        tar(&[("info.json", text.as_bytes()), ("apps/x", b"x")])
    };
    let ours = |text: &str, path: &str| tar(&[("backup_info.json", text.as_bytes()), (path, b"x")]);
    let dir = r#"{"type":"custom_dir","created_at":"2020-01-02T03:04:05"}"#;
    let dump = r#"{"type":"mysql","app":"a","databases":[{"name":"b"},{"name":"c\u0007"}]}"#;
    for (bytes, kind, source) in [
        (info(r#""nextcloud":{}"#, ""), "ynh_app", "nextcloud"),
        (info(r#""a":{},"b":{}"#, ""), "ynh_system", "the system"),
        (info("", r#""conf_ynh_settings":{}"#), "ynh_system", "the system"),
        (ours(dir, "data/custom/opt/hermes/x"), "custom_dir", "/opt/hermes/x"),
        (ours(dir, "elsewhere"), "custom_dir", "/"),
        (ours(dump, "x"), "mysql", "b, c"),
        (ours(r#"{"type":"ynh_app","app":"wiki"}"#, "x"), "ynh_app", "wiki"),
        (ours(r#"{"type":"evil"}"#, "x"), "tar", ""),
        (ours("no json", "x"), "tar", ""),
        (tar(&[("data/custom/opt/a/x", b""), ("data/custom/opt/ab", b"")]), "custom_dir", "/opt"),
        (tar(&[("data/customs/opt", b"")]), "tar", ""),
    ] {
        let found = look_at(&bytes).unwrap();
        assert_eq!((found.kind, found.source.as_slice()), (kind, source.as_bytes()));
    }
    assert_eq!(look_at(&info("", "")).unwrap().created, Some(NOW));
    let future = tar(&[("info.json", br#"{"created_at":1778209201}"#)]);
    assert_eq!(look_at(&future).unwrap().created, None);
    let made = look_at(&ours(dir, "x")).unwrap().created.unwrap();
    assert!(made.since(Time(1_577_900_000_000)).as_secs() < 3 * 86_400, "{made}");
}

#[test]
fn the_payload_is_what_all_of_it_lies_under() {
    let source = |paths: &[&str]| {
        let members: Vec<_> = paths.iter().map(|path| (*path, &b""[..])).collect();
        String::from_utf8(look_at(&tar(&members)).unwrap().source).unwrap()
    };
    assert_eq!(source(&["data/custom/opt/a", "data/custom/opt/a/b"]), "/opt/a");
    assert_eq!(source(&["data/custom/opt/a/b", "data/custom/opt/a"]), "/opt/a");
    assert_eq!(source(&["data/custom/opt/a/b", "data/custom/opt/a/c"]), "/opt/a");
    assert_eq!(source(&["data/custom/opt/a", "data/custom/srv/a"]), "/");
    assert_eq!(source(&["data/custom/one.txt"]), "/one.txt");
}

use proptest::prelude::*;

use super::*;

/// A header block with a right checksum.
fn block(flag: u8, size: u64) -> Vec<u8> {
    let mut block = encode(&Member::new(MemberKind::File, "f"));
    block[156] = flag;
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn extended(flag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = block(flag, body.len() as u64);
    out.extend_from_slice(body);
    out.resize(out.len() + padding(body.len() as u64) as usize, 0);
    out
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    crate::tar::pax::put_record(&mut out, key.as_bytes(), value.as_bytes());
    out
}

fn with_pax(records: &[(&str, &str)], member: Vec<u8>) -> Vec<u8> {
    let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    [extended(b'x', &body), member].concat()
}

proptest! {
    #[test]
    fn any_change_to_a_stream_gives_events_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        sum_again in any::<bool>(),
    ) {
        let (mut sparse, _) = file("s", b"");
        sparse.sparse = Some(SparseMap {
            real_bytes: 900,
            extents: vec![Extent { offset: 5, bytes: 3 }, Extent { offset: 100, bytes: 4 }],
        });
        sparse.data_bytes = 7;
        sparse.xattrs = vec![(b"user.x".to_vec(), b"y".to_vec())];
        let mut stream = stream_of(&[file(&"é/".repeat(90), b"abc"), (sparse, b"1234567".to_vec())]);
        for (at, byte) in changes {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        if sum_again {
            for block in stream.chunks_exact_mut(BLOCK_BYTES).filter(|b| &b[257..262] == b"ustar") {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        stream.truncate(cut.index(stream.len() * 4).min(stream.len()));
        let whole = parse(&stream, stream.len().max(1));
        prop_assert_eq!(parse(&stream, 61), whole);
    }

    #[test]
    fn noise_is_no_tar(noise in prop::collection::vec(any::<u8>(), 512..3000)) {
        prop_assume!(noise[..512].iter().any(|&b| b != 0));
        prop_assert!(parse(&noise, 512).is_err());
    }
}

#[test]
fn extended_headers_beyond_the_limit_are_refused_before_they_are_kept() {
    for flag in [b'x', b'g', b'L', b'K'] {
        let error = parse(&block(flag, (8 << 30) - 1), 512).unwrap_err();
        assert!(matches!(error, TarError::TooLarge { .. }), "{error}");
    }
    // Many small ones before one member count together.
    let one = extended(b'x', &record("comment", &"c".repeat(60_000)));
    assert!(matches!(parse(&one.repeat(30), 4096), Err(TarError::TooLarge { .. })));
}

#[test]
fn paths_and_attributes_beyond_the_limit_are_refused() {
    let long = "p".repeat(PATH_BYTES_MAX + 1);
    let stream = with_pax(&[("path", &long)], block(b'0', 0));
    assert!(matches!(parse(&stream, 512), Err(TarError::TooLarge { what: "path", .. })));
    assert!(matches!(parse(&extended(b'L', long.as_bytes()), 512), Err(TarError::TooLarge { .. })));
    let large = "v".repeat(XATTR_BYTES_MAX);
    let stream = with_pax(&[("SCHILY.xattr.user.v", &large)], block(b'0', 0));
    assert!(matches!(parse(&stream, 512), Err(TarError::TooLarge { .. })));
}

#[test]
fn broken_records_are_refused() {
    for body in [&b"0 a=b\n"[..], b"5 a=b\n", b"9999999 a=b\n", b"6a=bc\n", b"6 abc\n", b"-6 a=b\n"]
    {
        let stream = [extended(b'x', body), block(b'0', 0)].concat();
        assert_eq!(parse(&stream, 512), Err(TarError::Pax("record")), "{body:?}");
    }
    for (key, value) in [("uid", "x"), ("uid", "4294967296"), ("size", "-1"), ("mtime", "soon")] {
        let stream = with_pax(&[(key, value)], block(b'0', 0));
        assert!(matches!(parse(&stream, 512), Err(TarError::Pax(_))), "{key}");
    }
}

#[test]
fn maps_that_contradict_themselves_are_refused() {
    for (map, real, stored) in [
        ("0,5,3,5", "100", 10),
        ("0,5", "4", 5),
        ("0,5", "9", 6),
        ("18446744073709551615,5", "9", 5),
    ] {
        let records = [("GNU.sparse.size", real), ("GNU.sparse.map", map)];
        let stream = with_pax(&records, block(b'0', stored));
        assert!(matches!(parse(&stream, 512), Err(TarError::Sparse(_))), "{map}");
    }
    let version_1 = |body: &[u8], stored| {
        let records = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "100")];
        let mut stream = with_pax(&records, block(b'0', stored));
        stream.extend_from_slice(body);
        stream.resize(stream.len() + padding(body.len() as u64) as usize, 0);
        parse(&stream, 512)
    };
    assert!(matches!(version_1(b"9999999999\n", 1024), Err(TarError::TooLarge { .. })));
    assert!(matches!(version_1(b"99999999999999999999999\n", 512), Err(TarError::Sparse(_))));
    assert!(matches!(version_1(b"1\nx\n", 512), Err(TarError::Sparse(_))));
    assert!(matches!(version_1(&b"0".repeat(5000), 512), Err(TarError::Sparse(_))));
    assert!(version_1(b"1\n100\n0\n", 512).is_ok());
}

#[test]
fn a_stream_that_stops_within_a_member_is_truncated() {
    let stream = stream_of(&[file("a", &[7; 600])]);
    let body = stream.len() - END.len();
    for cut in [1, 511, 512, 600, 1111, 1112, body - 1] {
        assert_eq!(parse(&stream[..cut], 64), Err(TarError::Truncated), "{cut}");
    }
    assert_eq!(parse(&stream[..body], 64).unwrap().len(), 1);
    assert_eq!(parse(&extended(b'x', b""), 64), Err(TarError::Truncated));
}

#[test]
fn global_headers_say_nothing_that_belongs_to_one_member() {
    let body = [record("path", "/etc/passwd"), record("uid", "7"), record("size", "9")].concat();
    let stream = [extended(b'g', &body), block(b'0', 0), block(b'0', 0)].concat();
    let seen = parse(&stream, 512).unwrap();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(
            (&seen.member.path[..], seen.member.uid, seen.member.data_bytes),
            (&b"f"[..], 7, 0)
        );
    }
}

#[test]
fn pieces_of_other_archives_are_refused_by_name() {
    assert_eq!(parse(&block(b'M', 0), 512), Err(TarError::Kind(b'M')));
}

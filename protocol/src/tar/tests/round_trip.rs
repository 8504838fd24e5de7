use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-z]{1,12}".prop_map(String::into_bytes),
        "[a-zé\n=%]{1,300}".prop_map(String::into_bytes),
        prop::collection::vec(prop_oneof![1_u8..b'/', b'0'..=255], 1..120),
    ]
    .prop_filter("no path of its own", |name| !name.starts_with(b".") && name != b"..")
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(name(), 1..6).prop_map(|parts| parts.join(&b'/'))
}

fn xattrs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let value = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::btree_map("user\\.[a-z=%.]{1,20}", value, 0..4)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect())
}

fn sparse() -> impl Strategy<Value = Option<SparseMap>> {
    let gaps = prop::collection::vec((1_u64..5000, 1_u64..3000), 0..40);
    prop::option::of((gaps, 0_u64..9000).prop_map(|(gaps, tail)| {
        let mut end = 0;
        let mut extents = Vec::new();
        for (gap, bytes) in gaps {
            extents.push(Extent { offset: end + gap, bytes });
            end += gap + bytes;
        }
        SparseMap { real_bytes: end + tail, extents }
    }))
}

fn kind() -> impl Strategy<Value = MemberKind> {
    prop::sample::select(vec![
        MemberKind::File,
        MemberKind::File,
        MemberKind::HardLink,
        MemberKind::Symlink,
        MemberKind::Directory,
        MemberKind::Fifo,
        MemberKind::CharDevice,
        MemberKind::BlockDevice,
    ])
}

fn time() -> impl Strategy<Value = FileTime> {
    (any::<i64>(), prop_oneof![Just(0), 0_u32..1_000_000_000])
        .prop_map(|(seconds, nanos)| FileTime { seconds: seconds >> 20, nanos })
}

prop_compose! {
    fn member()(
        kind in kind(),
        (path, link) in (path(), path()),
        (mode, uid, gid) in (0_u32..0o10000, any::<u32>(), any::<u32>()),
        (user, group) in ("[a-zé]{0,40}", "[a-z]{0,40}"),
        mtime in time(),
        (sparse, data_bytes) in (sparse(), 0_u64..3000),
        device in (any::<u32>(), any::<u32>()),
        xattrs in xattrs(),
    ) -> (Member, Vec<u8>) {
        let mut member = Member::new(kind, path);
        (member.mode, member.uid, member.gid, member.mtime) = (mode, uid, gid, mtime);
        (member.user, member.group) = (user.into_bytes(), group.into_bytes());
        member.xattrs = xattrs;
        match kind {
            MemberKind::File => {
                member.data_bytes = sparse.as_ref().map_or(data_bytes, |map: &SparseMap| {
                    map.extents.iter().map(|extent| extent.bytes).sum()
                });
                member.sparse = sparse;
            }
            MemberKind::HardLink | MemberKind::Symlink => member.link = link,
            MemberKind::CharDevice | MemberKind::BlockDevice => member.device = device,
            MemberKind::Directory | MemberKind::Fifo => {}
        }
        let data = (0..member.data_bytes).map(|at| at as u8).collect();
        (member, data)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_in_pieces_of_any_size(
        members in prop::collection::vec(member(), 0..6),
        piece in 1_usize..2000,
    ) {
        let stream = stream_of(&members);
        let seen = parse(&stream, piece).unwrap();
        prop_assert_eq!(seen.len(), members.len());
        let mut offset = 0;
        for (seen, (member, data)) in seen.iter().zip(&members) {
            prop_assert_eq!(&seen.member, member);
            prop_assert_eq!(&seen.data, data);
            prop_assert_eq!(seen.offset, offset);
            let bytes = data.len() as u64;
            offset += encode(member).len() as u64 + bytes + padding(bytes);
        }
    }

    #[test]
    fn headers_are_whole_blocks_and_always_the_same((member, _) in member()) {
        let header = encode(&member);
        prop_assert_eq!(header.len() % BLOCK_BYTES, 0);
        prop_assert_eq!(header.len() as u64, encoded_bytes(&member));
        prop_assert_eq!(header, encode(&member));
    }
}

#[test]
fn a_plain_member_needs_one_block() {
    let (mut member, _) = file(&"n".repeat(100), b"data");
    member.mtime.seconds = 1_700_000_000;
    (member.uid, member.user) = (33, b"www-data".to_vec());
    assert_eq!(encode(&member).len(), BLOCK_BYTES);
    member.mtime.nanos = 1;
    assert_eq!(encode(&member).len(), 3 * BLOCK_BYTES);
}

#[test]
fn sizes_beyond_eight_gibibytes_are_kept() {
    let (mut member, _) = file("huge", b"");
    member.data_bytes = (8 << 30) + 5;
    let mut told = Vec::new();
    Parser::new(Limits::default())
        .push(&encode(&member), &mut |event| {
            if let Event::Member(member, _) = event {
                told.push(member);
            }
            Ok::<(), TarError>(())
        })
        .unwrap();
    assert_eq!(told, [member]);
}

#[test]
fn acls_travel_as_text_and_come_back_as_bytes() {
    let (mut member, data) = file("acl", b"");
    let mut raw = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 4, 1000),
        (4, 4, u32::MAX),
        (16, 4, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        raw.extend_from_slice(&tag.to_le_bytes());
        raw.extend_from_slice(&permissions.to_le_bytes());
        raw.extend_from_slice(&id.to_le_bytes());
    }
    member.xattrs = vec![
        (b"SCHILY.acl.default".to_vec(), b"user::rwx,user:alice:rwx,group::r-x".to_vec()),
        (b"system.posix_acl_access".to_vec(), raw),
    ];
    let stream = stream_of(&[(member.clone(), data)]);
    let text = b"SCHILY.acl.access=user::rw-,user:1000:r--,group::r--,mask::r--,other::---\n";
    assert!(stream.windows(text.len()).any(|window| window == text));
    assert_eq!(parse(&stream, 512).unwrap()[0].member, member);
}

#[test]
fn a_file_of_one_hole_has_a_map_that_says_where_it_ends() {
    let (mut member, data) = file("hole", b"");
    member.sparse = Some(SparseMap { real_bytes: 1 << 40, extents: Vec::new() });
    let stream = stream_of(&[(member.clone(), data)]);
    let map = b"1\n1099511627776\n0\n\0";
    assert!(stream.chunks(BLOCK_BYTES).any(|block| block.starts_with(map)));
    assert_eq!(parse(&stream, 7).unwrap()[0].member, member);
}

#[test]
fn a_streamed_member_has_a_header_of_one_length_and_its_true_size_in_it() {
    let paths = ["a", "data/mysql/café.sql", &"d/".repeat(120)];
    for path in paths {
        for data_bytes in [0, 511, 3 << 30, LARGE, u64::MAX >> 1] {
            for nanos in [0, 999_999_999] {
                let mut member = Member::new(MemberKind::File, path.trim_end_matches('/'));
                member.mode = 0o600;
                member.data_bytes = data_bytes;
                member.mtime = FileTime { seconds: 1_778_209_200, nanos };
                let header = encode_streamed(&member).unwrap();
                assert_eq!(header.len(), STREAMED_HEADER_BYTES);
                let mut seen = Vec::new();
                let mut parser = Parser::new(Limits::default());
                let mut note = |event: Event<'_>| {
                    if let Event::Member(member, offset) = event {
                        seen.push((member, offset));
                    }
                    Ok::<_, TarError>(())
                };
                parser.push(&header, &mut note).unwrap();
                assert_eq!(seen, [(member, 0)]);
            }
        }
    }
}

/// More than the plain header can say.
const LARGE: u64 = 9 << 30;

#[test]
fn a_streamed_member_whose_records_need_more_than_a_block_is_refused() {
    let member = |path: String| Member::new(MemberKind::File, path);
    assert_eq!(encode_streamed(&member("d/".repeat(300))), None);
    let mut sparse = member("s".to_owned());
    sparse.sparse = Some(SparseMap::default());
    assert_eq!(encode_streamed(&sparse), None);
    let mut attributes = member("x".to_owned());
    attributes.xattrs = vec![(b"user.a".to_vec(), vec![b'v'; 600])];
    assert_eq!(encode_streamed(&attributes), None);
}

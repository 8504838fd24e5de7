use proptest::prelude::*;

use super::*;
use crate::{
    key::ArchiveKey,
    seal::{Opener, SealChoice, SealedObject, Sealer, ZSTD_LEVEL, golden::assert_bytes},
};

fn key() -> ArchiveKey {
    ArchiveKey::from_bytes([0x42; 32])
}

fn sealer() -> Sealer {
    Sealer::new(&key(), SealChoice::Auto, ZSTD_LEVEL)
}

fn file(path: &[u8], bytes: u64, offset: u64) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: MemberKind::File,
        link: Vec::new(),
        mode: 0o644,
        uid: 1_000,
        gid: 1_000,
        real_bytes: bytes,
        mtime: FileTime { seconds: 1_700_000_000, nanos: 5 },
        offset,
        span: 512 + bytes.next_multiple_of(512),
    }
}

fn tree(names: impl IntoIterator<Item = String>) -> Vec<Entry> {
    let mut offset = 0;
    let entries = names.into_iter().enumerate().map(|(n, name)| {
        let entry = file(name.as_bytes(), n as u64 * 31 % 9_000, offset);
        offset += entry.span;
        entry
    });
    entries.collect()
}

fn names() -> Vec<String> {
    (0..6_000).map(|n| format!("data/custom/srv/{}/file {n}.txt", n / 70)).collect()
}

fn write(entries: &[Entry]) -> (Vec<SealedObject>, Vec<ContentsPageRef>) {
    let (mut sealer, mut writer) = (sealer(), ContentsWriter::new());
    let mut objects = Vec::new();
    for entry in entries {
        objects.extend(writer.push(entry.clone(), &mut sealer).unwrap());
    }
    let (last, pages) = writer.finish(&mut sealer).unwrap();
    objects.extend(last);
    (objects, pages.into_pages())
}

fn read(objects: &[SealedObject], pages: &[ContentsPageRef]) -> Vec<Entry> {
    let mut opener = Opener::new(&key());
    let pages = pages.iter().zip(objects);
    pages.flat_map(|(p, o)| open_contents_page(&mut opener, p, &o.bytes).unwrap()).collect()
}

#[test]
fn no_members_are_no_pages() {
    assert_eq!(write(&[]), (Vec::new(), Vec::new()));
}

#[test]
fn pages_have_a_few_hundred_entries_and_say_what_is_in_them() {
    let entries = tree(names());
    let (objects, pages) = write(&entries);
    assert!((6..30).contains(&pages.len()), "{} pages", pages.len());
    assert!(read(&objects, &pages) == entries);
    for entry in &entries {
        let holding = pages.iter().rfind(|p| p.offset <= entry.offset).unwrap();
        assert!(holding.may_hold(&entry.path) && holding.may_hold_below(&entry.path[..20]));
    }
    let elsewhere = pages.iter().filter(|p| p.may_hold(b"etc/passwd") || p.may_hold_below(b"x"));
    assert_eq!(elsewhere.count(), 0);
}

#[test]
fn a_new_member_makes_one_page_new_though_all_after_it_move() {
    let write_tree = |names: &[String]| {
        let entries = names.iter().zip(0..);
        write(&entries.map(|(name, n)| file(name.as_bytes(), 300, n * 1_024)).collect::<Vec<_>>()).0
    };
    let mut names = names();
    let before = write_tree(&names);
    names.insert(3_000, "data/custom/srv/42/new".into());
    let new = write_tree(&names).into_iter().filter(|page| !before.contains(page)).count();
    assert!((1..=3).contains(&new), "{new} of {} pages are new", before.len());
}

#[test]
fn hints_hold_for_long_paths() {
    let long = |n: u8| [vec![b'x'; 90], vec![n]].concat();
    let (_, pages) = write(&[file(&long(3), 0, 0), file(&long(5), 0, 512)]);
    assert_eq!((pages[0].low.len(), pages[0].high.len()), (64, 64));
    for n in [3, 4, 5, 9] {
        assert!(pages[0].may_hold(&long(n)), "{n}: cut hints cannot exclude it");
    }
    assert!(pages[0].may_hold_below(&long(3)) && pages[0].may_hold_below(b""));
    assert!(!pages[0].may_hold(b"x") && pages[0].may_hold_below(b"x"));
    assert!(!pages[0].may_hold_below(b"y") && !pages[0].may_hold_below(b"w"));
}

#[test]
fn what_cannot_be_listed_is_an_error_with_its_path() {
    let refused = |entry: Entry| {
        let error = ContentsWriter::new().push(entry, &mut sealer()).unwrap_err();
        error.to_string()
    };
    let long = refused(file(&vec![b'p'; PATH_BYTES_MAX + 1], 0, 0));
    assert!(long.starts_with("the path pppp") && long.ends_with("longer than 64 KiB"), "{long}");
    assert!(refused(file(b"\xffend", 0, u64::MAX - 100)).contains(r"\xffend"));
    let (mut sealer, mut writer) = (sealer(), ContentsWriter::new());
    writer.push(file(b"b", 0, 512), &mut sealer).unwrap();
    assert!(writer.push(file(b"a", 0, 0), &mut sealer).is_err());
}

#[test]
fn long_paths_fill_pages_early() {
    let path = |n: u64| [vec![b'd'; PATH_BYTES_MAX - 8], n.to_be_bytes().to_vec()].concat();
    let entries: Vec<Entry> = (0..100).map(|n| file(&path(n), 0, n * 512)).collect();
    let (objects, pages) = write(&entries);
    assert!(pages.len() >= 7);
    assert!(read(&objects, &pages) == entries);
}

#[test]
fn a_small_page_cannot_grow_large() {
    // One long path, then two thousand that share all of it: 128 MB if it were believed.
    let mut page = vec![2, 0x81, 0x10];
    let tail = |page: &mut Vec<u8>| page.extend([0; 10]);
    page.extend([0, 0x80, 0x80, 0x04]);
    page.extend(vec![b'x'; 64 << 10]);
    tail(&mut page);
    for _ in 0..2_048 {
        page.extend([0x80, 0x80, 0x04, 0]);
        tail(&mut page);
    }
    assert!(matches!(decode_contents(&page, 0), Err(ContentsError::Malformed(_))));
    page[1..3].copy_from_slice(&[0x80, 0x10]);
    let refused = decode_contents(&page, 0).unwrap_err().to_string();
    assert!(refused.ends_with("its paths are too long"), "{refused}");
}

#[test]
fn hostile_pages_are_errors() {
    let good = codec::encode(&[file(b"a", 5, 0), file(b"ab", 5, 1_024)]);
    assert_eq!(decode_contents(&good, 7).unwrap()[1].offset, 1_031);
    for cut in 0..good.len() {
        assert!(decode_contents(&good[..cut], 0).is_err());
    }
    assert!(decode_contents(&[&good[..], &[0]].concat(), 0).is_err(), "trailing");
    assert!(decode_contents(&good, u64::MAX).is_err(), "beyond any stream");
    let with = |at: usize, byte: u8| {
        let mut page = good.clone();
        page[at] = byte;
        decode_contents(&page, 0)
    };
    assert!(with(0, 1).is_err(), "another sort of page");
    assert!(with(1, 3).is_err() && with(1, 1).is_err(), "another count");
    assert!(with(2, 1).is_err(), "the first shares with nothing");
    assert!(with(5, 7).is_err(), "no such kind");
    let endless = [&[2][..], &[0xff; 12]].concat();
    assert!(decode_contents(&endless, 0).is_err());
}

#[test]
fn other_bytes_than_those_asked_for_are_refused() {
    let (objects, pages) = write(&tree(names()));
    let mut opener = Opener::new(&key());
    let opened = open_contents_page(&mut opener, &pages[0], &objects[1].bytes);
    assert!(matches!(opened, Err(ContentsError::WrongObject { .. })));
    let miscounted = ContentsPageRef { entries: pages[0].entries + 1, ..pages[0].clone() };
    assert!(open_contents_page(&mut opener, &miscounted, &objects[0].bytes).is_err());
}

#[test]
fn golden_page() {
    let mut link = file(b"a/bc", 0, 2_048);
    link.kind = MemberKind::Symlink;
    link.link = b"\xfe".to_vec();
    link.mtime = FileTime { seconds: -1, nanos: 999_999_999 };
    let private = codec::encode(&[file(b"a/b", 700, 512), link]);
    assert_bytes(
        "the private part of a page of contents",
        &private,
        "02                # a page of contents, version 1
         02                # two members
         00 03 612f62      # shares nothing with the path before; `a/b`
         00                # a file
         00                # no link
         a403 e807 e807    # mode 0644, owner 1000, group 1000
         bc05              # 700 bytes
         80c49fd50c 05     # 1,700,000,000 s, 5 ns
         00                # begins where it should: at the page's offset
         00                # spans what it should: one header block, data, padding
         03 01 63          # shares `a/b`; `c`
         02                # a symbolic link
         01 fe             # to one byte that is no UTF-8
         a403 e807 e807
         00                # 0 bytes
         01 ff93ebdc03     # -1 s, 999,999,999 ns
         00 00             # begins after the first, spans one block",
    );
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let text = || proptest::collection::vec(any::<u8>(), 0..40);
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>());
    let time = (any::<i64>(), 0_u32..1_000_000_000);
    let place = (any::<u32>(), any::<u32>());
    let kinds = [
        MemberKind::File,
        MemberKind::HardLink,
        MemberKind::Symlink,
        MemberKind::Directory,
        MemberKind::Fifo,
        MemberKind::CharDevice,
        MemberKind::BlockDevice,
    ];
    (text(), text(), 0_usize..7, numbers, time, place).prop_map(
        move |(path, link, kind, (mode, uid, gid, real_bytes), (seconds, nanos), place)| Entry {
            path,
            link,
            kind: kinds[kind],
            mode,
            uid,
            gid,
            real_bytes,
            mtime: FileTime { seconds, nanos },
            offset: u64::from(place.0),
            span: u64::from(place.1),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(mut entries in proptest::collection::vec(any_entry(), 0..600)) {
        entries.sort_by_key(|e| e.offset);
        let (objects, pages) = write(&entries);
        prop_assert!(read(&objects, &pages) == entries);
        for (page, object) in pages.iter().zip(&objects) {
            let listed = open_contents_page(&mut Opener::new(&key()), page, &object.bytes).unwrap();
            prop_assert!(listed.iter().all(|e| page.may_hold(&e.path)));
            prop_assert!(listed.iter().all(|e| page.may_hold_below(&e.path[..e.path.len() / 2])));
        }
    }

    #[test]
    fn any_bytes_are_a_page_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<u64>(),
    ) {
        let _ = decode_contents(&[vec![2], bytes].concat(), at);
    }

    #[test]
    fn a_changed_page_is_a_page_or_an_error(at in 0_usize..400, byte in any::<u8>()) {
        let mut page = codec::encode(&tree(names().into_iter().take(20)));
        let at = at % page.len();
        page[at] = byte;
        let _ = decode_contents(&page, u64::MAX / 2);
    }
}

//! The damage matrix: what is done to which place, and what is done next.
//!
//! In every case no call panics, nothing wrong is ever given out, only what was hit is lost, what is
//! lost is known to be missing by the time a check has run, and putting it again mends the store.

use std::os::unix::fs::FileExt;

use super::*;
use crate::chunks::{
    StoreError,
    frame::{FRAME_HEADER_BYTES, PACK_HEADER_BYTES, Place},
};

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Delete,
    Truncate,
    Flip,
    Garbage,
}
const ACTIONS: [Action; 4] = [Action::Delete, Action::Truncate, Action::Flip, Action::Garbage];

/// Where it is done. Objects 0..3 lie in pack 1, 3..6 in pack 2, and so on; 9.. in pack 4, the open one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Index,
    IndexMiddle,
    PackHeader,
    FrameHeader,
    FrameBody,
    PackTail,
    OpenPackTail,
    Format,
}
const PLACES: [Where; 8] = [
    Where::Index,
    Where::IndexMiddle,
    Where::PackHeader,
    Where::FrameHeader,
    Where::FrameBody,
    Where::PackTail,
    Where::OpenPackTail,
    Where::Format,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    Open,
    Get,
    Put,
    Check,
    CheckHeaders,
    Rebuild,
    Gc,
}
const NEXTS: [Next; 7] =
    [Next::Open, Next::Get, Next::Put, Next::Check, Next::CheckHeaders, Next::Rebuild, Next::Gc];

const OBJECTS: u64 = 11;
const BYTES: usize = 1_000;
const FRAME: u64 = (BYTES + FRAME_HEADER_BYTES) as u64;
const HEADER: u64 = PACK_HEADER_BYTES as u64;

/// The file, where in it, and which objects may be hit.
fn target(dir: &Path, place: Where, action: Action) -> (PathBuf, u64, std::ops::Range<u64>) {
    let pack = |number: u32| dir.join(format!("packs/{number:08}.pack"));
    let (path, at, hit) = match place {
        Where::Index => (dir.join("index.redb"), 100, 0..0),
        Where::IndexMiddle => {
            let path = dir.join("index.redb");
            let at = fs::metadata(&path).unwrap().len() / 2;
            (path, at, 0..0)
        }
        Where::Format => (dir.join("format"), 3, 0..0),
        Where::PackHeader => (pack(2), 5, 0..0),
        Where::FrameHeader => (pack(2), HEADER + FRAME + 9, 4..5),
        Where::FrameBody => (pack(2), HEADER + FRAME + 500, 4..5),
        Where::PackTail => (pack(2), HEADER + 3 * FRAME - 10, 5..6),
        Where::OpenPackTail => (pack(4), HEADER + 2 * FRAME - 10, 10..11),
    };
    let of_file = match place {
        Where::Index | Where::IndexMiddle | Where::Format => 0..0,
        Where::OpenPackTail => 9..11,
        _ => 3..6,
    };
    let hit = match action {
        Action::Flip => hit,
        Action::Garbage => 0..0,
        Action::Delete => of_file,
        Action::Truncate if place == Where::PackHeader => of_file,
        Action::Truncate => hit.start..of_file.end,
    };
    (path, at, hit)
}

fn hurt(path: &Path, at: u64, action: Action) {
    match action {
        Action::Delete => fs::remove_file(path).unwrap(),
        Action::Truncate => {
            fs::File::options().write(true).open(path).unwrap().set_len(at).unwrap()
        }
        Action::Flip => flip(path, usize::try_from(at).unwrap()),
        Action::Garbage => {
            let len = fs::metadata(path).unwrap().len();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(&object(999, 700), len).unwrap();
        }
    }
}

fn ids() -> Vec<SealedId> {
    (0..OBJECTS).map(|number| id_of(&object(number, BYTES))).collect()
}

/// Every object is right, or an error; those not hit are right. Returns what cannot be read.
fn read_all(bench: &Bench, hit: &std::ops::Range<u64>, case: &str) -> Vec<u64> {
    let mut lost = Vec::new();
    for (number, id) in (0..OBJECTS).zip(ids()) {
        match bench.store().get(&id) {
            Ok(bytes) => assert_eq!(bytes, object(number, BYTES), "{case}"),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => {
                assert!(hit.contains(&number), "{case}: object {number} was not hit, yet lost");
                assert!(!bench.store().has(&id).unwrap(), "{case}");
                lost.push(number);
            }
            Err(error) => panic!("{case}: {error}"),
        }
    }
    lost
}

fn act(bench: &mut Bench, next: Next) {
    match next {
        Next::Open => drop(bench.reopen()),
        Next::Get => ids().iter().for_each(|id| drop(bench.store().get(id))),
        Next::Put => {
            bench.put(500, BYTES);
            bench.store().flush().unwrap();
        }
        Next::Check => drop(bench.store().check(true, &mut go_on).unwrap()),
        Next::CheckHeaders => drop(bench.store().check(false, &mut go_on).unwrap()),
        Next::Rebuild => drop(bench.store().rebuild(&mut go_on).unwrap()),
        Next::Gc => {
            let every_second: Vec<_> = ids().into_iter().step_by(2).collect();
            let all = GcOptions { rewrite_percent: 1, ..gc_now() };
            let report = bench.gc_with(&every_second, all);
            assert!(report.live_objects <= every_second.len() as u64);
            // the others come back, so that what follows can count on all
            put_all(bench);
        }
    }
}

fn put_all(bench: &Bench) {
    for (number, id) in (0..OBJECTS).zip(ids()) {
        bench.store().put(&id, &object(number, BYTES)).unwrap();
    }
    bench.store().flush().unwrap();
}

/// After any damage and any next action: a check finds the rest, a put mends it, and it stays so.
fn mends(bench: &mut Bench, hit: &std::ops::Range<u64>, case: &str) {
    read_all(bench, hit, case);
    bench.store().check(true, &mut go_on).unwrap();
    read_all(bench, hit, case);
    put_all(bench);
    assert_eq!(read_all(bench, &(0..0), case), Vec::<u64>::new(), "{case}");
    bench.reopen();
    assert_eq!(read_all(bench, &(0..0), case), Vec::<u64>::new(), "{case}: after a reopen");
    assert_eq!(bench.store().check(true, &mut go_on).unwrap().damaged_objects, 0, "{case}");
    assert!(bench.reopen().is_clean(), "{case}: the second reopen");
    bench.store().rebuild(&mut go_on).unwrap();
    assert_eq!(read_all(bench, &(0..0), case), Vec::<u64>::new(), "{case}: after a rebuild");
}

fn filled() -> Bench {
    let bench = Bench::new(small());
    bench.fill(OBJECTS);
    assert_eq!(bench.packs().len(), 4);
    bench
}

fn matrix(action: Action) {
    for place in PLACES {
        for next in NEXTS {
            let case = format!("{action:?} {place:?}, then {next:?}");
            let mut bench = filled();
            bench.close();
            let (path, at, hit) = target(bench.path(), place, action);
            hurt(&path, at, action);
            if place == Where::Format && action != Action::Delete {
                bench.reopen();
            }
            bench.reopen();
            act(&mut bench, next);
            mends(&mut bench, &hit, &case);
        }
    }
}

#[test]
fn a_deleted_file_costs_what_was_in_it() {
    matrix(Action::Delete);
}

#[test]
fn a_truncated_file_costs_what_was_cut_off() {
    matrix(Action::Truncate);
}

#[test]
fn a_flipped_bit_costs_one_object_at_most() {
    matrix(Action::Flip);
}

#[test]
fn appended_garbage_costs_nothing() {
    matrix(Action::Garbage);
}

#[test]
fn damage_to_the_packs_of_an_open_store_is_met_without_a_panic() {
    let places = [Where::PackHeader, Where::FrameHeader, Where::FrameBody, Where::PackTail];
    for action in ACTIONS {
        for place in places {
            for next in NEXTS {
                let case = format!("while open: {action:?} {place:?}, then {next:?}");
                let mut bench = filled();
                let (path, at, hit) = target(bench.path(), place, action);
                // reading has opened the packs: what is deleted stays readable until they are closed
                hurt(&path, at, action);
                act(&mut bench, next);
                mends(&mut bench, &hit, &case);
            }
        }
    }
}

#[test]
fn an_object_whose_frame_header_is_damaged_is_written_anew_by_check() {
    let mut bench = filled();
    let (path, at, _) = target(bench.path(), Where::FrameHeader, Action::Flip);
    hurt(&path, at, Action::Flip);
    let report = bench.store().check(true, &mut go_on).unwrap();
    assert_eq!((report.objects_rescued, report.damaged_objects), (1, 0));
    assert_eq!(report.unreadable_bytes, FRAME);
    bench.store().rebuild(&mut go_on).unwrap();
    assert_eq!(read_all(&bench, &(0..0), "rescued"), Vec::<u64>::new());
    assert!(bench.reopen().is_clean());
}

#[test]
fn a_damaged_object_is_named_with_its_place_and_then_missing_for_good() {
    let mut bench = filled();
    let (path, at, _) = target(bench.path(), Where::FrameBody, Action::Flip);
    hurt(&path, at, Action::Flip);
    let id = ids()[4];
    let error = bench.store().get(&id).unwrap_err();
    let offset = HEADER + FRAME;
    assert!(
        error.to_string().ends_with(&format!("is damaged in pack 00000002 at offset {offset}"))
    );
    assert!(!bench.store().has(&id).unwrap());
    bench.reopen();
    assert!(!bench.store().has(&id).unwrap());
    // a look at headers alone does not bring it back
    bench.store().check(false, &mut go_on).unwrap();
    assert!(!bench.store().has(&id).unwrap());
    bench.store().put(&id, &object(4, BYTES)).unwrap();
    assert_eq!(bench.store().get(&id).unwrap(), object(4, BYTES));
}

#[test]
fn a_damaged_object_that_was_not_yet_flushed_is_missing_too() {
    let mut bench = Bench::new(small());
    let id = bench.put(1, BYTES);
    let pack = bench.packs()[&1].clone();
    let file = fs::File::options().write(true).open(pack).unwrap();
    file.write_all_at(b"x", HEADER + 100).unwrap();
    assert!(matches!(bench.store().get(&id), Err(StoreError::Damaged { .. })));
    assert!(!bench.store().has(&id).unwrap());
    bench.store().flush().unwrap();
    bench.reopen();
    assert!(!bench.store().has(&id).unwrap());
}

#[test]
fn check_names_every_damaged_object() {
    let bench = filled();
    for number in [0_u32, 4, 8] {
        let pack = &bench.packs()[&(number / 3 + 1)];
        flip(pack, (HEADER + u64::from(number % 3) * FRAME + 60) as usize);
    }
    let report = bench.store().check(true, &mut go_on).unwrap();
    let mut named: Vec<_> = report.damaged.iter().map(|damaged| damaged.id).collect();
    let mut expected = vec![ids()[0], ids()[4], ids()[8]];
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!((report.damaged_objects, named), (3, expected));
    assert_eq!(bench.store().stats().unwrap().objects, OBJECTS - 3);
    assert!(bench.store().check(true, &mut go_on).unwrap().damaged_objects == 0);
}

#[test]
fn a_frame_inside_an_object_is_not_taken_for_a_frame_after_damage() {
    let bench = Bench::new(StoreOptions { pack_bytes: 1 << 20, ..small() });
    let inner = object(77, 300);
    // a frame that would be valid at its very place, and one that says it is longer than the pack
    let place = |offset: u64, bytes: u32| Place { pack: 1, offset: offset as u32, bytes };
    let begin = HEADER + FRAME_HEADER_BYTES as u64;
    let mut outer =
        super::super::frame::frame_header(&SealedId([5; 32]), place(begin, 900)).to_vec();
    outer.extend_from_slice(&inner);
    let at = begin + outer.len() as u64;
    outer.extend_from_slice(&super::super::frame::frame_header(
        &SealedId([6; 32]),
        place(at, 1 << 20),
    ));
    outer.extend_from_slice(&object(78, 500));
    bench.store().put(&id_of(&outer), &outer).unwrap();
    let after = bench.put(2, BYTES);
    bench.store().flush().unwrap();
    flip(&bench.packs()[&1], HEADER as usize + 10);
    let report = bench.store().rebuild(&mut go_on).unwrap();
    assert_eq!(report.objects, 1);
    assert_eq!(bench.store().get(&after).unwrap(), object(2, BYTES));
    assert!(!bench.store().has(&SealedId([5; 32])).unwrap());
}

#[test]
fn a_marker_across_the_edge_of_a_search_is_found() {
    use crate::chunks::frame::MARKER;
    for shift in 0..8 {
        let bench = Bench::new(StoreOptions { pack_bytes: 1 << 20, ..small() });
        let filler = 65_536 - FRAME_HEADER_BYTES - 4 + shift;
        bench.put(1, filler);
        let after = bench.put(2, BYTES);
        bench.store().flush().unwrap();
        assert_eq!(MARKER.len(), 4);
        flip(&bench.packs()[&1], HEADER as usize + 1);
        assert_eq!(bench.store().rebuild(&mut go_on).unwrap().objects, 1, "shift {shift}");
        assert!(bench.store().get(&after).is_ok());
    }
}

/// Overwrites `count` bytes of the index from `at`, in a store that is closed.
fn hurt_index(bench: &Bench, sound: &[u8], at: usize, count: usize) {
    let mut hurt = sound.to_vec();
    let to = (at + count).min(hurt.len());
    hurt[at..to].copy_from_slice(&object(at as u64, to - at));
    fs::write(bench.path().join("index.redb"), hurt).unwrap();
}

/// An index that opens but is damaged inside may fail calls; a check mends it, and nothing is lost.
/// On a small file system: redb has filled a large one when its free space was damaged.
#[test]
fn an_index_hurt_anywhere_is_mended_by_check() {
    let disk = full::Mounted::tmpfs(128);
    let mut bench = Bench::new_in(tempfile::tempdir_in(disk.0.path()).unwrap(), small());
    bench.fill(OBJECTS);
    bench.close();
    let sound = fs::read(bench.path().join("index.redb")).unwrap();
    let is_used =
        |page: &usize| sound[*page..(page + 4096).min(sound.len())].iter().any(|b| *b != 0);
    for page in (0..sound.len()).step_by(4096).filter(is_used) {
        for (at, count) in [(0, 1), (0, 64), (8, 8), (300, 64), (4000, 90)] {
            let case = format!("page {page}, {count} bytes from {at}");
            hurt_index(&bench, &sound, page + at, count);
            bench.reopen();
            for id in ids() {
                if let Ok(bytes) = bench.store().get(&id) {
                    assert_eq!(id_of(&bytes), id, "{case}");
                }
            }
            let report = bench.store().check(true, &mut go_on);
            report.unwrap_or_else(|error| panic!("{case}: {error:?}"));
            assert_eq!(read_all(&bench, &(0..0), &case), Vec::<u64>::new(), "{case}");
            bench.put(1_000_000 + (page + at + count) as u64, 50);
            bench.store().flush().unwrap();
            bench.reopen();
            assert_eq!(
                read_all(&bench, &(0..0), &case),
                Vec::<u64>::new(),
                "{case}: after a reopen"
            );
            bench.close();
        }
    }
    let largest = fs::metadata(bench.path().join("index.redb")).unwrap().len();
    assert!(largest < 32 << 20);
}

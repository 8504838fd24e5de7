use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Time, cbor, job::NameError};

const NOW: Time = Time(1_778_209_200_000);

fn sum() -> String {
    "0123456789abcdefABCDEF0123456789".repeat(2)
}

fn named(filename: &str) -> Result<Spec, SpecError> {
    Spec::new(filename, 10, 4, &sum())
}

fn session(total: u64, part: u64) -> Session {
    Session::new(Spec::new("a.tar", total, part, &sum()).unwrap(), NOW)
}

#[test]
fn an_archive_is_called_like_its_file_without_the_ending() {
    for (file, archive) in [
        ("tom_nextcloud_20260508.tar", "tom_nextcloud_20260508"),
        ("a.tar.gz", "a"),
        ("a.tar.tar", "a.tar"),
        ("a.b-c__2.tar", "a.b-c__2"),
    ] {
        let spec = named(file).unwrap();
        assert_eq!((spec.archive().as_str(), spec.filename()), (archive, file));
    }
}

#[test]
fn names_that_lead_elsewhere_or_name_nothing_are_refused() {
    use SpecError::{Archive, FilenameBegin, FilenameBytes, FilenameCharacter, FilenameEnd};
    let long = format!("{}.tar", "n".repeat(51));
    for (file, error) in [
        ("", FilenameBytes { bytes: 0 }),
        (&"n".repeat(256), FilenameBytes { bytes: 256 }),
        ("../a.tar", FilenameCharacter { found: '/' }),
        ("/etc/a.tar", FilenameCharacter { found: '/' }),
        ("a\\b.tar", FilenameCharacter { found: '\\' }),
        ("a\0.tar", FilenameCharacter { found: '\0' }),
        ("a\n.tar", FilenameCharacter { found: '\n' }),
        (".a.tar", FilenameBegin { found: '.' }),
        ("..tar", FilenameBegin { found: '.' }),
        (".tar", FilenameBegin { found: '.' }),
        ("-a.tar", FilenameBegin { found: '-' }),
        ("a.zip", FilenameEnd),
        ("a.TAR", FilenameEnd),
        ("a", FilenameEnd),
        ("a%2fb.tar", Archive(NameError::Character { found: '%' })),
        ("é.tar", Archive(NameError::Character { found: 'é' })),
        ("a..tar", Archive(NameError::Dot)),
        (&long, Archive(NameError::TooLong { bytes: 51 })),
    ] {
        assert_eq!(named(file), Err(error), "{file:?}");
    }
}

#[test]
fn sizes_counts_and_checksums_have_bounds() {
    let of = |total, part| Spec::new("a.tar", total, part, &sum()).map(|spec| spec.parts());
    assert_eq!(of(1, 1), Ok(1));
    assert_eq!(of(1, PART_BYTES_MAX), Ok(1));
    assert_eq!(of(TOTAL_BYTES_MAX, PART_BYTES), Ok(351_844));
    assert_eq!(of(u64::from(PARTS_MAX), 1), Ok(PARTS_MAX));
    assert_eq!(of(0, 1), Err(SpecError::Total { bytes: 0 }));
    let large = TOTAL_BYTES_MAX + 1;
    assert_eq!(of(large, PART_BYTES), Err(SpecError::Total { bytes: large }));
    assert_eq!(of(1, 0), Err(SpecError::Part { bytes: 0 }));
    assert_eq!(of(1, PART_BYTES_MAX + 1), Err(SpecError::Part { bytes: PART_BYTES_MAX + 1 }));
    let many = u64::from(PARTS_MAX) + 1;
    assert_eq!(of(many, 1), Err(SpecError::Parts { parts: many }));
    assert_eq!(of(TOTAL_BYTES_MAX, 1), Err(SpecError::Parts { parts: TOTAL_BYTES_MAX }));
    for wrong in ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(Spec::new("a.tar", 1, 1, wrong), Err(SpecError::Checksum), "{wrong}");
    }
    assert_eq!(named("a.tar").unwrap().sha256()[..3], [0x01, 0x23, 0x45]);
}

#[test]
fn a_part_of_another_size_or_number_is_refused_and_a_repeat_is_known() {
    let mut session = session(10, 4);
    let bytes = |number, wanted, found| Err(PartError::Bytes { number, wanted, found });
    assert_eq!(session.admits(0, Some(3)), bytes(0, 4, 3));
    assert_eq!(session.admits(2, Some(4)), bytes(2, 2, 4));
    assert_eq!(session.admits(3, None), Err(PartError::Number { number: 3, parts: 3 }));
    let far = session.admits(u32::MAX, None).unwrap_err();
    assert_eq!(far, PartError::Number { number: u32::MAX, parts: 3 });
    assert_eq!(session.admits(2, Some(2)), Ok(Admission::New { offset: 8, bytes: 2 }));
    session.receive(2, NOW).unwrap();
    assert_eq!(session.admits(2, None), Ok(Admission::Known { bytes: 2 }));
    assert_eq!(session.admits(2, Some(4)), bytes(2, 2, 4));
    assert_eq!((session.received(), session.awaited_bytes()), (1, 8));
}

#[test]
fn only_what_is_whole_is_finished_and_the_end_is_final() {
    let mut open = session(10, 4);
    open.receive(0, NOW).unwrap();
    let missing = FinishError::Missing { missing: 2, parts: 3, first: 1 };
    assert_eq!(open.begin_finish(), Err(missing));
    open.receive(1, NOW).unwrap();
    open.receive(2, NOW).unwrap();
    open.begin_finish().unwrap();
    assert_eq!(open.begin_finish(), Err(FinishError::Over));
    // A late repeat is still answered, and does nothing.
    assert_eq!(open.receive(1, NOW), Ok(()));
    // Killed meanwhile, it can be finished again.
    assert_eq!(*Session::decode(&open.encode()).unwrap().state(), State::Open);
    open.reopen();
    open.begin_finish().unwrap();
    let mut refused = open.clone();
    open.complete(NOW);
    refused.refuse(&"é".repeat(REASON_BYTES_MAX), NOW);
    for mut ended in [open, refused] {
        let before = ended.clone();
        assert!(ended.has_ended() && ended.awaited_bytes() == 0);
        ended.reopen();
        ended.complete(Time(0));
        ended.refuse("no", Time(0));
        assert_eq!(ended.admits(0, None), Err(PartError::Over));
        assert_eq!(ended.begin_finish(), Err(FinishError::Over));
        assert_eq!(ended, before);
        assert_eq!(Session::decode(&ended.encode()).unwrap(), before);
    }
}

#[test]
fn it_expires_a_day_after_its_last_part_and_never_while_it_is_finished() {
    let mut upload = session(2, 1);
    let day = u64::try_from(EXPIRES_AFTER.as_millis()).unwrap();
    assert!(!upload.is_expired(Time(NOW.0 + day - 1)) && upload.is_expired(Time(NOW.0 + day)));
    upload.receive(0, Time(NOW.0 + 100)).unwrap();
    // A repeat keeps nothing alive, and a clock that goes back takes nothing away.
    upload.receive(0, Time(NOW.0 + 900)).unwrap();
    upload.receive(1, Time(0)).unwrap();
    assert_eq!(upload.expires(), Time(NOW.0 + 100 + day));
    upload.begin_finish().unwrap();
    assert!(!upload.is_expired(Time(u64::MAX)));
    upload.complete(Time(NOW.0 + 2 * day));
    assert_eq!(upload.expires(), Time(NOW.0 + 3 * day));
    let mut slow = session(2, 1);
    let old = NOW.after(AGE_MAX);
    slow.receive(0, old).unwrap();
    assert!(slow.is_expired(old));
}

#[test]
fn stored_bytes_that_break_a_bound_are_refused() {
    let good = session(10, 4).encode();
    assert!(Session::decode(&good).is_ok());
    assert!(matches!(Session::decode(&good[1..]), Err(SessionError::Shape(_))));
    assert!(Session::decode(&vec![0; SESSION_BYTES_MAX + 1]).is_err());
    let change = |key: &str, value: ciborium::Value| {
        let mut map: ciborium::Value = ciborium::from_reader(good.as_slice()).unwrap();
        for (name, old) in map.as_map_mut().unwrap() {
            if name.as_text() == Some(key) {
                *old = value.clone();
            }
        }
        Session::decode(&cbor::encode(&map))
    };
    let bits = |bits: &[u8]| change("received", ciborium::Value::Bytes(bits.to_vec()));
    assert_eq!(bits(&[0b101]).unwrap().received(), 2);
    for wrong in [&[][..], &[0, 0], &[0b1000]] {
        assert!(matches!(bits(wrong), Err(SessionError::Parts)), "{wrong:?}");
    }
    let name = change("filename", ciborium::Value::Text("../x.tar".to_owned()));
    assert!(matches!(name, Err(SessionError::Spec(_))));
    assert!(matches!(change("total_bytes", 0.into()), Err(SessionError::Spec(_))));
}

#[test]
fn the_largest_session_fits_its_bound() {
    let name = format!("{}.tar.gz", "n".repeat(50));
    let spec = Spec::new(&name, u64::from(PARTS_MAX), 1, &sum()).unwrap();
    let mut session = Session::new(spec, NOW);
    for number in 0..PARTS_MAX {
        session.receive(number, NOW).unwrap();
    }
    session.begin_finish().unwrap();
    session.refuse(&"x".repeat(2 * REASON_BYTES_MAX), NOW);
    assert!(session.encode().len() < SESSION_BYTES_MAX);
    assert_eq!(Session::decode(&session.encode()).unwrap(), session);
}

proptest! {
    #[test]
    fn parts_in_any_order_with_repeats_and_restarts_are_counted_once(
        total in 1_u64..5_000,
        part in 1_u64..700,
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
    ) {
        let mut session = session(total, part);
        let parts = session.spec().parts();
        let mut model = BTreeSet::new();
        for (step, (index, restart)) in order.into_iter().enumerate() {
            let number = u32::try_from(index.index(parts as usize)).unwrap();
            let known = model.contains(&number);
            let (offset, bytes) = session.spec().part(number).unwrap();
            let admission = session.admits(number, Some(bytes)).unwrap();
            let new = Admission::New { offset, bytes };
            prop_assert_eq!(admission, if known { Admission::Known { bytes } } else { new });
            session.receive(number, Time(NOW.0 + step as u64)).unwrap();
            model.insert(number);
            if restart {
                let again = Session::decode(&session.encode()).unwrap();
                prop_assert_eq!(&again, &session);
                session = again;
            }
            prop_assert_eq!(session.received() as usize, model.len());
            let missing: Vec<_> = (0..parts).filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(session.missing().collect::<Vec<_>>(), missing.clone());
            let awaited: u64 = missing.iter().map(|n| session.spec().part(*n).unwrap().1).sum();
            prop_assert_eq!(session.awaited_bytes(), awaited);
            prop_assert_eq!(session.clone().begin_finish().is_ok(), missing.is_empty());
        }
    }

    #[test]
    fn parts_lie_one_behind_the_other_and_fill_the_file(total in 1_u64..100_000, part in 1_u64..9_999) {
        prop_assume!(total.div_ceil(part) <= u64::from(PARTS_MAX));
        let spec = Spec::new("a.tar", total, part, &sum()).unwrap();
        let mut end = 0;
        for number in 0..spec.parts() {
            let (offset, bytes) = spec.part(number).unwrap();
            prop_assert_eq!(offset, end);
            prop_assert!(bytes >= 1 && bytes <= part);
            end += bytes;
        }
        prop_assert_eq!(end, total);
        prop_assert_eq!(spec.part(spec.parts()), None);
    }

    #[test]
    fn any_bytes_are_a_session_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Session::decode(&bytes);
    }
}

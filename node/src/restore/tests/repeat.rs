//! A restore that was killed, and its repetition.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

fn tree() -> Vec<(Member, &'static [u8])> {
    vec![
        dir("d"),
        file("d/a", "first file"),
        dir("d/e"),
        file("d/e/b", "second file"),
        file("d/e/c", "third file"),
        symlink("d/e/l", "b"),
        hard_link("d/e/h", "b/../b"),
        hard_link("d/h", "d/a"),
        file("top", "last file"),
    ]
}

/// As after kill -9: nothing is tidied up.
fn killed(spec: &RestoreSpec, members: &[(Member, &[u8])], half: &(Member, &[u8])) {
    let mut extractor = Extractor::new(spec).expect("a destination");
    give(&mut extractor, members);
    assert_eq!(extractor.member(&half.0).expect("goes on"), Wanted::Data);
    extractor.data(&half.1[..3]).expect("goes on");
    std::mem::forget(extractor);
}

#[test]
fn a_killed_restore_is_completed_by_the_same_again_whatever_the_policy() {
    for overwrite in [Overwrite::Refuse, Overwrite::Replace, Overwrite::KeepNewer] {
        let (whole, yard) = (Yard::new(), Yard::new());
        let mut members = tree();
        members.remove(6);
        whole.restore(&members);
        let mut spec = yard.spec();
        spec.overwrite = overwrite;
        killed(&spec, &members[..4], &members[4]);
        let half = fs::metadata(yard.to("d/e/c")).expect("there");
        assert_eq!(half.mode() & 0o7777, 0o200, "half files are marked");
        let report = restore(&spec, &members);
        assert!(report.is_clean(), "{overwrite:?}: {report:?}");
        for path in ["d", "top"] {
            assert_eq!(compare_trees(&whole.to(path), &yard.to(path)), []);
        }
    }
}

#[test]
fn a_dropped_restore_leaves_no_half_file() {
    let yard = Yard::new();
    fs::create_dir(yard.to("old")).expect("a folder");
    for half in [file("new/a", "half a file"), file("old/a", "half a file")] {
        let mut extractor = Extractor::new(&yard.spec()).expect("a destination");
        give(&mut extractor, &[dir("new")]);
        extractor.member(&half.0).expect("goes on");
        extractor.data(&half.1[..3]).expect("goes on");
        drop(extractor);
    }
    for folder in ["old", "new"] {
        assert_eq!(fs::read_dir(yard.to(folder)).expect("readable").count(), 0);
    }
}

#[test]
fn a_half_file_in_an_old_directory_has_no_final_name_and_is_swept_later() {
    let yard = Yard::new();
    fs::write(yard.to("a"), "old").expect("a file");
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    killed(&spec, &[], &file("a", "new content"));
    assert_eq!(text(yard.to("a")), "old");
    let names: Vec<_> = fs::read_dir(yard.path("to"))
        .expect("readable")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .collect();
    let part = names.iter().find(|name| name.ends_with(".part")).expect("a temporary name");
    // The process of this test lives; that of a killed restore does not.
    let dead = part.replace(&std::process::id().to_string(), "4194305");
    fs::rename(yard.to(part), yard.to(&dead)).expect("renamed");
    fs::write(yard.to(".backupmanager-notes.part"), "a user's own").expect("a file");
    restore(&spec, &[file("a", "new content")]);
    assert_eq!(text(yard.to("a")), "new content");
    assert!(!yard.to(&dead).exists());
    assert!(yard.to(".backupmanager-notes.part").exists());
}

#[test]
fn directories_that_come_after_their_files_or_twice_keep_their_times() {
    let yard = Yard::new();
    let report = yard.restore(&[
        dir("d"),
        dir("d/e"),
        file("d/e/a", "a"),
        file("x", "x"),
        file("d/e/late", "late"),
        file("d/later", "later"),
    ]);
    assert!(report.is_clean(), "{report:?}");
    for path in ["d", "d/e"] {
        let data = fs::metadata(yard.to(path)).expect("there");
        assert_eq!((data.mtime(), data.mtime_nsec()), (1_700_000_000, 123_456_789), "{path}");
        assert_eq!(data.mode() & 0o7777, 0o755);
    }
}

#[test]
fn a_directory_that_the_archive_does_not_name_is_for_its_owner_only_and_listed() {
    let yard = Yard::new();
    let report = yard.restore(&[file("secret/deep/a", "a")]);
    assert_eq!(report.not_set_counts[&Setting::Unnamed], 2);
    for path in ["secret", "secret/deep"] {
        assert_eq!(fs::metadata(yard.to(path)).expect("there").mode() & 0o7777, 0o700);
    }
}

#[test]
fn a_missing_destination_is_made_for_its_owner_and_an_old_one_keeps_its_mode() {
    let yard = Yard::new();
    let spec = RestoreSpec::new(yard.path("made"));
    restore(&spec, &[file("a", "a")]);
    assert_eq!(fs::metadata(yard.path("made")).expect("there").mode() & 0o7777, 0o700);
    let permissions = fs::Permissions::from_mode(0o750);
    fs::set_permissions(yard.path("made"), permissions).expect("mode");
    restore(&spec, &[file("b", "b")]);
    assert_eq!(fs::metadata(yard.path("made")).expect("there").mode() & 0o7777, 0o750);
    let above = RestoreSpec { strip: b"data".into(), ..RestoreSpec::new(yard.path("above")) };
    restore(&above, &[dir("data"), file("data/a", "a")]);
    assert_eq!(fs::metadata(yard.path("above")).expect("there").mode() & 0o7777, 0o700);
    let whole = RestoreSpec {
        strip: b"data/src".into(),
        source: b"data/src/".into(),
        ..RestoreSpec::new(yard.path("whole"))
    };
    restore(&whole, &[dir("data"), dir("data/src"), file("data/src/a", "a")]);
    let made = fs::metadata(yard.path("whole")).expect("there");
    assert_eq!((made.mode() & 0o7777, made.mtime()), (0o755, 1_700_000_000));
    let missing = RestoreSpec::new(yard.path("no/such"));
    assert!(matches!(Extractor::new(&missing), Err(RestoreError::Destination { .. })));
}

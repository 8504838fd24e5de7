//! Existing files.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as make_symlink};

use super::*;

#[test]
fn refuse_keeps_what_exists_and_says_so() {
    let yard = Yard::new();
    fs::write(yard.to("a"), "mine").expect("a file");
    let report = yard.restore(&[file("a", "theirs"), file("b", "new"), hard_link("c", "a")]);
    assert_eq!(text(yard.to("a")), "mine");
    assert_eq!(text(yard.to("b")), "new");
    assert_eq!(report.kept.first[0].path, b"a");
    assert_eq!(report.failed.count, 1, "a second name of a kept file has no data");
    assert!(!report.is_clean());
}

#[test]
fn replace_takes_the_place_of_files_links_and_empty_directories() {
    let yard = Yard::new();
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    fs::write(yard.to("a"), "mine").expect("a file");
    fs::create_dir(yard.to("b")).expect("a folder");
    fs::create_dir(yard.to("full")).expect("a folder");
    fs::write(yard.to("full/x"), "mine").expect("a file");
    fs::write(yard.to("d"), "mine").expect("a file");
    let report = restore(
        &spec,
        &[
            file("a", "new"),
            file("b", "new"),
            file("full", "new"),
            symlink("full", "a"),
            dir("d"),
            file("d/e", "new"),
        ],
    );
    for name in ["a", "b", "d/e"] {
        assert_eq!(text(yard.to(name)), "new");
    }
    assert_eq!(text(yard.to("full/x")), "mine");
    assert_eq!(report.failed.count, 2, "{:?}", report.failed);
    assert!(report.failed.first[0].what.contains("a directory is in the way"));
    let left = fs::read_dir(yard.path("to")).expect("readable").count();
    assert_eq!(left, 4, "no temporary name is left");
}

#[test]
fn keep_newer_compares_times() {
    let yard = Yard::new();
    let spec = RestoreSpec { overwrite: Overwrite::KeepNewer, ..yard.spec() };
    fs::write(yard.to("newer"), "mine").expect("a file");
    fs::write(yard.to("older"), "mine").expect("a file");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(5);
    fs::File::options()
        .write(true)
        .open(yard.to("older"))
        .and_then(|file| file.set_modified(long_ago))
        .expect("a time");
    let report = restore(&spec, &[file("newer", "archive"), file("older", "archive")]);
    assert_eq!(text(yard.to("newer")), "mine");
    assert_eq!(text(yard.to("older")), "archive");
    assert_eq!((report.kept.count, report.files), (1, 1));
}

#[test]
fn existing_directories_change_only_when_that_is_asked_and_never_above_the_source() {
    let yard = Yard::new();
    fs::create_dir_all(yard.to("opt/app")).expect("folders");
    let mode = |path: &str| fs::metadata(yard.to(path)).expect("there").mode() & 0o7777;
    for path in ["opt", "opt/app"] {
        let permissions = fs::Permissions::from_mode(0o711);
        fs::set_permissions(yard.to(path), permissions).expect("mode");
    }
    let mut spec = yard.spec();
    (spec.strip, spec.source) = (b"data/custom".to_vec(), b"data/custom/opt/app".to_vec());
    let members = [dir("data/custom/opt"), dir("data/custom/opt/app")];
    restore(&spec, &members);
    assert_eq!((mode("opt"), mode("opt/app")), (0o711, 0o711));
    spec.overwrite = Overwrite::Replace;
    restore(&spec, &members);
    assert_eq!((mode("opt"), mode("opt/app")), (0o711, 0o755));
    fs::remove_dir_all(yard.to("opt")).expect("removed");
    restore(&spec, &members);
    assert_eq!((mode("opt"), mode("opt/app")), (0o755, 0o755));
}

#[test]
fn replacing_a_hard_link_by_itself_changes_nothing() {
    let yard = Yard::new();
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    let members = [file("a", "one"), hard_link("b", "a")];
    for _ in 0..2 {
        let report = restore(&spec, &members);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(fs::metadata(yard.to("b")).expect("there").nlink(), 2);
        assert_eq!(fs::read_dir(yard.path("to")).expect("readable").count(), 2);
    }
}

#[test]
fn a_member_that_comes_twice_counts_as_it_came_last() {
    let yard = Yard::new();
    let report = yard.restore(&[
        dir("d"),
        file("d/a", "first"),
        file("d/a", "second"),
        symlink("d/l", "one"),
        symlink("d/l", "two"),
    ]);
    assert!(report.failed.first.is_empty(), "{report:?}");
    assert_eq!(text(yard.to("d/a")), "second");
    assert_eq!(fs::read_link(yard.to("d/l")).expect("a link"), Path::new("two"));
    assert_eq!(fs::read_dir(yard.to("d")).expect("readable").count(), 2);
}

#[test]
fn only_files_that_changed_are_replaced_when_that_is_asked() {
    let yard = Yard::new();
    let members = [
        file("same", "content"),
        file("longer", "content"),
        file("later", "content"),
        file("opened", "content"),
        file("piped", "content"),
        symlink("link", "same"),
        file("gone", "content"),
    ];
    yard.restore(&members);
    let inode = |name: &str| fs::symlink_metadata(yard.to(name)).expect("there").ino();
    let time =
        || std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
    let set_time = |name: &str, time| {
        let file = fs::File::options().write(true).open(yard.to(name)).expect("a file");
        file.set_modified(time).expect("a time");
    };
    fs::write(yard.to("longer"), "longer content").expect("written");
    set_time("longer", time());
    set_time("later", time() + std::time::Duration::from_nanos(1));
    fs::set_permissions(yard.to("opened"), fs::Permissions::from_mode(0o666)).expect("mode");
    fs::remove_file(yard.to("piped")).expect("removed");
    make_symlink("../outside", yard.to("piped")).expect("a link");
    fs::remove_file(yard.to("link")).expect("removed");
    make_symlink("emas", yard.to("link")).expect("a link");
    fs::remove_file(yard.to("gone")).expect("removed");
    let same = inode("same");
    let spec = RestoreSpec { overwrite: Overwrite::Changed, ..yard.spec() };
    let report = restore(&spec, &members);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.present, report.files, report.symlinks), (1, 5, 1));
    assert_eq!(inode("same"), same);
    for name in ["same", "longer", "later", "opened", "piped", "gone"] {
        let data = fs::symlink_metadata(yard.to(name)).expect("there");
        assert!(data.is_file() && text(yard.to(name)) == "content", "{name}");
        assert_eq!((data.mtime_nsec(), data.mode() & 0o7777), (123_456_789, 0o644), "{name}");
    }
    assert_eq!(fs::read_link(yard.to("link")).expect("a link"), Path::new("same"));
    yard.assert_nothing_outside();
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..spec };
    assert_eq!(restore(&spec, &members).files, 6);
    assert_ne!(inode("same"), same);
}

//! Archives that try to write elsewhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink as make_symlink};

use super::*;

#[test]
fn a_name_with_dots_or_from_the_root_is_refused_and_the_rest_goes_on() {
    let yard = Yard::new();
    let absolute = yard.path("absolute").to_string_lossy().into_owned();
    let report = yard.restore(&[
        file("../outside", "evil"),
        file("a/../../outside", "evil"),
        file(&absolute, "evil"),
        dir("../made"),
        symlink("x/../../link", "/etc"),
        hard_link("../second", "good"),
        file("good", "good"),
    ]);
    assert_eq!((report.failed.count, report.files), (6, 1));
    assert!(report.failed.first[0].what.contains("`..`"), "{:?}", report.failed.first[0]);
    yard.assert_nothing_outside();
}

#[test]
fn members_do_not_go_through_a_link_of_the_archive() {
    let yard = Yard::new();
    let report = yard.restore(&[
        symlink("up", ".."),
        file("up/outside", "evil"),
        file("up/new", "evil"),
        dir("up/made"),
        symlink("chain", "up"),
        file("chain/outside", "evil"),
        dir("sub"),
        symlink("sub/far", "../../"),
        file("sub/far/outside", "evil"),
        hard_link("up/second", "good"),
    ]);
    assert_eq!(report.failed.count, 6, "{:?}", report.failed);
    assert!(report.failed.first[0].what.contains("symbolic link"), "{:?}", report.failed);
    yard.assert_nothing_outside();
}

#[test]
fn members_do_not_go_through_a_link_that_lies_there() {
    let yard = Yard::new();
    make_symlink(yard.dir.path(), yard.to("up")).expect("a link");
    let report = yard.restore(&[file("up/outside", "evil"), dir("up/made")]);
    assert_eq!(report.failed.count, 2);
    yard.assert_nothing_outside();
}

#[test]
fn a_file_takes_the_place_of_a_link_and_does_not_write_through_it() {
    let yard = Yard::new();
    make_symlink(yard.path("outside"), yard.to("a")).expect("a link");
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    let report = restore(&spec, &[file("a", "mine"), symlink("b", "../outside"), file("b", "two")]);
    assert!(report.failed.first.is_empty(), "{:?}", report.failed);
    assert_eq!((text(yard.to("a")), text(yard.to("b"))), ("mine".into(), "two".into()));
    assert!(!yard.to("b").is_symlink());
    yard.assert_nothing_outside();
}

#[test]
fn a_directory_takes_the_place_of_a_link_when_it_may() {
    let yard = Yard::new();
    make_symlink(yard.dir.path(), yard.to("d")).expect("a link");
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    let report = restore(&spec, &[dir("d"), file("d/outside", "inside")]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(text(yard.to("d/outside")), "inside");
    yard.assert_nothing_outside();
}

#[test]
fn hard_links_lead_only_to_files_of_this_restore() {
    let yard = Yard::new();
    std::fs::write(yard.to("existing"), "not of the archive").expect("a file");
    let report = yard.restore(&[
        symlink("up", ".."),
        hard_link("a", "../outside"),
        hard_link("b", "up/outside"),
        hard_link("c", "existing"),
        symlink("s", "../outside"),
        hard_link("d", "s"),
        hard_link("e", "/etc/hostname"),
        hard_link("f", "later"),
        file("later", "late"),
        hard_link("g", "."),
    ]);
    assert_eq!(report.failed.count, 6, "{:?}", report.failed);
    // A second name of the link itself, not of what it leads to.
    assert!(yard.to("d").symlink_metadata().expect("there").is_symlink());
    for name in ["a", "b", "c", "e", "f", "g"] {
        assert!(yard.to(name).symlink_metadata().is_err(), "{name}");
    }
    assert_eq!(std::fs::metadata(yard.path("outside")).expect("there").nlink(), 1);
    yard.assert_nothing_outside();
}

#[test]
fn writing_over_a_hard_link_leaves_its_other_name_alone() {
    let yard = Yard::new();
    std::fs::hard_link(yard.path("outside"), yard.to("a")).expect("a link");
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    restore(&spec, &[file("a", "mine")]);
    assert_eq!(text(yard.to("a")), "mine");
    yard.assert_nothing_outside();
}

#[test]
fn a_map_of_holes_out_of_order_is_refused() {
    use protocol::tar::{Extent, SparseMap};
    let yard = Yard::new();
    let map = |real_bytes, extents: &[(u64, u64)]| {
        let (mut member, _) = file("s", "");
        member.data_bytes = 4;
        let extents = extents.iter().map(|&(offset, bytes)| Extent { offset, bytes }).collect();
        member.sparse = Some(SparseMap { real_bytes, extents });
        (member, &b"data"[..])
    };
    for bad in [
        map(10, &[(8, 4)]),
        map(10, &[(4, 2), (4, 2)]),
        map(u64::MAX, &[(u64::MAX - 1, 4)]),
        map(u64::MAX, &[(0, 4)]),
        map(10, &[(0, 5)]),
    ] {
        let report = yard.restore(&[bad]);
        assert_eq!(report.failed.count, 1);
        assert!(yard.to("s").symlink_metadata().is_err());
    }
}

#[test]
fn more_or_fewer_bytes_than_announced_leave_nothing() {
    let yard = Yard::new();
    let (mut short, data) = file("short", "0123456789");
    short.data_bytes = 11;
    let (mut long, _) = file("d/long", "");
    long.data_bytes = 3;
    let report = yard.restore(&[(short, data), dir("d"), (long, data), hard_link("l", "d/long")]);
    assert_eq!(report.failed.count, 3, "{:?}", report.failed);
    assert_eq!(std::fs::read_dir(yard.path("to")).expect("readable").count(), 1);
    assert_eq!(std::fs::read_dir(yard.to("d")).expect("readable").count(), 0);
}

#[test]
fn nothing_of_a_foreign_archive_becomes_a_device() {
    let yard = Yard::new();
    let spec = RestoreSpec { allow_devices: false, ..yard.spec() };
    let mut device = member(MemberKind::BlockDevice, "sda");
    device.device = (8, 0);
    let report = restore(&spec, &[(device, b""), file("a", "a")]);
    assert_eq!((report.failed.count, report.files), (1, 1));
}

#[test]
fn in_place_a_link_of_the_system_is_followed_and_another_is_not() {
    if !is_root() {
        return;
    }
    let yard = Yard::new();
    let mut spec = yard.spec();
    spec.links = LinkRule::FollowSystem;
    std::fs::create_dir_all(yard.to("run/lock")).expect("folders");
    std::fs::create_dir_all(yard.to("var/open")).expect("folders");
    let closed = std::fs::Permissions::from_mode(0o755);
    for path in ["", "run", "run/lock", "var"] {
        std::fs::set_permissions(yard.to(path), closed.clone()).expect("mode");
    }
    make_symlink("/run", yard.to("var/run")).expect("a link");
    make_symlink("../../../outside-of-all/../run", yard.to("var/up")).expect("a link");
    make_symlink("/run", yard.to("var/open/run")).expect("a link");
    std::fs::set_permissions(yard.to("var/open"), std::fs::Permissions::from_mode(0o777))
        .expect("mode");
    make_symlink("/run", yard.to("var/theirs")).expect("a link");
    std::os::unix::fs::lchown(yard.to("var/theirs"), Some(12345), None).expect("owner");
    make_symlink("loop", yard.to("loop")).expect("a link");
    let report = restore(
        &spec,
        &[
            file("var/run/lock/a", "followed"),
            hard_link("var/run/b", "var/run/lock/a"),
            file("var/open/run/c", "evil"),
            file("var/theirs/c", "evil"),
            symlink("var/own", "/run"),
            file("var/own/c", "evil"),
            file("loop/c", "evil"),
            file("var/up/c", "evil"),
        ],
    );
    assert_eq!(text(yard.to("run/lock/a")), "followed");
    assert_eq!(std::fs::metadata(yard.to("run/b")).expect("there").nlink(), 2);
    assert!(!yard.to("run/c").exists());
    let whats: Vec<_> = report.failed.first.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(whats.len(), 5, "{whats:?}");
    for (what, why) in whats.iter().zip(["others may write", "another user", "archive made it"]) {
        assert!(what.contains(why), "{what}");
    }
    yard.assert_nothing_outside();
}

#[test]
fn second_names_are_given_to_links_and_pipes_that_this_restore_made_and_to_no_others() {
    use std::os::unix::fs::MetadataExt;
    let yard = Yard::new();
    make_symlink("../outside", yard.to("old")).expect("a link");
    let inode = |name: &str| yard.to(name).symlink_metadata().expect("there").ino();
    let spec = RestoreSpec { overwrite: Overwrite::Replace, ..yard.spec() };
    let mut extractor = Extractor::new(&spec).expect("a destination");
    let pipe = (member(MemberKind::Fifo, "d/pipe"), &b""[..]);
    let made = [dir("d"), symlink("d/link", "../../outside"), pipe, symlink("swapped", "x")];
    give(&mut extractor, &made);
    // Kept beside, so that its inode is not given out again.
    std::fs::rename(yard.to("swapped"), yard.to("was")).expect("renamed");
    make_symlink("../outside", yard.to("swapped")).expect("a link");
    let links = [
        hard_link("a", "d/link"),
        hard_link("b", "d/pipe"),
        hard_link("c", "a"),
        hard_link("no1", "old"),
        hard_link("no2", "swapped"),
        hard_link("no3", "d"),
    ];
    give(&mut extractor, &links);
    let report = extractor.finish().expect("finished");
    assert_eq!((report.hard_links, report.failed.count), (3, 3), "{report:?}");
    assert_eq!((inode("a"), inode("c")), (inode("d/link"), inode("d/link")));
    assert_eq!(inode("b"), inode("d/pipe"));
    assert!(["no1", "no2", "no3"].iter().all(|name| yard.to(name).symlink_metadata().is_err()));
    assert_eq!(std::fs::metadata(yard.path("outside")).expect("there").nlink(), 1);
    yard.assert_nothing_outside();
}

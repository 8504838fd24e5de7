use std::os::unix::fs::PermissionsExt;

use super::*;

fn sample() -> Tree {
    let tree = Tree::new();
    for n in 0..300 {
        tree.file(&format!("d{}/f{n}", n % 7), format!("content {n}"));
    }
    for n in 0..3 {
        tree.file(&format!("d{n}/large"), vec![n; 70_000 + usize::from(n)]);
    }
    std::fs::hard_link(tree.root().join("d1/f1"), tree.root().join("d6/again")).unwrap();
    tree
}

fn again<'a>(tree: &Tree, earlier: &Kept<'_>) -> (Kept<'a>, SourceReport) {
    run(&tree.spec(), Kept { earlier: earlier.stable(), ..Kept::default() })
}

fn reread(kept: &Kept<'_>) -> usize {
    kept.segments.iter().skip(1).filter(|segment| !segment.was_reused).count()
}

#[test]
fn an_unchanged_source_is_not_read_again() {
    let tree = sample();
    let first = read_all(&tree.spec());
    assert!(first.segments.iter().skip(1).all(|segment| segment.stable));
    assert!(first.segments.len() > 20);
    let (second, report) = again(&tree, &first);
    assert_eq!((reread(&second), report.bytes_read), (0, 0));
    assert!(report.segments - report.segments_reused <= 1);
    assert!(body(&second) == body(&first));
    assert!(told_offsets(&second) == told_offsets(&first));
}

#[test]
fn a_change_reads_its_own_segment_and_no_other() {
    for (what, expected) in [("content", 1), ("mode", 1), ("new", 2), ("gone", 2)] {
        let tree = sample();
        let first = read_all(&tree.spec());
        let path = tree.root().join("d3/f17");
        match what {
            "content" => std::fs::write(&path, "CONTENT 17").unwrap(),
            "mode" => std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap(),
            "new" => drop(tree.file("d3/new", "new")),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        let (second, _) = again(&tree, &first);
        assert!((1..=expected).contains(&reread(&second)), "{what}: {}", reread(&second));
        let fresh = read_all(&tree.spec());
        assert!(body(&second) == body(&fresh), "{what}");
    }
}

#[test]
fn attributes_that_change_are_noticed() {
    let tree = sample();
    let first = read_all(&tree.spec());
    let path = tree.root().join("d3/f17");
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&path, "user.new", b"v", flags).is_err() {
        return; // the file system of the temporary folder has none
    }
    let (second, _) = again(&tree, &first);
    assert_eq!(reread(&second), 1);
    assert_eq!(members(&second)[&tree.member("d3/f17")].0.xattrs.len(), 1);
}

#[test]
fn the_data_of_a_large_file_is_reused_when_its_neighbours_change() {
    let tree = sample();
    let first = read_all(&tree.spec());
    std::fs::write(tree.root().join("d1/f1"), "changed").unwrap();
    let (second, report) = again(&tree, &first);
    assert!(report.bytes_read < 70_000);
    assert!(body(&second) == body(&read_all(&tree.spec())));
}

#[test]
fn what_changed_just_now_is_not_trusted() {
    let tree = sample();
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let mut kept = Kept::default();
    read_with(&tree.spec(), &mut Sevens, &now, &mut kept).unwrap();
    let fresh = kept.segments.iter().skip(1).filter(|segment| segment.stable).count();
    assert_eq!((fresh, kept.warnings()), (0, Vec::new()));
    // A clock that was set back: everything lies in the future.
    let mut kept = Kept::default();
    read_with(&tree.spec(), &mut Sevens, &|| now() - 86_400, &mut kept).unwrap();
    assert!(kept.segments.iter().skip(1).all(|segment| !segment.stable));
}

#[test]
fn a_header_that_is_reused_gets_its_data_even_if_the_file_has_gone() {
    let tree = Tree::new();
    let path = tree.file("large", vec![5; 100_000]);
    let first = read_all(&tree.spec());
    let mut earlier = first.stable();
    earlier.retain(|_, segment| segment.head.kind == SegmentKind::Members);
    let hook: Hook<'_> = Box::new(|moment| {
        if moment == Moment::Head(SegmentKind::FileData) {
            std::fs::remove_file(&path).unwrap();
        }
    });
    let (kept, _) = run(&tree.spec(), Kept { earlier, hook: Some(hook), ..Kept::default() });
    assert!(members(&kept)[&tree.member("large")].1 == vec![0; 100_000]);
    assert_eq!(kept.warnings(), [("large".to_owned(), "vanished; zeros take its place")]);
    assert!(!kept.segments.last().unwrap().stable);
}

#[test]
fn fingerprints_of_another_key_are_others() {
    let tree = sample();
    let first = read_all(&tree.spec());
    let mut spec = tree.spec();
    spec.fingerprint_key = [8; 32];
    let (second, _) = run(&spec, Kept { earlier: first.stable(), ..Kept::default() });
    assert_eq!(reread(&second), second.segments.len() - 1);
}

#[test]
fn attributes_too_large_for_one_chunk_make_more_chunks() {
    if !is_root() {
        return;
    }
    let tree = Tree::new();
    for n in 0..600 {
        let path = tree.file(&format!("{n:03}"), vec![1; 1000]);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&path, "trusted.large", &[b'v'; 3000], flags).unwrap();
    }
    struct One;
    impl MemberGroups for One {
        fn begins_new(&mut self, _: &[u8], _: u64) -> bool {
            false
        }
        fn reset(&mut self) {}
    }
    let mut kept = Kept::default();
    read_with(&tree.spec(), &mut One, &|| 0, &mut kept).unwrap();
    assert!(kept.segments.iter().any(|segment| segment.chunks.len() > 1));
    assert_eq!(members(&kept).len(), kept.segments.iter().map(|s| s.entries.len()).sum::<usize>());
}

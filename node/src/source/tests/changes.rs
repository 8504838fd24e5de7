use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

/// Reads while `change` is made once, at the given moment.
fn read_changing(tree: &Tree, at: Moment, change: impl FnOnce() + Send) -> Kept<'static> {
    let mut change = Some(change);
    let mut heads = 0;
    let hook: Hook<'_> = Box::new(move |moment| {
        // The first head is that of the directories above.
        heads += usize::from(moment == BEFORE_SMALL);
        if let Some(change) = change.take_if(|_| moment == at && heads > 1) {
            change();
        }
    });
    // The hook is done when the reading is.
    let (kept, _) = run(&tree.spec(), Kept { hook: Some(hook), ..Kept::default() });
    let Kept { segments, warnings, earlier, .. } = kept;
    Kept { segments, warnings, earlier, hook: None }
}

const BEFORE_SMALL: Moment = Moment::Head(SegmentKind::Members);
const WITHIN_LARGE: Moment = Moment::Data(SegmentKind::FileData);

#[test]
fn a_small_file_that_vanishes_is_left_out() {
    let tree = Tree::new();
    for n in 0..40 {
        tree.file(&format!("f{n}"), "x");
    }
    let root = tree.root();
    let kept = read_changing(&tree, BEFORE_SMALL, || {
        for n in 0..40 {
            let _ = std::fs::remove_file(root.join(format!("f{n}")));
        }
    });
    assert_eq!(kept.warnings.len(), 40);
    assert!(kept.warnings.iter().all(|warning| warning.what == "vanished"));
    assert_eq!(names(&kept, &tree), Vec::<String>::new());
    assert!(!kept.segments[1].stable);
}

#[test]
fn a_small_file_that_changed_since_the_walk_is_read_as_it_is_now() {
    for now in ["longer than it was", "s", ""] {
        let tree = Tree::new();
        let path = tree.file("f", "as it was");
        let kept = read_changing(&tree, BEFORE_SMALL, || std::fs::write(&path, now).unwrap());
        assert_eq!(members(&kept)[&tree.member("f")].1, now.as_bytes());
        assert_eq!(kept.warnings(), []);
        assert!(!kept.segments[1].stable);
    }
}

#[test]
fn a_small_file_that_became_something_else_is_left_out() {
    let tree = Tree::new();
    let path = tree.file("f", "as it was");
    let secret = tree.folder.path().join("secret");
    std::fs::write(&secret, "outside").unwrap();
    let kept = read_changing(&tree, BEFORE_SMALL, || {
        std::fs::remove_file(&path).unwrap();
        symlink(&secret, &path).unwrap();
    });
    assert_eq!(kept.warnings(), [("f".to_owned(), "replaced while it was read")]);
    assert_eq!(names(&kept, &tree), Vec::<String>::new());
}

#[test]
fn a_small_file_that_grew_huge_is_cut_with_a_warning() {
    let tree = Tree::new();
    let path = tree.file("f", "small");
    let kept =
        read_changing(&tree, BEFORE_SMALL, || std::fs::write(&path, vec![9; 3 << 20]).unwrap());
    assert_eq!(members(&kept)[&tree.member("f")].1.len(), 512 << 10);
    assert_eq!(kept.warnings(), [("f".to_owned(), "changed while it was read")]);
}

#[test]
fn the_second_name_of_a_vanished_file_gets_its_data() {
    let tree = Tree::new();
    let first = tree.file("a", "data");
    for name in ["b", "c"] {
        std::fs::hard_link(&first, tree.root().join(name)).unwrap();
    }
    let kept = read_changing(&tree, BEFORE_SMALL, || std::fs::remove_file(&first).unwrap());
    let members = members(&kept);
    assert_eq!(members[&tree.member("b")].1, b"data");
    assert_eq!(members[&tree.member("c")].0.link, tree.member("b"));
    assert_eq!(kept.warnings(), [("a".to_owned(), "vanished")]);
}

#[test]
fn a_large_file_that_shrinks_is_filled_up_with_zeros() {
    let tree = Tree::new();
    let path = tree.file("f", vec![5; 3_000_001]);
    let shrink =
        || std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    let kept = read_changing(&tree, WITHIN_LARGE, shrink);
    let data = &members(&kept)[&tree.member("f")].1;
    assert_eq!(data.len(), 3_000_001);
    assert_eq!(data.iter().position(|&b| b == 0), Some(CHUNK_BYTES_MAX));
    assert_eq!(kept.warnings(), [("f".to_owned(), "shrank while it was read")]);
    assert!(!kept.segments.last().unwrap().stable);
}

#[test]
fn a_large_file_that_grows_is_cut() {
    let tree = Tree::new();
    let path = tree.file("f", vec![5; 3_000_000]);
    let grow = || {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[6; 5000]).unwrap();
    };
    let kept = read_changing(&tree, WITHIN_LARGE, grow);
    assert!(members(&kept)[&tree.member("f")].1 == vec![5; 3_000_000]);
    assert_eq!(kept.warnings(), [("f".to_owned(), "grew while it was read")]);
    assert!(!kept.segments.last().unwrap().stable);
}

#[test]
fn a_large_file_that_vanishes_before_it_is_opened_is_left_out() {
    let tree = Tree::new();
    let path = tree.file("f", vec![5; 3_000_000]);
    let kept = read_changing(&tree, BEFORE_SMALL, || std::fs::remove_file(&path).unwrap());
    assert_eq!(names(&kept, &tree), Vec::<String>::new());
    assert_eq!(kept.warnings(), [("f".to_owned(), "vanished")]);
}

#[test]
fn a_large_file_that_is_removed_while_it_is_read_is_whole() {
    let tree = Tree::new();
    let path = tree.file("f", vec![5; 3_000_000]);
    let kept = read_changing(&tree, WITHIN_LARGE, || std::fs::remove_file(&path).unwrap());
    assert!(members(&kept)[&tree.member("f")].1 == vec![5; 3_000_000]);
}

#[test]
fn a_directory_swapped_for_a_link_does_not_lead_out() {
    let tree = Tree::new();
    tree.file("a", vec![1; 70_000]);
    tree.file("d/inside", "inside");
    let outside = tree.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let directory = tree.root().join("d");
    let kept = read_changing(&tree, WITHIN_LARGE, || {
        std::fs::rename(&directory, tree.folder.path().join("away")).unwrap();
        symlink(&outside, &directory).unwrap();
    });
    assert!(!kept.stream().windows(6).any(|window| window == b"secret"));
    assert_eq!(kept.warnings(), [("d".to_owned(), "replaced while it was read")]);
}

#[test]
fn a_sink_that_fails_stops_the_reading() {
    struct Full;
    impl SourceSink for Full {
        fn segment(&mut self, _: SegmentHead) -> std::io::Result<Verdict> {
            Ok(Verdict::Read)
        }
        fn data(&mut self, _: Vec<u8>) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn end(&mut self, _: SegmentEnd) -> std::io::Result<()> {
            unreachable!("data has failed")
        }
        fn warning(&mut self, _: SourceWarning) {}
    }
    let error = read(&Tree::new().spec(), &mut Full).unwrap_err();
    assert!(matches!(error, SourceError::Sink(_)), "{error}");
}

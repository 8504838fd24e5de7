//! Patterns, and what hard links become when only some members are taken.

use super::*;

fn taken(patterns: &[&str], paths: &[&str]) -> Vec<String> {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let selection = Selection::new(&patterns, b"data/custom").expect("patterns");
    let kind = |path: &str| match path.ends_with('/') {
        true => MemberKind::Directory,
        false => MemberKind::File,
    };
    let takes = |path: &&&str| selection.takes(path.trim_end_matches('/').as_bytes(), kind(path));
    paths.iter().filter(takes).map(ToString::to_string).collect()
}

const PATHS: [&str; 9] = [
    "backup.csv",
    "data/custom/opt/app/",
    "data/custom/opt/app/a.txt",
    "data/custom/opt/app/docs/b.txt",
    "data/custom/opt/app/docs/sub/c.txt",
    "data/custom/opt/app/etc/",
    "data/custom/opt/app/etc/conf",
    "data/custom/opt/app/x/etc",
    "data/custom/opt/app/a[1].txt",
];

#[test]
fn patterns_take_what_people_expect() {
    let check = |patterns: &[&str], wanted: &[usize]| {
        let wanted: Vec<_> = wanted.iter().map(|&at| PATHS[at].to_owned()).collect();
        assert_eq!(taken(patterns, &PATHS), wanted, "{patterns:?}");
    };
    check(&[], &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    check(&["docs/*.txt"], &[3]);
    check(&["docs/**/*.txt"], &[3, 4]);
    check(&["*.csv"], &[0]);
    check(&["etc/"], &[5, 6]);
    check(&["etc"], &[5, 6, 7]);
    check(&["/opt/app/docs"], &[3, 4]);
    check(&["/opt/app/*.txt"], &[2, 8]);
    check(&["/opt/app/a.txt/"], &[]);
    check(&["/app/a.txt"], &[]);
    check(&["data/custom/opt/app/a.txt", "backup.csv"], &[0, 2]);
    check(&["/data/custom/opt/app/a.txt"], &[]);
    check(&["/opt/app/a[1].txt"], &[8]);
    check(&["a[1].txt"], &[]);
    check(&["/"], &[1, 2, 3, 4, 5, 6, 7, 8]);
    check(&["!a.txt", "#a.txt", "a.txt "], &[]);
}

#[test]
fn patterns_that_are_none_are_refused() {
    let refused = |patterns: &[String]| Selection::new(patterns, b"").err();
    assert!(matches!(refused(&["a[z-a]".into()]), Some(SelectionError::Pattern { .. })));
    assert!(matches!(refused(&[String::new()]), Some(SelectionError::Empty)));
    assert!(matches!(refused(&["x".repeat(10_000)]), Some(SelectionError::TooMany)));
}

#[test]
fn a_hard_link_without_its_first_name_says_whose_data_it_needs() {
    let selection = Selection::new(&["/b*".into()], b"").expect("patterns");
    let mut links = Links::default();
    let mut choose = |member: &(Member, _)| links.choose(&selection, &member.0);
    assert_eq!(choose(&hard_link("b1", "a")), LinkChoice::WithDataOf(b"a".to_vec()));
    assert_eq!(choose(&hard_link("b2", "a")), LinkChoice::To(b"b1".to_vec()));
    assert_eq!(choose(&hard_link("b3", "b0")), LinkChoice::AsItIs);
    assert_eq!(choose(&file("b4", "")), LinkChoice::AsItIs);
}

#[test]
fn one_file_comes_with_the_directories_above_it() {
    use std::os::unix::fs::MetadataExt;
    let yard = Yard::new();
    let mut spec = yard.spec();
    (spec.strip, spec.patterns) = (b"data/custom".to_vec(), vec!["/opt/app/docs/b".into()]);
    let mut docs = dir("data/custom/opt/app/docs");
    docs.0.mode = 0o750;
    let report = restore(
        &spec,
        &[
            file("info.json", "{}"),
            dir("data"),
            dir("data/custom"),
            dir("data/custom/opt"),
            dir("data/custom/opt/app"),
            file("data/custom/opt/app/a", "a"),
            dir("data/custom/opt/app/cache"),
            docs,
            file("data/custom/opt/app/docs/b", "b"),
            file("data/custom/opt/app/docs/c", "c"),
        ],
    );
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(text(yard.to("opt/app/docs/b")), "b");
    let app: Vec<_> = fs::read_dir(yard.to("opt/app")).expect("readable").collect();
    assert_eq!(app.len(), 1);
    let docs = fs::metadata(yard.to("opt/app/docs")).expect("there");
    assert_eq!((docs.mode() & 0o7777, docs.mtime()), (0o750, 1_700_000_000));
}

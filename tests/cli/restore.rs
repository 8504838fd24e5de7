//! Getting things back: some, one, where they were, or as a plain tar.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tests::support::{Node, Yard, assert_same, below, tree};

/// A node with an archive of the awkward tree.
fn scene() -> (Yard, PathBuf, Node, String) {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let jerry = yard.node("jerry");
    jerry.add_job("diary", &source, &[]);
    let archive = jerry.back_up("diary");
    (yard, source, jerry, archive)
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn an_exported_tar_is_what_gnu_tar_and_yunohost_expect() {
    let (yard, source, jerry, archive) = scene();
    let to = yard.path("export");
    fs::create_dir(&to).expect("a folder");
    let text = to.to_str().expect("plain");
    let exported = jerry.json(&["archive", "export", &archive, "--to", text], "exported");
    let tar = to.join(format!("{archive}.tar"));
    assert_eq!(exported["tar"], *tar.to_str().expect("plain"));
    assert_eq!(exported["bytes"], fs::metadata(&tar).expect("a file").len());
    let sum = output(Command::new("sha256sum").arg(&tar));
    assert_eq!(exported["sha256"].as_str(), sum.split_whitespace().next());
    assert_eq!(jerry.archive(&archive)["sha256"], exported["sha256"]);

    let names = output(Command::new("tar").arg("-tf").arg(&tar));
    let first = ["backup.csv", "info.json", "backup_info.json", "hooks/restore/70-data_custom"];
    assert!(names.lines().filter(|name| !name.ends_with('/')).take(4).eq(first), "{names}");
    let script = "import json,sys; print(' '.join(sorted(json.load(open(sys.argv[1])))))";
    let info = to.join(format!("{archive}.info.json"));
    let keys = output(Command::new("python3").args(["-c", script]).arg(&info));
    let seven = "apps created_at description from_yunohost_version size size_details system";
    assert_eq!(keys.trim(), seven);

    let plain = yard.path("plain");
    fs::create_dir(&plain).expect("a folder");
    let mut extract = Command::new("tar");
    extract.args(["-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]);
    output(extract.arg("-f").arg(&tar).arg("-C").arg(&plain));
    assert_same(&source, &below(&plain.join("data/custom"), &source));

    let again = ["archive", "export", &archive, "--to", text];
    let refused = jerry.ask(&again).fails_with(1, &[text]);
    assert!(refused.err.contains("exist") || refused.err.contains("there"), "{refused:#?}");
    jerry.done(&[&again[..], &["--overwrite"]].concat());
}

fn names(root: &Path) -> Vec<String> {
    let mut found: Vec<_> = tree::files_ending(root, "")
        .into_iter()
        .map(|path| path.strip_prefix(root).expect("below").to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

#[test]
fn only_what_a_pattern_names_is_restored() {
    let (yard, source, jerry, archive) = scene();
    let to = yard.path("some");
    jerry.restore(&archive, &to, &["--path", "n1?.md", "--path", "photo.raw"]);
    let restored = below(&to, &source);
    let mut expected: Vec<_> = (10..20).map(|n| format!("notes/{}/n{n}.md", n % 7)).collect();
    expected.push("photo.raw".to_owned());
    expected.sort();
    assert_eq!(names(&restored), expected);
    assert_same(&source.join("photo.raw"), &restored.join("photo.raw"));

    let to = yard.path("one");
    let done = jerry.restore(&archive, &to, &["--path", "notes/3/n24.md"]);
    assert_eq!(names(&below(&to, &source)), ["notes/3/n24.md"], "{done:#}");
    assert_same(&source.join("notes/3/n24.md"), &below(&to, &source).join("notes/3/n24.md"));

    let text = yard.path("none");
    let line = ["archive", "restore", &archive, "--to", text.to_str().expect("plain")];
    let nothing = jerry.ask(&[&line[..], &["--path", "no such file"]].concat());
    assert_eq!(nothing.code, Some(1), "{nothing:#?}");
}

#[test]
fn a_second_name_is_restored_whole_when_the_first_is_not_selected() {
    let (yard, source, jerry, archive) = scene();
    for name in ["first name", "second name", "third name"] {
        let to = yard.path(&name.replace(' ', "-"));
        jerry.restore(&archive, &to, &["--path", name]);
        let root = below(&to, &source);
        let found = names(&root);
        assert_eq!(found.len(), 1, "{found:?}");
        let content = fs::read(root.join(&found[0])).expect("the file");
        assert_eq!(content, b"one file, three names\n", "{name}");
        assert_eq!(fs::metadata(root.join(&found[0])).expect("its data").nlink(), 1);
    }
}

#[test]
fn a_plan_changes_nothing_and_in_place_brings_everything_back() {
    let (yard, source, jerry, archive) = scene();
    let saved = yard.path("saved");
    output(Command::new("cp").arg("-a").arg(&source).arg(&saved));
    fs::remove_dir_all(&source).expect("removed");
    let plan = jerry.json(&["archive", "restore", &archive, "--plan"], "restore_plan");
    assert!(plan["creates"].as_u64() > Some(300), "{plan:#}");
    assert!(!source.exists(), "the plan made something");

    let line = ["archive", "restore", &archive, "--yes"];
    jerry.done(&line);
    assert_same(&saved, &source);

    fs::write(source.join("notes/3/n24.md"), "spoilt").expect("written");
    fs::remove_file(source.join("photo.raw")).expect("removed");
    fs::write(source.join("newer"), "not in the archive").expect("written");
    let plan = jerry.json(&["archive", "restore", &archive, "--plan"], "restore_plan");
    assert_eq!(plan["creates"], 1, "{plan:#}");
    assert!(plan["replaces"].as_u64() >= Some(1), "{plan:#}");
    assert!(!source.join("photo.raw").exists());
    jerry.done(&[&line[..], &["--overwrite", "never"]].concat());
    assert_eq!(fs::read(source.join("notes/3/n24.md")).expect("a file"), b"spoilt");
    jerry.done(&line);
    fs::remove_file(source.join("newer")).expect("what is not in the archive stays");
    let root = fs::File::open(&source).expect("a folder");
    root.set_modified(fs::metadata(&saved).expect("its data").modified().expect("a time"))
        .expect("a time");
    assert_same(&saved, &source);
}

#[test]
fn what_an_archive_holds_is_listed_with_names_of_any_bytes() {
    let (_yard, source, jerry, archive) = scene();
    let contents = jerry.json(&["archive", "contents", &archive], "contents");
    let paths: Vec<_> = contents["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["path"].as_str().expect("a path").to_owned())
        .collect();
    for part in [r"not \xff utf-8 \xc3", r"line\x0abreak \x1b[31m", "read only/kept", "fifo"] {
        assert!(paths.iter().any(|path| path.ends_with(part)), "{part} is not listed");
    }
    let plain = jerry.done(&["archive", "contents", &archive]).out;
    assert!(!plain.contains('\x1b'), "a name reached the terminal as it is");
    assert!(plain.contains(source.file_name().and_then(|n| n.to_str()).expect("plain")));
}

//! The next nights: what is stored again, what is left out, what is freed.

use std::fs;

use serde_json::Value;
use tests::support::{Node, Yard, assert_same, below, tree};

fn stored(report: &Value) -> u64 {
    report["stored_bytes"].as_u64().expect("a number")
}

fn store_bytes(node: &Node) -> u64 {
    node.json(&["store", "stats"], "store_stats")["pack_bytes"].as_u64().expect("a number")
}

#[test]
fn a_second_run_stores_nearly_nothing_and_a_changed_file_only_its_change() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let noise = tree::noise(3, 16 << 20);
    fs::write(source.join("noise.bin"), &noise).expect("written");
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let first = jerry.run_job("files");
    assert!(stored(&first) > 19 << 20, "{first:#}");
    let before = store_bytes(&jerry);
    let second = jerry.run_job("files");
    assert!(stored(&second) < 64 << 10, "{second:#}");
    assert_eq!(
        second["stream_bytes"].as_u64().map(|b| b / 8192),
        first["stream_bytes"].as_u64().map(|b| b / 8192)
    );
    assert!(second["known_bytes"].as_u64() > Some(19 << 20), "{second:#}");
    assert!(store_bytes(&jerry) < before + (96 << 10));

    let mut changed = noise.clone();
    changed.splice(5 << 20..5 << 20, *b"some bytes in the middle");
    fs::write(source.join("noise.bin"), changed).expect("written");
    let third = jerry.run_job("files");
    assert!(stored(&third) < 3 << 20, "{third:#}");
    let archive = third["archive"].as_str().expect("a name");
    jerry.restore(archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
    // The older ones are what they were.
    let archive = first["archive"].as_str().expect("a name");
    jerry.restore(archive, &yard.path("old"), &[]);
    let old = fs::read(below(&yard.path("old"), &source).join("noise.bin")).expect("a file");
    assert!(old == noise, "the first archive has changed");
}

#[test]
fn what_is_excluded_and_the_data_folder_itself_are_left_out() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 1 << 20);
    for name in ["cache/a", "deep/cache/b", "x.tmp", "deep/y.tmp", "keep.tmp", "deep/kept", "log/l"]
    {
        let path = source.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, name).expect("written");
    }
    let jerry = Node::start("jerry", &source.join("data"), &yard.path("archives"));
    let excludes = ["*.tmp", "!keep.tmp", "cache/", "/log"];
    let more: Vec<_> = excludes.iter().flat_map(|pattern| ["--exclude", pattern]).collect();
    jerry.add_job("files", &source, &more);
    let ran = jerry.ask(&["job", "run", "files", "--wait", "--json"]);
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:#?}");
    let archive = ran.json("run_ended")["archive"].as_str().expect("a name").to_owned();
    let to = yard.path("to");
    jerry.restore(&archive, &to, &[]);
    let root = below(&to, &source);
    let left = |name: &str| !root.join(name).exists();
    for name in ["deep/kept", "keep.tmp", "note.txt", "noise.bin"] {
        assert!(!left(name), "{name} is missing");
    }
    for name in
        ["cache/a", "deep/cache", "x.tmp", "deep/y.tmp", "log", "data/store", "data/node.key"]
    {
        assert!(left(name), "{name} is there");
    }
}

#[test]
fn gc_frees_what_no_archive_needs_and_touches_nothing_else() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 8 << 20);
    fs::write(source.join("shared.bin"), tree::noise(77, 4 << 20)).expect("written");
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let first = jerry.back_up("files");
    fs::write(source.join("noise.bin"), tree::noise(2, 8 << 20)).expect("written");
    let second = jerry.back_up("files");
    let full = store_bytes(&jerry);
    let nothing = jerry.json(&["store", "gc"], "store_collected");
    assert!(nothing["freed_bytes"].as_u64() < Some(1 << 20), "{nothing:#}");

    let dry = jerry.json(&["archive", "remove", &first, "--dry-run"], "removed");
    assert!(jerry.knows(&first), "a dry run removed it");
    assert!(dry["freed_bytes"].as_u64() >= Some(8 << 20), "{dry:#}");
    jerry.done(&["archive", "remove", &first, "--yes"]);
    assert!(!jerry.knows(&first));
    let dry = jerry.json(&["store", "gc", "--dry-run"], "store_collected");
    assert!(dry["freed_bytes"].as_u64() >= Some(8 << 20), "{dry:#}");
    assert_eq!(store_bytes(&jerry), full, "a dry run freed something");
    let done = jerry.json(&["store", "gc"], "store_collected");
    assert!(done["freed_bytes"].as_u64() >= Some(8 << 20), "{done:#}");
    assert!(store_bytes(&jerry) < full - (8 << 20) + (1 << 20));

    jerry.done(&["store", "check", "--read-data"]);
    jerry.done(&["archive", "verify", &second]);
    jerry.restore(&second, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
    let third = jerry.back_up("files");
    jerry.done(&["archive", "verify", &third]);
}

#[test]
fn a_replica_outlives_the_removal_of_its_archive_and_gc_of_its_holder_keeps_it() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 4 << 20);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    let archive = jerry.back_up("files");
    jerry.until_held(&archive, &tom);
    let removed = jerry.json(&["archive", "remove", &archive, "--yes"], "removed");
    assert_eq!(removed["replicas"].as_array().map(Vec::len), Some(1), "{removed:#}");
    jerry.done(&["store", "gc"]);
    assert!(store_bytes(&jerry) < 2 << 20);
    let before = store_bytes(&tom);
    tom.done(&["store", "gc"]);
    assert_eq!(store_bytes(&tom), before, "a locked replica was collected");
    tom.done(&["store", "check", "--read-data"]);
}

//! The main job: back up, replicate, restore elsewhere.

use std::fs;

use tests::support::{Yard, assert_same, below, tree};

#[test]
fn what_was_backed_up_is_restored_from_the_replica_of_another_operator_after_the_first_is_gone() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let mut jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("diary", &source, &["--copies", "1"]);
    let archive = jerry.back_up("diary");
    jerry.until_held(&archive, &tom);
    tom.until_held(&archive, &tom);
    jerry.stop();

    let restored = tom.restore(&archive, &yard.path("restored"), &[]);
    assert_eq!(restored["not_set"]["total"], 0, "{restored:#}");
    assert_eq!(restored["fetched_bytes"], 0, "{restored:#}");
    assert_same(&source, &below(&yard.path("restored"), &source));
    tom.done(&["archive", "verify", &archive]);
}

#[test]
fn an_operator_without_a_replica_restores_by_fetching_as_it_goes() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("diary", &source, &[]);
    let archive = jerry.back_up("diary");
    tests::support::until("tom knows the archive", || tom.knows(&archive));
    let restored = tom.restore(&archive, &yard.path("restored"), &[]);
    assert!(restored["fetched_bytes"].as_u64() > Some(3 << 20), "{restored:#}");
    assert_same(&source, &below(&yard.path("restored"), &source));
    fs::remove_dir_all(yard.path("restored")).expect("it can be removed");
}

#[test]
fn a_storage_node_holds_the_replica_and_learns_nothing_of_it() {
    let yard = Yard::new();
    let source = yard.path("source-of-the-diary");
    tree::awkward(&source);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "storage");
    jerry.add_job("diary-job", &source, &["--copies", "1"]);
    let archive = jerry.back_up("diary-job");
    jerry.until_held(&archive, &tom);

    let needles: [&[u8]; 7] = [
        b"diary-job",
        archive.as_bytes(),
        b"source-of-the-diary",
        tree::CONTENT.as_bytes(),
        b"photo.raw",
        b"first name",
        &tree::noise(7, 64),
    ];
    assert_eq!(tree::find_bytes(&tom.data, &needles), None);
    assert_eq!(tree::find_bytes(&jerry.data, &needles[4..]), None, "at home it is sealed as well");

    let list = tom.json(&["archive", "list"], "archives");
    let all = list["archives"].as_array().expect("a list");
    assert!(all.iter().all(|one| one["name"].is_null()), "{list:#}");
    assert_eq!(tom.status()["replicas"], 1);
    for command in ["contents", "restore", "export", "show", "verify"] {
        let to = yard.path("to");
        let mut line = vec!["archive", command, &archive];
        if matches!(command, "restore" | "export") {
            line.extend(["--to", to.to_str().expect("plain")]);
        }
        tom.ask(&line).fails_with(1, &[&archive]).hints();
        assert!(!to.exists());
    }
}

//! Archives on their way to an instance.

use serde_json::json;
use tests::support::{Instance, Yard, until};

use super::{acquainted, archive, exported, send, transfer, until_state};

/// What the double asks for, so that small archives have many parts.
const PART: u64 = 1 << 20;

fn small_parts() -> Instance {
    let tom = Instance::plain();
    tom.world(|world| world.part_bytes = Some(PART));
    tom
}

#[test]
fn an_archive_is_sent_in_parts_and_is_there_byte_for_byte() {
    let yard = Yard::new();
    let tom = small_parts();
    let jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 5 << 20);
    let done = until_state(&jerry, send(&jerry, &name), "done");
    assert_eq!((&done["way"], &done["bytes_done"]), (&json!("http"), &done["bytes_total"]));
    let there = tom.world(|world| world.archives.get(&name).cloned()).expect("it is there");
    assert!(there == exported(&yard, &jerry, &name), "other bytes");
    assert_eq!(jerry.archive(&name)["sha256"], done["sha256"]);
    let parts = tom.asked("POST /api/v1/archives/upload/upload");
    assert_eq!(parts, there.len().div_ceil(usize::try_from(PART).expect("small")) + 1);

    // Once more: it is there already, and nothing is sent.
    until_state(&jerry, send(&jerry, &name), "done");
    assert_eq!(tom.asked("POST /api/v1/archives/upload/upload"), parts);
    let list = jerry.done(&["transfer", "list"]).out;
    assert!(list.contains("100 %") && list.contains(&name), "{list}");
}

#[test]
fn a_part_that_is_cut_is_sent_again_and_no_other() {
    for cannot_show in [false, true] {
        let yard = Yard::new();
        let tom = small_parts();
        tom.world(|world| (world.cut, world.cannot_show) = (Some((2, 70_000)), cannot_show));
        let jerry = acquainted(&yard, &tom);
        let name = archive(&yard, &jerry, 5 << 20);
        until_state(&jerry, send(&jerry, &name), "done");
        let sent = |part: u32| {
            tom.world(|world| {
                world.asked.iter().filter(|call| call.ends_with(&format!("/chunk/{part}"))).count()
            })
        };
        assert_eq!([0, 1, 2, 3].map(sent), [1, 1, 2, 1], "cannot show: {cannot_show}");
        assert_eq!(tom.asked("POST /api/v1/archives/upload/start"), 1);
        let there = tom.world(|world| world.archives.get(&name).cloned()).expect("it is there");
        assert!(there == exported(&yard, &jerry, &name), "other bytes");
    }
}

#[test]
fn a_killed_daemon_goes_on_with_the_part_that_it_had_not_heard_of() {
    let yard = Yard::new();
    let tom = small_parts();
    tom.world(|world| world.hold = Some(3));
    let mut jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 6 << 20);
    let id = send(&jerry, &name);
    until("part 3 is there, and not acknowledged", || {
        tom.world(|world| world.uploads.values().any(|upload| upload.parts.contains_key(&3)))
    });
    let before = transfer(&jerry, id);
    assert_eq!((&before["state"], &before["bytes_done"]), (&json!("sending"), &json!(3 * PART)));
    jerry.kill();
    tom.world(|world| world.hold = None);
    jerry.restart();
    until_state(&jerry, id, "done");
    assert_eq!(tom.asked("POST /api/v1/archives/upload/start"), 1);
    let again = |part: u32| {
        let end = format!("/chunk/{part}");
        tom.world(|world| world.asked.iter().filter(|call| call.ends_with(&end)).count())
    };
    assert_eq!([0, 1, 2, 3, 4].map(again), [1; 5], "the instance had part 3, and said so");
    let there = tom.world(|world| world.archives.get(&name).cloned()).expect("it is there");
    assert!(there == exported(&yard, &jerry, &name), "other bytes");
}

#[test]
fn an_upload_that_the_instance_forgot_is_begun_anew() {
    let yard = Yard::new();
    let tom = small_parts();
    tom.world(|world| world.hold = Some(2));
    let mut jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 4 << 20);
    let id = send(&jerry, &name);
    until("part 2 is on its way", || {
        tom.world(|w| w.asked.iter().any(|c| c.ends_with("/chunk/2")))
    });
    jerry.kill();
    tom.world(|world| {
        world.hold = None;
        world.uploads.clear();
    });
    jerry.restart();
    until_state(&jerry, id, "done");
    assert_eq!(tom.asked("POST /api/v1/archives/upload/start"), 2);
    assert!(tom.world(|world| world.archives.contains_key(&name)));
}

#[test]
fn a_transfer_waits_for_an_instance_that_is_down_and_can_be_cancelled() {
    let yard = Yard::new();
    let tom = small_parts();
    let mut jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 3 << 20);
    tom.world(|world| world.is_down = true);
    let id = send(&jerry, &name);
    let waiting = until_state(&jerry, id, "retrying");
    assert!(waiting["next_ms"].is_u64() && waiting["failure"]["hint"].is_string(), "{waiting:#}");
    let again = ["archive", "transfer", &name, "--to-instance", "tom"];
    jerry.ask(&again).fails_with(1, &["on its way"]).hints();
    jerry.ask(&["instance", "remove", "tom", "--yes"]).fails_with(1, &["has not ended"]).hints();
    jerry.kill();
    jerry.restart();
    tom.world(|world| (world.is_down, world.hold) = (false, Some(1)));
    until("part 1 is on its way", || {
        tom.world(|w| w.asked.iter().any(|c| c.ends_with("/chunk/1")))
    });
    jerry.done(&["transfer", "cancel", &id.to_string()]);
    tom.world(|world| world.hold = None);
    until("the instance drops it", || tom.world(|world| world.uploads.is_empty()));
    assert_eq!(transfer(&jerry, id)["state"], "cancelled");
    jerry.ask(&["transfer", "cancel", &id.to_string()]).fails_with(1, &["has ended"]);
    jerry.done(&["instance", "remove", "tom", "--yes"]);
    assert!(tom.world(|world| world.archives.is_empty()));
}

#[test]
fn an_instance_that_contradicts_itself_ends_a_transfer() {
    let yard = Yard::new();
    let tom = small_parts();
    let jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 3 << 20);
    let start = "POST /api/v1/archives/upload/start";
    let canned = |what: &str, status, body: serde_json::Value| {
        vec![(what.to_owned(), status, body.to_string().into_bytes())]
    };
    let show = "GET /api/v1/archives/upload/upload";
    for (lie, why) in [
        (canned(start, 201, json!({"upload_id": "a", "chunk_size": 0})), "parts of 0 bytes"),
        (canned(start, 201, json!({"upload_id": "a", "chunk_size": 1_u64 << 40})), "parts of"),
        (canned(start, 201, json!({"upload_id": "a", "total_size": 5})), "bytes"),
        (canned(start, 413, json!({"error": "too_large", "message": "no"})), "413 (too_large): no"),
        (canned(show, 200, json!({"upload_id": "a", "missing": [99]})), "it misses part 99"),
        (canned(show, 200, json!({"total_size": 7, "missing": [0]})), "bytes"),
        (canned("POST /api/v1/archives/upload/upload", 401, json!({})), "does not accept the key"),
    ] {
        tom.world(|world| world.canned = lie);
        let failed = until_state(&jerry, send(&jerry, &name), "failed");
        let said = failed["failure"]["why"].as_str().expect("a reason");
        assert!(said.contains(why), "{why:?} is not said: {failed:#}");
        assert!(failed["failure"]["hint"].is_string(), "{failed:#}");
    }
    let lie = json!({"archive": {"name": name, "size_bytes": 5, "sha256": "00".repeat(32)}});
    tom.world(|world| {
        world.uploads.clear();
        world.canned = Vec::new();
        world.hold = Some(0);
    });
    let id = send(&jerry, &name);
    until("an upload is begun", || tom.world(|world| !world.uploads.is_empty()));
    tom.world(|world| {
        let upload = world.uploads.keys().next().cloned().expect("one");
        let finish = format!("POST /api/v1/archives/upload/{upload}/finish");
        world.canned = vec![(finish, 200, lie.to_string().into_bytes())];
        world.hold = None;
    });
    let failed = until_state(&jerry, id, "failed");
    assert!(failed["failure"]["why"].as_str().expect("a reason").contains("contradicts"));
}

#[test]
fn a_file_that_arrives_as_another_is_sent_twice_and_not_for_ever() {
    let yard = Yard::new();
    let tom = small_parts();
    let jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 2 << 20);
    // Whatever arrives is said to be something else.
    tom.world(|world| world.mangles = true);
    let failed = until_state(&jerry, send(&jerry, &name), "failed");
    assert!(failed["failure"]["why"].as_str().expect("a reason").contains("422"), "{failed:#}");
    assert_eq!(tom.asked("POST /api/v1/archives/upload/start"), 2);
    until("nothing is left there", || tom.world(|world| world.uploads.is_empty()));
    assert!(tom.world(|world| world.archives.is_empty()));
}

#[test]
fn names_that_lead_nowhere_are_refused_at_once() {
    let yard = Yard::new();
    let tom = small_parts();
    let jerry = acquainted(&yard, &tom);
    let name = archive(&yard, &jerry, 1 << 20);
    let to = |to: &str, more: &[&str]| {
        jerry.ask(&[&["archive", "transfer", &name, "--to-instance", to], more].concat())
    };
    to("ann", &[]).fails_with(1, &["ann", "neither an instance nor a node"]).hints();
    to("tom", &["--mode", "mesh"]).fails_with(1, &["tom", "not a node"]).hints();
    jerry.ask(&["archive", "transfer", &name]).exits(2);
    jerry.ask(&["archive", "transfer", &name, "--to", "tom", "--mode", "http"]).exits(2);
    let other = ["archive", "transfer", "other", "--to-instance", "tom"];
    jerry.ask(&other).fails_with(1, &["other"]);
    jerry.ask(&["transfer", "show", "9"]).fails_with(1, &["9"]).hints();
    assert_eq!(jerry.done(&["transfer", "list", "--json"]).json("transfers"), json!([]));
}

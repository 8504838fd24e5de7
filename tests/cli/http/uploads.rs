//! Archives that are sent to a real daemon in parts, while it is killed.

use std::{fs, path::Path};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::support::{Node, Yard, tree};

use super::{Answer, ask, connect, get, key, post, send, serving};

/// Bytes of a part, so that a small archive has several.
const PART: usize = 400_000;

/// An archive of one node as a tar, to be sent to another.
fn tar(yard: &Yard) -> (String, Vec<u8>) {
    let tom = serving(yard, "tom", "127.0.0.1:0");
    let source = yard.path("source");
    tree::plain(&source, 7, 2 << 20);
    tom.add_job("files", &source, &[]);
    let (archive, to) = (tom.back_up("files"), yard.path("exported.tar"));
    tom.done(&["archive", "export", &archive, "--to", to.to_str().expect("plain")]);
    (archive, fs::read(to).expect("it is there"))
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn begin(node: &Node, key: &str, name: &str, tar: &[u8], checksum: &str) -> String {
    let start = json!({
        "filename": format!("{name}.tar"), "total_size": tar.len(), "chunk_size": PART,
        "checksum": checksum
    });
    let begun = post(node, "/archives/upload/start", key, &start);
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.body["upload_id"].as_str().expect("an id").to_owned()
}

fn put(node: &Node, key: &str, id: &str, number: usize, bytes: &[u8]) -> Answer {
    let path = format!("/archives/upload/{id}/chunk/{number}");
    send(connect(node), "POST", &path, key, "application/octet-stream", bytes)
}

fn missing(node: &Node, key: &str, id: &str) -> Value {
    get(node, &format!("/archives/upload/{id}"), key).body["missing"].clone()
}

fn spooled(node: &Node) -> usize {
    fs::read_dir(Path::new(&node.data).join("uploads")).map_or(0, Iterator::count)
}

#[test]
fn an_upload_goes_on_after_kill_9_at_every_part_and_becomes_the_same_archive() {
    let yard = Yard::new();
    let (name, tar) = tar(&yard);
    let mut jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let key = key(&jerry, &["tom"]);
    let id = begin(&jerry, &key, &name, &tar, &hex_sha256(&tar));
    let parts: Vec<&[u8]> = tar.chunks(PART).collect();
    assert!(parts.len() > 3, "{} parts", parts.len());

    let finish = format!("/archives/upload/{id}/finish");
    for (number, part) in parts.iter().enumerate().rev() {
        let early = ask(&jerry, "POST", &finish, &key);
        assert_eq!((early.status, &early.body["missing"][0]), (409, &json!(0)), "{early:?}");
        assert_eq!(put(&jerry, &key, &id, number, &part[1..]).status, 400, "a byte short");
        assert_eq!(put(&jerry, &key, &id, number, part).status, 200);
        jerry.kill();
        jerry.restart();
        assert_eq!(missing(&jerry, &key, &id), json!((0..number).collect::<Vec<_>>()));
    }
    assert!(!jerry.knows(&name), "before it is finished there is nothing");
    let done = ask(&jerry, "POST", &finish, &key);
    assert_eq!((done.status, &done.body["status"]), (200, &json!("complete")), "{done:?}");
    assert!(jerry.knows(&name));
    let to = yard.path("again.tar");
    jerry.done(&["archive", "export", &name, "--to", to.to_str().expect("plain")]);
    assert!(fs::read(to).expect("it is there") == tar, "other bytes");
    assert_eq!(spooled(&jerry), 0, "what was sent is not kept twice");
    assert_eq!(ask(&jerry, "POST", &finish, &key).body["status"], "complete", "asked once more");
}

#[test]
fn another_checksum_or_no_tar_at_all_publishes_nothing() {
    let yard = Yard::new();
    let (name, tar) = tar(&yard);
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let key = key(&jerry, &["tom"]);
    let garbage = vec![7; PART];
    for (bytes, checksum) in [(&tar, hex_sha256(b"other")), (&garbage, hex_sha256(&garbage))] {
        let id = begin(&jerry, &key, &name, bytes, &checksum);
        for (number, part) in bytes.chunks(PART).enumerate() {
            assert_eq!(put(&jerry, &key, &id, number, part).status, 200);
        }
        let refused = ask(&jerry, "POST", &format!("/archives/upload/{id}/finish"), &key);
        assert_eq!((refused.status, &refused.body["error"]), (422, &json!("mismatch")));
        assert!(!jerry.knows(&name));
        assert_eq!(spooled(&jerry), 0);
    }
}

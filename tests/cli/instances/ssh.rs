//! Archives that go by rsync to the ssh account of an instance: real sshd, real rsync.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;
use tests::support::{Instance, Node, Ran, Sshd, Yard, instance::KEY, until};

use super::{archive, exported, transfer, until_state};

fn add(yard: &Yard, jerry: &Node, tom: &Instance, sshd: &Sshd, print: Option<&str>) -> Ran {
    let there = yard.path("there");
    fs::create_dir_all(&there).expect("a folder");
    let account = format!("root@127.0.0.1:{}", sshd.port);
    let mut line = vec!["instance", "add", "tom", &tom.url, "--ssh", &account, "--ssh-path"];
    line.push(there.to_str().expect("plain"));
    line.extend(print.iter().flat_map(|print| ["--ssh-host-key", print]));
    jerry.tell(&line, KEY)
}

/// A node that knows the instance and its account, and is let in there.
fn let_in(yard: &Yard, tom: &Instance, sshd: &Sshd) -> Node {
    let jerry = yard.node("jerry");
    let _ = add(yard, &jerry, tom, sshd, Some(&sshd.fingerprint())).exits(0);
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    sshd.authorize(shown["ssh"]["public_key"].as_str().expect("a key"));
    jerry
}

fn send(node: &Node, archive: &str) -> u64 {
    let line = ["archive", "transfer", archive, "--to-instance", "tom", "--mode", "ssh"];
    node.json(&line, "transfer")["id"].as_u64().expect("a number")
}

/// Where the tar lies before it is whole.
fn hidden(yard: &Yard, node: &Node, archive: &str) -> PathBuf {
    let _ = exported(yard, node, archive);
    let sha256 = node.archive(archive)["sha256"].as_str().expect("it was exported").to_owned();
    yard.path("there").join(format!(".{archive}.{}.part", &sha256[..16]))
}

fn names(yard: &Yard) -> Vec<String> {
    let found = fs::read_dir(yard.path("there")).expect("a folder");
    let mut names: Vec<_> =
        found.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_archive_appears_whole_with_its_description_once_the_key_is_let_in() {
    let yard = Yard::new();
    let (tom, sshd) = (Instance::plain(), Sshd::start(&yard.path("sshd")));
    let jerry = yard.node("jerry");
    let added = add(&yard, &jerry, &tom, &sshd, None).exits(0).out;
    assert!(added.contains(&sshd.fingerprint()), "{added}");
    let key = jerry.data.join("keys/backupmanager_ed25519");
    assert_eq!(fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);

    let name = archive(&yard, &jerry, 3 << 20);
    let id = send(&jerry, &name);
    let refused = until_state(&jerry, id, "retrying");
    let hint = refused["failure"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("authorized_keys"), "{refused:#}");
    assert_eq!(refused["way"], "ssh");
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    sshd.authorize(shown["ssh"]["public_key"].as_str().expect("a key"));
    let done = until_state(&jerry, id, "done");
    assert_eq!(done["bytes_done"], done["bytes_total"]);
    assert_eq!(names(&yard), [format!("{name}.info.json"), format!("{name}.tar")]);
    let there = fs::read(yard.path("there").join(format!("{name}.tar"))).expect("it is there");
    assert!(there == exported(&yard, &jerry, &name), "other bytes");
    let info = fs::read(yard.path("there").join(format!("{name}.info.json"))).expect("there");
    assert!(serde_json::from_slice::<Value>(&info).expect("JSON").is_object());
    assert!(!jerry.data.join("transfers").join(id.to_string()).exists(), "the spool stays");
    // Once more: it is there.
    until_state(&jerry, send(&jerry, &name), "done");
}

#[test]
fn what_an_earlier_attempt_left_is_gone_on_with_and_checked() {
    for is_right in [true, false] {
        let yard = Yard::new();
        let (tom, sshd) = (Instance::plain(), Sshd::start(&yard.path("sshd")));
        let jerry = let_in(&yard, &tom, &sshd);
        let name = archive(&yard, &jerry, 3 << 20);
        let whole = exported(&yard, &jerry, &name);
        let mut half = whole[..whole.len() / 2].to_vec();
        if !is_right {
            half[70_000] ^= 1;
        }
        fs::write(hidden(&yard, &jerry, &name), half).expect("written");
        until_state(&jerry, send(&jerry, &name), "done");
        let there = fs::read(yard.path("there").join(format!("{name}.tar"))).expect("there");
        assert!(there == whole, "other bytes; what was there was right: {is_right}");
        assert_eq!(names(&yard).len(), 2);
    }
}

#[test]
fn a_transfer_goes_on_after_kill_9_while_the_other_end_was_at_work() {
    let yard = Yard::new();
    let (tom, sshd) = (Instance::plain(), Sshd::start(&yard.path("sshd")));
    let mut jerry = let_in(&yard, &tom, &sshd);
    let name = archive(&yard, &jerry, 3 << 20);
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    let key = shown["ssh"]["public_key"].as_str().expect("a key").to_owned();
    // Whatever is to be run there begins, and hangs for longer than the rest of this test takes. The
    // ssh of the killed daemon goes on; what it could still send is the same at the same place.
    let begun = yard.path("begun");
    sshd.authorize(&format!("command=\"touch {}; exec sleep 60\" {key}", begun.display()));
    let id = send(&jerry, &name);
    until("something is run there", || begun.exists());
    jerry.kill();
    sshd.authorize(&key);
    jerry.restart();
    until_state(&jerry, id, "done");
    let there = fs::read(yard.path("there").join(format!("{name}.tar"))).expect("it is there");
    assert!(there == exported(&yard, &jerry, &name), "other bytes");
    assert_eq!(names(&yard), [format!("{name}.info.json"), format!("{name}.tar")]);
    assert!(!jerry.data.join("transfers").join(id.to_string()).exists(), "the spool stays");
}

#[test]
fn a_tar_of_somebody_else_is_never_replaced() {
    let yard = Yard::new();
    let (tom, sshd) = (Instance::plain(), Sshd::start(&yard.path("sshd")));
    let jerry = let_in(&yard, &tom, &sshd);
    let name = archive(&yard, &jerry, 1 << 20);
    let other = yard.path("there").join(format!("{name}.tar"));
    fs::write(&other, "somebody else's").expect("written");
    let failed = until_state(&jerry, send(&jerry, &name), "failed");
    assert_eq!(failed["failure"]["code"], "exists", "{failed:#}");
    assert_eq!(fs::read_to_string(&other).expect("it is there"), "somebody else's");
}

#[test]
fn a_host_with_another_key_gets_nothing() {
    let yard = Yard::new();
    let (tom, mut sshd) = (Instance::plain(), Sshd::start(&yard.path("sshd")));
    let wrong = format!("SHA256:{}", "A".repeat(43));
    {
        let jerry = yard.node("ann");
        let ran = add(&yard, &jerry, &tom, &sshd, Some(&wrong));
        ran.fails_with(1, &[&sshd.fingerprint(), &wrong]).hints();
        assert_eq!(jerry.json(&["instance", "list"], "instances"), serde_json::json!([]));
    }
    let jerry = let_in(&yard, &tom, &sshd);
    let name = archive(&yard, &jerry, 1 << 20);
    sshd.new_host_key();
    let id = send(&jerry, &name);
    let failed = until_state(&jerry, id, "failed");
    assert_eq!(failed["failure"]["code"], "refused", "{failed:#}");
    assert_eq!(transfer(&jerry, id)["bytes_done"], 0);
    assert!(names(&yard).is_empty());
}

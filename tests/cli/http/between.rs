//! Two daemons, of which one is an instance of the other: nothing between them but HTTP.

use std::fs;

use serde_json::{Value, json};
use tests::support::{Node, Yard, tree, until};

use super::{ask, key, serving};

fn until_done(node: &Node, id: &Value) -> Value {
    let mut last = Value::Null;
    until("the transfer is done", || {
        last = node.json(&["transfer", "show", &id.to_string()], "transfer");
        let ended = matches!(last["state"].as_str(), Some("done" | "failed" | "cancelled"));
        assert!(!ended || last["state"] == "done", "{last:#}");
        ended
    });
    last
}

fn exported(yard: &Yard, node: &Node, archive: &str) -> Vec<u8> {
    let to = yard.path(&format!("{}.tar", node.name));
    node.done(&["archive", "export", archive, "--to", to.to_str().expect("plain")]);
    fs::read(to).expect("it is there")
}

#[test]
fn a_node_is_an_instance_of_another_and_has_its_archive_byte_for_byte() {
    let yard = Yard::new();
    let tom = serving(&yard, "tom", "127.0.0.1:0");
    let jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let notes = yard.path("notes");
    tree::plain(&notes, 7, 3 << 20);
    tom.add_job("toms", &notes, &[]);
    jerry.add_job("notes", &notes, &[]);
    let archive = jerry.back_up("notes");

    let url = format!("http://{}", tom.status()["http"].as_str().expect("it is served"));
    let toms_key = key(&tom, &["jerry"]);
    let added = jerry.tell(&["instance", "add", "tom", &url], &toms_key);
    assert_eq!(added.code, Some(0), "{added:#?}");
    let shown = jerry.json(&["instance", "show", "tom"], "instance");
    assert_eq!((&shown["state"], &shown["instance_name"]), (&json!("online"), &json!("tom")));
    assert_eq!(shown["jobs"][0]["name"], "toms", "{shown:#}");
    jerry.done(&["instance", "run", "tom", "toms"]);
    until("the job has run there", || tom.json(&["run", "list"], "runs")[0]["state"] == "success");

    // Asked for over HTTP too.
    let own = key(&jerry, &["phone"]);
    let path = format!("/archives/{archive}/transfer");
    let begun = super::post(&jerry, &path, &own, &json!({ "instance": "tom" }));
    assert_eq!(begun.status, 202, "{begun:?}");
    let done = until_done(&jerry, &begun.body["transfer_id"]);
    assert_eq!((&done["way"], &done["bytes_done"]), (&json!("http"), &done["bytes_total"]));
    assert!(tom.knows(&archive));
    assert!(exported(&yard, &tom, &archive) == exported(&yard, &jerry, &archive), "other bytes");

    let of = format!("/transfers/{}", begun.body["transfer_id"]);
    assert_eq!(ask(&jerry, "GET", &of, &own).body["status"], "success");
    let nowhere = super::post(&jerry, &path, &own, &json!({ "instance": "nowhere" }));
    assert_eq!(nowhere.status, 404, "{nowhere:?}");
    let list = ask(&jerry, "GET", "/instances", &own);
    assert!(!list.body.to_string().contains(&toms_key[8..]), "{list:?}");
}

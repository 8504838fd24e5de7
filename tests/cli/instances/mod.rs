//! Servers that are reached by the HTTP contract alone, played by a double of 000.

mod client;
mod known;
mod ssh;
mod transfers;

use serde_json::Value;
use tests::support::{Instance, Node, Yard, instance::KEY, tree, until};

/// A node that knows the instance as `tom`.
fn acquainted(yard: &Yard, tom: &Instance) -> Node {
    let jerry = yard.node("jerry");
    let ran = jerry.tell(&["instance", "add", "tom", &tom.url], KEY);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    jerry
}

/// Backs a folder of so many bytes up.
fn archive(yard: &Yard, node: &Node, bytes: usize) -> String {
    let source = yard.path("source");
    tree::plain(&source, 7, bytes);
    node.add_job("files", &source, &[]);
    node.back_up("files")
}

fn transfer(node: &Node, id: u64) -> Value {
    node.json(&["transfer", "show", &id.to_string()], "transfer")
}

/// Begins a transfer to `tom`; its number.
fn send(node: &Node, archive: &str) -> u64 {
    let begun = node.json(&["archive", "transfer", archive, "--to-instance", "tom"], "transfer");
    begun["id"].as_u64().expect("a number")
}

fn until_state(node: &Node, id: u64, state: &str) -> Value {
    let mut last = Value::Null;
    until(&format!("transfer {id} is {state}"), || {
        last = transfer(node, id);
        let ended = matches!(last["state"].as_str(), Some("done" | "failed" | "cancelled"));
        assert!(!ended || last["state"] == state, "{last:#}");
        last["state"] == state
    });
    last
}

/// The bytes of the archive as the node writes them out.
fn exported(yard: &Yard, node: &Node, archive: &str) -> Vec<u8> {
    let to = yard.path("exported.tar");
    let text = to.to_str().expect("plain");
    node.done(&["archive", "export", archive, "--to", text, "--overwrite"]);
    std::fs::read(&to).expect("it is there")
}

//! Retention on a whole node: what goes after a run, what a pin keeps, what holders make of it.

use std::{fs, path::Path};

use node::socket::{self, CancelSwitch, SOCKET_FILE};
use protocol::{
    control::{ArchiveRef, Failure, JobEdit, Prune, Pruned, Reply, Request},
    job::JobSpec,
    retention::Retention,
};
use serde_json::Value;
use tests::support::{Node, Yard, tree, until};

/// Asks the daemon as the command line does.
fn ask(node: &Node, request: Request) -> Result<Reply, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (socket, (_switch, cancel)) = (node.data.join(SOCKET_FILE), CancelSwitch::new());
    let asked = async { socket::ask(&socket, request, &cancel, |_| {}).await };
    runtime.expect("a runtime").block_on(asked).expect("the daemon answers")
}

fn keep(node: &Node, job: &str, retention: Retention) {
    let name: protocol::job::Name = job.parse().expect("a name");
    let shown = ask(node, Request::JobShow { job: name.clone() });
    let Ok(Reply::Job(shown)) = shown else { panic!("{shown:?}") };
    let spec = JobSpec { retention, ..shown.job.spec };
    let edit = JobEdit { job: name, spec, based_on_ms: shown.job.updated_ms };
    ask(node, Request::JobEdit(edit)).expect("the job is changed");
}

fn pin(node: &Node, archive: &str, pinned: bool) {
    let archive = ArchiveRef { name: archive.parse().expect("a name"), node_of: None };
    ask(node, Request::ArchivePin { archive, pinned }).expect("it is pinned or let go");
}

fn prune(node: &Node, dry_run: bool) -> Pruned {
    match ask(node, Request::Prune(Prune { job: None, dry_run })) {
        Ok(Reply::Pruned(pruned)) => pruned,
        other => panic!("{other:?}"),
    }
}

fn names(node: &Node) -> Vec<String> {
    let list = node.json(&["archive", "list"], "archives");
    let all = list["archives"].as_array().expect("a list").iter();
    all.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
}

fn back_up(node: &Node, source: &Path, content: &str) -> String {
    fs::write(source.join("changed"), content).expect("written");
    node.back_up("files")
}

#[test]
fn after_a_run_what_is_too_old_goes_and_what_is_pinned_stays_with_its_replica() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 1 << 20);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    keep(&jerry, "files", Retention::Count(2));
    let first = back_up(&jerry, &source, "one");
    jerry.until_held(&first, &tom);
    let held: Value = jerry.archive(&first)["holders"].clone();
    assert_eq!(held.as_array().map(Vec::len), Some(2), "{held:#}");

    pin(&jerry, &first, true);
    until("tom knows of the pin", || tom.archive(&first)["pinned"] == true);
    let second = back_up(&jerry, &source, "two");
    let third = back_up(&jerry, &source, "three");
    assert_eq!(names(&jerry), [&*first, &*second, &*third]);
    let fourth = back_up(&jerry, &source, "four");
    until("the second has gone", || names(&jerry) == [&*first, &*third, &*fourth]);
    // Had tom fetched the first again for its pin, its lock would end later.
    tom.until_held(&fourth, &tom);
    assert_eq!(jerry.archive(&first)["holders"], held);

    jerry.ask(&["archive", "remove", &first, "--yes"]).fails_with(1, &["it is pinned"]).hints();
    let preview = prune(&jerry, true);
    assert_eq!((preview.kept, preview.dropped), (3, 0), "{preview:?}");
    pin(&jerry, &first, false);
    let preview = prune(&jerry, true);
    assert_eq!((preview.kept, preview.dropped), (2, 1), "{preview:?}");
    assert_eq!(names(&jerry).len(), 3, "a preview changes nothing");
    assert_eq!(prune(&jerry, false).dropped, 1);
    assert_eq!(names(&jerry), [&*third, &*fourth]);
}

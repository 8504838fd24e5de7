//! What is typed is what is asked.

use std::{io::Write, process::Stdio};

use protocol::control::{Request, Right, Role};
use serde_json::{Value, json};

use crate::daemon::{Daemon, Ended};

fn asked(daemon: &Daemon, line: &str) -> Value {
    let ended = daemon.run(line);
    assert_eq!(ended.code, 0, "{line}: {ended:?}");
    let seen = daemon.seen();
    assert_eq!(seen.len(), 1, "{line}");
    serde_json::to_value(&seen[0]).unwrap()
}

#[test]
fn every_command_asks_what_it_says() {
    let daemon = Daemon::start();
    let here = daemon.data().display().to_string();
    let first = json!({ "from": 0, "limit": 4096 });
    let a = json!({ "name": "a", "node_of": null });
    for (line, wanted) in [
        ("status", json!("status")),
        ("workers", json!("workers")),
        ("mesh list", json!("mesh_list")),
        ("mesh show tom", json!({ "mesh_show": { "node": "tom" } })),
        ("mesh expel tom --dry-run", json!({ "mesh_expel": { "node": "tom", "dry_run": true } })),
        (
            "mesh invite --role storage --quota 200G --expires 1h",
            json!({ "mesh_invite":
                { "role": "storage", "quota_bytes": 200_u64 << 30, "expires_ms": 3_600_000 } }),
        ),
        ("job list", json!({ "job_list": first })),
        ("job choices mysql", json!({ "job_choices": { "kind": "mysql" } })),
        ("job show j", json!({ "job_show": { "job": "j" } })),
        ("job run j --wait", json!({ "job_run": { "job": "j", "wait": true } })),
        ("job remove j", json!({ "job_remove": { "job": "j" } })),
        ("run list --job j", json!({ "run_list": { "job": "j", "before": null, "limit": 20 } })),
        (
            "run list --before 120 --limit 5",
            json!({ "run_list": { "job": null, "before": 120, "limit": 5 } }),
        ),
        ("run show 12", json!({ "run_show": { "run": 12 } })),
        ("run cancel 12", json!({ "run_cancel": { "run": 12 } })),
        (
            "archive list --job j --node-of tom",
            json!({ "archive_list": { "job": "j", "node_of": "tom", "page": first } }),
        ),
        ("archive show a", json!({ "archive_show": a })),
        ("archive verify a", json!({ "archive_verify": a })),
        (
            "archive contents a --path *.md",
            json!({ "archive_contents": { "archive": a, "patterns": ["*.md"], "page": first } }),
        ),
        (
            "archive export a --to out.tar",
            json!({ "archive_export":
                { "archive": a, "to": format!("{here}/out.tar"), "overwrite": false } }),
        ),
        ("retention preview", json!({ "prune": { "job": null, "dry_run": true } })),
        ("retention preview j", json!({ "prune": { "job": "j", "dry_run": true } })),
        ("retention apply j", json!({ "prune": { "job": "j", "dry_run": false } })),
        ("retention apply --dry-run", json!({ "prune": { "job": null, "dry_run": true } })),
        ("archive pin a", json!({ "archive_pin": { "archive": a, "pinned": true } })),
        ("archive unpin a", json!({ "archive_pin": { "archive": a, "pinned": false } })),
        ("archive list --foreign", json!("foreign_list")),
        (
            "archive adopt a --job j --wait",
            json!({ "foreign_adopt": { "name": "a", "job": "j", "wait": true } }),
        ),
        (
            "archive adopt a",
            json!({ "foreign_adopt": { "name": "a", "job": null, "wait": false } }),
        ),
        ("archive remove a --yes", json!({ "archive_remove": { "archive": a, "dry_run": false } })),
        (
            "archive transfer a --to tom",
            json!({ "archive_transfer": { "archive": a, "to": "tom" } }),
        ),
        ("store stats", json!("store_stats")),
        ("store check --read-data", json!({ "store_check": { "read_data": true } })),
        ("store gc --dry-run", json!({ "store_gc": { "dry_run": true } })),
    ] {
        assert_eq!(asked(&daemon, line), wanted, "{line}");
    }
}

#[test]
fn a_command_goes_to_another_node_when_one_is_named_wherever_that_stands() {
    let daemon = Daemon::start();
    let tom = "ab".repeat(32);
    for line in ["--node tom job show j", "job --node tom show j", "job show j --node tom"] {
        assert_eq!(asked(&daemon, line), json!({ "job_show": { "job": "j" } }), "{line}");
        assert_eq!(daemon.passed_on(), ["tom"], "{line}");
    }
    let shown = asked(&daemon, &format!("mesh show ann --node {tom}"));
    assert_eq!(shown, json!({ "mesh_show": { "node": "ann" } }));
    assert_eq!(daemon.passed_on(), [tom]);
    asked(&daemon, "status");
    for line in ["key list", "completions bash", "serve", "demo"] {
        let ended = daemon.run(&format!("{line} --node tom"));
        assert_eq!(ended.code, 2, "{line}: {ended:?}");
        assert!(ended.err.contains("tom") && ended.err.contains("hint: "), "{line}: {ended:?}");
    }
    assert_eq!(daemon.run("status --node ../x").code, 2);
    assert!(daemon.passed_on().is_empty() && daemon.seen().is_empty());
}

#[test]
fn keys_are_asked_for_by_name() {
    let daemon = Daemon::start();
    let key = |name: &str, read_only: bool, metrics_only: bool| {
        let key = json!({ "name": name, "read_only": read_only, "metrics_only": metrics_only });
        json!({ "key_create": key })
    };
    for (line, wanted) in [
        ("key create phone", key("phone", false, false)),
        ("key create watch --read-only", key("watch", true, false)),
        ("key create prom --metrics", key("prom", true, true)),
        ("metrics", json!("metrics")),
        ("key list", json!("key_list")),
        ("key revoke phone", json!({ "key_revoke": { "key": "phone" } })),
    ] {
        assert_eq!(asked(&daemon, line), wanted, "{line}");
    }
}

#[test]
fn grants_name_rights() {
    let daemon = Daemon::start();
    daemon.run("mesh grant tom --allow store --deny delete --deny open --quota 1T");
    let [Request::MeshGrant(change)] = &daemon.seen()[..] else { panic!("no grant") };
    assert_eq!(change.allow, [Right::Store].into());
    assert_eq!(change.deny, [Right::Delete, Right::Open].into());
    assert_eq!(change.quota_bytes, Some(1 << 40));
    let nothing = daemon.run("mesh grant tom");
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("hint: name a change"), "{nothing:?}");
}

#[test]
fn a_ticket_is_read_from_the_input_and_never_repeated() {
    let daemon = Daemon::start();
    let mut child = daemon
        .command("mesh join -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"  bm1-verysecret \nmore\n").unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let [Request::MeshJoin { ticket }] = &daemon.seen()[..] else { panic!("no join") };
    assert_eq!(ticket.reveal(), "bm1-verysecret");

    let ended = daemon.run("mesh join bm1-verysecret");
    assert!(ended.err.starts_with("note: a ticket on the command line"), "{}", ended.err);
    assert_eq!(daemon.seen().len(), 1);

    let ended = daemon.command("mesh join").arg("two verysecret words").output().unwrap();
    let ended = Ended::from(ended);
    assert_eq!(ended.code, 2);
    assert!(!ended.err.contains("verysecret"), "{}", ended.err);
}

#[test]
fn roles_are_words() {
    let daemon = Daemon::start();
    daemon.run("mesh invite --role operator");
    let [Request::MeshInvite(invite)] = &daemon.seen()[..] else { panic!("no invite") };
    assert_eq!((invite.role, invite.quota_bytes), (Role::Operator, None));
    assert_eq!(invite.expires_ms, 24 * 3_600_000);
}

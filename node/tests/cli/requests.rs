//! What is typed is what is asked.

use std::{io::Write, process::Stdio};

use protocol::{
    JobId, Time,
    control::{JobEdit, JobReport, Reply, Request, Right, Role},
    job::{CustomDir, Holders, Job, JobConfig, JobSpec, Seal},
};
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
        ("job list", json!("job_list")),
        ("job show j", json!({ "job_show": { "job": "j" } })),
        ("job run j --wait", json!({ "job_run": { "job": "j", "wait": true } })),
        ("job remove j", json!({ "job_remove": { "job": "j" } })),
        ("run list --job j", json!({ "run_list": { "job": "j", "limit": 20 } })),
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
        (
            "archive restore a --node-of tom --path x --path y --to here --plan",
            json!({ "archive_restore": {
                "archive": { "name": "a", "node_of": "tom" }, "patterns": ["x", "y"],
                "to": format!("{here}/here"), "plan": true, "overwrite": "changed" } }),
        ),
        (
            "archive restore a --overwrite never",
            json!({ "archive_restore": { "archive": a, "patterns": [], "to": null,
                "plan": false, "overwrite": "never" } }),
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
fn a_job_is_added_with_its_policy() {
    let daemon = Daemon::start();
    let line = "job add custom_dir notes notes --exclude *.tmp --exclude cache/ --copies 1 --on tom \
                --seal none --level 3 --keep-tar 2";
    assert_eq!(daemon.run(line).code, 0);
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    let JobConfig::CustomDir(dir) = &spec.config;
    assert_eq!(dir.source_path, format!("{}/notes", daemon.data().display()));
    assert_eq!(dir.excludes, ["*.tmp", "cache/"]);
    assert_eq!((spec.copies, spec.level, spec.keep_tar, spec.enabled), (1, 3, 2, true));
    assert_eq!(spec.on, Holders::Named(["tom".parse().unwrap()].into()));
    assert_eq!(spec.seal, Seal::None);
}

#[test]
fn a_job_that_makes_no_sense_is_wrong_usage_and_never_asked() {
    let daemon = Daemon::start();
    for (line, wanted) in [
        ("job add custom_dir n /srv --copies 2 --on tom", "2 copies cannot lie on 1 named nodes"),
        ("job add custom_dir n /srv --on tom --on any", "`any` stands beside named nodes"),
        ("job add custom_dir n /srv --level 22", "level is 22, 1 to 19 are allowed"),
        ("job add custom_dir n /srv/../etc", "has '..' in it"),
        ("job add custom_dir n --config missing.json", "No such file"),
        ("job edit n", "no change was named"),
    ] {
        let Ended { code, err, .. } = daemon.run(line);
        assert_eq!(code, 2, "{line}: {err}");
        assert!(err.starts_with("error: ") && err.contains(wanted), "{line}: {err}");
        assert!(err.contains("\nhint: "), "{line}: {err}");
    }
    assert_eq!(daemon.seen(), []);
}

#[test]
fn a_configuration_file_is_taken_as_it_is_and_a_typing_mistake_in_it_is_named() {
    let daemon = Daemon::start();
    let file = daemon.data().join("app.json");
    let text = r#"{"source_path": "/opt/app", "excludes": ["*.tmp"],
        "restore": {"permissions": {"owner": "app:app", "mode": "750"}}}"#;
    std::fs::write(&file, text).unwrap();
    let ended = daemon.run("job add custom_dir app --config app.json --exclude cache/");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.starts_with("note: permissions of the restore block"), "{}", ended.err);
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    let JobConfig::CustomDir(dir) = &spec.config;
    assert_eq!(dir.excludes, ["*.tmp", "cache/"]);
    assert_eq!(dir.restore.as_ref().unwrap().permissions.as_ref().unwrap().mode, "750");

    std::fs::write(&file, text.replace("excludes", "exclude")).unwrap();
    let ended = daemon.run("job add custom_dir app --config app.json");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unknown field `exclude`"), "{}", ended.err);
    assert_eq!(daemon.seen(), []);
}

fn job() -> JobReport {
    let mut dir = CustomDir::new("/srv/notes");
    dir.excludes = vec!["*.tmp".into()];
    let mut spec = JobSpec::new("notes".parse().unwrap(), JobConfig::CustomDir(dir));
    spec.copies = 1;
    let job = Job { id: JobId([7; 16]), spec, created_ms: Time(5), updated_ms: Time(9) };
    JobReport { job, last_run: None, archives: 0 }
}

#[test]
fn an_edit_changes_what_it_names_and_says_what_it_was_based_on() {
    let daemon = Daemon::answering(Ok(Reply::Job(Box::new(job()))));
    let line =
        "job edit notes --rename diary --add-exclude cache/ --remove-exclude *.tmp --disable";
    assert_eq!(daemon.run(line).code, 0);
    let [Request::JobShow { .. }, Request::JobEdit(edit)] = &daemon.seen()[..] else {
        panic!("not an edit")
    };
    let JobEdit { job: name, spec, based_on_ms } = edit;
    assert_eq!((name.as_str(), *based_on_ms), ("notes", Time(9)));
    let JobConfig::CustomDir(dir) = &spec.config;
    assert_eq!(dir.excludes, ["cache/"]);
    assert_eq!((spec.name.as_str(), spec.copies, spec.enabled), ("diary", 1, false));

    daemon.then(Vec::new(), Ok(Reply::Job(Box::new(job()))));
    let ended = daemon.run("job edit notes --remove-exclude *.log");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("\"*.log\" is none of its excludes"), "{}", ended.err);
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

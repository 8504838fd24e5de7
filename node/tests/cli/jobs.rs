//! Jobs as they are typed: added, listed, refused.

use std::{io::Write, process::Stdio};

use protocol::{
    Time,
    control::{Jobs, Page, Reply, Request},
    job::{Command, Databases, DumpFormat, Holders, JobConfig, JobSpec, Seal, YnhApp, YnhSystem},
    retention::Retention,
    schedule::Schedule,
};

use crate::{
    daemon::{Daemon, Ended, program},
    edits::job,
};

/// The job that a line asks to add.
fn added(daemon: &Daemon, words: &[&str]) -> JobSpec {
    let ended = Ended::from(daemon.command("job add").args(words).output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}: {ended:?}");
    match daemon.seen().pop() {
        Some(Request::JobAdd(spec)) => spec,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn a_job_is_added_with_its_policy() {
    let daemon = Daemon::start();
    let line = "job add custom_dir notes notes --exclude *.tmp --exclude cache/ --copies 1 --on tom \
                --seal none --level 3 --keep-tar 2";
    assert_eq!(daemon.run(line).code, 0);
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    let JobConfig::CustomDir(dir) = &spec.config else { panic!("another kind") };
    assert_eq!(dir.source_path, format!("{}/notes", daemon.data().display()));
    assert_eq!(dir.excludes, ["*.tmp", "cache/"]);
    assert_eq!((spec.copies, spec.level, spec.keep_tar, spec.enabled), (1, 3, Some(2), true));
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
        ("job add custom_dir n /srv --cron @never", "the schedule is refused: "),
        (
            "job add custom_dir n /srv --cron @daily --time-zone Europe/Pari",
            "no name of a time zone",
        ),
        ("job add custom_dir n /srv --cron @daily --random-delay 25h", "longer than a day"),
        ("job add custom_dir n /srv --time-zone Europe/Paris", "the job has no schedule"),
        ("job add custom_dir n /srv --command-user tom", "the job has no command"),
        ("job add custom_dir n /srv --before x --command-timeout 2d", "between 1 and 86400"),
        ("job add custom_dir n /srv --before x --command-user a/b", "not the name of a user"),
        ("job add ynh_app n ../x", "is not a name that YunoHost gives"),
        ("job add mysql n a --exclude-database b", "only where all databases are asked for"),
        ("job add mysql n a/b", "has a slash"),
        ("job add --spec missing.json", "No such file"),
        ("job add --spec a.json mysql n d", "--spec says all of a job"),
        ("job add", "no kind was named"),
        ("job edit n", "no change was named"),
        ("job edit n --spec a.json --copies 1", "--spec replaces all of it"),
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
    let words = ["custom_dir", "app", "--config", "app.json", "--exclude", "cache/"];
    let spec = added(&daemon, &words);
    let JobConfig::CustomDir(dir) = &spec.config else { panic!("another kind") };
    assert_eq!(dir.excludes, ["*.tmp", "cache/"]);
    assert_eq!(dir.restore.as_ref().unwrap().permissions.as_ref().unwrap().mode, "750");

    std::fs::write(&file, text.replace("excludes", "exclude")).unwrap();
    let ended = daemon.run("job add custom_dir app --config app.json");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unknown field `exclude`"), "{}", ended.err);
    assert_eq!(daemon.seen(), []);
}

#[test]
fn every_kind_is_added_with_its_own_words() {
    let daemon = Daemon::start();
    let config = |line: &str| added(&daemon, &line.split(' ').collect::<Vec<_>>()).config;
    let app = |core_only| JobConfig::YnhApp(YnhApp { app_id: "nextcloud".into(), core_only });
    assert_eq!(config("ynh_app cloud nextcloud"), app(false));
    assert_eq!(config("ynh_app cloud nextcloud --core-only"), app(true));
    let system = |parts: &[&str]| {
        let parts = parts.iter().map(|&part| part.to_owned()).collect();
        JobConfig::YnhSystem(YnhSystem { parts })
    };
    assert_eq!(config("ynh_system all"), system(&[]));
    assert_eq!(config("ynh_system mail data_mail conf_ldap"), system(&["data_mail", "conf_ldap"]));
    assert_eq!(config("mysql shop shop_db"), JobConfig::Mysql(Databases::one("shop_db")));
    let two = Databases { databases: ["a".into(), "b".into()].into(), ..Databases::default() };
    assert_eq!(config("postgresql shop a --database b"), JobConfig::Postgresql(two));
}

#[test]
fn a_server_is_named_by_its_options_and_never_by_a_password() {
    let daemon = Daemon::start();
    let line = "mysql all --all --exclude-database test --exclude-database tmp --user backup \
                --host db.lan --port 3307 --options-file my.cnf --compress zstd";
    let spec = added(&daemon, &line.split_whitespace().collect::<Vec<_>>());
    let wanted = Databases {
        all: true,
        excludes: ["test".into(), "tmp".into()].into(),
        user: Some("backup".into()),
        host: Some("db.lan".into()),
        port: Some(3_307),
        options_file: Some(format!("{}/my.cnf", daemon.data().display())),
        compress: DumpFormat::Zstd,
        ..Databases::default()
    };
    assert_eq!(spec.config, JobConfig::Mysql(wanted));

    let file = daemon.data().join("shop.json");
    std::fs::write(&file, r#"{"database": "shop", "password": "verysecret"}"#).unwrap();
    let ended = daemon.run("job add mysql shop --config shop.json");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unknown field `password`"), "{}", ended.err);
    assert!(ended.err.contains("a password has no place in a job"), "{}", ended.err);
    assert!(!ended.err.contains("verysecret"), "{}", ended.err);
}

#[test]
fn the_socket_of_a_server_is_not_the_socket_of_the_daemon() {
    let daemon = Daemon::start();
    let socket = daemon.data().join(node::socket::SOCKET_FILE);
    let line = ["job", "add", "mysql", "n", "d", "--server-socket", "/run/other.sock", "--socket"];
    let ended = Ended::from(program(&line).arg(socket).output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    let socket = Some("/run/other.sock".to_owned());
    assert_eq!(spec.config, JobConfig::Mysql(Databases { socket, ..Databases::one("d") }));
}

#[test]
fn schedule_retention_and_commands_are_options_of_every_kind() {
    let daemon = Daemon::start();
    let around = [
        "--before=systemctl stop cloud",
        "--before=sync",
        "--after=systemctl start cloud",
        "--command-user=www-data",
        "--command-timeout=90s",
        "--command-env=A=1=2",
    ];
    let timing = ["--cron", "0 3 * * 1", "--time-zone", "Europe/Paris", "--random-delay", "10m"];
    let keep = ["--retention", "gfs:7,4,3", "--keep-tar", "auto"];
    for kind in [
        &["ynh_app", "j", "cloud"][..],
        &["ynh_system", "j"],
        &["custom_dir", "j", "/srv"],
        &["mysql", "j", "d"],
        &["postgresql", "j", "--all"],
    ] {
        let spec = added(&daemon, &[kind, &timing, &keep, &around].concat());
        let schedule =
            Schedule { cron: "0 3 * * 1".into(), zone: Some("Europe/Paris".into()), delay_s: 600 };
        assert_eq!(spec.schedule, Some(schedule), "{kind:?}");
        assert_eq!((spec.retention, spec.keep_tar), (Retention::GFS, None), "{kind:?}");
        let command = |run: &str| Command {
            user: Some("www-data".into()),
            timeout_s: 90,
            env: [("A".to_owned(), "1=2".to_owned())].into(),
            ..Command::new(run)
        };
        assert_eq!(spec.before, [command("systemctl stop cloud"), command("sync")], "{kind:?}");
        assert_eq!(spec.after, [command("systemctl start cloud")], "{kind:?}");
    }
}

#[test]
fn a_configuration_comes_from_the_input_and_may_name_its_own_kind_only() {
    let daemon = Daemon::start();
    let fed = |line: &str, text: &str| {
        let mut child = daemon
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    };
    let text = r#"{"type": "ynh_app", "app_id": "nocodb", "core_only": true}"#;
    assert_eq!(fed("job add ynh_app n --config -", text).code, 0);
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    let app = YnhApp { app_id: "nocodb".into(), core_only: true };
    assert_eq!(spec.config, JobConfig::YnhApp(app));

    let ended = fed("job add mysql n --config -", text);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("it is for a job of type \"ynh_app\", not mysql"), "{}", ended.err);
    let ended = fed("job add ynh_system n --config -", &" ".repeat((1 << 20) + 1));
    assert!(ended.err.contains("it is larger than 1048576 bytes"), "{}", ended.err);
    assert_eq!((ended.code, daemon.seen()), (2, Vec::new()));

    let whole = serde_json::to_string(spec).unwrap();
    assert_eq!(fed("job add --spec -", &whole).code, 0);
    assert_eq!(daemon.seen(), [Request::JobAdd(spec.clone())]);
    daemon.then(Vec::new(), Ok(Reply::Job(Box::new(job()))));
    assert_eq!(fed("job edit notes --spec -", &whole).code, 0);
    let [_, Request::JobEdit(edit)] = &daemon.seen()[..] else { panic!("not an edit") };
    assert_eq!((&edit.spec, edit.based_on_ms), (spec, Time(9)));
}

#[test]
fn a_variable_without_a_value_is_taken_from_the_environment() {
    let daemon = Daemon::start();
    let mut command = daemon.command("job add custom_dir n /srv --before x --command-env TOKEN");
    let ended = Ended::from(command.env("TOKEN", "verysecret").output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let [Request::JobAdd(spec)] = &daemon.seen()[..] else { panic!("no job") };
    assert_eq!(spec.before[0].env, [("TOKEN".to_owned(), "verysecret".to_owned())].into());
}

#[test]
fn a_list_of_jobs_has_all_pages() {
    let daemon = Daemon::start();
    let page = |next| Ok(Reply::Jobs(Jobs { jobs: vec![job()], next }));
    daemon.then(Vec::new(), page(Some(1)));
    daemon.then(Vec::new(), page(None));
    let ended = daemon.run("job list --json");
    let json: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(json["jobs"]["jobs"].as_array().unwrap().len(), 2);
    let second = Page { from: 1, ..Page::FIRST };
    assert_eq!(daemon.seen(), [Request::JobList(Page::FIRST), Request::JobList(second)]);
}

#[test]
fn the_examples_of_the_reference_are_taken() {
    let reference = include_str!("../../../protocol/JOBS.md");
    let fences: Vec<&str> = reference.split("```").skip(1).step_by(2).collect();
    let examples: Vec<&str> = fences.iter().filter_map(|text| text.strip_prefix("json")).collect();
    let [job, hermes] = examples[..] else { panic!("{} examples", examples.len()) };
    let daemon = Daemon::start();
    std::fs::write(daemon.data().join("job.json"), job).unwrap();
    std::fs::write(daemon.data().join("hermes.json"), hermes).unwrap();
    let spec = added(&daemon, &["--spec", "job.json"]);
    assert_eq!((spec.retention, spec.copies, spec.before.len()), (Retention::GFS, 2, 1));
    let spec = added(&daemon, &["custom_dir", "hermes", "--config", "hermes.json"]);
    let JobConfig::CustomDir(dir) = spec.config else { panic!("another kind") };
    assert_eq!(dir.restore.unwrap().firewall_ports[0].port, 8_443);
}

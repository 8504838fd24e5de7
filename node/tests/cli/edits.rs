//! Edits of jobs: what they change, what they keep, what they refuse.

use protocol::{
    JobId, Time,
    control::{JobEdit, JobReport, Reply, Request},
    job::{Command, CustomDir, Databases, Job, JobConfig, JobSpec, YnhApp, YnhSystem},
    schedule::Schedule,
};

use crate::daemon::{Daemon, Ended};

pub(crate) fn job() -> JobReport {
    let mut dir = CustomDir::new("/srv/notes");
    dir.excludes = vec!["*.tmp".into()];
    let mut spec = JobSpec::new("notes".parse().unwrap(), JobConfig::CustomDir(dir));
    spec.copies = 1;
    report(spec)
}

fn report(spec: JobSpec) -> JobReport {
    let job = Job { id: JobId([7; 16]), spec, created_ms: Time(5), updated_ms: Time(9) };
    JobReport { job, number: 1, last_run: None, archives: 0, next_runs: Vec::new() }
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
    let JobConfig::CustomDir(dir) = &spec.config else { panic!("another kind") };
    assert_eq!(dir.excludes, ["cache/"]);
    assert_eq!((spec.name.as_str(), spec.copies, spec.enabled), ("diary", 1, false));

    daemon.then(Vec::new(), Ok(Reply::Job(Box::new(job()))));
    let ended = daemon.run("job edit notes --remove-exclude *.log");
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("\"*.log\" is none of its excludes"), "{}", ended.err);
}

/// What an edit makes of a job.
fn edited(spec: &JobSpec, words: &[&str]) -> Result<JobSpec, String> {
    let daemon = Daemon::answering(Ok(Reply::Job(Box::new(report(spec.clone())))));
    let ended = Ended::from(daemon.command("job edit j").args(words).output().unwrap());
    match &daemon.seen()[..] {
        [Request::JobShow { .. }, Request::JobEdit(edit)] if ended.code == 0 => {
            Ok(edit.spec.clone())
        }
        [Request::JobShow { .. }] if ended.code == 2 => Err(ended.err),
        other => panic!("{words:?}: {other:?} {ended:?}"),
    }
}

fn spec(config: JobConfig) -> JobSpec {
    JobSpec::new("j".parse().unwrap(), config)
}

#[test]
fn an_edit_of_the_schedule_keeps_what_it_does_not_name() {
    let mut before = spec(JobConfig::CustomDir(CustomDir::new("/srv")));
    let schedule =
        Schedule { cron: "0 3 * * *".into(), zone: Some("Europe/Paris".into()), delay_s: 60 };
    before.schedule = Some(schedule.clone());
    let after = |words: &[&str]| edited(&before, words).unwrap().schedule;
    let changed = Schedule { cron: "@weekly".into(), ..schedule.clone() };
    assert_eq!(after(&["--cron", "@weekly"]), Some(changed));
    let local = Schedule { zone: None, ..schedule.clone() };
    assert_eq!(after(&["--time-zone", "local"]), Some(local));
    assert_eq!(after(&["--random-delay", "0s"]), Some(Schedule { delay_s: 0, ..schedule }));
    assert_eq!(after(&["--no-schedule"]), None);
}

#[test]
fn commands_are_added_replaced_and_limited_by_an_edit() {
    let mut before = spec(JobConfig::CustomDir(CustomDir::new("/srv")));
    before.before = vec![Command::new("one")];
    before.after = vec![Command::new("two")];
    let after = edited(&before, &["--before", "three", "--command-user", "tom"]).unwrap();
    let three = Command { user: Some("tom".into()), ..Command::new("three") };
    assert_eq!(after.before, [Command::new("one"), three.clone()]);
    assert_eq!(after.after, before.after);
    let words = ["--clear-before", "--clear-after", "--before", "three", "--command-user", "tom"];
    let after = edited(&before, &words).unwrap();
    assert_eq!((after.before, after.after), (vec![three], Vec::new()));
    let after = edited(&before, &["--command-timeout", "1h"]).unwrap();
    assert_eq!([after.before[0].timeout_s, after.after[0].timeout_s], [3_600, 3_600]);
}

#[test]
fn each_kind_is_edited_by_its_own_options() {
    let two = Databases {
        databases: ["a".into(), "b".into()].into(),
        socket: Some("/run/other.sock".into()),
        ..Databases::default()
    };
    let databases = |words: &[&str]| match edited(&spec(JobConfig::Mysql(two.clone())), words) {
        Ok(JobSpec { config: JobConfig::Mysql(databases), .. }) => databases,
        other => panic!("{words:?}: {other:?}"),
    };
    let one = Databases { socket: two.socket.clone(), ..Databases::one("b") };
    assert_eq!(databases(&["--remove-database", "a"]), one);
    let all = databases(&["--all", "--exclude-database", "c"]);
    assert!(all.all && all.named().is_empty() && all.excludes.contains("c"));
    let remote = databases(&["--host", "db.lan", "--user", "x"]);
    assert_eq!((remote.host.as_deref(), remote.socket), (Some("db.lan"), None));
    assert_eq!(databases(&["--default-server"]).socket, None);

    let parts = JobConfig::YnhSystem(YnhSystem { parts: vec!["data_mail".into()] });
    let after = edited(&spec(parts.clone()), &["--all-parts"]).unwrap();
    assert_eq!(after.config, JobConfig::YnhSystem(YnhSystem::default()));
    let last = edited(&spec(parts), &["--remove-part", "data_mail"]).unwrap_err();
    assert!(last.contains("no part would be left"), "{last}");

    let app = JobConfig::YnhApp(YnhApp { app_id: "wiki".into(), core_only: true });
    let after = edited(&spec(app), &["--no-core-only", "--app", "wiki__2"]).unwrap();
    let wanted = YnhApp { app_id: "wiki__2".into(), core_only: false };
    assert_eq!(after.config, JobConfig::YnhApp(wanted));
}

#[test]
fn options_of_another_kind_are_refused_by_name() {
    let mysql = spec(JobConfig::Mysql(Databases::one("a")));
    let dir = spec(JobConfig::CustomDir(CustomDir::new("/srv")));
    for (spec, words, wanted) in [
        (&mysql, ["--add-exclude", "x"], "are for custom_dir jobs"),
        (&mysql, ["--app", "x"], "j is a mysql job, and --app, --core-only, --no-core-only"),
        (&dir, ["--add-database", "x"], "are for mysql or postgresql jobs"),
        (&dir, ["--compress", "zstd"], "--compress are for mysql or postgresql jobs"),
        (&dir, ["--add-part", "x"], "are for ynh_system jobs"),
    ] {
        let refused = edited(spec, &words).unwrap_err();
        assert!(refused.contains(wanted) && refused.contains("\nhint: "), "{words:?}: {refused}");
    }
}

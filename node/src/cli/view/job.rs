//! Jobs, and what they could name.

use protocol::{
    Time,
    control::{Choices, JobReport},
    job::{Command, CustomDir, Databases, Holders, JobConfig, JobSpec, RestoreBlock, Seal, YnhApp},
    schedule::Schedule,
};

use super::word;
use crate::cli::format::{Facts, Style, Table, dash, duration};

pub(super) fn jobs(jobs: &[JobReport], style: &Style) -> String {
    let head = ["NAME", "TYPE", "SOURCE", ">COPIES", ">ARCHIVES", "LAST RUN", "RESULT", "NEXT RUN"];
    let mut table = Table::new(&head);
    for report in jobs {
        let spec = &report.job.spec;
        let disabled = if spec.enabled { "" } else { " (disabled)" };
        table.row([
            format!("{}{disabled}", spec.name),
            spec.config.kind().to_owned(),
            spec.config.subject(),
            spec.copies.to_string(),
            report.archives.to_string(),
            style.time_or_dash(report.last_run.as_ref().map(|run| run.started_ms)),
            report.last_run.as_ref().map_or_else(dash, |run| word(run.state)),
            style.time_or_dash(report.next_runs.first().copied()),
        ]);
    }
    table.or("no jobs yet; `backupmanager job add custom_dir NAME PATH` adds one")
}

pub(super) fn job(report: &JobReport, style: &Style) -> String {
    let spec = &report.job.spec;
    let mut facts = Facts::default();
    facts
        .add("name", spec.name.as_str())
        .add("type", spec.config.kind())
        .add("source", spec.config.subject());
    config(&mut facts, &spec.config);
    timing(&mut facts, report, style);
    policy(&mut facts, spec);
    commands(&mut facts, "before", &spec.before);
    commands(&mut facts, "after", &spec.after);
    facts
        .add("enabled", if spec.enabled { "yes" } else { "no" })
        .add("archives", report.archives.to_string())
        .add("changed", style.time(report.job.updated_ms));
    if let Some(run) = &report.last_run {
        let (at, how) = (style.time(run.started_ms), word(run.state));
        facts.add("last run", format!("{at} ({how}), run {}", run.run));
    }
    facts.text()
}

fn timing(facts: &mut Facts, report: &JobReport, style: &Style) {
    let Some(schedule) = &report.job.spec.schedule else {
        facts.add("schedule", "none: it runs when asked");
        return;
    };
    let zone = schedule.zone.as_deref().unwrap_or("the time zone of the machine");
    facts.add("schedule", format!("{} in {zone}", schedule.cron));
    if schedule.delay_s > 0 {
        let delay = duration(u64::from(schedule.delay_s) * 1_000);
        facts.add("delay", format!("up to {delay}, random"));
    }
    let next = report.next_runs.iter().map(|&at| next_run(at, schedule, style));
    facts.each("next runs", next);
}

/// By this machine's clock, and by the job's where that is another.
fn next_run(at: Time, schedule: &Schedule, style: &Style) -> String {
    let here = style.time(at);
    let there = schedule.zone.as_ref().and_then(|zone| Some((zone, style.time_in(at, zone)?)));
    match there {
        Some((zone, there)) if there != here => format!("{here} ({there} {zone})"),
        _ => here,
    }
}

fn policy(facts: &mut Facts, spec: &JobSpec) {
    let on = match &spec.on {
        Holders::Any => "any member that has room".to_owned(),
        Holders::Named(names) => {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    facts
        .add("retention", spec.retention.to_string())
        .add("plain tars", spec.keep_tar.map_or_else(|| "auto".to_owned(), |keep| keep.to_string()))
        .add("copies", format!("{} on {on}", spec.copies))
        .add("seal", if spec.seal == Seal::None { "none: holders can read it" } else { "auto" })
        .add("zstd level", spec.level.to_string());
}

/// Values of variables stay where they are: what an administrator put there may be private.
fn commands(facts: &mut Facts, name: &'static str, commands: &[Command]) {
    let line = |command: &Command| {
        let user = command.user.as_deref().unwrap_or("root");
        let limit = duration(u64::from(command.timeout_s) * 1_000);
        let names: Vec<_> = command.env.keys().map(String::as_str).collect();
        let env = if names.is_empty() { String::new() } else { format!(", {}", names.join(" ")) };
        format!("{} (as {user}, at most {limit}{env})", command.run)
    };
    facts.each(name, commands.iter().map(line));
}

fn config(facts: &mut Facts, config: &JobConfig) {
    match config {
        JobConfig::YnhApp(YnhApp { core_only, .. }) => {
            facts.add("data", if *core_only { "left out (core only)" } else { "included" });
        }
        JobConfig::YnhSystem(system) => {
            facts.each("parts", system.parts.iter().cloned());
        }
        JobConfig::CustomDir(dir) => directory(facts, dir),
        JobConfig::Mysql(databases) | JobConfig::Postgresql(databases) => server(facts, databases),
    }
}

fn directory(facts: &mut Facts, dir: &CustomDir) {
    facts.each("excludes", dir.excludes.iter().cloned());
    let Some(RestoreBlock {
        system_user,
        systemd_service,
        permissions,
        post_restore_commands,
        firewall_ports,
    }) = &dir.restore
    else {
        return;
    };
    let ports = firewall_ports.iter().map(|open| format!("{} {}", open.port, word(open.protocol)));
    facts
        .maybe("restores user", system_user.as_ref().map(|user| user.name.clone()))
        .maybe("restores unit", systemd_service.as_ref().map(|unit| unit.name.clone()))
        .maybe("permissions", permissions.as_ref().map(|p| format!("{} {}", p.owner, p.mode)))
        .each("opens ports", ports)
        .each("then runs", post_restore_commands.iter().cloned());
}

fn server(facts: &mut Facts, databases: &Databases) {
    facts.each("excludes", databases.excludes.iter().cloned());
    let at = match (&databases.host, &databases.socket) {
        (Some(host), _) => host.clone(),
        (None, Some(socket)) => socket.clone(),
        (None, None) => "this machine's, through its usual socket".to_owned(),
    };
    facts
        .add("server", at)
        .maybe("port", databases.port.map(|port| port.to_string()))
        .maybe("user", databases.user.clone())
        .maybe("options file", databases.options_file.clone())
        .add("dumps", word(databases.compress).replace("none", "plain"));
}

pub(super) fn choices(choices: &Choices) -> String {
    let mut table = Table::new(&["ID", "TITLE", "CAN BE BACKED UP"]);
    for choice in &choices.choices {
        let usable = if choice.usable { "yes" } else { "no" };
        table.row([choice.id.clone(), choice.title.clone(), usable.to_owned()]);
    }
    table.or("nothing that a job of this kind could name")
}

//! Instances and their jobs.

use protocol::control::{InstanceReport, InstanceRunStarted};

use super::word;
use crate::cli::format::{Facts, Style, Table, bytes_or_dash, dash};

pub(super) fn instances(instances: &[InstanceReport], style: &Style) -> String {
    let mut table = Table::new(&["NAME", "URL", "STATE", "LAST SEEN", "WHY"]);
    for instance in instances {
        table.row([
            instance.name.to_string(),
            instance.url.to_string(),
            word(instance.state),
            style.time_or_dash(instance.last_seen_ms),
            instance.why.clone().unwrap_or_else(dash),
        ]);
    }
    table.or("no instances yet; `backupmanager instance add NAME URL` adds one")
}

pub(super) fn instance(instance: &InstanceReport, style: &Style) -> String {
    let ssh = instance.ssh.as_ref();
    let mut facts = Facts::default();
    facts
        .add("name", instance.name.as_str())
        .add("number", instance.number.to_string())
        .add("url", instance.url.to_string())
        .maybe("pinned", instance.pin.map(|pin| pin.to_string()))
        .maybe("ssh", ssh.map(|ssh| format!("{} in {}", ssh.account, ssh.account.path)))
        .maybe("host key", ssh.map(|ssh| ssh.fingerprint.clone()))
        .maybe("our key", ssh.map(|ssh| ssh.public_key.clone()))
        .add("state", word(instance.state))
        .maybe("why", instance.why.clone())
        .add("last seen", style.time_or_dash(instance.last_seen_ms))
        .maybe("calls itself", instance.instance_name.clone())
        .maybe("version", instance.version.clone())
        .add("added", style.time(instance.created_ms));
    if instance.jobs.is_empty() {
        return facts.text();
    }
    facts.text() + "\n" + &jobs(instance, style)
}

pub(in crate::cli) fn jobs(instance: &InstanceReport, style: &Style) -> String {
    let head = [">ID", "NAME", "TYPE", "LAST RUN", "RESULT", "ARCHIVE", ">SIZE"];
    let mut table = Table::new(&head);
    for job in &instance.jobs {
        let run = job.last_run.as_ref();
        let disabled = if job.enabled { "" } else { " (disabled)" };
        table.row([
            job.number.to_string(),
            format!("{}{disabled}", job.name),
            job.kind.clone(),
            style.time_or_dash(run.and_then(|run| run.started_ms)),
            run.map_or_else(dash, |run| run.status.clone()),
            run.and_then(|run| run.archive.clone()).unwrap_or_else(dash),
            bytes_or_dash(run.and_then(|run| run.bytes)),
        ]);
    }
    table.or(if instance.jobs_ms.is_some() { "it has no jobs" } else { "it did not tell yet" })
}

pub(super) fn run_started(started: &InstanceRunStarted) -> String {
    let number = started.run.map_or_else(String::new, |run| format!(", run {run}"));
    format!("{} of {} has begun{number}\n", started.job, started.instance)
}

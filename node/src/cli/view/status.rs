//! The node and its activities.

use protocol::control::{StatusReport, WorkerReport};

use super::word;
use crate::cli::format::{Facts, Style, Table, bytes, clean, dash, duration};

pub(super) fn status(report: &StatusReport, style: &Style) -> String {
    let mut facts = Facts::default();
    let mesh = match report.mesh {
        Some(mesh) => {
            format!("{} ({} members, {} connected)", mesh.short(), report.members, report.connected)
        }
        None => "none yet; `mesh invite` founds one, `mesh join` joins one".to_owned(),
    };
    let up = duration(report.now_ms.since(report.started_ms).as_millis().try_into().unwrap_or(0));
    facts
        .add("node", format!("{} ({})", report.node.name, report.node.id.short()))
        .add("health", word(report.health))
        .add("mesh", mesh)
        .add("listens on", report.listen.join(" "))
        .maybe("http on", report.http.clone())
        .maybe("found at", report.instance_url.clone())
        .maybe("yunohost", report.yunohost_version.clone())
        .add("jobs", format!("{}, {} at work", report.jobs, report.runs))
        .add("archives", archives(report))
        .add("replicas", format!("{} of other nodes", report.replicas))
        .add("store", format!("{}, {} free", bytes(report.store_bytes), bytes(report.free_bytes)))
        .add("data", report.data.to_string())
        .add("version", format!("{}, up {up}", report.version))
        .add("started", style.time(report.started_ms));
    let reasons = report.reasons.iter().map(|why| format!("  - {}\n", clean(why)));
    facts.text() + &reasons.collect::<String>()
}

fn archives(report: &StatusReport) -> String {
    match report.archives_short {
        0 => report.archives.to_string(),
        short => format!("{}, {short} of them with fewer copies than wanted", report.archives),
    }
}

pub(super) fn workers(workers: &[WorkerReport], style: &Style) -> String {
    let mut table = Table::new(&["WORKER", "STATE", ">DONE", "LAST WORKED", "WHAT"]);
    for worker in workers {
        let done = worker.progress.as_ref().and_then(protocol::control::Progress::per_mille);
        let what = worker.what.clone().or_else(|| {
            worker.last_error.as_ref().map(|why| format!("{} × {why}", worker.errors_in_a_row))
        });
        table.row([
            worker.name.clone(),
            word(worker.state),
            done.map_or_else(dash, |done| format!("{} %", done / 10)),
            style.time_or_dash(worker.worked_ms),
            what.unwrap_or_else(dash),
        ]);
    }
    table.or("no workers")
}

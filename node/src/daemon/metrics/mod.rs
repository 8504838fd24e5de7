//! The node in numbers, as Prometheus reads them.
//!
//! Everything is read when it is asked for, from what the node knows anyway; only answers and ends
//! of runs are counted as they come. Names follow Prometheus: the unit last, counters end with
//! `_total`. Labels have few values: states, and the names of jobs and instances, of which at most
//! [`JOBS_MAX`] and all (they have a bound of their own) are told.

mod text;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::{
    JobId, Time,
    control::{Failure, Health, InstanceState, RunState, StatusReport, TransferState, UploadState},
};

use self::text::Text;
use super::{
    failure::db_failure,
    handle,
    node::{Node, blocking},
    uploads,
};

/// Most jobs that have numbers of their own, by name.
const JOBS_MAX: usize = 1_000;

/// How answers are counted: by the first digit of their status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How the HTTP interface answered, since the daemon started.
#[derive(Debug, Default)]
pub struct HttpAnswers([AtomicU64; CLASSES.len()]);

impl HttpAnswers {
    /// One more answer with this status.
    pub(super) fn count(&self, status: u16) {
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| self.0.get(at))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All numbers, in the text format of Prometheus.
///
/// # Errors
/// When the store or the history cannot be read.
pub(super) async fn metrics(node: Arc<Node>) -> Result<String, Failure> {
    let status = handle::status::status(Arc::clone(&node)).await?;
    let uploads = uploads::list(Arc::clone(&node)).await?;
    blocking(move || {
        let mut text = Text::default();
        about(&mut text, &status);
        storage(&mut text, &status);
        mesh(&mut text, &status);
        jobs(&mut text, &node)?;
        runs(&mut text, &node);
        let states = uploads.iter().map(|upload| upload.state);
        exchange(&mut text, &node, states);
        served(&mut text, &node);
        Ok(text.finish())
    })
    .await
}

fn about(text: &mut Text, status: &StatusReport) {
    text.gauge("build_info", "The program; always 1.");
    text.value(&[("version", &status.version)], 1);
    text.gauge("start_time_seconds", "When the daemon started, seconds since 1970.");
    text.seconds(&[], status.started_ms);
    text.gauge("health", "Which of the colours the node has: 1 for that one, 0 for the others.");
    let colours = [(Health::Green, "green"), (Health::Amber, "amber"), (Health::Red, "red")];
    for (health, colour) in colours {
        text.value(&[("state", colour)], u64::from(status.health == health));
    }
}

fn storage(text: &mut Text, status: &StatusReport) {
    text.one("store_bytes", "Bytes of the chunk store.", status.store_bytes);
    text.one("disk_free_bytes", "Bytes free on the disk of the chunk store.", status.free_bytes);
    text.one("disk_size_bytes", "Bytes that this disk has.", status.disk_bytes);
    text.one("archives", "Archives made here.", status.archives);
    let help = "Of those, archives with fewer whole copies than their job wants.";
    text.one("archives_short", help, status.archives_short);
    text.one("replicas", "Archives of other nodes that are kept here.", status.replicas);
}

fn mesh(text: &mut Text, status: &StatusReport) {
    text.one("members", "Members of the mesh, this node included.", status.members.into());
    let help = "Other members that are connected now.";
    text.one("members_connected", help, status.connected.into());
}

/// What is told of one job.
struct JobNumbers {
    name: String,
    enabled: bool,
    last: Option<(Option<Time>, bool)>,
    last_good: Option<Time>,
}

fn jobs(text: &mut Text, node: &Node) -> Result<(), Failure> {
    let listing = node.listing();
    text.one("jobs", "Jobs of this node.", listing.jobs().len() as u64);
    let (me, mut newest) = (node.id(), BTreeMap::<JobId, Time>::new());
    for archive in listing.archives().iter().filter(|archive| archive.origin == me) {
        if let Some(meta) = &archive.meta {
            newest.insert(meta.job, archive.facts.created);
        }
    }
    let mut told = Vec::new();
    for listed in listing.jobs().iter().take(JOBS_MAX) {
        let last = node.runs.last_backup_of(&listed.job.id);
        let last = last.map_err(|error| db_failure("cannot read the runs", &error))?;
        let is_good = |state| matches!(state, RunState::Success | RunState::Warnings);
        let last = last.map(|run| (run.ended_ms, is_good(run.state)));
        let good = last.and_then(|(ended, good)| ended.filter(|_| good));
        told.push(JobNumbers {
            name: listed.job.spec.name.to_string(),
            enabled: listed.job.spec.enabled,
            last,
            last_good: good.or_else(|| newest.get(&listed.job.id).copied()),
        });
    }
    text.gauge("job_enabled", "Whether the job runs by itself.");
    for job in &told {
        text.value(&[("job", &job.name)], u64::from(job.enabled));
    }
    let help = "When the job last made an archive, seconds since 1970.";
    text.gauge("job_last_success_timestamp_seconds", help);
    for job in &told {
        job.last_good.iter().for_each(|at| text.seconds(&[("job", &job.name)], *at));
    }
    text.gauge("job_last_run_timestamp_seconds", "When the job's last run ended.");
    for job in &told {
        let ended = job.last.and_then(|(ended, _)| ended);
        ended.iter().for_each(|at| text.seconds(&[("job", &job.name)], *at));
    }
    text.gauge("job_last_run_success", "Whether the job's last run made an archive.");
    for job in &told {
        job.last.iter().for_each(|(_, good)| {
            text.value(&[("job", &job.name)], u64::from(*good));
        });
    }
    Ok(())
}

fn runs(text: &mut Text, node: &Node) {
    text.gauge("runs", "Runs that have not ended.");
    text.value(&[("state", "running")], node.runs.running().into());
    text.value(&[("state", "queued")], node.runs.queued().into());
    text.counter("runs_ended_total", "Runs that ended since the daemon started.");
    for (state, count) in node.runs.ended_by().counts() {
        text.value(&[("state", state)], count);
    }
}

fn exchange(text: &mut Text, node: &Node, uploads: impl Iterator<Item = UploadState>) {
    use TransferState as T;
    let transfers: Vec<_> = node.transfers.list().into_iter().map(|one| one.state).collect();
    text.gauge("transfers", "Transfers that are remembered.");
    let states = [
        (T::Waiting, "waiting"),
        (T::Preparing, "preparing"),
        (T::Sending, "sending"),
        (T::Finishing, "finishing"),
        (T::Retrying, "retrying"),
        (T::Done, "done"),
        (T::Failed, "failed"),
        (T::Cancelled, "cancelled"),
    ];
    by_state(text, &transfers, &states);
    let states = [
        (UploadState::Pending, "pending"),
        (UploadState::InProgress, "in_progress"),
        (UploadState::Finishing, "finishing"),
        (UploadState::Complete, "complete"),
        (UploadState::Error, "error"),
    ];
    text.gauge("uploads", "Uploads that are remembered.");
    by_state(text, &uploads.collect::<Vec<_>>(), &states);
    text.gauge("instance_online", "Whether the instance answered when it was last asked.");
    for instance in node.instances.list() {
        let online = instance.state == InstanceState::Online;
        text.value(&[("instance", instance.name.as_str())], u64::from(online));
    }
}

fn by_state<S: PartialEq>(text: &mut Text, all: &[S], states: &[(S, &str)]) {
    for (state, word) in states {
        let count = all.iter().filter(|one| *one == state).count();
        text.value(&[("state", word)], count as u64);
    }
}

fn served(text: &mut Text, node: &Node) {
    text.counter("http_requests_total", "Answers of the HTTP interface, by class of status.");
    for (class, count) in CLASSES.iter().zip(&node.http_answers.0) {
        text.value(&[("code", class)], count.load(Ordering::Relaxed));
    }
    text.one("event_streams", "Clients that follow events.", node.news.readers() as u64);
    let help = "Failures of a long-lived activity since its last success.";
    text.gauge("worker_errors_in_a_row", help);
    for worker in node.workers.list() {
        text.value(&[("worker", &worker.name)], worker.errors_in_a_row.into());
    }
}

#[cfg(test)]
mod tests;

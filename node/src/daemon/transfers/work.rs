//! The worker that sends, and what becomes of a transfer after each attempt.

use std::{sync::Arc, time::Duration};

use protocol::{
    Time,
    control::{
        ArchiveRef, ArchiveTransfer, Failure, FailureCode, NoticeKind, TransferMode, TransferState,
    },
};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{AT_ONCE, State, drop_upload, http, row::Row, ssh};
use crate::{
    daemon::{
        handle::archive,
        instances,
        node::{Node, blocking},
    },
    instances::{ClientError, Retry},
    replicate::Cancel,
    socket::EventSink,
    sys,
};

/// Name of the worker.
const WORKER: &str = "transfers";

/// How long it rests when there is nothing to do.
const REST: Duration = Duration::from_secs(3_600);

/// The wait after the first failure; each further one doubles it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// Failures without a byte getting through after which a transfer is given up: about three days.
const FAILURES_MAX: u32 = 300;

/// How often an upload is begun anew.
const BEGUN_MAX: u32 = 10;

/// Why an attempt did not end with the archive being there.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Trying again may help.
    Later(Failure),
    /// Trying again may help, from the first byte on.
    Anew(Failure),
    /// It will not.
    Never(Failure),
}

impl Trouble {
    /// What a failure of this node's own means.
    pub(super) fn here(failure: Failure) -> Self {
        match failure.code {
            FailureCode::Unreachable
            | FailureCode::Busy
            | FailureCode::NoSpace
            | FailureCode::Internal => Self::Later(failure),
            _ => Self::Never(failure),
        }
    }

    /// What a failed call means.
    pub(super) fn call(what: &str, error: &ClientError) -> Self {
        let failure = instances::failed(what, error);
        match error.retry() {
            Retry::Later => Self::Later(failure),
            Retry::Never => Self::Never(failure),
        }
    }
}

/// Runs until the node stops. What is at work then goes on at the next start.
pub(in crate::daemon) async fn run(node: Arc<Node>, stop: Cancel) {
    hold(&node);
    node.workers.idle(WORKER);
    let mut tasks = JoinSet::new();
    loop {
        let next = launch(&node, &mut tasks);
        tell(&node);
        tokio::select! {
            () = stop.cancelled() => {
                // Threads that read for them end too.
                node.transfers.lock().at_work.values().for_each(Cancel::cancel);
                return;
            }
            Some(_) = tasks.join_next() => {}
            () = tokio::time::sleep(next) => {}
            () = node.transfers.changed.notified() => {}
        }
    }
}

/// Keeps the archives of transfers that were open when the node stopped.
fn hold(node: &Node) {
    let mut state = node.transfers.lock();
    let open: Vec<_> = state.rows.values().filter(|row| row.is_open()).cloned().collect();
    for row in open {
        let Ok(wanted) = wanted(&row) else { continue };
        if let Ok(archive) = node.find_archive(&wanted) {
            state.readings.insert(row.report.id, node.keeping.reading(&archive));
        }
    }
}

/// Starts what is due and has room; says when to look again.
fn launch(node: &Arc<Node>, tasks: &mut JoinSet<()>) -> Duration {
    let now = sys::now();
    let mut state = node.transfers.lock();
    let at_work = |state: &State, id: &u64| state.at_work.contains_key(id);
    let idle = state.rows.values().filter(|row| row.is_open());
    let idle = idle.filter(|row| !at_work(&state, &row.report.id));
    let mut idle: Vec<_> = idle.cloned().collect();
    // Whoever fails again and again gives way.
    idle.sort_by_key(|row| (row.report.failures, row.report.id));
    let is_sent = |row: &Row| row.report.way != TransferMode::Mesh;
    let mut sending =
        state.at_work.keys().filter(|id| state.rows.get(id).is_some_and(is_sent)).count();
    let mut next = REST;
    for row in idle {
        let wait = row.report.next_ms.map_or(Duration::ZERO, |at| at.since(now));
        if !wait.is_zero() {
            next = next.min(wait);
        } else if !is_sent(&row) || sending < AT_ONCE {
            sending += usize::from(is_sent(&row));
            let stop = Cancel::default();
            state.at_work.insert(row.report.id, stop.clone());
            tasks.spawn(attempt(Arc::clone(node), row, stop));
        }
    }
    next
}

fn tell(node: &Node) {
    let state = node.transfers.lock();
    let open = || state.rows.values().filter(|row| row.is_open());
    let name = |row: &Row| format!("{} to {}", row.report.archive, row.report.instance);
    if let Some(row) = open().find(|row| state.at_work.contains_key(&row.report.id)) {
        let (done, total) = (row.report.bytes_done, row.report.bytes_total);
        node.workers.working(
            WORKER,
            format!("{} of {} open: {}", state.at_work.len(), open().count(), name(row)),
        );
        let progress = protocol::control::Progress {
            what: "sending".to_owned(),
            bytes_done: done,
            bytes_total: Some(total),
            ..protocol::control::Progress::default()
        };
        node.workers.progress(WORKER, progress);
    } else if let Some(row) = open().next() {
        node.workers.waiting(WORKER, name(row));
    } else {
        node.workers.idle(WORKER);
    }
}

/// Takes a transfer out of those at work, however its attempt ends.
struct AtWork(Arc<Node>, u64);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.transfers.lock().at_work.remove(&self.1);
        self.0.transfers.changed.notify_one();
    }
}

async fn attempt(node: Arc<Node>, row: Row, stop: Cancel) {
    let id = row.report.id;
    let _at_work = AtWork(Arc::clone(&node), id);
    let went = tokio::select! {
        // Whoever stopped it has noted that.
        () = stop.cancelled() => return,
        went = send(&node, &row, &stop) => went,
    };
    if let (Err(Trouble::Later(_)), Some(instance)) = (&went, row.instance) {
        // Its state should not be a minute late.
        let _ = instances::poll(&node, instance, false).await;
    }
    // What is noted as ended has no upload any more.
    let before = node.transfers.row(id);
    let noting = Arc::clone(&node);
    let noted = blocking(move || {
        let changed = noting.transfers.change(id, |row| after(row, &went, sys::now()));
        Ok(changed.map_err(|failure| (failure, went)))
    });
    let Ok(noted) = noted.await else { return };
    match noted {
        Ok(row) if row.report.state == TransferState::Done => {
            node.workers.done(WORKER);
            info!(transfer = id, archive = row.report.archive, "a transfer is done");
        }
        Ok(row) => {
            let why = row.report.failure.map_or_else(String::new, |failure| failure.to_string());
            warn!(transfer = id, why, "an attempt of a transfer failed");
            if row.report.state == TransferState::Failed {
                let subject = format!("{} → {}", row.report.archive, row.report.instance);
                node.notices.note(NoticeKind::TransferFailed, &subject, Some(&why));
            }
            node.workers.failed(WORKER, why);
            if let Some(before) = before.filter(|_| row.report.state == TransferState::Failed) {
                drop_upload(&node, &before).await;
            }
        }
        Err((failure, went)) if failure.code != FailureCode::Cancelled => {
            warn!(transfer = id, %failure, "cannot note how a transfer went");
            // It waits all the same, or a full disk would keep the machine busy.
            if let Some(row) = node.transfers.lock().rows.get_mut(&id) {
                after(row, &went.and(Err(Trouble::Later(failure))), sys::now());
            }
        }
        Err(_) => {}
    }
}

/// What becomes of a transfer.
fn after(row: &mut Row, went: &Result<(), Trouble>, now: Time) {
    let report = &mut row.report;
    let (failure, ends) = match went {
        Ok(()) => {
            (report.state, report.failure) = (TransferState::Done, None);
            (report.failures, report.bytes_done) = (0, report.bytes_total);
            return;
        }
        Err(Trouble::Never(failure)) => (failure, true),
        Err(Trouble::Anew(failure)) => {
            (row.upload, report.bytes_done) = (None, 0);
            (failure, row.begun >= BEGUN_MAX)
        }
        Err(Trouble::Later(failure)) => (failure, report.failures + 1 >= FAILURES_MAX),
    };
    report.failures += 1;
    report.failure = Some(failure.clone());
    if ends {
        report.state = TransferState::Failed;
    } else {
        report.state = TransferState::Retrying;
        report.next_ms = Some(now.after(wait(report.failures)));
    }
}

fn wait(failures: u32) -> Duration {
    (RETRY_AFTER * (1 << failures.saturating_sub(1).min(10))).min(RETRY_AFTER_MAX)
}

async fn send(node: &Arc<Node>, row: &Row, stop: &Cancel) -> Result<(), Trouble> {
    match row.report.way {
        TransferMode::Mesh => mesh(node, row).await,
        TransferMode::Ssh => ssh::send(node, row, stop).await,
        TransferMode::Auto | TransferMode::Http => http::send(node, row, stop).await,
    }
}

/// Names the member as a holder, and waits until it holds the archive.
async fn mesh(node: &Arc<Node>, row: &Row) -> Result<(), Trouble> {
    let archive = wanted(row).map_err(Trouble::Never)?;
    let to = row.report.instance.as_str().parse().map_err(|error| {
        let what = format!("cannot transfer archive {}", row.report.archive);
        Trouble::Never(Failure::caused(FailureCode::Invalid, what, &error))
    })?;
    let request = ArchiveTransfer { archive, to };
    let sent = archive::transfer(Arc::clone(node), request, EventSink::deaf()).await;
    sent.map(drop).map_err(Trouble::here)
}

/// The archive of a transfer, by what never changes of it.
pub(super) fn wanted(row: &Row) -> Result<ArchiveRef, Failure> {
    let failed = |error: &dyn std::error::Error| {
        let what = format!("cannot find archive {}", row.report.archive);
        Failure::caused(FailureCode::Internal, what, error)
    };
    let name = row.archive.to_string().parse().map_err(|error| failed(&error))?;
    let origin = row.origin.to_string().parse().map_err(|error| failed(&error))?;
    Ok(ArchiveRef { name, node_of: Some(origin) })
}

#[cfg(test)]
mod tests;

//! The worker that starts runs when they are due.
//!
//! What is due is decided by the [`agenda`], a pure function of the jobs, of what was handled before,
//! and of the clock. This worker asks it when the next time has come, when a job changed, and at
//! least every [`LOOK_EVERY`], because clocks jump. What it decides to run is noted as handled first,
//! and then started by the same way as `job run`: a daemon that is killed in between leaves a run
//! out rather than making it twice.

mod agenda;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use protocol::{
    Time,
    control::{Failure, FailureCode, NEXT_RUNS_TOLD, NoticeKind, RunKind, Trigger},
    job::Job,
};
use tracing::{info, warn};

use self::agenda::{Agenda, Due, Plan};
use super::{
    handle::job::start_run,
    node::{Node, blocking},
    zone,
};
use crate::{db::DbError, replicate::Cancel, socket::EventSink, sys};

/// Name of the worker.
const WORKER: &str = "schedule";

/// How often it looks at the clock at least.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Skipped runs that the state of the worker names.
const SKIPPED_NAMED_MAX: usize = 5;

/// The next times at which a job starts by itself, soonest first.
pub(super) fn next_runs(job: &Job, now: Time) -> Vec<Time> {
    let Some(schedule) = job.spec.schedule.as_ref().filter(|_| job.spec.enabled) else {
        return Vec::new();
    };
    // What was planned before now may still wait for its delay to end.
    let from = Time(now.0.saturating_sub(u64::from(schedule.delay_s) * 1_000));
    let starts = schedule.occurrences(&job.id, from, &zone::of(Some(schedule)));
    let starts = starts.map(|one| one.starts).filter(|starts| *starts > now);
    starts.take(NEXT_RUNS_TOLD).collect()
}

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    let mut worker = Worker { agenda: None, skipped: String::new() };
    node.workers.idle(WORKER);
    loop {
        changes.mark_unchanged();
        let wait = match worker.round(&node).await {
            Ok(next) => {
                let wait = next.map_or(LOOK_EVERY, |next| next.since(sys::now()));
                wait.min(LOOK_EVERY)
            }
            Err(failure) => {
                warn!(%failure, "cannot look at the schedules");
                node.workers.failed(WORKER, failure.to_string());
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

struct Worker {
    /// None before the first round and after one that failed: then it is read again.
    agenda: Option<Agenda>,
    /// Runs that were due while one of the same job had not ended, for people.
    skipped: String,
}

impl Worker {
    /// Starts what is due, and says when to look again.
    async fn round(&mut self, node: &Arc<Node>) -> Result<Option<Time>, Failure> {
        let (node, agenda) = (Arc::clone(node), self.agenda.take());
        let round = blocking(move || {
            let round = round(&node, agenda);
            round.map(|round| (round, node))
        });
        let ((agenda, plan, skipped), node) = round.await?;
        self.agenda = Some(agenda);
        if !plan.due.is_empty() {
            self.skipped = skipped;
            node.workers.done(WORKER);
        }
        let mut what = plan.next.as_ref().map_or_else(String::new, |(at, job)| {
            format!("next {} at {}", job.spec.name, shown(*at))
        });
        what.push_str(&self.skipped);
        if what.is_empty() {
            node.workers.idle(WORKER);
        } else {
            node.workers.waiting(WORKER, what);
        }
        Ok(plan.next.map(|(at, _)| at))
    }
}

/// One round, on a blocking thread: decide, note, start.
fn round(node: &Arc<Node>, agenda: Option<Agenda>) -> Result<(Agenda, Plan, String), Failure> {
    const WHAT: &str = "cannot look at the schedules";
    let failed = |error: DbError| Failure::caused(FailureCode::Internal, WHAT, &error);
    let mut agenda = match agenda {
        Some(agenda) => agenda,
        None => Agenda::new(node.db.handled().map_err(failed)?),
    };
    let plan = agenda.look(&node.jobs(), sys::now(), &|schedule| zone::of(Some(schedule)));
    if !plan.handled.is_empty() {
        node.db.set_handled(&plan.handled).map_err(failed)?;
    }
    for (name, back) in &plan.distrusted {
        let back_s = back.as_secs();
        warn!(job = %name, back_s, "the clock went back so far that the schedule begins anew");
    }
    let (mut skipped, mut count) = (String::new(), 0);
    for due in &plan.due {
        if let Some(why) = start(node, due) {
            count += 1;
            if count <= SKIPPED_NAMED_MAX {
                let _ = write!(skipped, "; skipped {}: {why}", due.job.spec.name);
            }
        }
    }
    if count > SKIPPED_NAMED_MAX {
        let _ = write!(skipped, "; skipped {} more", count - SKIPPED_NAMED_MAX);
    }
    Ok((agenda, plan, skipped))
}

/// Starts a run that is due; says why when it does not start.
fn start(node: &Arc<Node>, due: &Due) -> Option<String> {
    let name = &due.job.spec.name;
    match start_run(node, Arc::clone(&due.job), due.trigger(), EventSink::deaf()) {
        Ok(started) => {
            info!(job = %name, run = started.run.run, trigger = ?due.trigger(), "a run was due");
            if due.is_late() || due.missed > 0 {
                node.runs.line(started.run.run, told(due));
            }
            if due.missed > 0 {
                let (name, told) = (name.as_str(), told(due));
                node.notices.note(NoticeKind::ScheduleMissed, name, Some(&told));
            }
            None
        }
        Err(failure) if await_other(node, due) => {
            info!(job = %name, %failure, "a run was due and waits");
            None
        }
        Err(failure) => {
            info!(job = %name, %failure, "a run was due and was skipped");
            node.notices.note(NoticeKind::ScheduleMissed, name.as_str(), Some(&failure.why));
            Some(failure.why)
        }
    }
}

/// Puts a run off until a restore of its job has ended. A backup that still runs is as good as the
/// one that is due; a restore is not.
fn await_other(node: &Arc<Node>, due: &Due) -> bool {
    let Some((other, kind)) = node.runs.at_work_of(&due.job.id) else { return false };
    if kind == RunKind::Backup {
        return false;
    }
    let (node, job) = (Arc::clone(node), Arc::clone(&due.job));
    tokio::spawn(async move {
        node.runs.ended(other).await;
        let started = blocking({
            let (node, job) = (Arc::clone(&node), Arc::clone(&job));
            move || start_run(&node, job, Trigger::CatchUp, EventSink::deaf()).map(drop)
        });
        if let Err(failure) = started.await {
            let name = job.spec.name.as_str();
            warn!(job = name, %failure, "a run that was put off was skipped");
            node.notices.note(NoticeKind::ScheduleMissed, name, Some(&failure.why));
        }
    });
    true
}

/// Why a run comes when it does, for its transcript.
fn told(due: &Due) -> String {
    let planned = shown(due.planned);
    match due.missed {
        0 => format!("it was due at {planned}"),
        1 => format!("it was due at {planned}, and once before that"),
        missed => format!("it was due at {planned}, and {missed} times before that"),
    }
}

/// A time as the machine's people read it.
fn shown(time: Time) -> String {
    let at = i64::try_from(time.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(
        || time.to_string(),
        |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

#[cfg(test)]
mod tests;

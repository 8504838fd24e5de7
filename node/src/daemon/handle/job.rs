//! Jobs and their runs.

use std::sync::Arc;

use protocol::{
    Entropy as _, JobId, Time, cbor,
    control::{
        Failure, FailureCode, ForeignAdopt, JobEdit, JobReport, JobRun, Jobs, Page, Reply,
        RunDetail, RunKind, RunList, RunReport, RunState, Trigger,
    },
    job::{Holders, Job, JobConfig, JobSpec, Name},
    record::{Fact, JobFacts, RecordKey},
    seal,
};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::{
    daemon::{
        choices,
        execute::{Execution, Made, adopt},
        failure::db_failure,
        mesh::Change,
        node::{Node, blocking},
        registry::ListedJob,
        runs::NewRun,
        schedule, tars, view, zone,
    },
    db::RunsOf,
    ingest::Progress,
    socket::{CancelSwitch, EventSink},
    sys::{self, OsEntropy},
};

/// Jobs in one page, whatever was asked for: the answer comes in some milliseconds, and goes on
/// with the next page.
const PAGE_JOBS_MAX: usize = 500;

/// Bytes of jobs in one page: the answer must fit a frame.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// What is told of a job besides what it says itself, bytes.
const REPORT_BYTES: usize = 1 << 10;

pub(in crate::daemon) async fn add(node: &Arc<Node>, spec: JobSpec) -> Result<JobReport, Failure> {
    let what = format!("cannot add job {}", spec.name);
    if node.listing().job(&spec.name).is_some() {
        return Err(Failure::new(FailureCode::Exists, what, "there is a job of that name")
            .hint("`backupmanager job edit` changes it"));
    }
    applies(node, &what, &spec)?;
    exists(node, &what, &spec.config).await?;
    let now = sys::now();
    let job = Job { id: JobId(OsEntropy.array()), spec, created_ms: now, updated_ms: now };
    store(node, &job).await?;
    show(node, &job.spec.name)
}

pub(super) async fn edit(node: &Arc<Node>, edit: JobEdit) -> Result<JobReport, Failure> {
    let what = format!("cannot change job {}", edit.job);
    let job = node.job(&edit.job)?;
    if job.updated_ms != edit.based_on_ms {
        let why = "somebody else changed it meanwhile";
        return Err(
            Failure::new(FailureCode::Conflict, what, why).hint("look at it, then try again")
        );
    }
    let renamed = edit.spec.name != job.spec.name;
    if renamed && node.listing().job(&edit.spec.name).is_some() {
        return Err(Failure::new(FailureCode::Exists, what, "there is a job of the new name"));
    }
    applies(node, &what, &edit.spec)?;
    // A schedule can be changed while the server that is backed up is down.
    if edit.spec.config != job.spec.config {
        exists(node, &what, &edit.spec.config).await?;
    }
    let updated_ms = sys::now().max(protocol::Time(job.updated_ms.0 + 1));
    let job = Job { id: job.id, spec: edit.spec, created_ms: job.created_ms, updated_ms };
    store(node, &job).await?;
    show(node, &job.spec.name)
}

/// Refuses a time zone or a holder that is not known.
fn applies(node: &Node, what: &str, spec: &JobSpec) -> Result<(), Failure> {
    if let Some(schedule) = &spec.schedule {
        zone::named(schedule.zone.as_deref(), what)?;
    }
    if let Holders::Named(names) = &spec.on {
        node.mesh.look(|catalog| {
            names.iter().try_for_each(|name| {
                let wanted = protocol::control::NodeRef::Name(name.clone());
                view::find_node(catalog, &wanted).map(drop)
            })
        })?;
    }
    Ok(())
}

pub(in crate::daemon) async fn store(node: &Node, job: &Job) -> Result<(), Failure> {
    let sealed = seal::seal_meta(&node.key, &cbor::encode(job), &mut OsEntropy);
    node.mesh.publish(vec![Change::Say(Fact::Job(job.id, JobFacts { sealed }))]).await
}

/// Refuses a job that names what this machine has not.
async fn exists(node: &Arc<Node>, what: &str, config: &JobConfig) -> Result<(), Failure> {
    let (node, what, config) = (Arc::clone(node), what.to_owned(), config.clone());
    blocking(move || choices::check(&node, &what, &config)).await
}

pub(in crate::daemon) fn list(node: &Node, page: Page) -> Result<Jobs, Failure> {
    let (listing, now) = (node.listing(), sys::now());
    let from = usize::try_from(page.from).unwrap_or(usize::MAX);
    let rest = listing.jobs().get(from..).unwrap_or_default();
    let (mut jobs, mut bytes) = (Vec::new(), 0);
    for listed in rest.iter().take(PAGE_JOBS_MAX.min(page.limit as usize)) {
        bytes += listed.bytes + REPORT_BYTES;
        if bytes > PAGE_BYTES_MAX && !jobs.is_empty() {
            break;
        }
        jobs.push(report(node, listed, now)?);
    }
    let next = (jobs.len() < rest.len()).then_some((from + jobs.len()) as u64);
    Ok(Jobs { jobs, next })
}

/// The job of a number.
pub(super) fn numbered(node: &Node, number: u64) -> Result<JobReport, Failure> {
    // First the listing: what is new in it gets its number.
    let listing = node.listing();
    let listed = node.numbers.job(number).and_then(|id| listing.job_of(&id));
    let listed = listed.ok_or_else(|| {
        let what = format!("cannot find job {number}");
        Failure::new(FailureCode::NotFound, what, "there is none of that number")
            .hint("`backupmanager job list --json` shows the jobs of this node")
    })?;
    report(node, listed, sys::now())
}

pub(super) fn show(node: &Node, name: &Name) -> Result<JobReport, Failure> {
    let job = node.job(name)?;
    let listing = node.listing();
    let archives = listing.job(name).map_or(0, |listed| listed.archives);
    report(node, &ListedJob { job, bytes: 0, archives }, sys::now())
}

fn report(node: &Node, listed: &ListedJob, now: Time) -> Result<JobReport, Failure> {
    let last_run = node.runs.last_of(&listed.job.id);
    Ok(JobReport {
        job: Job::clone(&listed.job),
        number: number(node, &listed.job),
        last_run: last_run.map_err(|error| db_failure("cannot read the runs", &error))?,
        archives: listed.archives,
        next_runs: schedule::next_runs(&listed.job, now),
    })
}

/// A job's number; 0 while the disk refuses to give it one.
fn number(node: &Node, job: &Job) -> u64 {
    node.numbers.of(&job.id).unwrap_or_else(|| {
        node.numbers.see(std::iter::once(job));
        node.numbers.of(&job.id).unwrap_or_default()
    })
}

pub(in crate::daemon) async fn remove(node: &Node, name: &Name) -> Result<(), Failure> {
    let job = node.job(name)?;
    node.mesh.publish(vec![Change::Unsay(RecordKey::Job(job.id))]).await?;
    // A job's archives stay; only what a next run would have reused goes.
    let _ = std::fs::remove_file(node.data.reuse(&job.id));
    if let Err(error) = node.db.forget_handled(&job.id) {
        warn!(%error, job = %name, "what was noted of the schedule of a removed job stays");
    }
    Ok(())
}

pub(super) async fn run(
    node: Arc<Node>,
    request: JobRun,
    events: EventSink,
) -> Result<Reply, Failure> {
    let job = node.job(&request.job)?;
    let events = if request.wait { events } else { EventSink::deaf() };
    let started = blocking(move || start_run(&node, job, Trigger::Hand, events)).await?;
    if request.wait {
        return started.ended().await.map(Reply::RunEnded);
    }
    Ok(Reply::RunStarted(started.run))
}

/// A run that has begun, or waits for its turn. It goes on when this is dropped.
pub(in crate::daemon) struct Started {
    /// How it stands.
    pub(in crate::daemon) run: RunReport,
    end: JoinHandle<Result<RunReport, Failure>>,
}

impl Started {
    /// Waits for its end.
    ///
    /// # Errors
    /// When it cannot be noted how it ended. A run that failed is no error.
    pub(in crate::daemon) async fn ended(self) -> Result<RunReport, Failure> {
        let died = |error: tokio::task::JoinError| {
            Failure::caused(FailureCode::Internal, "the run was not finished", &error)
        };
        self.end.await.map_err(died)?
    }
}

/// Starts a run of a job, whoever wants it: by hand, by its schedule, before a restore. It is
/// stopped by `run cancel` and by whoever `events` belongs to. Blocks on the disk; on the runtime
/// or one of its blocking threads.
///
/// # Errors
/// When one of that job has not ended, or the state file cannot be written.
pub(in crate::daemon) fn start_run(
    node: &Arc<Node>,
    job: Arc<Job>,
    trigger: Trigger,
    events: EventSink,
) -> Result<Started, Failure> {
    start(node, job, (RunKind::Backup, trigger), events, |execution| execution.execute())
}

/// Takes a foreign archive in.
///
/// # Errors
/// When there is none of that name, or the job does not exist.
pub(super) async fn adopt(
    node: Arc<Node>,
    request: ForeignAdopt,
    events: EventSink,
) -> Result<Reply, Failure> {
    let what = format!("cannot take {} in", request.name);
    let job = request.job.as_ref().map(|job| node.job(job)).transpose()?;
    let events = if request.wait { events } else { EventSink::deaf() };
    let started = blocking(move || {
        let mut known = tars::foreign::list(&node)?.into_iter();
        let foreign = known.find(|foreign| foreign.name == request.name.as_str());
        let Some(foreign) = foreign else {
            let why = "there is no such tar, or it is the view of an archive";
            return Err(Failure::new(FailureCode::NotFound, what, why)
                .hint("`archive list --foreign` shows those that can be taken in"));
        };
        let job = job.unwrap_or_else(|| Arc::new(adopt::job_for(&foreign, request.name)));
        let kind = (RunKind::Adopt, Trigger::Hand);
        start(&node, job, kind, events, move |execution| execution.adopt(&foreign))
    })
    .await?;
    if request.wait {
        return started.ended().await.map(Reply::RunEnded);
    }
    Ok(Reply::RunStarted(started.run))
}

/// Starts a run that does whatever `execute` does. As [`start_run`].
///
/// # Errors
/// As [`start_run`].
pub(in crate::daemon) fn start(
    node: &Arc<Node>,
    job: Arc<Job>,
    (kind, trigger): (RunKind, Trigger),
    events: EventSink,
    execute: impl FnOnce(&Execution<'_>) -> Result<Made, Failure> + Send + 'static,
) -> Result<Started, Failure> {
    let (switch, stop) = CancelSwitch::new();
    let job_id = Some(job.id);
    let new = NewRun { job: job.spec.name.as_str(), job_id, kind, trigger };
    let run = node.runs.begin(new, switch.clone())?;
    let caller = events.cancel().clone();
    let events = events.stopped_by(stop);
    let work = work(Arc::clone(node), job, run.run, events, execute);
    let end = tokio::spawn(async move {
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => return ended,
            () = caller.wait() => switch.cancel(),
        }
        work.await
    });
    Ok(Started { run, end })
}

/// Waits for a run's turn, executes it, and notes how it ended, also when it panics.
async fn work(
    node: Arc<Node>,
    job: Arc<Job>,
    id: u64,
    events: EventSink,
    execute: impl FnOnce(&Execution<'_>) -> Result<Made, Failure> + Send + 'static,
) -> Result<RunReport, Failure> {
    let stop = events.cancel().clone();
    if node.runs.await_turn(id, &stop).await.is_err() {
        return show_run(&node, id).map(|detail| detail.run);
    }
    let progress = Arc::new(Progress::default());
    let execution = blocking({
        let (node, progress) = (Arc::clone(&node), Arc::clone(&progress));
        move || {
            let (node, job, events) = (&node, &job, &events);
            execute(&Execution { node, job, run: id, events, progress, safety: false })
        }
    });
    tokio::pin!(execution);
    let result = tokio::select! {
        result = &mut execution => result,
        () = stop.wait() => {
            progress.cancel();
            execution.await
        }
    };
    blocking(move || finish(&node, id, result)).await
}

fn finish(node: &Node, id: u64, result: Result<Made, Failure>) -> Result<RunReport, Failure> {
    let ended = node.runs.end(id, |run| match &result {
        Ok(made) => {
            let warned = made.warnings > 0;
            run.state = if warned { RunState::Warnings } else { RunState::Success };
            run.archive = Some(made.name.clone());
            run.entries = made.ingested.members;
            run.stream_bytes = made.ingested.stream_bytes;
            run.known_bytes = made.ingested.stream_bytes - made.ingested.new_bytes;
            run.stored_bytes = made.ingested.stored_bytes;
            run.warnings = made.warnings;
            run.nothing_new = made.ingested.payload_new_bytes == 0;
        }
        Err(failure) => {
            let cancelled = failure.code == FailureCode::Cancelled;
            run.state = if cancelled { RunState::Cancelled } else { RunState::Failed };
            run.failure = Some(failure.clone());
        }
    });
    match &result {
        Ok(made) => info!(archive.name = made.name, run = id, "an archive was made"),
        Err(failure) => warn!(run = id, %failure, "a run failed"),
    }
    if let Ok(run) = &ended {
        node.notices.note_run(run);
    }
    ended.map_err(|error| db_failure("cannot note how the run ended", &error))
}

pub(super) fn runs(node: &Node, list: &RunList) -> Result<Vec<RunReport>, Failure> {
    let listing = node.listing();
    let of = match &list.job {
        None => RunsOf::All,
        // A job that is no more is known by the name it had.
        Some(name) => match listing.job(name) {
            Some(listed) => RunsOf::Job(&listed.job.id),
            None => RunsOf::Named(name.as_str()),
        },
    };
    let runs = node.runs.list(of, list.before, list.limit as usize);
    runs.map_err(|error| db_failure("cannot read the runs", &error))
}

pub(super) fn show_run(node: &Node, run: u64) -> Result<RunDetail, Failure> {
    let what = format!("cannot show run {run}");
    let found = node.runs.show(run).map_err(|error| db_failure(&what, &error))?;
    found.ok_or_else(|| Failure::new(FailureCode::NotFound, what, "there is none"))
}

pub(super) async fn cancel(node: &Node, run: u64) -> Result<RunReport, Failure> {
    show_run(node, run)?;
    if !node.runs.cancel(run) {
        let what = format!("cannot stop run {run}");
        return Err(Failure::new(FailureCode::Conflict, what, "it has ended already"));
    }
    // It stops at its next segment.
    node.runs.ended(run).await;
    show_run(node, run).map(|detail| detail.run)
}

#[cfg(test)]
mod tests;

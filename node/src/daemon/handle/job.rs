//! Jobs and their runs.

use std::sync::Arc;

use protocol::{
    Entropy as _, JobId, cbor,
    control::{
        Failure, FailureCode, JobEdit, JobReport, JobRun, Reply, RunDetail, RunList, RunReport,
        RunState,
    },
    job::{Holders, Job, JobSpec, Name},
    record::{Fact, JobFacts, RecordKey},
    seal,
};
use tracing::{info, warn};

use crate::{
    daemon::{
        execute::{Execution, Made},
        failure::db_failure,
        mesh::Change,
        node::{Node, blocking},
        view,
    },
    ingest::Progress,
    socket::{CancelSwitch, EventSink},
    sys::{self, OsEntropy},
};

pub(super) async fn add(node: &Node, spec: JobSpec) -> Result<JobReport, Failure> {
    let what = format!("cannot add job {}", spec.name);
    if node.jobs().iter().any(|job| job.spec.name == spec.name) {
        return Err(Failure::new(FailureCode::Exists, what, "there is a job of that name")
            .hint("`backupmanager job edit` changes it"));
    }
    applies(node, &what, &spec)?;
    let now = sys::now();
    let job = Job { id: JobId(OsEntropy.array()), spec, created_ms: now, updated_ms: now };
    store(node, &job).await?;
    report(node, job)
}

pub(super) async fn edit(node: &Node, edit: JobEdit) -> Result<JobReport, Failure> {
    let what = format!("cannot change job {}", edit.job);
    let job = view::find_job(node.jobs(), &edit.job)?;
    if job.updated_ms != edit.based_on_ms {
        let why = "somebody else changed it meanwhile";
        return Err(
            Failure::new(FailureCode::Conflict, what, why).hint("look at it, then try again")
        );
    }
    let renamed = edit.spec.name != job.spec.name;
    if renamed && node.jobs().iter().any(|other| other.spec.name == edit.spec.name) {
        return Err(Failure::new(FailureCode::Exists, what, "there is a job of the new name"));
    }
    applies(node, &what, &edit.spec)?;
    let updated_ms = sys::now().max(protocol::Time(job.updated_ms.0 + 1));
    let job = Job { spec: edit.spec, updated_ms, ..job };
    store(node, &job).await?;
    report(node, job)
}

/// Refuses what this version would not do.
fn applies(node: &Node, what: &str, spec: &JobSpec) -> Result<(), Failure> {
    if spec.keep_tar > 0 {
        let why = "this version does not keep plain tars by itself";
        return Err(Failure::new(FailureCode::Unsupported, what, why)
            .hint("`backupmanager archive export` writes one"));
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

async fn store(node: &Node, job: &Job) -> Result<(), Failure> {
    let sealed = seal::seal_meta(&node.key, &cbor::encode(job), &mut OsEntropy);
    node.mesh.publish(vec![Change::Say(Fact::Job(job.id, JobFacts { sealed }))]).await
}

pub(super) fn list(node: &Node) -> Result<Vec<JobReport>, Failure> {
    node.jobs().into_iter().map(|job| report(node, job)).collect()
}

pub(super) fn show(node: &Node, name: &Name) -> Result<JobReport, Failure> {
    report(node, view::find_job(node.jobs(), name)?)
}

fn report(node: &Node, job: Job) -> Result<JobReport, Failure> {
    let runs = node.runs.list(Some(job.spec.name.as_str()), 1);
    let last_run = runs.map_err(|error| db_failure("cannot read the runs", &error))?.pop();
    let of_job = |archive: &&view::Archive| {
        archive.origin == node.id() && archive.meta.as_ref().is_some_and(|m| m.job == job.id)
    };
    let archives = node.archive_list().iter().filter(of_job).count() as u64;
    Ok(JobReport { job, last_run, archives })
}

pub(super) async fn remove(node: &Node, name: &Name) -> Result<(), Failure> {
    let job = view::find_job(node.jobs(), name)?;
    node.mesh.publish(vec![Change::Unsay(RecordKey::Job(job.id))]).await?;
    // A job's archives stay; only what a next run would have reused goes.
    let _ = std::fs::remove_file(node.data.reuse(&job.id));
    Ok(())
}

pub(super) async fn run(
    node: Arc<Node>,
    request: JobRun,
    events: EventSink,
) -> Result<Reply, Failure> {
    let job = view::find_job(node.jobs(), &request.job)?;
    if !job.spec.enabled {
        let what = format!("cannot run {}", job.spec.name);
        return Err(Failure::new(FailureCode::Conflict, what, "the job is disabled")
            .hint("`backupmanager job edit NAME --enable` enables it"));
    }
    let (switch, stop) = CancelSwitch::new();
    let started = node.runs.begin(job.spec.name.as_str(), switch)?;
    let id = started.run;
    let progress = Arc::new(Progress::default());
    // A run can be stopped by `run cancel` and by the caller who waits for it.
    let watch = {
        let (progress, caller, wait) =
            (Arc::clone(&progress), events.cancel().clone(), request.wait);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.wait() => {}
                () = caller.wait(), if wait => {}
            }
            progress.cancel();
        })
    };
    let work = blocking({
        let node = Arc::clone(&node);
        let events = if request.wait { events } else { EventSink::deaf() };
        move || {
            let execution =
                Execution { node: &node, job: &job, run: id, events: &events, progress };
            let result = execution.execute();
            finish(&node, id, result)
        }
    });
    let ended = async move {
        let ended = work.await;
        watch.abort();
        ended
    };
    if request.wait {
        return ended.await.map(Reply::RunEnded);
    }
    tokio::spawn(ended);
    Ok(Reply::RunStarted(started))
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
    ended.map_err(|error| db_failure("cannot note how the run ended", &error))
}

pub(super) fn runs(node: &Node, list: &RunList) -> Result<Vec<RunReport>, Failure> {
    let job = list.job.as_ref().map(Name::as_str);
    let mut runs = node
        .runs
        .list(job, list.limit as usize)
        .map_err(|error| db_failure("cannot read the runs", &error))?;
    runs.reverse();
    Ok(runs)
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

//! A restore in the history of runs.

use protocol::control::{
    Failure, FailureCode, Restored, RunKind, RunReport, RunState, StepState, Trigger,
};
use tracing::{info, warn};

use crate::{
    daemon::{failure::db_failure, node::Node, runs::NewRun, view::Archive},
    socket::CancelSwitch,
};

/// A restore begins. It counts as a run of the job that the archive came from: while that job backs
/// up what is being replaced, neither makes sense.
pub(super) fn begin(
    node: &Node,
    archive: &Archive,
    switch: CancelSwitch,
) -> Result<RunReport, Failure> {
    let job = archive.meta.as_ref().map_or_else(|| archive.title(), |meta| meta.job_name.clone());
    let job_id = archive.meta.as_ref().map(|meta| meta.job);
    let (kind, trigger) = (RunKind::Restore, Trigger::Hand);
    node.runs.begin(NewRun { job: &job, job_id, kind, trigger }, switch)
}

/// It ended, one way or the other.
pub(super) fn end(
    node: &Node,
    run: u64,
    result: &Result<Restored, Failure>,
) -> Result<(), Failure> {
    let ended = node.runs.end(run, |report| match result {
        Ok(restored) => {
            report.state = state(restored);
            report.archive = Some(restored.archive.clone());
            report.entries = restored.entries;
            report.stream_bytes = restored.bytes;
            report.warnings = restored.differs.total + restored.not_set.total;
            report.failure = failure(restored);
        }
        Err(failure) => {
            let cancelled = failure.code == FailureCode::Cancelled;
            report.state = if cancelled { RunState::Cancelled } else { RunState::Failed };
            report.failure = Some(failure.clone());
        }
    });
    match result {
        Ok(restored) => info!(archive.name = restored.archive, run, "an archive was restored"),
        Err(failure) => warn!(run, %failure, "a restore failed"),
    }
    ended.map(drop).map_err(|error| db_failure("cannot note how the restore ended", &error))
}

fn state(restored: &Restored) -> RunState {
    let any = |state| restored.steps.iter().any(|step| step.state == state);
    if any(StepState::Failed) {
        RunState::Failed
    } else if any(StepState::Warnings) || restored.not_set.total > 0 {
        RunState::Warnings
    } else {
        RunState::Success
    }
}

/// What the failed step said.
fn failure(restored: &Restored) -> Option<Failure> {
    let step = restored.steps.iter().find(|step| step.state == StepState::Failed)?;
    let what = format!("cannot restore {}", restored.archive);
    let why = format!("{}: {}", step.step.what, step.said.join("; "));
    Some(Failure::new(FailureCode::Internal, what, why))
}

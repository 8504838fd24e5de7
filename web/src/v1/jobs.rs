//! Jobs: what is backed up, and when.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use protocol::{
    Time,
    control::{JobEdit, JobReport, JobRun, PAGE_ENTRIES_MAX, Page, Prune, Reply, Request},
    job::JobSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json},
    view::{JobView, RunView, VerdictView, shown_to},
};

/// Most pages that a list is put together from.
pub(super) const PAGES_MAX: usize = 64;

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Jobs", "What is backed up, and when.")
        .arg("id", "The number of the job.")
        .get("/jobs", "All jobs.", list, |op| op.lists::<Jobs>())
        .post("/jobs", "Make a job.", add, |op| {
            op.answers::<Detail>(201).located().fails(&[409, 501, 502])
        })
        .get("/jobs/{id}", "One job, with all that it says.", show, |op| {
            op.answers::<Detail>(200)
                .about("A key that may only look sees no values of variables of commands.")
        })
        .put("/jobs/{id}", "Change a job.", edit, |op| {
            op.answers::<Detail>(200).fails(&[409, 501, 502])
        })
        .delete("/jobs/{id}", "Remove a job; its archives stay.", remove, |op| {
            op.answers::<Gone>(200).fails(&[409])
        })
        .post("/jobs/{id}/run", "Run a job now.", run, |op| {
            op.answers::<Started>(202).located().fails(&[409])
        })
        .get("/jobs/{id}/retention", "What the retention would drop.", retention, |op| {
            op.lists::<Retained>()
        })
}

/// The job of a number.
pub(super) async fn numbered(asker: &Asker, number: u64) -> Result<JobReport, ApiError> {
    match asker.ask(Request::JobNumbered { number }).await? {
        Reply::Job(report) => Ok(*report),
        _ => Err(ApiError::unexpected("job")),
    }
}

async fn list(asker: Asker) -> Result<Response, ApiError> {
    let mut jobs: Vec<JobView> = Vec::new();
    let mut from = 0;
    for _ in 0..PAGES_MAX {
        let page = Page { from, limit: PAGE_ENTRIES_MAX };
        let Reply::Jobs(part) = asker.ask(Request::JobList(page)).await? else {
            return Err(ApiError::unexpected("jobs"));
        };
        jobs.extend(part.jobs.into_iter().map(JobView::from));
        match part.next {
            Some(next) if next > from => from = next,
            _ => break,
        }
    }
    Ok(asker.list(&Jobs { jobs }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Jobs {
    jobs: Vec<JobView>,
}

async fn show(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let report = numbered(&asker, id).await?;
    Ok(answer::json(StatusCode::OK, &Detail::of(&asker, report)))
}

/// A job with all that it says.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
struct Detail {
    #[serde(flatten)]
    job: JobView,
    /// As it was asked for.
    spec: JobSpec,
}

impl Detail {
    fn of(asker: &Asker, report: JobReport) -> Self {
        let spec = shown_to(&asker.access, report.job.spec.clone());
        Self { job: JobView::from(report), spec }
    }
}

async fn add(asker: Asker, Json(spec): Json<JobSpec>) -> Result<Response, ApiError> {
    let Reply::Job(report) = asker.ask(Request::JobAdd(spec)).await? else {
        return Err(ApiError::unexpected("job"));
    };
    let place = format!("/api/v1/jobs/{}", report.number);
    let response = answer::json(StatusCode::CREATED, &Detail::of(&asker, *report));
    Ok(located(response, &place))
}

/// Says where the thing is that was made.
pub(super) fn located(mut response: Response, place: &str) -> Response {
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// A job as it shall be, and the `revision` that was read before.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JobEdit")]
struct Edit {
    /// The `revision` that was read before.
    based_on: u64,
    spec: JobSpec,
}

async fn edit(
    asker: Asker,
    Args(id): Args<u64>,
    Json(edit): Json<Edit>,
) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let edit = JobEdit { job, spec: edit.spec, based_on_ms: Time(edit.based_on) };
    let Reply::Job(report) = asker.ask(Request::JobEdit(edit)).await? else {
        return Err(ApiError::unexpected("job"));
    };
    Ok(answer::json(StatusCode::OK, &Detail::of(&asker, *report)))
}

async fn remove(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let gone = Gone { id, name: job.to_string() };
    match asker.ask(Request::JobRemove { job }).await? {
        Reply::Done => Ok(answer::json(StatusCode::OK, &gone)),
        _ => Err(ApiError::unexpected("done")),
    }
}

/// A job that is no more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobGone")]
struct Gone {
    id: u64,
    name: String,
}

async fn run(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let request = Request::JobRun(JobRun { job, wait: false });
    let (Reply::RunStarted(run) | Reply::RunEnded(run)) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("run"));
    };
    let place = format!("/api/v1/runs/{}", run.run);
    let started = Started { run_id: run.run, run: RunView::from(run) };
    Ok(located(answer::json(StatusCode::ACCEPTED, &started), &place))
}

/// A run that has begun.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RunStarted")]
struct Started {
    run_id: u64,
    run: RunView,
}

async fn retention(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let request = Request::Prune(Prune { job: Some(job.clone()), dry_run: true });
    let Reply::Pruned(pruned) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("retention"));
    };
    let verdicts = pruned.verdicts.into_iter().map(VerdictView::from).collect();
    Ok(asker.list(&Retained {
        job_id: id,
        job_name: job.to_string(),
        archives: verdicts,
        kept: pruned.kept,
        dropped: pruned.dropped,
        freed_bytes: pruned.freed_bytes,
    }))
}

/// What the retention says of a job's archives.
#[derive(Debug, Serialize, JsonSchema)]
struct Retained {
    job_id: u64,
    job_name: String,
    /// Newest first, the first 5000.
    archives: Vec<VerdictView>,
    kept: u64,
    dropped: u64,
    /// What no other archive needs.
    freed_bytes: u64,
}

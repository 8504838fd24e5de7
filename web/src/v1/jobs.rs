//! Jobs: what is backed up, and when.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use protocol::{
    Time,
    control::{JobEdit, JobReport, JobRun, PAGE_ENTRIES_MAX, Page, Prune, Reply, Request},
    job::JobSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    ApiError, State, answer,
    state::Asker,
    take::{Args, Json},
    view::{JobView, RunView, VerdictView, shown_to},
};

/// Most pages that a list is put together from.
pub(super) const PAGES_MAX: usize = 64;

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/jobs", get(list).post(add))
        .route("/jobs/{id}", get(show).put(edit).delete(remove))
        .route("/jobs/{id}/run", post(run))
        .route("/jobs/{id}/retention", get(retention))
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
    Ok(asker.list(&json!({ "jobs": jobs })))
}

async fn show(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let report = numbered(&asker, id).await?;
    Ok(answer::json(StatusCode::OK, &Detail::of(&asker, report)))
}

/// A job with all that it says.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    job: JobView,
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
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
    let answered = json!({ "id": id, "name": job });
    match asker.ask(Request::JobRemove { job }).await? {
        Reply::Done => Ok(answer::json(StatusCode::OK, &answered)),
        _ => Err(ApiError::unexpected("done")),
    }
}

async fn run(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let request = Request::JobRun(JobRun { job, wait: false });
    let (Reply::RunStarted(run) | Reply::RunEnded(run)) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("run"));
    };
    let place = format!("/api/v1/runs/{}", run.run);
    let answered = json!({ "run_id": run.run, "run": RunView::from(run) });
    Ok(located(answer::json(StatusCode::ACCEPTED, &answered), &place))
}

async fn retention(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let job = numbered(&asker, id).await?.job.spec.name;
    let request = Request::Prune(Prune { job: Some(job.clone()), dry_run: true });
    let Reply::Pruned(pruned) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("retention"));
    };
    let verdicts: Vec<_> = pruned.verdicts.into_iter().map(VerdictView::from).collect();
    let answered = json!({
        "job_id": id,
        "job_name": job,
        "archives": verdicts,
        "kept": pruned.kept,
        "dropped": pruned.dropped,
        "freed_bytes": pruned.freed_bytes,
    });
    Ok(asker.list(&answered))
}

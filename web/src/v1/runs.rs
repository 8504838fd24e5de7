//! Runs: what jobs did, and what they said meanwhile.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use protocol::control::{PAGE_ENTRIES_MAX, Reply, Request, RunDetail, RunList};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Flag, Params},
    view::{RunView, log_text},
};

/// How many runs are listed when nothing is said.
const LISTED: u32 = 50;

/// Of how many runs of a list the transcript is told: the newest.
const LOGS_LISTED_MAX: usize = 20;

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Runs", "What jobs did, and what they said meanwhile.")
        .arg("id", "The number of the run.")
        .get("/jobs/{id}/runs", "The runs of a job, newest first.", list, |op| {
            op.lists::<Runs>().arg("id", "The number of the job.")
        })
        .get("/runs/{id}", "One run, with its transcript.", show, |op| op.answers::<RunView>(200))
        .post("/runs/{id}/cancel", "Stop a run.", cancel, |op| {
            op.answers::<RunView>(200).fails(&[409])
        })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// How many at most; 50 when left out.
    #[schemars(range(min = 1, max = PAGE_ENTRIES_MAX))]
    limit: Option<u32>,
    /// Only runs with a smaller number.
    before: Option<u64>,
    /// 0: without transcripts. They are told of the newest 20.
    log: Option<Flag>,
}

async fn list(
    asker: Asker,
    Args(id): Args<u64>,
    Params(which): Params<Which>,
) -> Result<Response, ApiError> {
    let job = jobs::numbered(&asker, id).await?.job.spec.name;
    let limit = which.limit.unwrap_or(LISTED);
    let list = RunList { job: Some(job), before: which.before, limit };
    let Reply::Runs(runs) = asker.ask(Request::RunList(list)).await? else {
        return Err(ApiError::unexpected("runs"));
    };
    let logs = if which.log.is_none_or(|log| log.0) { LOGS_LISTED_MAX } else { 0 };
    let mut views = Vec::with_capacity(runs.len());
    for (at, run) in runs.into_iter().enumerate() {
        let number = run.run;
        let mut view = RunView::from(run);
        if at < logs {
            view.log_text = transcript(&asker, number).await?;
        }
        views.push(view);
    }
    let mut response = asker.list(&Runs { runs: views });
    unkept(&mut response);
    Ok(response)
}

#[derive(Debug, Serialize, JsonSchema)]
struct Runs {
    runs: Vec<RunView>,
}

/// What a run said; none when the history keeps it no more.
async fn transcript(asker: &Asker, run: u64) -> Result<Option<String>, ApiError> {
    match asker.ask(Request::RunShow { run }).await {
        Ok(Reply::Run(detail)) => Ok(Some(log_text(&detail.transcript))),
        Ok(_) => Err(ApiError::unexpected("run")),
        Err(error) if error.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// Transcripts are not for caches.
fn unkept(response: &mut Response) {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
}

async fn show(asker: Asker, Args(run): Args<u64>) -> Result<Response, ApiError> {
    let Reply::Run(RunDetail { run, transcript }) = asker.ask(Request::RunShow { run }).await?
    else {
        return Err(ApiError::unexpected("run"));
    };
    let mut view = RunView::from(run);
    view.log_text = Some(log_text(&transcript));
    Ok(answer::json(StatusCode::OK, &view))
}

async fn cancel(asker: Asker, Args(run): Args<u64>) -> Result<Response, ApiError> {
    let Reply::RunEnded(run) = asker.ask(Request::RunCancel { run }).await? else {
        return Err(ApiError::unexpected("run"));
    };
    Ok(answer::json(StatusCode::OK, &RunView::from(run)))
}

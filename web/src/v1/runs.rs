//! Runs: what jobs did, and what they said meanwhile.

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use protocol::control::{Reply, Request, RunDetail, RunList};
use serde::Deserialize;
use serde_json::json;

use super::jobs;
use crate::{
    ApiError, State, answer,
    state::Asker,
    take::{Args, Flag, Params},
    view::{RunView, log_text},
};

/// How many runs are listed when nothing is said.
const LISTED: u32 = 50;

/// Of how many runs of a list the transcript is told: the newest.
const LOGS_LISTED_MAX: usize = 20;

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/jobs/{id}/runs", get(list))
        .route("/runs/{id}", get(show))
        .route("/runs/{id}/cancel", post(cancel))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    limit: Option<u32>,
    before: Option<u64>,
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
    let mut response = asker.list(&json!({ "runs": views }));
    unkept(&mut response);
    Ok(response)
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

//! Restores: a plan, or a restore that goes on by itself and can be asked how it goes.
//!
//! A restore changes the machine, so it is strict: what it does not know is refused, and without
//! `confirm: true` nothing is changed. It is answered with 202 once it goes on; what stands in its
//! way at the beginning is answered as an error. How it goes is kept in memory, and ends with the
//! process; the run that it is in the history as stays.

mod body;
mod table;

use std::{sync::Arc, time::Duration};

use axum::{http::StatusCode, response::Response};
use protocol::{
    control::{ArchiveRef, ArchiveRestore, Reply, Request},
    job::Name,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;

use self::{
    body::Body,
    table::{Restore, StatusView},
};
use super::{archives::Of, jobs::located};
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json, Params},
    view::PlanView,
};

pub(crate) use table::Restores;

/// How long a restore may fail at its beginning, so that its client is told at once.
const BEGIN_MAX: Duration = Duration::from_secs(2);

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Restores", "Bringing back what is in an archive.")
        .arg("name", "The name of the archive.")
        .post("/archives/{name}/restore", "Restore an archive, or plan it.", restore, |op| {
            op.needs_body()
                .answers::<PlanView>(200)
                .answers::<Begun>(202)
                .located()
                .fails(&[409, 501, 502, 507])
        })
        .get("/archives/{name}/restore/status", "How the newest restore goes.", status, |op| {
            op.answers::<StatusView>(200)
                .about("The newest restore of the archive that was begun over HTTP.")
        })
}

/// A restore that has begun.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RestoreBegun")]
struct Begun {
    archive_name: Name,
    #[schemars(extend("enum" = ["running"]))]
    state: &'static str,
    /// Where to ask how it goes.
    status_url: String,
}

async fn restore(
    asker: Asker,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
    Json(body): Json<Body>,
) -> Result<Response, ApiError> {
    let archive = ArchiveRef { name, node_of: of.node_of };
    let restore = body.restore(archive)?;
    if restore.plan {
        return plan(&asker, restore).await;
    }
    let place = place(&restore.archive);
    let status_url = asker.of.as_ref().map_or_else(|| place.clone(), |of| of.place(&place));
    let request = Request::ArchiveRestore(restore.clone());
    asker.may(&request)?;
    let (tell_begun, begun) = oneshot::channel();
    let name = restore.archive.name.clone();
    // A task of its own: it goes on, and can be asked about, when the client has gone.
    tokio::spawn(carry_out(asker, restore.archive, request, tell_begun));
    begun.await.map_err(|_| ApiError::internal())??;
    let begun = Begun { archive_name: name, state: "running", status_url };
    Ok(located(answer::json(StatusCode::ACCEPTED, &begun), &place))
}

/// Where to ask how it goes.
fn place(archive: &ArchiveRef) -> String {
    let path = format!("/api/v1/archives/{}/restore/status", archive.name);
    archive.node_of.as_ref().map_or(path.clone(), |node| format!("{path}?node_of={node}"))
}

async fn plan(asker: &Asker, restore: ArchiveRestore) -> Result<Response, ApiError> {
    match asker.ask(Request::ArchiveRestore(restore)).await? {
        Reply::RestorePlan(plan) => Ok(answer::json(StatusCode::OK, &PlanView::from(plan))),
        _ => Err(ApiError::unexpected("plan")),
    }
}

/// Restores, and says once whether it has begun.
async fn carry_out(
    asker: Asker,
    archive: ArchiveRef,
    request: Request,
    tell_begun: oneshot::Sender<Result<(), ApiError>>,
) {
    let restore = Arc::new(Restore::new());
    let heard = Arc::clone(&restore);
    let tell: crate::Tell = Arc::new(move |event| heard.hear(event));
    let mut asked = asker.put(request, Some(tell));
    let early = tokio::select! {
        result = &mut asked => Some(result),
        () = restore.spoke() => None,
        () = tokio::time::sleep(BEGIN_MAX) => None,
    };
    if let Some(Err(failure)) = early {
        let _ = tell_begun.send(Err(failure.into()));
        return;
    }
    asker.state.restores.put(asker.other(), &archive, Arc::clone(&restore));
    let _ = tell_begun.send(Ok(()));
    let result = match early {
        Some(result) => result,
        None => asked.await,
    };
    restore.end(result);
}

async fn status(
    asker: Asker,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
) -> Result<Response, ApiError> {
    let archive = ArchiveRef { name, node_of: of.node_of };
    let nothing = || {
        ApiError::not_found(format!("no restore of archive {} was begun here", archive.name))
            .hint("restores that were begun elsewhere or before a restart are among the runs")
    };
    let restore = asker.state.restores.get(asker.other(), &archive).ok_or_else(nothing)?;
    Ok(answer::json(StatusCode::OK, &restore.view(&archive)))
}

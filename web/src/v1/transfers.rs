//! Copies of archives on their way to instances, and the instances that this node knows.

use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use protocol::{
    control::{ArchiveRef, Reply, Request, TransferMode, TransferStart},
    job::Name,
};
use serde::Deserialize;
use serde_json::json;

use super::archives::Of;
use crate::{
    ApiError, State, answer,
    state::Asker,
    take::{Args, Json, Params},
    view::{InstanceView, TransferView},
};

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/archives/{name}/transfer", post(start))
        .route("/transfers", get(list))
        .route("/transfers/{id}", get(show).delete(cancel))
        .route("/instances", get(instances))
}

/// What a transfer is asked with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The instance's name or id here; with the mode `mesh`, the node.
    instance: Instance,
    #[serde(default)]
    mode: TransferMode,
}

/// 000's ids are numbers, and ours may be written as one too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Instance {
    Id(u64),
    Name(Name),
}

async fn start(
    asker: Asker,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
    Json(body): Json<Body>,
) -> Result<Response, ApiError> {
    let instance = match body.instance {
        Instance::Name(name) => name,
        Instance::Id(id) => id.to_string().parse().map_err(|_| unknown())?,
    };
    let archive = ArchiveRef { name, node_of: of.node_of };
    let start = TransferStart { archive, instance, mode: body.mode };
    let transfer = transfer(asker.ask(Request::TransferStart(start)).await?)?;
    Ok(answer::json(StatusCode::ACCEPTED, &transfer))
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no such instance")
}

fn transfer(reply: Reply) -> Result<TransferView, ApiError> {
    match reply {
        Reply::Transfer(report) => Ok(TransferView::from(*report)),
        _ => Err(ApiError::unexpected("transfer")),
    }
}

async fn list(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Transfers(all) = asker.ask(Request::TransferList).await? else {
        return Err(ApiError::unexpected("transfers"));
    };
    let all: Vec<_> = all.into_iter().map(TransferView::from).collect();
    Ok(asker.list(&json!({ "transfers": all })))
}

async fn show(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let transfer = transfer(asker.ask(Request::TransferShow { transfer: id }).await?)?;
    Ok(answer::json(StatusCode::OK, &transfer))
}

async fn cancel(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let transfer = transfer(asker.ask(Request::TransferCancel { transfer: id }).await?)?;
    Ok(answer::json(StatusCode::OK, &transfer))
}

async fn instances(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Instances(all) = asker.ask(Request::InstanceList).await? else {
        return Err(ApiError::unexpected("instances"));
    };
    let all: Vec<_> = all.into_iter().map(InstanceView::from).collect();
    Ok(asker.list(&json!({ "instances": all })))
}

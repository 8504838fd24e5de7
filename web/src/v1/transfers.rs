//! Copies of archives on their way to instances and to nodes of the mesh.

use axum::{http::StatusCode, response::Response};
use protocol::{
    control::{ArchiveRef, Reply, Request, TransferMode, TransferStart},
    job::Name,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::archives::Of;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json, Params},
    view::TransferView,
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Transfers", "Copies of archives on their way to instances or nodes.")
        .arg("name", "The name of the archive.")
        .arg("id", "The number of the transfer.")
        .post("/archives/{name}/transfer", "Send an archive.", start, |op| {
            op.answers::<TransferView>(202).fails(&[409, 501])
        })
        .get("/transfers", "All transfers, newest first.", list, |op| op.lists::<Transfers>())
        .get("/transfers/{id}", "One transfer.", show, |op| op.answers::<TransferView>(200))
        .delete("/transfers/{id}", "Stop a transfer.", cancel, |op| {
            op.answers::<TransferView>(200).fails(&[409])
        })
}

/// What a transfer is asked with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TransferBody")]
struct Body {
    /// The instance's name or id here; with the mode `mesh`, the node.
    instance: Instance,
    #[serde(default)]
    mode: TransferMode,
}

/// What JSON can say of whole numbers without losing any.
const INSTANCE_ID_MAX: u64 = 1 << 53;

/// 000's ids are numbers, and ours may be written as one too.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "InstanceName")]
enum Instance {
    Id(#[schemars(range(max = INSTANCE_ID_MAX))] u64),
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
        Instance::Id(INSTANCE_ID_MAX..) => return Err(unknown()),
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
    Ok(asker.list(&Transfers { transfers: all.into_iter().map(TransferView::from).collect() }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Transfers {
    transfers: Vec<TransferView>,
}

async fn show(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let transfer = transfer(asker.ask(Request::TransferShow { transfer: id }).await?)?;
    Ok(answer::json(StatusCode::OK, &transfer))
}

async fn cancel(asker: Asker, Args(id): Args<u64>) -> Result<Response, ApiError> {
    let transfer = transfer(asker.ask(Request::TransferCancel { transfer: id }).await?)?;
    Ok(answer::json(StatusCode::OK, &transfer))
}

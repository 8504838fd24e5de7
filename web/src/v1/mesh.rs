//! What else there is to look at: members, activities, the store.

use axum::{Router, http::StatusCode, response::Response, routing::get};
use protocol::control::{MemberReport, Reply, Request, WorkerReport};
use serde_json::{Value, json};

use crate::{
    ApiError, State, answer,
    state::Asker,
    view::{ProgressView, iso, iso_or_none},
};

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/nodes", get(nodes))
        .route("/workers", get(workers))
        .route("/store", get(store))
}

async fn nodes(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Members(members) = asker.ask(Request::MeshList).await? else {
        return Err(ApiError::unexpected("members"));
    };
    let nodes: Vec<_> = members.iter().map(member).collect();
    Ok(asker.list(&json!({ "nodes": nodes })))
}

fn member(member: &MemberReport) -> Value {
    json!({
        "id": member.node.id,
        "name": member.node.name,
        "role": member.role,
        "connection": member.connection,
        "addresses": member.addresses,
        "version": member.version,
        "joined_at": iso(member.joined_ms),
        "last_seen": iso_or_none(member.seen_ms),
        "expelled_at": iso_or_none(member.expelled_ms),
        "rights": member.rights,
        "quota_bytes": member.quota_bytes,
        "keeps_here_bytes_max": member.keeps_here_bytes_max,
        "holds_bytes": member.holds_bytes,
        "holds_archives": member.holds_archives,
        "words": member.words,
    })
}

async fn workers(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Workers(workers) = asker.ask(Request::Workers).await? else {
        return Err(ApiError::unexpected("workers"));
    };
    let workers: Vec<_> = workers.into_iter().map(worker).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "workers": workers })))
}

fn worker(worker: WorkerReport) -> Value {
    json!({
        "name": worker.name,
        "state": worker.state,
        "what": worker.what,
        "progress": worker.progress.map(ProgressView::from),
        "errors_in_a_row": worker.errors_in_a_row,
        "last_error": worker.last_error,
        "worked_at": iso_or_none(worker.worked_ms),
    })
}

async fn store(asker: Asker) -> Result<Response, ApiError> {
    let Reply::StoreStats(stats) = asker.ask(Request::StoreStats).await? else {
        return Err(ApiError::unexpected("store"));
    };
    let answered = json!({
        "objects": stats.objects,
        "object_bytes": stats.object_bytes,
        "packs": stats.packs,
        "pack_bytes": stats.pack_bytes,
        "garbage_bytes": stats.garbage_bytes,
        "index_bytes": stats.index_bytes,
        "free_bytes": stats.free_bytes,
    });
    Ok(answer::json(StatusCode::OK, &answered))
}

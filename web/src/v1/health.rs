//! How the node is.

use axum::{Router, http::StatusCode, response::Response, routing::get};
use protocol::control::{Health, Reply, Request, StatusReport};
use serde_json::{Value, json};

use crate::{ApiError, State, answer, state::Asker, view::iso};

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new().route("/health", get(health))
}

async fn health(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Status(status) = asker.ask(Request::Status).await? else {
        return Err(ApiError::unexpected("status"));
    };
    Ok(answer::json(StatusCode::OK, &view(&status)))
}

fn view(status: &StatusReport) -> Value {
    json!({
        "status": if status.health == Health::Red { "error" } else { "ok" },
        "instance_name": status.node.name,
        "instance_url": status.instance_url,
        "version": status.version,
        "yunohost_version": status.yunohost_version,
        "disk": {
            "total_bytes": status.disk_bytes,
            "free_bytes": status.free_bytes,
            "store_bytes": status.store_bytes,
        },
        "mesh": status.mesh.map(|mesh| json!({
            "id": mesh,
            "members": status.members,
            "connected": status.connected,
            "replicas": status.replicas,
        })),
        "health": status.health,
        "reasons": status.reasons,
        "node_id": status.node.id,
        "jobs": status.jobs,
        "runs": status.runs,
        "archives": status.archives,
        "archives_short": status.archives_short,
        "time": iso(status.now_ms),
        "started_at": iso(status.started_ms),
    })
}

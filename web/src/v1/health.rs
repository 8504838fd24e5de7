//! How the node is.

use axum::{http::StatusCode, response::Response};
use protocol::{
    MeshId, NodeId,
    control::{Health, Reply, Request, StatusReport},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    view::{Iso, iso},
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Health", "How the node is.")
        .get("/health", "How the node is.", health, |op| op.answers::<HealthView>(200))
}

async fn health(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Status(status) = asker.ask(Request::Status).await? else {
        return Err(ApiError::unexpected("status"));
    };
    Ok(answer::json(StatusCode::OK, &HealthView::from(status)))
}

/// How the node is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NodeHealth")]
struct HealthView {
    /// `error` when somebody must act.
    #[schemars(extend("enum" = ["ok", "error"]))]
    status: &'static str,
    instance_name: String,
    instance_url: Option<String>,
    version: String,
    yunohost_version: Option<String>,
    disk: Disk,
    /// Null outside of a mesh.
    mesh: Option<Mesh>,
    health: Health,
    /// Why it is not green.
    reasons: Vec<String>,
    node_id: NodeId,
    jobs: u32,
    /// Runs at work now.
    runs: u32,
    /// Archives made here.
    archives: u64,
    /// Those with fewer copies than their jobs want.
    archives_short: u64,
    /// By the node's clock.
    time: Iso,
    started_at: Iso,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Disk {
    total_bytes: u64,
    free_bytes: u64,
    /// What the node's store has of it.
    store_bytes: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Mesh {
    id: MeshId,
    /// This node included.
    members: u32,
    connected: u32,
    /// Archives of other nodes that lie here whole.
    replicas: u64,
}

impl From<StatusReport> for HealthView {
    fn from(status: StatusReport) -> Self {
        let (members, connected, replicas) = (status.members, status.connected, status.replicas);
        Self {
            status: if status.health == Health::Red { "error" } else { "ok" },
            instance_name: status.node.name,
            instance_url: status.instance_url,
            version: status.version,
            yunohost_version: status.yunohost_version,
            disk: Disk {
                total_bytes: status.disk_bytes,
                free_bytes: status.free_bytes,
                store_bytes: status.store_bytes,
            },
            mesh: status.mesh.map(|id| Mesh { id, members, connected, replicas }),
            health: status.health,
            reasons: status.reasons,
            node_id: status.node.id,
            jobs: status.jobs,
            runs: status.runs,
            archives: status.archives,
            archives_short: status.archives_short,
            time: iso(status.now_ms),
            started_at: iso(status.started_ms),
        }
    }
}

//! What else there is to look at: members, activities, the store.

use std::collections::BTreeSet;

use axum::{http::StatusCode, response::Response};
use protocol::{
    NodeId,
    control::{
        Connection, MemberReport, NodeRef, Reply, Request, Right, Role, StoreStats, WorkerReport,
        WorkerState,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::Args,
    view::{Iso, ProgressView, iso, iso_or_none},
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Node", "What else there is to look at.")
        .arg("name", "The node: its name or id.")
        .get("/nodes", "The members of the mesh.", nodes, |op| op.lists::<Nodes>())
        .get("/nodes/{name}", "One member of the mesh.", node, |op| op.answers::<Node>(200))
        .get("/workers", "What the long-lived activities do.", workers, |op| {
            op.answers::<Workers>(200)
        })
        .get("/store", "How full the chunk store is.", store, |op| op.answers::<Store>(200))
}

async fn nodes(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Members(members) = asker.ask(Request::MeshList).await? else {
        return Err(ApiError::unexpected("members"));
    };
    Ok(asker.list(&Nodes { nodes: members.into_iter().map(Node::from).collect() }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Nodes {
    nodes: Vec<Node>,
}

/// A member of the mesh.
#[derive(Debug, Serialize, JsonSchema)]
struct Node {
    id: NodeId,
    name: String,
    role: Role,
    connection: Connection,
    /// Where it was last reached.
    addresses: Vec<String>,
    version: Option<String>,
    joined_at: Iso,
    last_seen: Option<Iso>,
    /// Null for a member in good standing.
    expelled_at: Option<Iso>,
    /// What it may do here.
    rights: BTreeSet<Right>,
    /// How much it holds of this node's at most.
    quota_bytes: Option<u64>,
    /// How much it may keep here at most.
    keeps_here_bytes_max: Option<u64>,
    /// How much it holds of this node's.
    holds_bytes: u64,
    /// Archives of this node that it holds whole.
    holds_archives: u64,
    /// Four words that both sides of the joining show.
    words: Option<String>,
}

impl From<MemberReport> for Node {
    fn from(member: MemberReport) -> Self {
        Self {
            id: member.node.id,
            name: member.node.name,
            role: member.role,
            connection: member.connection,
            addresses: member.addresses,
            version: member.version,
            joined_at: iso(member.joined_ms),
            last_seen: iso_or_none(member.seen_ms),
            expelled_at: iso_or_none(member.expelled_ms),
            rights: member.rights,
            quota_bytes: member.quota_bytes,
            keeps_here_bytes_max: member.keeps_here_bytes_max,
            holds_bytes: member.holds_bytes,
            holds_archives: member.holds_archives,
            words: member.words,
        }
    }
}

async fn node(asker: Asker, Args(node): Args<NodeRef>) -> Result<Response, ApiError> {
    let Reply::Member(report) = asker.ask(Request::MeshShow { node }).await? else {
        return Err(ApiError::unexpected("member"));
    };
    Ok(answer::json(StatusCode::OK, &Node::from(report)))
}

async fn workers(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Workers(workers) = asker.ask(Request::Workers).await? else {
        return Err(ApiError::unexpected("workers"));
    };
    let workers = workers.into_iter().map(Worker::from).collect();
    Ok(answer::json(StatusCode::OK, &Workers { workers }))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Workers {
    workers: Vec<Worker>,
}

/// A long-lived activity.
#[derive(Debug, Serialize, JsonSchema)]
struct Worker {
    name: String,
    state: WorkerState,
    /// In words.
    what: Option<String>,
    progress: Option<ProgressView>,
    errors_in_a_row: u32,
    last_error: Option<String>,
    /// When it last did something.
    worked_at: Option<Iso>,
}

impl From<WorkerReport> for Worker {
    fn from(worker: WorkerReport) -> Self {
        Self {
            name: worker.name,
            state: worker.state,
            what: worker.what,
            progress: worker.progress.map(ProgressView::from),
            errors_in_a_row: worker.errors_in_a_row,
            last_error: worker.last_error,
            worked_at: iso_or_none(worker.worked_ms),
        }
    }
}

async fn store(asker: Asker) -> Result<Response, ApiError> {
    let Reply::StoreStats(stats) = asker.ask(Request::StoreStats).await? else {
        return Err(ApiError::unexpected("store"));
    };
    Ok(answer::json(StatusCode::OK, &Store::from(&stats)))
}

/// The chunk store.
#[derive(Debug, Serialize, JsonSchema)]
struct Store {
    objects: u64,
    object_bytes: u64,
    packs: u64,
    pack_bytes: u64,
    /// What no archive needs, and the next collection frees.
    garbage_bytes: u64,
    index_bytes: u64,
    /// On its file system.
    free_bytes: u64,
}

impl From<&StoreStats> for Store {
    fn from(stats: &StoreStats) -> Self {
        Self {
            objects: stats.objects,
            object_bytes: stats.object_bytes,
            packs: stats.packs,
            pack_bytes: stats.pack_bytes,
            garbage_bytes: stats.garbage_bytes,
            index_bytes: stats.index_bytes,
            free_bytes: stats.free_bytes,
        }
    }
}

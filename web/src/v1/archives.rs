//! Archives of all nodes that this node can open.

use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{delete, get, put},
};
use protocol::{
    control::{
        ArchiveContents, ArchiveList, ArchiveRef, ArchiveRemove, NodeRef, PAGE_ENTRIES_MAX, Page,
        Reply, Request,
    },
    job::Name,
};
use serde::Deserialize;
use serde_json::json;

use super::jobs::PAGES_MAX;
use crate::{
    ApiError, State, answer,
    state::Asker,
    take::{Args, Flag, Pairs, Params},
    view::{self, ArchiveView, ContentsView},
};

/// How many members are listed when nothing is said.
const MEMBERS_LISTED: u32 = 1_000;

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/archives", get(list))
        .route("/archives/{name}", delete(remove))
        .route("/archives/{name}/info", get(info))
        .route("/archives/{name}/contents", get(contents))
        .route("/archives/{name}/pin", put(pin).delete(unpin))
}

/// Whose archive of that name, where more than one node has one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    pub(super) node_of: Option<NodeRef>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    job: Option<Name>,
    node_of: Option<NodeRef>,
    limit: Option<usize>,
    offset: Option<usize>,
}

async fn list(asker: Asker, Params(which): Params<Which>) -> Result<Response, ApiError> {
    let here = asker.this_node().await?;
    let (mut archives, mut from) = (Vec::new(), 0);
    for _ in 0..PAGES_MAX {
        let page = Page { from, limit: PAGE_ENTRIES_MAX };
        let (job, node_of) = (which.job.clone(), which.node_of.clone());
        let list = Request::ArchiveList(ArchiveList { job, node_of, page });
        let Reply::Archives(part) = asker.ask(list).await? else {
            return Err(ApiError::unexpected("archives"));
        };
        archives.extend(part.archives.into_iter().filter(|archive| archive.name.is_some()));
        match part.next {
            Some(next) if next > from => from = next,
            _ => break,
        }
    }
    let (total, offset) = (archives.len(), which.offset.unwrap_or(0));
    let newest_first = archives.into_iter().rev().skip(offset);
    let listed: Vec<_> = newest_first
        .take(which.limit.unwrap_or(usize::MAX))
        .filter_map(|archive| ArchiveView::new(archive, here))
        .collect();
    Ok(asker.list(&json!({ "archives": listed, "total": total, "offset": offset })))
}

async fn info(
    asker: Asker,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
) -> Result<Response, ApiError> {
    let here = asker.this_node().await?;
    let wanted = ArchiveRef { name, node_of: of.node_of };
    let Reply::ArchiveInfo(info) = asker.ask(Request::ArchiveInfo(wanted)).await? else {
        return Err(ApiError::unexpected("info"));
    };
    let sealed = || ApiError::not_found("the archive is sealed from this node");
    Ok(answer::json(StatusCode::OK, &view::info(*info, here).ok_or_else(sealed)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    node_of: Option<NodeRef>,
    dry_run: Option<Flag>,
}

async fn remove(
    asker: Asker,
    Args(name): Args<Name>,
    Params(removal): Params<Removal>,
) -> Result<Response, ApiError> {
    let archive = ArchiveRef { name, node_of: removal.node_of };
    let dry_run = removal.dry_run.is_some_and(|flag| flag.0);
    let request = Request::ArchiveRemove(ArchiveRemove { archive, dry_run });
    let Reply::Removed(removed) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("removal"));
    };
    Ok(answer::json(StatusCode::OK, &view::removed(removed)))
}

async fn contents(
    asker: Asker,
    Args(name): Args<Name>,
    Pairs(pairs): Pairs,
) -> Result<Response, ApiError> {
    let mut page = Page { from: 0, limit: MEMBERS_LISTED };
    let (mut patterns, mut node_of) = (Vec::new(), None);
    for (key, value) in pairs {
        let refuse = || ApiError::invalid(format!("the value of {key} makes no sense"));
        match key.as_str() {
            "from" => page.from = value.parse().map_err(|_| refuse())?,
            "limit" => page.limit = value.parse().map_err(|_| refuse())?,
            "node_of" => node_of = Some(value.parse().map_err(|_| refuse())?),
            "pattern" => patterns.push(value),
            _ => return Err(ApiError::invalid(format!("there is no parameter {key:?} here"))),
        }
    }
    let archive = ArchiveRef { name, node_of };
    let request = Request::ArchiveContents(ArchiveContents { archive, patterns, page });
    let Reply::Contents(contents) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("contents"));
    };
    Ok(asker.list(&ContentsView::from(contents)))
}

async fn pin(asker: Asker, name: Args<Name>, of: Params<Of>) -> Result<Response, ApiError> {
    set_pinned(asker, name, of, true).await
}

async fn unpin(asker: Asker, name: Args<Name>, of: Params<Of>) -> Result<Response, ApiError> {
    set_pinned(asker, name, of, false).await
}

async fn set_pinned(
    asker: Asker,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
    pinned: bool,
) -> Result<Response, ApiError> {
    let here = asker.this_node().await?;
    let archive = ArchiveRef { name, node_of: of.node_of };
    let request = Request::ArchivePin { archive, pinned };
    let Reply::Archive(archive) = asker.ask(request).await? else {
        return Err(ApiError::unexpected("archive"));
    };
    Ok(answer::json(StatusCode::OK, &ArchiveView::new(archive, here)))
}

//! Archives of all nodes that this node can open.

use axum::{http::StatusCode, response::Response};
use protocol::{
    control::{
        ArchiveContents, ArchiveList, ArchiveRef, ArchiveRemove, NodeRef, PAGE_ENTRIES_MAX,
        PATTERN_BYTES_MAX, PATTERNS_MAX, Page, RawPath, Reply, Request,
    },
    job::Name,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{downloads::member, jobs::PAGES_MAX};
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Flag, Pairs, Params},
    view::{ArchiveView, ContentsView, InfoView, RemovedView},
};

/// How many members are listed when nothing is said.
const MEMBERS_LISTED: u32 = 1_000;

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Archives", "Archives of all nodes that this node can open.")
        .arg("name", "The name of the archive.")
        .get("/archives", "All archives, newest first.", list, |op| op.lists::<Archives>())
        .delete("/archives/{name}", "Drop an archive.", remove, |op| {
            op.answers::<RemovedView>(200).fails(&[409])
        })
        .get("/archives/{name}/info", "What an archive says of itself.", info, |op| {
            op.answers::<InfoView>(200).about(
                "The fields of its `backup_info.json` (`name`, `type`, `app`, `instance_name`, \
                 `created_at`, `size_bytes`, `sha256` and more) come from the archive: of another \
                 node, believe `archive`.",
            )
        })
        .get("/archives/{name}/contents", "The members of an archive.", contents, |op| {
            op.query::<Members>().lists::<ContentsView>()
        })
        .put("/archives/{name}/pin", "Keep an archive.", pin, |op| op.answers::<ArchiveView>(200))
        .delete("/archives/{name}/pin", "Let an archive go again.", unpin, |op| {
            op.answers::<ArchiveView>(200)
        })
}

/// Whose archive of that name, where more than one node has one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    /// The node that made it, where more than one has an archive of that name.
    pub(super) node_of: Option<NodeRef>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of the job of this name.
    job: Option<Name>,
    /// Only of this node.
    node_of: Option<NodeRef>,
    /// How many at most; all when left out.
    limit: Option<usize>,
    /// How many of the newest are left out.
    offset: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Archives {
    archives: Vec<ArchiveView>,
    /// How many there are in all.
    total: usize,
    offset: usize,
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
    let archives = newest_first
        .take(which.limit.unwrap_or(usize::MAX))
        .filter_map(|archive| ArchiveView::new(archive, here))
        .collect();
    Ok(asker.list(&Archives { archives, total, offset }))
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
    Ok(answer::json(StatusCode::OK, &InfoView::new(*info, here).ok_or_else(sealed)?))
}

fn sealed() -> ApiError {
    ApiError::not_found("the archive is sealed from this node")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// The node that made it, where more than one has an archive of that name.
    node_of: Option<NodeRef>,
    /// 1: only say what that would free.
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
    Ok(answer::json(StatusCode::OK, &RemovedView::from(removed)))
}

/// What [`contents`] reads of a query.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is read by hand, as `pattern` comes repeatedly")]
struct Members {
    /// The node that made it, where more than one has an archive of that name.
    node_of: Option<NodeRef>,
    /// `next` of the page before.
    from: Option<u64>,
    /// How many at most; 1000 when left out.
    #[schemars(range(min = 1, max = PAGE_ENTRIES_MAX))]
    limit: Option<u32>,
    /// Only members that match one of these, as in a .gitignore.
    #[schemars(length(max = PATTERNS_MAX), inner(length(min = 1, max = PATTERN_BYTES_MAX)))]
    pattern: Option<Vec<String>>,
    /// Only members below this folder, and itself.
    dir: Option<RawPath>,
    /// Only members whose path has this text in it, whatever the case.
    #[schemars(length(min = 1, max = ArchiveContents::SEARCH_BYTES_MAX))]
    search: Option<String>,
}

async fn contents(
    asker: Asker,
    Args(name): Args<Name>,
    Pairs(pairs): Pairs,
) -> Result<Response, ApiError> {
    let mut page = Page { from: 0, limit: MEMBERS_LISTED };
    let (mut patterns, mut node_of, mut dir, mut search) = (Vec::new(), None, None, None);
    for (key, value) in pairs {
        let refuse = || ApiError::invalid(format!("the value of {key} makes no sense"));
        match key.as_str() {
            "from" => page.from = value.parse().map_err(|_| refuse())?,
            "limit" => page.limit = value.parse().map_err(|_| refuse())?,
            "node_of" => node_of = Some(value.parse().map_err(|_| refuse())?),
            "pattern" => patterns.push(value),
            "search" => search = Some(value),
            "dir" => {
                let path = member(value.parse().map_err(|_| refuse())?)?;
                dir = Some(path).filter(|path| path.0 != b".");
            }
            _ => return Err(ApiError::invalid(format!("there is no parameter {key:?} here"))),
        }
    }
    let archive = ArchiveRef { name, node_of };
    let contents = ArchiveContents { archive, patterns, dir, search, page };
    let request = Request::ArchiveContents(contents);
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
    Ok(answer::json(StatusCode::OK, &ArchiveView::new(archive, here).ok_or_else(sealed)?))
}

//! Messages for whoever looks after the node.

use axum::{http::StatusCode, response::Response};
use protocol::control::{
    NOTICES_MAX, NoticeKind, NoticeLevel, NoticeList, NoticeReport, Reply, Request,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Flag, Params},
    view::{Iso, iso},
};

/// Notices of a page when nothing is said.
const PAGE: u32 = 50;

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Notices", "Messages for whoever looks after the node.")
        .arg("id", "The number of the notice.")
        .get("/notices", "Notices, newest first.", list, |op| op.lists::<Page>())
        .post("/notices/read", "All are read.", read_all, |op| op.answers::<Unread>(200))
        .post("/notices/{id}/read", "One is read.", read, |op| op.answers::<Notice>(200))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those that nobody has read.
    unread: Option<Flag>,
    /// How many at most; 50 when left out.
    #[schemars(range(min = 1, max = NOTICES_MAX))]
    limit: Option<u32>,
    /// How many of the newest are left out.
    offset: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notices")]
struct Page {
    notices: Vec<Notice>,
    /// How many there are in all, of those that were asked for.
    total: u64,
    /// How many nobody has read.
    unread: u64,
    offset: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Unread {
    unread: u64,
}

/// A message.
#[derive(Debug, Serialize, JsonSchema)]
struct Notice {
    id: u64,
    kind: NoticeKind,
    level: NoticeLevel,
    /// Which job, archive, instance or folder.
    subject: String,
    /// The reason, when one is known, as programs say it.
    why: Option<String>,
    text: Text,
    /// How often it happened.
    count: u64,
    first_at: Iso,
    last_at: Iso,
    /// Somebody has read it since.
    read: bool,
}

/// For people.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NoticeText")]
struct Text {
    en: String,
    fr: String,
}

async fn list(asker: Asker, Params(wanted): Params<Wanted>) -> Result<Response, ApiError> {
    let offset = wanted.offset.unwrap_or(0);
    let list = NoticeList {
        unread: wanted.unread.is_some_and(|flag| flag.0),
        offset,
        limit: wanted.limit.unwrap_or(PAGE),
    };
    let Reply::Notices(page) = asker.ask(Request::NoticeList(list)).await? else {
        return Err(ApiError::unexpected("notices"));
    };
    let notices = page.notices.into_iter().map(Notice::from).collect();
    let (total, unread) = (page.total, page.unread);
    Ok(asker.list(&Page { notices, total, unread, offset }))
}

async fn read(asker: Asker, Args(notice): Args<u64>) -> Result<Response, ApiError> {
    match asker.ask(Request::NoticeRead { notice }).await? {
        Reply::Notice(notice) => Ok(answer::json(StatusCode::OK, &Notice::from(*notice))),
        _ => Err(ApiError::unexpected("notice")),
    }
}

async fn read_all(asker: Asker) -> Result<Response, ApiError> {
    match asker.ask(Request::NoticeReadAll).await? {
        Reply::Done => Ok(answer::json(StatusCode::OK, &Unread { unread: 0 })),
        _ => Err(ApiError::unexpected("done")),
    }
}

impl From<NoticeReport> for Notice {
    fn from(notice: NoticeReport) -> Self {
        Self {
            id: notice.id,
            kind: notice.kind,
            level: notice.level,
            subject: notice.subject,
            why: notice.why,
            text: Text { en: notice.text, fr: notice.text_fr },
            count: notice.count,
            first_at: iso(notice.first_ms),
            last_at: iso(notice.last_ms),
            read: notice.read,
        }
    }
}

//! Archives that come in numbered parts; the URL says chunk, as 000 did.
//!
//! A part is the raw body, of whatever type, or the one file of a form. Neither is gathered here:
//! the bytes go on to the node as they come, which counts them and decides.

mod multipart;
mod part;

pub use multipart::FormError;
pub(crate) use multipart::{Multipart, boundary};

use axum::{extract::Request as HttpRequest, http::StatusCode, response::Response};
use protocol::{
    control::{ArchiveRef, Reply, Request, UploadReport, UploadStart, UploadState},
    job::Name,
    schema::{SHA256, TAR_NAME},
    upload::{FILENAME_BYTES_MAX, PART_BYTES, PART_BYTES_MAX, TOTAL_BYTES_MAX},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::jobs::located;
use crate::{
    ApiError, answer,
    openapi::Routes,
    state::Asker,
    take::{Args, Json},
    view::{ArchiveView, FailureView, Iso, iso},
};

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Uploads", "Archives that come in numbered parts.")
        .arg("id", "The `upload_id` of the upload.")
        .arg("n", "The number of the part, from 0.")
        .post("/archives/upload/start", "Begin an upload.", start, |op| {
            op.answers::<UploadView>(201).located().fails(&[409, 507])
        })
        .get("/archives/upload/{id}", "Which parts are there, and which are missing.", show, |op| {
            op.answers::<UploadView>(200)
        })
        .delete("/archives/upload/{id}", "Drop an upload.", cancel, |op| {
            op.answers::<Dropped>(200).fails(&[409])
        })
        .post("/archives/upload/{id}/chunk/{n}", "Send a part.", put, |op| {
            let part = json!({ "type": "string", "format": "binary" });
            let form = json!({
                "type": "object", "properties": { "chunk": part }, "required": ["chunk"]
            });
            let about = "The part, of any type; or a form whose file is the part.";
            op.answers::<UploadView>(200)
                .takes("application/octet-stream", json!({}), about)
                .takes("multipart/form-data", form, about)
                .fails(&[409, 507])
        })
        .post("/archives/upload/{id}/finish", "Check all of it, and take it in.", finish, |op| {
            op.answers::<Finished>(200).fails_with::<Unfinished>(409).fails(&[422, 507])
        })
        .get("/uploads", "All uploads, newest first.", list, |op| op.lists::<Uploads>())
}

/// As 000's table of uploads, with what a client needs to go on.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
struct UploadView {
    #[schemars(extend("format" = "uuid"))]
    upload_id: String,
    filename: String,
    /// Bytes of the whole file.
    total_size: u64,
    /// Bytes of each part but the last.
    chunk_size: u64,
    /// How many parts there are.
    chunks: u32,
    chunks_received: u32,
    /// The first 10,000 parts that have not come.
    missing: Vec<u32>,
    /// The SHA-256 that all of it must have.
    checksum: String,
    started_at: Iso,
    /// It is dropped then.
    expires_at: Iso,
    /// `pending`: no part has come.
    #[schemars(extend("enum" = ["pending", "in_progress", "complete", "error"]))]
    status: &'static str,
    /// What it became.
    archive_name: Option<String>,
    /// Why it failed.
    failure: Option<FailureView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Uploads {
    uploads: Vec<UploadView>,
}

/// An upload that is no more.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UploadDropped")]
struct Dropped {
    upload_id: String,
    #[schemars(extend("enum" = ["dropped"]))]
    status: &'static str,
}

/// An upload that is complete.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UploadFinished")]
struct Finished {
    #[serde(flatten)]
    upload: UploadView,
    /// What it became; null when that was removed since.
    archive: Option<ArchiveView>,
}

/// A refusal to finish, with the parts to be sent, if that is why.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UploadUnfinished")]
struct Unfinished {
    #[serde(flatten)]
    error: ApiError,
    /// The first 10,000 parts that have not come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<u32>,
}

impl From<UploadReport> for UploadView {
    fn from(upload: UploadReport) -> Self {
        Self {
            upload_id: upload.id,
            filename: upload.start.filename,
            total_size: upload.start.total_bytes,
            chunk_size: upload.start.part_bytes,
            chunks: upload.parts,
            chunks_received: upload.received,
            missing: upload.missing,
            checksum: upload.start.sha256,
            started_at: iso(upload.started_ms),
            expires_at: iso(upload.expires_ms),
            status: match upload.state {
                UploadState::Pending => "pending",
                UploadState::InProgress | UploadState::Finishing => "in_progress",
                UploadState::Complete => "complete",
                UploadState::Error => "error",
            },
            archive_name: upload.archive,
            failure: upload.failure.map(Into::into),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UploadStart")]
struct Start {
    /// The name of the archive, with `.tar` or `.tar.gz`.
    #[schemars(regex(pattern = TAR_NAME), length(max = FILENAME_BYTES_MAX))]
    filename: String,
    /// Bytes of the whole file.
    #[schemars(range(min = 1, max = TOTAL_BYTES_MAX))]
    total_size: u64,
    /// Bytes of each part but the last; 50,000,000 when left out. There are at most 400,000 parts.
    #[schemars(range(min = 1, max = PART_BYTES_MAX))]
    chunk_size: Option<u64>,
    /// The SHA-256 of the file in hex.
    #[schemars(regex(pattern = SHA256))]
    checksum: String,
}

async fn start(asker: Asker, Json(start): Json<Start>) -> Result<Response, ApiError> {
    let begun = asker.upload(Request::UploadStart(UploadStart {
        filename: start.filename,
        total_bytes: start.total_size,
        part_bytes: start.chunk_size.unwrap_or(PART_BYTES),
        sha256: start.checksum,
    }));
    let begun = begun.await?;
    let place = format!("/api/v1/archives/upload/{}", begun.id);
    Ok(located(answer::json(StatusCode::CREATED, &UploadView::from(begun)), &place))
}

async fn list(asker: Asker) -> Result<Response, ApiError> {
    let Reply::Uploads(uploads) = asker.ask(Request::UploadList).await? else {
        return Err(ApiError::unexpected("uploads"));
    };
    Ok(asker.list(&Uploads { uploads: uploads.into_iter().map(UploadView::from).collect() }))
}

async fn show(asker: Asker, Args(upload): Args<String>) -> Result<Response, ApiError> {
    let upload = asker.upload(Request::UploadShow { upload }).await?;
    Ok(answer::json(StatusCode::OK, &UploadView::from(upload)))
}

async fn cancel(asker: Asker, Args(upload): Args<String>) -> Result<Response, ApiError> {
    let dropped = Dropped { upload_id: upload.clone(), status: "dropped" };
    match asker.ask(Request::UploadCancel { upload }).await? {
        Reply::Done => Ok(answer::json(StatusCode::OK, &dropped)),
        _ => Err(ApiError::unexpected("upload")),
    }
}

async fn put(
    asker: Asker,
    Args((upload, number)): Args<(String, u32)>,
    request: HttpRequest,
) -> Result<Response, ApiError> {
    if asker.access.read_only {
        return Err(ApiError::read_only());
    }
    let part = part::read(request)?;
    let (backend, access) = (&asker.state.backend, asker.access.clone());
    let taken = backend.put_part(access, upload, number, part.bytes, part.body).await;
    let taken = taken.map_err(|failure| match part.stalled.was() {
        true => ApiError::timeout(),
        false => failure.into(),
    })?;
    Ok(answer::json(StatusCode::OK, &UploadView::from(taken)))
}

async fn finish(asker: Asker, Args(upload): Args<String>) -> Result<Response, ApiError> {
    let finished = asker.upload(Request::UploadFinish { upload: upload.clone() }).await;
    let finished = match finished {
        Err(error) if error.status() == StatusCode::CONFLICT => {
            return with_missing(&asker, upload, error).await;
        }
        finished => finished?,
    };
    let archive = match &finished.archive {
        Some(name) => archive(&asker, name).await?,
        None => None,
    };
    let told = Finished { upload: finished.into(), archive };
    Ok(answer::json(StatusCode::OK, &told))
}

/// The archive that an upload became; none when it was removed since.
async fn archive(asker: &Asker, name: &str) -> Result<Option<ArchiveView>, ApiError> {
    let here = asker.this_node().await?;
    let Ok(name) = name.parse::<Name>() else { return Err(ApiError::unexpected("upload")) };
    let wanted = ArchiveRef { name, node_of: Some(protocol::control::NodeRef::Id(here)) };
    match asker.ask(Request::ArchiveShow(wanted)).await {
        Ok(Reply::Archive(archive)) => Ok(ArchiveView::new(archive, here)),
        Ok(_) => Err(ApiError::unexpected("archive")),
        Err(error) if error.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// A refusal to finish, with the parts to be sent, if that is why.
async fn with_missing(
    asker: &Asker,
    upload: String,
    error: ApiError,
) -> Result<Response, ApiError> {
    let missing = asker.upload(Request::UploadShow { upload }).await?.missing;
    Ok(answer::json(StatusCode::CONFLICT, &Unfinished { error, missing }))
}

impl Asker {
    /// Asks something that is answered with an upload.
    async fn upload(&self, request: Request) -> Result<UploadReport, ApiError> {
        match self.ask(request).await? {
            Reply::Upload(upload) => Ok(*upload),
            _ => Err(ApiError::unexpected("upload")),
        }
    }
}

#[cfg(test)]
mod tests;

//! Archives that come in numbered parts; the URL says chunk, as 000 did.
//!
//! A part is the raw body, of whatever type, or the one file of a form. Neither is gathered here:
//! the bytes go on to the node as they come, which counts them and decides.

mod multipart;
mod part;

pub use multipart::FormError;
pub(crate) use multipart::{Multipart, boundary};

use axum::{
    Router,
    extract::Request as HttpRequest,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use protocol::{
    control::{ArchiveRef, Reply, Request, UploadReport, UploadStart, UploadState},
    job::Name,
    upload::PART_BYTES,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::jobs::located;
use crate::{
    ApiError, State, answer,
    state::Asker,
    take::{Args, Json},
    view::{ArchiveView, FailureView, iso},
};

/// The routes of this file.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/archives/upload/start", post(start))
        .route("/archives/upload/{id}", get(show).delete(cancel))
        .route("/archives/upload/{id}/chunk/{n}", post(put))
        .route("/archives/upload/{id}/finish", post(finish))
        .route("/uploads", get(list))
}

/// As 000's table of uploads, with what a client needs to go on.
#[derive(Debug, Serialize)]
struct UploadView {
    upload_id: String,
    filename: String,
    total_size: u64,
    chunk_size: u64,
    chunks: u32,
    chunks_received: u32,
    missing: Vec<u32>,
    checksum: String,
    started_at: String,
    expires_at: String,
    status: &'static str,
    archive_name: Option<String>,
    failure: Option<FailureView>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    filename: String,
    total_size: u64,
    chunk_size: Option<u64>,
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
    let uploads: Vec<_> = uploads.into_iter().map(UploadView::from).collect();
    Ok(asker.list(&json!({ "uploads": uploads })))
}

async fn show(asker: Asker, Args(upload): Args<String>) -> Result<Response, ApiError> {
    let upload = asker.upload(Request::UploadShow { upload }).await?;
    Ok(answer::json(StatusCode::OK, &UploadView::from(upload)))
}

async fn cancel(asker: Asker, Args(upload): Args<String>) -> Result<Response, ApiError> {
    let dropped = json!({ "upload_id": upload, "status": "dropped" });
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
            return with_missing(&asker, upload, &error).await;
        }
        finished => finished?,
    };
    let archive = match &finished.archive {
        Some(name) => archive(&asker, name).await?,
        None => Value::Null,
    };
    let mut told = json!(UploadView::from(finished));
    told["archive"] = archive;
    Ok(answer::json(StatusCode::OK, &told))
}

/// The archive that an upload became; none when it was removed since.
async fn archive(asker: &Asker, name: &str) -> Result<Value, ApiError> {
    let here = asker.this_node().await?;
    let Ok(name) = name.parse::<Name>() else { return Err(ApiError::unexpected("upload")) };
    let wanted = ArchiveRef { name, node_of: Some(protocol::control::NodeRef::Id(here)) };
    match asker.ask(Request::ArchiveShow(wanted)).await {
        Ok(Reply::Archive(archive)) => Ok(json!(ArchiveView::new(archive, here))),
        Ok(_) => Err(ApiError::unexpected("archive")),
        Err(error) if error.status() == StatusCode::NOT_FOUND => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

/// A refusal to finish, with the parts to be sent, if that is why.
async fn with_missing(
    asker: &Asker,
    upload: String,
    error: &ApiError,
) -> Result<Response, ApiError> {
    let upload = asker.upload(Request::UploadShow { upload }).await?;
    let mut told = json!(error);
    if !upload.missing.is_empty() {
        told["missing"] = json!(upload.missing);
    }
    Ok(answer::json(StatusCode::CONFLICT, &told))
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

//! Archives and their files as they are: the tar, one file, a folder.
//!
//! Nothing is made before it is sent, so an answer has begun when bytes turn out to be damaged or
//! out of reach. Then the connection is cut: a client sees a body that is not whole, never bytes
//! that are wrong. What has a size can be had in ranges, so a cut one is resumed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_core::Stream;
use protocol::{
    control::{ArchiveRef, FailureCode, NodeRef, RawPath},
    job::Name,
    tar,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::archives::Of;
use crate::{
    ApiError, Download, DownloadPart, Downloaded, FolderFormat, answer,
    disposition::attachment,
    openapi::{Op, Routes},
    range::{self, Wanted},
    state::Asker,
    take::{Args, Params},
};

/// When to ask again after too many downloads were at work.
const RETRY_AFTER_S: u64 = 30;

const TAR: &str = "application/x-tar";
const ZIP: &str = "application/zip";
/// Of files: what lies in them is for nobody to guess.
const BYTES: &str = "application/octet-stream";

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Downloads", "Archives and their files as they are.")
        .arg("name", "The name of the archive.")
        .get("/archives/{name}/download", "The whole tar.", whole, |op| ranged(op, TAR))
        .get("/archives/{name}/file", "One file.", file, |op| ranged(op, BYTES))
        .get("/archives/{name}/folder", "A folder, packed while it is sent.", folder, |op| {
            op.raw(200, TAR, "The folder.").raw(200, ZIP, "The folder.").fails(&[502, 503])
        })
}

/// What can be had in ranges.
fn ranged<'a>(op: Op<'a>, media: &str) -> Op<'a> {
    op.raw(200, media, "All of it.")
        .tagged()
        .header("Range", json!({ "type": "string" }), "One range of bytes; several give all of it.")
        .header("If-Range", json!({ "type": "string" }), "The `ETag` that the range is of.")
        .raw(206, media, "The range.")
        .fails(&[416, 502, 503])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileOf {
    /// The file, as the contents have it.
    path: RawPath,
    /// The node that made the archive, where more than one has one of that name.
    node_of: Option<NodeRef>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FolderOf {
    /// The folder, as the contents have it; `.` is all of the archive.
    path: RawPath,
    /// What it is packed as.
    format: Format,
    /// The node that made the archive, where more than one has one of that name.
    node_of: Option<NodeRef>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FolderFormat")]
enum Format {
    Tar,
    Zip,
}

async fn whole(
    asker: Asker,
    method: Method,
    Args(name): Args<Name>,
    Params(of): Params<Of>,
) -> Result<Response, ApiError> {
    let archive = ArchiveRef { name, node_of: of.node_of };
    serve(&asker, &method, TAR, Download { archive, part: DownloadPart::Tar }).await
}

async fn file(
    asker: Asker,
    method: Method,
    Args(name): Args<Name>,
    Params(of): Params<FileOf>,
) -> Result<Response, ApiError> {
    let path = member(of.path)?;
    if path.0 == b"." {
        let error = ApiError::invalid("the path names no file");
        return Err(error.hint("/folder gives a folder as a tar or a zip"));
    }
    let archive = ArchiveRef { name, node_of: of.node_of };
    serve(&asker, &method, BYTES, Download { archive, part: DownloadPart::File(path) }).await
}

async fn folder(
    asker: Asker,
    method: Method,
    Args(name): Args<Name>,
    Params(of): Params<FolderOf>,
) -> Result<Response, ApiError> {
    let (kind, format) = match of.format {
        Format::Tar => (TAR, FolderFormat::Tar),
        Format::Zip => (ZIP, FolderFormat::Zip),
    };
    let archive = ArchiveRef { name, node_of: of.node_of };
    let part = DownloadPart::Folder(member(of.path)?, format);
    serve(&asker, &method, kind, Download { archive, part }).await
}

/// A member's path as the contents have it; `.` is the whole.
pub(super) fn member(RawPath(path): RawPath) -> Result<RawPath, ApiError> {
    let refuse = |why: String| {
        ApiError::invalid(why).hint("give a path as /contents shows it, with \\xNN for other bytes")
    };
    if path.len() > tar::PATH_BYTES_MAX {
        return Err(refuse(format!("a path has at most {} bytes", tar::PATH_BYTES_MAX)));
    }
    let parts = match path.as_slice() {
        [] => Vec::new(),
        path => tar::safe_path(path).map_err(|error| refuse(error.to_string()))?,
    };
    Ok(RawPath(if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }))
}

/// Finds what is wanted and answers with it, or with a range of it.
async fn serve(
    asker: &Asker,
    method: &Method,
    kind: &'static str,
    download: Download,
) -> Result<Response, ApiError> {
    let found = asker.state.backend.read(asker.access.clone(), download).await;
    let found = found.map_err(|failure| match failure.code {
        FailureCode::Busy => ApiError::from(failure).later(RETRY_AFTER_S),
        _ => failure.into(),
    })?;
    Ok(answer(&asker.headers, method == Method::HEAD, kind, found))
}

fn answer(asked: &HeaderMap, head_only: bool, kind: &'static str, found: Downloaded) -> Response {
    let Downloaded { name, bytes, tag, open } = found;
    let tag = tag.map(|tag| format!("\"{tag}\""));
    let mut headers = HeaderMap::new();
    let accepted = if bytes.is_some() { "bytes" } else { "none" };
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(accepted));
    if let Some(tag) = tag.as_deref().and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
    if tag.as_deref().is_some_and(|tag| answer::has(asked, tag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    // Ranges are of GET alone.
    let wanted = match bytes {
        Some(bytes) if !head_only => range::wanted(asked, tag.as_deref(), bytes),
        _ => Wanted::Whole,
    };
    let (status, part) = match (wanted, bytes) {
        (Wanted::Nothing, bytes) => return nothing(bytes.unwrap_or_default(), headers),
        (Wanted::Part(part), Some(bytes)) => {
            let value = format!("bytes {}-{}/{bytes}", part.start, part.end - 1);
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header::CONTENT_RANGE, value);
            }
            (StatusCode::PARTIAL_CONTENT, part)
        }
        (_, bytes) => (StatusCode::OK, 0..bytes.unwrap_or(u64::MAX)),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, attachment(&name.0));
    if bytes.is_some() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    }
    let body = if head_only { Body::from_stream(Unread) } else { Body::from_stream(open(part)) };
    (status, headers, body).into_response()
}

/// The body of a head: of no length that somebody could tell.
struct Unread;

impl Stream for Unread {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

fn nothing(bytes: u64, headers: HeaderMap) -> Response {
    let mut response = ApiError::unsatisfiable(bytes).into_response();
    response.headers_mut().extend(headers);
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{bytes}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_members_and_lead_nowhere_else() {
        for (path, is) in [
            ("data/custom/a b", "data/custom/a b"),
            ("./data//x/", "data/x"),
            ("a/./b", "a/b"),
            ("..a/b..", "..a/b.."),
            (".", "."),
            ("", "."),
            ("./", "."),
            ("%2e%2e/x", "%2e%2e/x"),
        ] {
            let path = member(RawPath(path.as_bytes().to_vec())).expect(path);
            assert_eq!(path.0, is.as_bytes());
        }
        for path in [&b"/etc/passwd"[..], b"..", b"a/../b", b"a/..", b"a\0b", &[b'x'; 20_000]] {
            let refused = member(RawPath(path.to_vec())).expect_err("it is refused");
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        }
    }
}

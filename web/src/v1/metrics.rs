//! Metrics: the node in numbers, for Prometheus.
//!
//! A key is needed on a Unix socket too: behind it stands a web server that hands on whatever comes
//! from outside. Who is root asks `backupmanager metrics`.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use protocol::control::{Reply, Request};

use crate::{ApiError, openapi::Routes, state::Asker};

/// The format's name.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Metrics", "The node in numbers.").get(
        "/metrics",
        "The node in numbers, for Prometheus.",
        metrics,
        |op| {
            op.raw(200, "text/plain", "The text format of Prometheus, version 0.0.4.").about(
                "It stands at `/metrics` too. There, and here, a key may also come as \
                 `Authorization: Bearer`, and one that was made with `--metrics` opens nothing else.",
            )
        },
    )
}

async fn metrics(asker: Asker) -> Result<Response, ApiError> {
    match asker.ask(Request::Metrics).await? {
        Reply::Metrics { text } => Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response()),
        _ => Err(ApiError::unexpected("metrics")),
    }
}

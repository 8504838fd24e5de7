//! Refusals as HTTP answers: a status for programs, a JSON body for people.
//!
//! Whatever goes wrong ends as one shape: `{"error": code, "message": text, "hint": text?}`. Codes
//! are those of [`FailureCode`], and a few that only HTTP has. What fails inside the node (5xx) may
//! name its files: such a text goes to the log, and the client is told where to look.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::control::{Failure, FailureCode, RequestError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::answer;

/// After how many seconds a client may ask again for a stream that had no place.
const STREAM_AGAIN_S: u64 = 30;

/// What is said instead of a text that names files of the node.
const IN_THE_LOG: &str = "the node could not do it; its log says why";

/// A refused request: `{"error": code, "message": text, "hint": text?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after_s: Option<u64>,
    error: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, retry_after_s: None, error, message: message.into(), hint: None }
    }

    /// An argument that makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// Nothing is called so.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// No key, or none that is taken: always the same words.
    pub(crate) fn unauthorized() -> Self {
        let message = "a valid key is needed in the header X-BackupManager-Key";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .hint("make one on the server: backupmanager key create NAME")
    }

    /// The key may only look.
    pub(crate) fn read_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, "refused", "this key may look and change nothing")
            .hint("make one without --read-only")
    }

    /// The path has no such method.
    pub(crate) fn method_not_allowed(method: &str) -> Self {
        let message = format!("{method} is not allowed here");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .hint("the Allow header says what is")
    }

    /// The body did not come in time.
    pub(crate) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time")
    }

    /// The body is larger than it may be.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body may have at most {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The path or query is longer than it may be.
    pub(crate) fn uri_too_long(bytes_max: usize) -> Self {
        let message = format!("path and query may have at most {bytes_max} bytes");
        Self::new(StatusCode::URI_TOO_LONG, "too_large", message)
    }

    /// The body is of another type.
    pub(crate) fn unsupported_media_type(wanted: &str) -> Self {
        let message = format!("the body must be {wanted}, and Content-Type must say so");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// Too many tries that failed.
    pub(crate) fn too_many(retry_after_s: u64) -> Self {
        let message = "too many requests without a valid key came from this address";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        Self { retry_after_s: Some(retry_after_s), ..error }
            .hint(format!("try again in {retry_after_s} s"))
    }

    /// As many streams are open as may be.
    pub(crate) fn too_many_streams(whose: &str, count_max: usize) -> Self {
        let message = format!("{count_max} streams {whose} are open already");
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        Self { retry_after_s: Some(STREAM_AGAIN_S), ..error }.hint("close one, or try again later")
    }

    /// More or larger headers than are read.
    pub(crate) fn headers_too_large() -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self::new(status, "headers_too_large", "the headers are too many or too large")
    }

    /// A range of what has only so many bytes, and none in that range.
    pub(crate) fn unsatisfiable(bytes: u64) -> Self {
        let message = format!("the range begins behind the end: there are {bytes} bytes");
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", message)
    }

    /// The same, to be asked again in some seconds: nothing is wrong but the moment.
    #[must_use]
    pub(crate) fn later(self, retry_after_s: u64) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, retry_after_s: Some(retry_after_s), ..self }
    }

    /// What is asked cannot be done this way.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "unsupported", message)
    }

    /// Something here is broken; the cause is in the log.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", IN_THE_LOG)
    }

    /// The node answered with something else than was asked for.
    pub(crate) fn unexpected(asked: &str) -> Self {
        tracing::error!(asked, "the node answered an HTTP request with another kind of reply");
        Self::internal()
    }

    /// The same with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The status it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

/// The codes that only HTTP has.
const CODES: [&str; 8] = [
    "unauthorized",
    "method_not_allowed",
    "timeout",
    "too_large",
    "unsupported_media_type",
    "too_many_requests",
    "headers_too_large",
    "range_not_satisfiable",
];

impl JsonSchema for ApiError {
    fn schema_name() -> Cow<'static, str> {
        "Error".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = ALL.map(code).into_iter().chain(CODES).collect();
        json_schema!({
            "type": "object",
            "properties": {
                "error": { "type": "string", "enum": codes, "description": "For programs." },
                "message": { "type": "string", "description": "For people." },
                "hint": { "type": "string", "description": "What the reader can do about it." },
            },
            "required": ["error", "message"],
        })
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let status = status(failure.code);
        let mut message = failure.to_string();
        let mut hint = failure.hint;
        if status.is_server_error() {
            tracing::warn!(%message, "an HTTP request failed");
            if message.contains('/') {
                message = IN_THE_LOG.to_owned();
            }
            hint = hint.filter(|hint| !hint.contains('/'));
        }
        Self { status, retry_after_s: None, error: code(failure.code), message, hint }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Failure::caused(FailureCode::Invalid, "the request is refused", &error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = answer::json(self.status, &self);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("X-BackupManager-Key");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// All there are.
const ALL: [FailureCode; 13] = [
    FailureCode::Invalid,
    FailureCode::NotFound,
    FailureCode::Exists,
    FailureCode::Conflict,
    FailureCode::Refused,
    FailureCode::Busy,
    FailureCode::Unreachable,
    FailureCode::Damaged,
    FailureCode::Mismatch,
    FailureCode::NoSpace,
    FailureCode::Cancelled,
    FailureCode::Unsupported,
    FailureCode::Internal,
];

/// As [`FailureCode`] is written in JSON.
fn code(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Invalid => "invalid",
        FailureCode::NotFound => "not_found",
        FailureCode::Exists => "exists",
        FailureCode::Conflict => "conflict",
        FailureCode::Refused => "refused",
        FailureCode::Busy => "busy",
        FailureCode::Unreachable => "unreachable",
        FailureCode::Damaged => "damaged",
        FailureCode::Mismatch => "mismatch",
        FailureCode::NoSpace => "no_space",
        FailureCode::Cancelled => "cancelled",
        FailureCode::Unsupported => "unsupported",
        FailureCode::Internal => "internal",
    }
}

/// By what the reader should do about it.
fn status(code: FailureCode) -> StatusCode {
    match code {
        FailureCode::Invalid => StatusCode::BAD_REQUEST,
        FailureCode::NotFound => StatusCode::NOT_FOUND,
        FailureCode::Exists
        | FailureCode::Conflict
        | FailureCode::Busy
        | FailureCode::Cancelled => StatusCode::CONFLICT,
        FailureCode::Refused => StatusCode::FORBIDDEN,
        FailureCode::Unreachable => StatusCode::BAD_GATEWAY,
        FailureCode::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        FailureCode::Unsupported => StatusCode::NOT_IMPLEMENTED,
        FailureCode::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        FailureCode::Damaged | FailureCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_code_its_text_and_its_hint() {
        let failure = Failure::new(FailureCode::NotFound, "cannot show archive x", "there is none");
        let error = ApiError::from(failure.clone().hint("look at the list"));
        assert_eq!(error.status, StatusCode::NOT_FOUND);
        let json = serde_json::to_value(&error).expect("it serialises");
        assert_eq!(json["error"], "not_found");
        assert_eq!(json["message"], "cannot show archive x: there is none");
        assert_eq!(json["hint"], "look at the list");
        let json = serde_json::to_value(ApiError::from(failure)).expect("it serialises");
        assert!(json.get("hint").is_none());
    }

    #[test]
    fn every_code_is_written_as_everywhere_else() {
        for one in ALL {
            assert_eq!(serde_json::to_value(one).expect("it serialises"), code(one));
        }
    }

    #[test]
    fn a_failure_of_the_node_does_not_tell_its_paths() {
        for one in ALL {
            let failure = Failure::new(one, "cannot read", "/var/lib/backupmanager/db is gone");
            let error = ApiError::from(failure.hint("look into /var/log"));
            let told = serde_json::to_string(&error).expect("it serialises");
            assert_eq!(told.contains("/var"), !error.status.is_server_error(), "{told}");
        }
    }
}

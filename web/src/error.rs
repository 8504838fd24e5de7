//! Failures as HTTP answers: a status for programs, a JSON body for people.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::control::{Failure, FailureCode};
use serde::Serialize;

/// A refused request: `{"error": code, "message": text, "hint": text?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    error: FailureCode,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        Self { status: status(failure.code), error: failure.code, message, hint: failure.hint }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
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
}

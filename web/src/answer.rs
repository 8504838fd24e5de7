//! Answers with a body: JSON, and the same with a tag for those who ask again.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;

/// The type of nearly all answers.
const JSON: &str = "application/json";

/// Bytes of the hash that a tag is made of.
const TAG_BYTES: usize = 16;

/// Said of an answer that may be kept, but must be asked for again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// In the extensions of an answer that was tagged here, also of one without its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tagged;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => with_bytes(status, JSON, bytes.into()),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            let bytes = br#"{"error":"internal","message":"the answer could not be written"}"#;
            with_bytes(StatusCode::INTERNAL_SERVER_ERROR, JSON, Bytes::from_static(bytes))
        }
    }
}

/// A JSON answer with a strong tag of its bytes; without its bytes when the client has them.
pub(crate) fn tagged(asked: &HeaderMap, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => tagged_bytes(asked, JSON, bytes.into()),
        Err(_) => json(StatusCode::OK, value),
    }
}

/// The same for what is there already, of any type.
pub(crate) fn tagged_bytes(asked: &HeaderMap, kind: &'static str, bytes: Bytes) -> Response {
    let hash = blake3::hash(&bytes);
    let hex: String = hash.as_bytes()[..TAG_BYTES].iter().map(|b| format!("{b:02x}")).collect();
    let tag = format!("\"{hex}\"");
    let mut response = if has(asked, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        with_bytes(StatusCode::OK, kind, bytes)
    };
    response.extensions_mut().insert(Tagged);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, ASK_AGAIN);
    response
}

/// Whether the client says that it has what is tagged so, by `If-None-Match`.
pub(crate) fn has(asked: &HeaderMap, tag: &str) -> bool {
    let all = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn with_bytes(status: StatusCode, kind: &'static str, bytes: Bytes) -> Response {
    let kind = HeaderValue::from_static(kind);
    (status, [(header::CONTENT_TYPE, kind)], Body::from(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_tag_follows_the_bytes_and_spares_them_to_who_has_them() {
        let first = tagged(&HeaderMap::new(), &["a"]);
        let tag = first.headers()[header::ETAG].to_str().expect("plain").to_owned();
        assert!(tag.len() == 34 && tag.starts_with('"'), "{tag}");
        assert_ne!(tagged(&HeaderMap::new(), &["b"]).headers()[header::ETAG], tag.as_str());
        for have in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            assert!(has(&asked(have.leak()), &tag));
        }
        for have in ["", "\"x\"", "x,y"] {
            assert!(!has(&asked(have), &tag));
        }
        assert_eq!(tagged(&asked("*"), &["a"]).status(), StatusCode::NOT_MODIFIED);
    }
}

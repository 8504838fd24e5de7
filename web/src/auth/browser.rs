//! The key of somebody who reads the documentation in a browser, which cannot send our header.
//!
//! It is typed as a password. A browser keeps it and sends it again by itself, also when another
//! site makes it ask: so it is taken for the pages that are the same for everybody, and for nothing
//! that acts or tells of this node.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::KEY_HEADER;

/// What may be read so.
const PATHS: [&str; 2] = ["/api/v1/docs", "/api/v1/openapi.json"];

/// Makes a browser ask for it.
const ASK: HeaderValue =
    HeaderValue::from_static("Basic realm=\"backupmanager\", charset=\"UTF-8\"");

/// The longest header with it, bytes: a user name of some length, and a key.
const BYTES_MAX: usize = 512;

/// Whether a request is one for which the key may be typed.
pub(super) fn may_ask(request: &Request) -> bool {
    PATHS.contains(&request.uri().path()) && [Method::GET, Method::HEAD].contains(request.method())
}

/// Puts a typed key where all keys are, unless there is one.
pub(super) fn take_key(headers: &mut HeaderMap) {
    if headers.contains_key(KEY_HEADER) || headers.get_all(header::AUTHORIZATION).iter().count() > 1
    {
        return;
    }
    if let Some(key) = headers.remove(header::AUTHORIZATION).as_ref().and_then(password) {
        headers.insert(KEY_HEADER, key);
    }
}

fn password(value: &HeaderValue) -> Option<HeaderValue> {
    let (scheme, code) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || code.len() > BYTES_MAX {
        return None;
    }
    let both = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let mut key = HeaderValue::from_str(both.split_once(':')?.1.trim()).ok()?;
    key.set_sensitive(true);
    Some(key)
}

/// A refusal, which makes a browser ask for the key where it may be typed.
pub(super) fn asked(mut response: Response, typed: bool) -> Response {
    if typed && response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, ASK);
    }
    response
}

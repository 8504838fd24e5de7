//! All paths, and what holds for each of them: bounds of the head, the door, headers of answers.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};

use crate::{ApiError, State, auth, compress, other, v1};

/// Most bytes of all headers.
pub(crate) const HEADER_BYTES_MAX: usize = 16 << 10;

/// Most headers.
pub(crate) const HEADERS_MAX: usize = 100;

/// Most bytes of path and query.
pub(crate) const URI_BYTES_MAX: usize = 8 << 10;

/// What a page of this server may load: nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// In every answer, unless the handler said otherwise.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, NOTHING),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The whole server. The door stands around all routes, and what is the same for all around the
/// door: a router says which methods a path has only after the layers that are its own.
pub(crate) fn router(state: State) -> Router {
    let routes = Router::new()
        .nest("/api/v1", v1::routes().served())
        .merge(v1::outside().served())
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_methods)
        .with_state(state.clone());
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(state.clone(), other::of_a_node))
        .layer(from_fn_with_state(state, auth::only_with_key))
        .layer(from_fn(compress::packed))
        .layer(from_fn(around))
}

async fn nothing_here() -> ApiError {
    ApiError::not_found("there is nothing under this path")
}

/// Of a path that has others. The router adds which ones.
async fn other_methods(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ApiError::method_not_allowed(method.as_str()).into_response()
}

/// What is the same for all.
async fn around(request: Request, next: Next) -> Response {
    let mut response = match head_fits(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(allow) = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok())
        && let Ok(allow) = HeaderValue::from_str(&format!("{allow},OPTIONS"))
    {
        headers.insert(header::ALLOW, allow);
    }
    response
}

fn head_fits(request: &Request) -> Result<(), ApiError> {
    let uri = request.uri();
    let path_bytes = uri.path().len() + uri.query().map_or(0, str::len);
    if path_bytes > URI_BYTES_MAX {
        return Err(ApiError::uri_too_long(URI_BYTES_MAX));
    }
    let headers = request.headers();
    if headers.len() > HEADERS_MAX || bytes(headers) > HEADER_BYTES_MAX {
        return Err(ApiError::headers_too_large());
    }
    Ok(())
}

/// As they stood in the request: `name: value` and a line break each.
fn bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

//! What a request says, read strictly: path, query and body, with refusals in the shape of all.

use std::borrow::Cow;

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{ApiError, State, json, serve::Stalled};

/// The largest JSON body, bytes.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;

/// How long a JSON body may take to come in all: a mebibyte over a telephone line.
const JSON_MAX: std::time::Duration = std::time::Duration::from_secs(120);

/// The arguments in a path, percent-decoded once.
pub(crate) struct Args<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for Args<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(args)) => Ok(Self(args)),
            Err(refused) => Err(ApiError::invalid(refused.body_text())),
        }
    }
}

/// The query. A parameter that is not known is refused by types that deny unknown fields.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<State> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(refused) => Err(ApiError::invalid(refused.body_text())),
        }
    }
}

/// A query in which a parameter may stand more than once.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl FromRequestParts<State> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, ApiError> {
        Params::from_request_parts(parts, state).await.map(|Params(pairs)| Self(pairs))
    }
}

/// A switch in a query: `1` or `true`, `0` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Flag(pub(crate) bool);

impl JsonSchema for Flag {
    fn schema_name() -> Cow<'static, str> {
        "Flag".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["1", "0", "true", "false"] })
    }
}

impl TryFrom<String> for Flag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "1" | "true" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err("a switch is 1 or 0"),
        }
    }
}

/// A JSON body. None at all is read as `{}`.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<State> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &State) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return read(b"{}");
        }
        if !is_json(&parts.headers) {
            return Err(ApiError::unsupported_media_type("JSON (application/json)"));
        }
        if body.size_hint().lower() > JSON_BYTES_MAX as u64 {
            return Err(ApiError::too_large(JSON_BYTES_MAX));
        }
        let whole = tokio::time::timeout(JSON_MAX, all(body)).await;
        read(&whole.map_err(|_| ApiError::timeout())??)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Json<T>, ApiError> {
    let value = json::read(bytes);
    value.map(Json).map_err(|error| ApiError::invalid(format!("the body is refused: {error}")))
}

async fn all(body: Body) -> Result<Vec<u8>, ApiError> {
    match Limited::new(body, JSON_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(JSON_BYTES_MAX)),
        Err(error) if stalled(&*error) => Err(ApiError::timeout()),
        Err(error) => {
            tracing::debug!(%error, "the body of an HTTP request did not come");
            Err(ApiError::invalid("the body did not come whole"))
        }
    }
}

/// Whether the client stopped sending.
pub(crate) fn stalled(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        if this.is::<Stalled>() {
            return true;
        }
        error = this.source();
    }
    false
}

/// `application/json`, or a type that is written in it.
fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(kind) = said.and_then(|said| said.split(';').next()) else { return false };
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_json_is_json() {
        let is = |kind: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]))
        };
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is(kind), "{kind}");
        }
        for kind in ["", "text/plain", "json", "application/jsonp", "text/x+json"] {
            assert!(!is(kind), "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}

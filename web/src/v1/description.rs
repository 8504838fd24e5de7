//! What this API is: for programs, and for people.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    answer,
    openapi::{self, Language, Routes},
    state::Asker,
    take::Params,
};

/// The type of the page.
const HTML: &str = "text/html; charset=utf-8";

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Description", "What this API is.")
        .get("/openapi.json", "This description: OpenAPI 3.1.", description, |op| {
            op.lists::<OpenApi>().about(BASIC)
        })
        .get("/docs", "This description for people.", docs, |op| {
            let about = "The language is that of the query, or of this header: English or French.";
            op.raw(200, "text/html", "A page.")
                .header("Accept-Language", json!({ "type": "string" }), about)
                .tagged()
                .about(BASIC)
        })
}

/// How a browser shows it.
const BASIC: &str = "Browsers cannot send a header of their own: here, and nowhere else, the key may \
    also be the password of `Authorization: Basic`, with any user name.";

/// A document by the OpenAPI Specification 3.1.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is needed: the document is a value")]
struct OpenApi {
    openapi: String,
    info: Map<String, Value>,
    paths: Map<String, Value>,
    #[schemars(flatten)]
    more: Map<String, Value>,
}

async fn description(asker: Asker) -> Response {
    answer::tagged_bytes(&asker.headers, "application/json", openapi::json())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The language of the page.
    lang: Option<Language>,
}

async fn docs(asker: Asker, Params(which): Params<Which>) -> Response {
    let accept = asker.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = which.lang.unwrap_or_else(|| Language::liked(accept.unwrap_or_default()));
    let mut response = answer::tagged_bytes(&asker.headers, HTML, openapi::page(language));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    if let Ok(policy) = HeaderValue::from_str(openapi::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

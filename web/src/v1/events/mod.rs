//! Events: what happens on the node, as it happens.
//!
//! A client reads from a *place*: `START-NUMBER`, the start of the node and the number of the last
//! event it has, which is the event's `id`. Without one it begins now; with one it gets what it
//! missed, or `reset` when that is not kept: then it reads the lists anew.

mod place;
mod reader;
mod topics;

use axum::{http::HeaderMap, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use self::{place::Wish, reader::Following, topics::Topics};
use crate::{
    ApiError,
    auth::Standing,
    openapi::{Op, Routes},
    state::Asker,
    stream,
    take::Params,
};

/// Where a client says what it has: a browser does it by itself.
const LAST_EVENT_ID: &str = "last-event-id";

/// The routes of this file.
pub(super) fn routes() -> Routes {
    Routes::of("Events", "What happens on the node, as it happens.").get(
        "/events",
        "What happens, as server-sent events.",
        events,
        |op| {
            streamed(op.raw(200, "text/event-stream", "Events, until either side has enough."))
                .about(
                    "The `id` of an event is its place. Who says the last one it has gets what it \
                     missed, or an event `reset` when that is not kept: then read the lists anew.",
                )
        },
    )
}

/// What can be gone on with after a cut.
pub(super) fn streamed(op: Op<'_>) -> Op<'_> {
    let text = json!({ "type": "string" });
    op.header("Last-Event-ID", text, "The `id` of the last event that the client has.")
        .fails(&[503])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only events of these types, with commas between; all when left out.
    types: Option<Topics>,
    /// As the header `Last-Event-ID`, which is newer where both are said.
    last_event_id: Option<String>,
}

async fn events(
    asker: Asker,
    standing: Standing,
    Params(which): Params<Which>,
) -> Result<Response, ApiError> {
    let place = asker.state.streams.enter(&asker.access)?;
    let wish = Wish::of(last_event_id(&asker.headers, which.last_event_id.as_deref()));
    let topics = which.types.unwrap_or_default();
    Ok(stream::answer(Following::new(asker.state, standing, place, topics, wish)))
}

/// What a client says it has. The header is newer than the address: a browser that connects again
/// sends both.
pub(super) fn last_event_id<'a>(headers: &'a HeaderMap, asked: Option<&'a str>) -> Option<&'a str> {
    let mut told = headers.get_all(LAST_EVENT_ID).iter();
    match (told.next(), told.next()) {
        (None, _) => asked,
        // What is no text, or is said twice, is no place.
        (Some(one), None) => Some(one.to_str().unwrap_or("?")),
        (Some(_), Some(_)) => Some("?"),
    }
    .filter(|id| !id.is_empty())
}

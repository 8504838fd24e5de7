//! The description of the API (OpenAPI 3.1), made from the code that answers.
//!
//! # How a route is added
//!
//! [`Routes`] is the only way to a route: it takes the handler and its description together, and
//! `v1::routes` merges nothing else. What the handler *takes* is read off its arguments: [`Args`],
//! [`Params`] and [`Json`] describe themselves by the type in them, which derives `JsonSchema`
//! beside `Deserialize`; nothing is said twice. What it *answers* is said in the last argument:
//!
//! ```ignore
//! pub(super) fn routes() -> Routes {
//!     Routes::of("Jobs", "What is backed up, and when.")
//!         .arg("id", "The number of the job.")
//!         .get("/jobs", "All jobs.", list, |op| op.lists::<JobList>())
//!         .post("/jobs", "Make a job.", add, |op| {
//!             op.answers::<Detail>(201).located().fails(&[409])
//!         })
//!         .get("/jobs/{id}", "One job.", show, |op| op.answers::<Detail>(200))
//! }
//! ```
//!
//! - The type of an answer derives `Serialize` and `JsonSchema`; its doc comments are the
//!   description of its fields. A time is an [`Iso`](crate::view::Iso), not a `String`. A text of
//!   few words: `#[schemars(extend("enum" = ["ok", "error"]))]`.
//! - Bounds of what is taken belong to its fields: `#[schemars(range(min = 1, max = LIMIT_MAX))]`,
//!   `length`, `regex(pattern = …)`. Types of `protocol` have theirs there (`protocol::schema`).
//! - [`Op::about`] says more; [`Op::raw`] describes an answer that is no JSON (a file, a stream),
//!   [`Op::takes`] a body that is none, [`Op::query`] the parameters of a handler that reads
//!   [`Pairs`], [`Op::header`] a header that is read.
//! - 400, 401, 403, 404, 408, 413, 415 and 429 come by themselves where they can; [`Op::fails`] is
//!   for what else the reader must expect. Anything may fail otherwise: there is a `default`.
//!
//! What is forgotten does not compile (the summary, a schema), or fails the test
//! `every_operation_is_described`, which names the route. Each answer that any test of this crate
//! sees is held against the description, and `cargo insta review` shows what a change does to it.
//!
//! [`Args`]: crate::take::Args
//! [`Params`]: crate::take::Params
//! [`Json`]: crate::take::Json
//! [`Pairs`]: crate::take::Pairs

mod document;
mod examples;
mod inputs;
mod op;
mod page;
mod routes;
mod schemas;

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Value;

use document::Document;
pub(crate) use op::Op;
pub(crate) use page::{Language, page};
pub(crate) use routes::Routes;

use crate::v1;

/// It is the same as long as the program runs, so it is made once, when somebody asks.
static DOCUMENT: LazyLock<Document> = LazyLock::new(|| document::of(v1::routes().described()));

/// The description of the API: OpenAPI 3.1.
#[must_use]
pub fn description() -> &'static Value {
    &DOCUMENT.document
}

/// What the page may load.
pub(crate) fn policy() -> &'static str {
    &page::POLICY
}

/// The same as it is sent.
pub(crate) fn json() -> Bytes {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.document.to_string().into());
    JSON.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described() {
        assert!(DOCUMENT.missing.is_empty(), "{}", DOCUMENT.missing.join("\n"));
    }
}

//! `/api/v1`: the contract of 000, and what was added beside it. API.md says every route.
//!
//! One file per resource, each with `routes()`. A handler reads the request ([`crate::take`]), asks
//! the node through its [`Asker`](crate::state::Asker) and answers with a view of the reply.

mod archives;
mod health;
mod jobs;
mod mesh;
mod restores;
mod runs;
mod transfers;
mod upload;

use axum::Router;

use crate::State;

pub(crate) use restores::Restores;
pub use upload::FormError;
pub(crate) use upload::{Multipart, boundary};

/// All routes, relative to `/api/v1`.
pub(crate) fn routes() -> Router<State> {
    Router::new()
        .merge(health::routes())
        .merge(jobs::routes())
        .merge(runs::routes())
        .merge(archives::routes())
        .merge(upload::routes())
        .merge(restores::routes())
        .merge(transfers::routes())
        .merge(mesh::routes())
}

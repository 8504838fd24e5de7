//! `/api/v1`: the contract of 000, and what was added beside it. API.md says every route.
//!
//! One file per resource, each with `routes()` that says what they are ([`crate::openapi`]). A handler reads the request ([`crate::take`]), asks
//! the node through its [`Asker`](crate::state::Asker) and answers with a view of the reply.

mod archives;
mod description;
mod downloads;
mod events;
mod health;
mod instances;
mod jobs;
mod members;
mod mesh;
mod metrics;
mod notices;
mod orders;
mod restores;
mod runs;
mod transcripts;
mod transfers;
mod upload;

use crate::openapi::Routes;

pub(crate) use restores::Restores;
pub use upload::FormError;
pub(crate) use upload::{Multipart, boundary};

/// All routes, relative to `/api/v1`.
pub(crate) fn routes() -> Routes {
    health::routes()
        .merge(jobs::routes())
        .merge(runs::routes())
        .merge(archives::routes())
        .merge(downloads::routes())
        .merge(upload::routes())
        .merge(restores::routes())
        .merge(transfers::routes())
        .merge(mesh::routes())
        .merge(members::routes())
        .merge(instances::routes())
        .merge(orders::routes())
        .merge(notices::routes())
        .merge(events::routes())
        .merge(transcripts::routes())
        .merge(metrics::routes())
        .merge(description::routes())
}

/// Routes that stand outside of it too: where Prometheus looks for them.
pub(crate) fn outside() -> Routes {
    metrics::routes()
}

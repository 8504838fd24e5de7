//! The HTTP face of backupmanager: the REST API, and later the dashboard.
//!
//! [`serve()`] answers on a [`Listener`] what a [`Backend`] knows. Every request goes the same way:
//! bounds of the connection, the door (`auth`), the route (`v1`), one or more
//! [`protocol::control::Request`]s to the node, and a view of the reply as JSON. Whatever is
//! refused is an [`ApiError`]. Handlers keep no state but what is in `State`.
//!
//! Knows only `protocol`: not where the node keeps things, nor how.

mod answer;
mod auth;
mod backend;
mod compress;
pub mod decoders;
mod disposition;
mod error;
mod json;
mod openapi;
mod other;
mod range;
mod router;
mod serve;
mod state;
mod stream;
mod take;
mod v1;
mod view;

use state::State;

pub use backend::{
    Access, Backend, Download, DownloadBody, DownloadPart, Downloaded, FolderFormat, Later,
    PartBody, Said, Tell,
};
pub use error::ApiError;
pub use openapi::description;
pub use serve::{Listener, serve};

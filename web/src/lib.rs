//! The HTTP face of backupmanager: the REST API and the dashboard, for later versions to fill.
//!
//! This version has what every route will answer with when it refuses: the one shape of an error.
//! The daemon does not listen for HTTP yet, and says so when it is told to.
//!
//! Knows only `protocol`: whatever a request asks is a [`protocol::control::Request`], and whatever
//! went wrong a [`protocol::control::Failure`].

mod error;

pub use error::ApiError;

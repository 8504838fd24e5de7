//! The HTTP interface over real sockets, with a node that is made up.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod bounds;
mod changes;
mod docs;
mod document;
mod door;
mod downloads;
mod events;
mod fuzzed;
mod looks;
mod members;
mod metrics;
mod names;
mod notices;
mod openapi;
mod orders;
mod others;
mod packed;
mod restores;
mod slow;
mod stop;
mod support;
mod transcripts;

//! The pure core of backupmanager.
//!
//! Nothing here opens a socket or a file, reads a clock, draws a random number, starts a thread or
//! awaits. The time and the random source are arguments ([`Time`], [`Entropy`]), collections that
//! decide anything are ordered, so that a seed replays a whole mesh.
//!
//! The rooms, from the ground up (imports go downwards only):
//!
//! - words: [`id`], [`time`], [`limits`], [`entropy`], [`cbor`], [`key`];
//! - bytes at rest: [`tar`], [`chunk`], [`seal`], [`object`], [`manifest`], [`contents`],
//!   [`archive`];
//! - what spreads: [`record`], [`membership`], [`catalog`], [`order`];
//! - machines: [`sync`], [`placement`], [`fetch`], [`upload`], [`engine`],
//!   [`news`];
//! - what people ask for: [`schedule`], [`retention`], [`job`], [`control`].
//!
//! FORMAT.md and WIRE.md, beside this crate's manifest, describe every byte, JOBS.md the JSON of a
//! job.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod archive;
pub mod catalog;
pub mod cbor;
pub mod chunk;
pub mod contents;
pub mod control;
pub mod engine;
pub mod entropy;
pub mod fetch;
pub mod id;
pub mod job;
pub mod key;
pub mod limits;
pub mod manifest;
pub mod membership;
pub mod news;
pub mod object;
pub mod order;
pub mod placement;
pub mod record;
pub mod retention;
pub mod schedule;
#[cfg(feature = "schema")]
pub mod schema;
pub mod seal;
pub mod sync;
pub mod tar;
pub mod time;
pub mod upload;

pub use entropy::Entropy;
pub use id::{ArchiveId, ChunkId, JobId, MeshId, NodeId, OrderId, SealedId};
pub use time::Time;

//! Everything of backupmanager that touches the world.
//!
//! `main` parses the command line ([`cli`]) and either talks to a daemon over its Unix socket or
//! becomes one ([`daemon`]). Inside the daemon one driver owns the engine of `protocol` and carries
//! out what it decides: [`net`] speaks libp2p, [`db`] keeps records and state in redb, [`chunks`]
//! keeps sealed objects in packs, [`ingest`] turns a source into an archive, [`replicate`] fetches
//! what other nodes entrusted to this one, [`restore`] puts archives back, [`instances`] calls servers
//! that are no members.
//!
//! What needs the rights of root (reading any directory, restoring owners) sits behind the seam of
//! [`agent`]: in the demo and in tests one process plays both parts.

pub mod agent;
pub mod archive;
pub mod chunks;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod db;
#[doc(hidden)]
pub mod decoders;
pub mod demo;
pub mod ingest;
pub mod instances;
pub mod net;
pub mod replicate;
pub mod restore;
pub mod socket;
pub mod source;
pub mod sys;
pub mod tasks;

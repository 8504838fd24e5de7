//! Whole nodes on real files, as a user has them: daemons of the real binary, asked with commands.
//!
//! They run as root, as the daemon's agent does: owners, capabilities and mounts need it.

mod changes;
mod crash;
mod daemon;
mod damage;
mod databases;
mod disk;
mod http;
mod instances;
mod mesh;
mod notices;
mod orders;
mod prune;
mod restore;
mod retention;
mod schedule;
mod spine;
mod yunohost;

//! What somebody agrees to who has read a plan, as one hash.
//!
//! It names the archive (its origin, id and root: the root stands for every byte), the choice that was
//! made of it (components, patterns, destination), and each *deed*: what a step does with what the
//! archive brings. Two plans with the same consent bring the same things to this machine.
//!
//! Not in it: what the machine is like (what is there already, what would be replaced, room, holders),
//! and how to go about it (`overwrite`, `no_safety`, `trust`, `confirm_commands`). That changes between
//! a plan and its restore without anybody's ill will, or is said again by whoever restores.

use std::{collections::BTreeSet, os::unix::ffi::OsStrExt as _, path::Path};

use protocol::{
    ArchiveId, NodeId, cbor,
    control::{ArchiveRestore, Component, RawPath},
    job::{Command, DumpFormat, Permissions, SystemUser, SystemdService},
    manifest::RootRef,
};
use serde::Serialize;

use super::{
    known::Known,
    step::{Action, Step},
};
use crate::{daemon::handle::archive::hex, tasks::yunohost::Selection};

/// Keeps this hash apart from every other that this program makes.
const CONTEXT: &str = "backupmanager 2026-11 consent to a restore v1";

/// What is agreed to.
#[derive(Serialize)]
struct Agreed<'a> {
    origin: NodeId,
    archive: ArchiveId,
    root: RootRef,
    kind: &'a str,
    source: RawPath,
    destination: RawPath,
    components: &'a BTreeSet<Component>,
    patterns: &'a [String],
    deeds: Vec<Deed<'a>>,
}

/// What a step does with what the archive brings.
#[derive(Serialize)]
enum Deed<'a> {
    MakeUser(&'a SystemUser),
    /// All that the patterns choose.
    Files,
    Permissions(RawPath, &'a Permissions),
    Load {
        database: &'a str,
        into: &'a str,
        format: DumpFormat,
        from: u64,
        to: u64,
    },
    Unit(&'a SystemdService),
    Port(u16, &'a str),
    Command {
        command: &'a Command,
        /// Lines of a job become lines of the archive when the job goes.
        of_job: bool,
    },
    Yunohost(&'a Selection),
}

/// The consent to a plan, in hex.
pub(super) fn of(
    known: &Known,
    request: &ArchiveRestore,
    chosen: &BTreeSet<Component>,
    steps: &[Step],
) -> String {
    let agreed = Agreed {
        origin: known.origin.id,
        archive: known.id,
        root: known.root,
        kind: known.kind.as_str(),
        source: raw(&known.source),
        destination: raw(&known.destination),
        components: chosen,
        patterns: &request.patterns,
        deeds: steps.iter().filter_map(|step| deed(&step.action, known)).collect(),
    };
    hex(&blake3::derive_key(CONTEXT, &cbor::encode(&agreed)))
}

/// None for what only makes room for the archive, or a way back from it.
fn deed<'a>(action: &'a Action, known: &Known) -> Option<Deed<'a>> {
    Some(match action {
        Action::Safety(_) | Action::Tar | Action::RemoveApp(_) => return None,
        Action::MakeUser(user) => Deed::MakeUser(user),
        Action::Files => Deed::Files,
        Action::Permissions(path, set) => Deed::Permissions(raw(path), set),
        Action::Load { dump, into, replace: _ } => Deed::Load {
            database: &dump.database,
            into,
            format: dump.format,
            from: dump.span.from,
            to: dump.span.to,
        },
        Action::Unit(service) => Deed::Unit(service),
        Action::Port(port, protocol) => Deed::Port(*port, protocol),
        Action::Command { command, number: _, count: _ } => {
            Deed::Command { command, of_job: known.commands.of_job }
        }
        Action::Yunohost(what) => Deed::Yunohost(what),
    })
}

fn raw(path: &Path) -> RawPath {
    RawPath(path.as_os_str().as_bytes().to_vec())
}

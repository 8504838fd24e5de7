//! The operating system: accounts, owners, units.
//!
//! What a restored service needs besides its files. Every task is safe to repeat: it looks first,
//! changes only what is different, and answers [`super::Answer::Unchanged`] when nothing was. Names
//! and paths may come from an archive of another node, so each task checks them again itself,
//! whatever its caller checked; and no task follows a symbolic link that somebody else than root
//! could have put there.
//!
//! Limits: accounts are asked for with `getent`, so those of a directory server count too, but only
//! local ones are made. An existing account is never changed.

mod account;
mod look;
mod owners;
mod permissions;
mod place;
#[cfg(test)]
mod tests;
mod unit;
mod user;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{TaskError, TaskIo};

/// What to do with it. All answer `Done`, `Unchanged` or `Partly`, except [`SystemTask::Look`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemTask {
    /// What is there of the things that a restore would make. [`Answer`].
    Look(Wanted),
    /// Make a system account and its group, if it does not exist.
    MakeUser(protocol::job::SystemUser),
    /// Give a tree an owner and its top directory a mode.
    SetPermissions {
        /// The tree.
        path: PathBuf,
        /// Owner and mode.
        permissions: protocol::job::Permissions,
    },
    /// Install a unit file, reload, enable and start it.
    InstallUnit {
        /// Name, and the file as it was restored.
        service: protocol::job::SystemdService,
        /// Where the file lies now.
        file: PathBuf,
    },
}

/// What a restore is going to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// An account.
    pub user: Option<String>,
    /// Owner and group.
    pub owner: Option<String>,
    /// A unit.
    pub unit: Option<String>,
    /// Paths whose existence and free space are asked for.
    pub paths: Vec<PathBuf>,
}

/// Most paths that are looked at in one task.
pub const LOOKED_PATHS_MAX: usize = 100;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The account: its home and shell, as `home:shell`.
    pub user: Option<String>,
    /// Whether owner and group exist.
    pub owner_exists: bool,
    /// Whether the unit is installed.
    pub unit_installed: bool,
    /// Whether systemd runs this machine.
    pub systemd_runs: bool,
    /// Each path that was asked for.
    pub paths: Vec<Found>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Whether anything is.
    pub exists: bool,
    /// Whether it is a directory, or a link to one.
    pub is_directory: bool,
    /// Free bytes of the file system that it is on, or would be.
    pub free_bytes: u64,
}

/// The machine that tasks work on. Tests have one in a folder, with a `systemctl` of their own.
struct Machine {
    /// Where its files begin; `/` but in tests.
    root: PathBuf,
    /// The program that talks to systemd.
    systemctl: &'static str,
}

impl Machine {
    fn this() -> Self {
        Self { root: "/".into(), systemctl: "systemctl" }
    }

    /// Where administrators put units.
    fn units(&self) -> PathBuf {
        self.root.join("etc/systemd/system")
    }

    /// As `sd_booted(3)` asks.
    fn systemd_runs(&self) -> bool {
        self.root.join("run/systemd/system").is_dir()
    }
}

pub(super) fn perform(task: &SystemTask, io: TaskIo<'_>) -> Result<super::Answer, TaskError> {
    let machine = Machine::this();
    match task {
        SystemTask::Look(wanted) => look::look(&machine, wanted, &io).map(super::Answer::System),
        SystemTask::MakeUser(user) => user::make(user, io),
        SystemTask::SetPermissions { path, permissions } => permissions::set(path, permissions, io),
        SystemTask::InstallUnit { service, file } => unit::install(&machine, service, file, io),
    }
}

/// An error of the system, and what was being done.
fn failed<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> TaskError {
    let what = what.into();
    move |error| TaskError::Io { what, source: error.into() }
}

fn invalid(what: impl Into<String>) -> TaskError {
    TaskError::Invalid { what: what.into() }
}

//! What a step does, and what it is called.

use std::path::PathBuf;

use protocol::{
    control::{Component, RestoreStep},
    job::{Command, Permissions, SystemUser, SystemdService},
};

use super::known::Dump;
use crate::tasks::yunohost::Selection;

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// As it is shown.
    pub(super) shown: RestoreStep,
    /// As it is done.
    pub(super) action: Action,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make an archive of what will be replaced.
    Safety(Lost),
    /// Make an account.
    MakeUser(SystemUser),
    /// Write the files.
    Files,
    /// Set owner and mode.
    Permissions(PathBuf, Permissions),
    /// Load a dump into a database.
    Load {
        /// The dump.
        dump: Dump,
        /// The database.
        into: String,
        /// Whether it is there.
        replace: bool,
    },
    /// Install a unit.
    Unit(SystemdService),
    /// Open a port.
    Port(u16, &'static str),
    /// Run a command.
    Command {
        /// It.
        command: Command,
        /// Which it is, from 1: lines can hold passwords, so this is what it is called.
        number: usize,
        /// Of how many.
        count: usize,
    },
    /// Put the plain tar where YunoHost finds it.
    Tar,
    /// Remove an installed app.
    RemoveApp(String),
    /// Let YunoHost restore.
    Yunohost(Selection),
}

/// What a restore would replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// A directory or a file.
    Files(PathBuf),
    /// Databases.
    Databases(Vec<String>),
    /// An app, or parts of the system.
    Yunohost(Selection),
}

impl Step {
    pub(super) fn new(
        component: impl Into<Option<Component>>,
        what: impl Into<String>,
        action: Action,
    ) -> Self {
        let (component, what) = (component.into(), what.into());
        Self { shown: RestoreStep { component, what, detail: Vec::new() }, action }
    }

    pub(super) fn detail(mut self, line: impl Into<String>) -> Self {
        self.shown.detail.push(line.into());
        self
    }
}

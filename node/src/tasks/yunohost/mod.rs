//! The `yunohost` command, driven as it really behaves.
//!
//! - Its standard output is mixed: lines for people first, then the answer, one line of JSON, last.
//!   Lines for people go to the caller as they come. The answers of questions never do: the list of
//!   apps has their secrets in it.
//! - Exit code 0 does not mean that all was done: each *target* (an app, a part of the system) has a
//!   [`TargetState`] in the answer, and only that counts. No answer is no success.
//! - What changes something waits for YunoHost's lock, an hour at most; then it is
//!   [`TaskError::Busy`]: to be tried again later. Questions never wait.
//! - Whatever an argument is made of is checked here again, see `names`; what does not exist is
//!   refused before anything is begun, with the list of what does.
//! - A backup that was stopped or failed half-way leaves a file that YunoHost lists as an archive.
//!   It is removed, see `leftovers`.

mod answer;
mod call;
mod create;
pub(crate) mod decoders;
mod firewall;
mod leftovers;
mod lists;
mod names;
mod restore;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::call::Talk;
use super::{TaskError, TaskIo};

/// How long it waits for another operation of YunoHost to end, seconds.
pub const LOCK_SECONDS: u32 = 3_600;

/// Where YunoHost keeps its archives.
pub const ARCHIVES: &str = "/home/yunohost.backup/archives";

/// What to ask of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum YunohostTask {
    /// Its version; [`TaskError::Missing`] where there is no YunoHost. [`Answer::Version`].
    Version,
    /// The installed apps. [`Answer::Apps`].
    Apps,
    /// The parts of the system that can be backed up. [`Answer::Parts`].
    Parts,
    /// Make an archive in the archives folder. [`Answer::Created`].
    Create {
        /// Its name.
        name: String,
        /// What it says of itself.
        description: String,
        /// What is in it.
        what: Selection,
        /// Leave out what the app's packager calls data.
        core_only: bool,
    },
    /// Put an archive of the archives folder back. [`Answer::Restored`]. An app that is installed is
    /// [`TaskError::Conflict`]: it has to be removed first.
    Restore {
        /// Its name.
        name: String,
        /// What of it.
        what: Selection,
    },
    /// Remove an app. [`Answer::Done`]. What it declared as its data directory stays, as it does when
    /// an administrator removes an app without `--purge`.
    RemoveApp {
        /// Its id.
        app: String,
    },
    /// Open a port in the firewall. [`Answer::Done`], or [`Answer::Unchanged`] when it is open.
    OpenPort {
        /// The port.
        port: u16,
        /// `tcp` or `udp`.
        protocol: String,
        /// Why it is open, for the webadmin.
        comment: String,
    },
}

/// What of the machine an archive is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// One app.
    App(String),
    /// These parts of the system; all of them when none is named.
    System(Vec<String>),
}

/// An installed app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it can be backed up; true where the command does not say.
    pub can_back_up: bool,
}

/// How one target of an archive fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetState {
    /// As asked.
    Success,
    /// With something to read.
    Warning,
    /// Not done.
    Error,
    /// Left out.
    Skipped,
    /// It did not say.
    Unknown,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// It was so already.
    Unchanged,
    /// The version: `12.1.25`.
    Version(String),
    /// The apps, by id.
    Apps(Vec<App>),
    /// The parts, by name.
    Parts(Vec<String>),
    /// The archive is in the folder.
    Created {
        /// Bytes, as YunoHost counts them.
        bytes: u64,
        /// Each target.
        targets: BTreeMap<String, TargetState>,
    },
    /// The archive was put back, as far as the targets say.
    Restored {
        /// Each target.
        targets: BTreeMap<String, TargetState>,
    },
}

/// Where YunoHost writes who is at work.
pub const LOCK: &str = "/run/moulinette_yunohost.lock";

/// The command, and the folder it keeps archives in.
#[derive(Clone, Debug)]
pub struct Yunohost {
    program: String,
    archives: PathBuf,
    lock: PathBuf,
}

impl Default for Yunohost {
    fn default() -> Self {
        Self::with_archives(Path::new(ARCHIVES))
    }
}

impl Yunohost {
    /// The command that is installed, where archives lie in this folder.
    #[must_use]
    pub fn with_archives(archives: &Path) -> Self {
        let (archives, lock) = (archives.to_owned(), PathBuf::from(LOCK));
        Self { program: "yunohost".to_owned(), archives, lock }
    }

    /// Another program in its place.
    #[must_use]
    pub fn program(self, program: impl Into<String>) -> Self {
        Self { program: program.into(), ..self }
    }

    /// Another lock file in place of YunoHost's.
    #[must_use]
    pub fn lock(self, lock: impl Into<PathBuf>) -> Self {
        Self { lock: lock.into(), ..self }
    }

    /// Does what is asked of it.
    ///
    /// # Errors
    /// When it cannot be done, was stopped, or took too long.
    pub fn perform(&self, task: &YunohostTask, io: TaskIo<'_>) -> Result<Answer, TaskError> {
        let talk = Talk::new(io);
        match task {
            YunohostTask::Version => self.version(&talk).map(Answer::Version),
            YunohostTask::Apps => self.apps(&talk).map(Answer::Apps),
            YunohostTask::Parts => self.parts(&talk).map(Answer::Parts),
            YunohostTask::Create { name, description, what, core_only } => {
                self.create(name, description, what, *core_only, &talk)
            }
            YunohostTask::Restore { name, what } => self.restore(name, what, &talk),
            YunohostTask::RemoveApp { app } => self.remove_app(app, &talk),
            YunohostTask::OpenPort { port, protocol, comment } => {
                self.open_port(*port, protocol, comment, &talk)
            }
        }
    }
}

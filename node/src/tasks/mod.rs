//! Tasks: what programs do that need the rights of root, and that no library does.
//!
//! A [`Task`] is one typed piece of work: an action of the `yunohost` command, a dump, an account to
//! make, a command that an administrator wrote into a job. It is a plain value and crosses the agent's
//! socket as one, so the daemon never hands a command line to root. Whoever performs it builds the
//! arguments, checks every name again, and starts the programs without a shell ([`Task::Command`]
//! excepted, which is a shell line by its nature).
//!
//! While it runs a task may take bytes in (a dump to load), give bytes out (a dump that is made) and
//! say lines; it ends with an [`Answer`] or a [`TaskError`]. Programs run in a process group of their
//! own with a small fixed environment (English messages, no variables of the daemon), are stopped when
//! the caller wants no more, and never find a secret among their arguments.

pub mod command;
pub mod database;
mod perform;
pub mod process;
pub mod system;
pub mod yunohost;

use std::{
    error::Error,
    io::{self, Read, Write},
};

pub use perform::perform;
use protocol::job::Command;
use serde::{Deserialize, Serialize};

use self::{database::DatabaseTask, system::SystemTask, yunohost::YunohostTask};

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// A shell line of a job. Answers [`Answer::Done`]; fails when it ends with another code than 0.
    Command(Command),
    /// The `yunohost` command.
    Yunohost(YunohostTask),
    /// A database server.
    Database(DatabaseTask),
    /// The operating system: accounts, units, owners.
    System(SystemTask),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done, and something is different now.
    Done,
    /// It was so already.
    Unchanged,
    /// It is done as far as it could be; the lines say what is missing.
    Partly(Vec<String>),
    /// An answer of the `yunohost` command.
    Yunohost(yunohost::Answer),
    /// An answer about a database server.
    Database(database::Answer),
    /// An answer about the operating system.
    System(system::Answer),
}

/// A line that a program said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whether it came on the channel for errors.
    pub is_error: bool,
    /// The line, without its break, cut to a readable length, what is not UTF-8 replaced.
    pub text: String,
}

/// What a running task is connected to.
pub struct TaskIo<'a> {
    /// What it reads, for tasks that load something.
    pub input: Option<&'a mut (dyn Read + Send)>,
    /// What it writes, for tasks that produce something.
    pub output: Option<&'a mut (dyn Write + Send)>,
    /// What its programs say.
    pub line: &'a mut (dyn FnMut(Line) + Send),
    /// Whether the caller wants no more; asked a few times a second.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A task that was not done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The program is not installed.
    #[error("{program} is not installed here")]
    Missing {
        /// Which.
        program: String,
    },
    /// The program could not be started, or talked to.
    #[error("cannot run {program}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// Which.
        program: String,
        /// How it ended: `exit code 2`, `signal 9`.
        status: String,
        /// The last of what it said on its error channel.
        said: String,
    },
    /// It took too long and was stopped.
    #[error("{program} took longer than {seconds} s and was stopped")]
    TimedOut {
        /// Which.
        program: String,
        /// Its limit.
        seconds: u64,
    },
    /// It was stopped and killed, and is still there: it hangs in the kernel.
    #[error(
        "{program} was killed and does not end: process {pid} hangs in the system, and may go on; \
         wait until it is gone, or restart the machine, before this is done again"
    )]
    Stuck {
        /// Which.
        program: String,
        /// Its number.
        pid: u32,
    },
    /// The caller wanted no more.
    #[error("it was stopped")]
    Cancelled,
    /// The bytes it was to load did not come, or those it made were not taken.
    #[error("the data could not be passed on")]
    Data(#[source] io::Error),
    /// What is named does not exist; the message says what there is.
    #[error("{what}")]
    NotFound {
        /// The message.
        what: String,
    },
    /// No database server answers.
    #[error("{what}")]
    NoServer {
        /// The message.
        what: String,
    },
    /// It exists, or its state does not allow it.
    #[error("{what}")]
    Conflict {
        /// The message.
        what: String,
    },
    /// Somebody else is at it: YunoHost's lock.
    #[error("{what}")]
    Busy {
        /// The message.
        what: String,
    },
    /// Names or values that no such task has.
    #[error("{what}")]
    Invalid {
        /// The message.
        what: String,
    },
    /// The program said something that cannot be understood.
    #[error("cannot make sense of what {program} said: {why}")]
    Nonsense {
        /// Which.
        program: String,
        /// What is wrong.
        why: String,
    },
    /// The system did not allow a step.
    #[error("cannot {what}")]
    Io {
        /// The step.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl TaskError {
    /// The first error of the system among the causes, where there is one.
    #[must_use]
    pub fn io(&self) -> Option<&io::Error> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref() {
                return Some(io);
            }
            cause = error.source();
        }
        None
    }
}

//! Starting programs: one place for the environment, pipes, limits and the end of every program.
//!
//! A [`Program`] is found in this process's `PATH` and started without a shell, in `/`, with an
//! environment of a few fixed variables and a process group of its own. One loop on the caller's
//! thread (`pump`) moves its bytes and lines and looks ten times a second whether it has to stop;
//! there are no threads to leave behind. Stopping is `SIGTERM` to the group, then `SIGKILL`. Its
//! standard input stays open until it is dead, so that input which breaks off, or is not wanted any
//! more, never looks like input that ended well.
//!
//! Limits: reading the caller's input and writing the caller's output may block for as long as they
//! like; cancellation and the time limit are looked at in between. Another user's rights are taken by
//! `setpriv` of util-linux, since the standard library cannot set supplementary groups.

mod account;
pub(crate) mod decoders;
mod lines;
mod pump;
mod running;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use self::{account::Account, lines::Secrets, pump::Pump, running::Running};
use super::{TaskError, TaskIo};

/// How long a program may take when nothing is said.
pub const LIMIT: Duration = Duration::from_secs(3_600);

/// How long a program may take to end by itself once it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Where programs are when this process was not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many of the last lines an error repeats.
const SAID_LINES: usize = 5;

/// The longest that an error repeats, bytes.
const SAID_BYTES_MAX: usize = 2_000;

/// A program to start.
#[derive(Clone)]
pub struct Program {
    name: String,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    user: Option<String>,
    limit: Duration,
    grace: Duration,
    secrets: Secrets,
}

/// How a program ended, and the last it said. Secrets are blacked out in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; when a signal ended it, the signal's number, negative.
    pub code: i32,
    /// The last lines of its standard output, when no output was given to write it to.
    pub stdout: Vec<String>,
    /// The last lines of its standard error.
    pub stderr: Vec<String>,
}

impl Program {
    /// A program by name, which is looked up in `PATH`, or by path.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            limit: LIMIT,
            grace: GRACE,
            secrets: Secrets::default(),
        }
    }

    /// Adds an argument. Other users of the machine can see it: never a secret.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable, besides the fixed ones or in place of one.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Runs it as a user of this machine: its id, its groups, its home.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long it may take to end once it is asked to.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// A value that is replaced by `***` in all lines and errors. An empty one hides nothing.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.add(&secret.into());
        self
    }

    /// Runs it to its end: input to its standard input, its standard output to the output (to the
    /// lines when there is none), its standard error to the lines. Any exit code is a result;
    /// [`Ended::success`] makes an error of those that are one.
    ///
    /// # Errors
    /// When it cannot be started, was stopped, took too long, or its data could not be passed on.
    pub fn run(self, io: TaskIo<'_>) -> Result<Ended, TaskError> {
        if (io.cancelled)() {
            return Err(TaskError::Cancelled);
        }
        let mut command = self.command()?;
        let stdin = if io.input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = command.spawn().map_err(|source| self.cannot_start(source))?;
        Pump::new(self, Running::new(started), io)?.run()
    }

    /// All but the pipes.
    fn command(&self) -> Result<Command, TaskError> {
        let search = env::var_os("PATH").unwrap_or_else(|| PATH.into());
        let program = find(&self.name, &search)?;
        let own_id = rustix::process::geteuid().as_raw();
        let account = match &self.user {
            Some(user) => Account::by_name(user)?,
            None => Account::by_id(own_id),
        };
        let mut command = if account.id == own_id {
            Command::new(program)
        } else {
            if own_id != 0 {
                return Err(self.cannot_start(io::ErrorKind::PermissionDenied.into()));
            }
            let mut command = Command::new(find("setpriv", &search)?);
            command
                .arg(format!("--reuid={}", account.id))
                .arg(format!("--regid={}", account.group))
                .args(["--init-groups", "--"])
                .arg(program);
            command
        };
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", search)
            .envs([("LC_ALL", "C.UTF-8"), ("LANG", "C.UTF-8")])
            .envs([("USER", &account.name), ("LOGNAME", &account.name), ("HOME", &account.home)])
            .envs(&self.env)
            .current_dir("/")
            .process_group(0);
        Ok(command)
    }

    fn cannot_start(&self, source: io::Error) -> TaskError {
        TaskError::Start { program: self.name.clone(), source }
    }
}

/// The ids of a user of this machine, and of its group.
pub(super) fn ids(user: &str) -> Result<(u32, u32), TaskError> {
    Account::by_name(user).map(|account| (account.id, account.group))
}

/// The file of a program.
fn find(name: &str, search: &OsStr) -> Result<PathBuf, TaskError> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0)
    };
    let found = if name.contains('/') {
        Some(Path::new(name).to_owned()).filter(is_program)
    } else {
        env::split_paths(search)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(is_program)
    };
    found.ok_or_else(|| TaskError::Missing { program: name.to_owned() })
}

impl Ended {
    /// Itself, when the exit code is 0.
    ///
    /// # Errors
    /// [`TaskError::Failed`] with the last lines it said, when the code is another.
    pub fn success(self, program: &str) -> Result<Self, TaskError> {
        if self.code == 0 {
            return Ok(self);
        }
        let status = match self.code {
            code @ 1.. => format!("exit code {code}"),
            signal => format!("signal {}", signal.unsigned_abs()),
        };
        Err(TaskError::Failed { program: program.to_owned(), status, said: self.said() })
    }

    /// The last lines that are not empty, of the error channel if there are any.
    fn said(&self) -> String {
        let filled = |lines: &[String]| {
            let filled = lines.iter().filter(|line| !line.trim().is_empty());
            let mut last: Vec<_> = filled.rev().take(SAID_LINES).map(|line| line.trim()).collect();
            last.reverse();
            last.join("; ")
        };
        let said = Some(filled(&self.stderr)).filter(|said| !said.is_empty());
        let said = said.unwrap_or_else(|| filled(&self.stdout));
        if said.is_empty() {
            return "it said nothing".to_owned();
        }
        lines::cut(said, SAID_BYTES_MAX)
    }
}

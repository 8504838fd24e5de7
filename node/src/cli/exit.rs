//! How a command ends: its exit code, and what it says when it did not do what was asked.

use std::{fmt, io, process::ExitCode};

use protocol::control::{Failure, FailureCode, Outcome};

use crate::{config::ConfigError, socket::ClientError};

/// The exit codes, a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Done = 0,
    /// Not done, or the answer is bad.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Done, and something was left out.
    Warnings = 3,
    /// No daemon answers.
    Unreachable = 10,
    /// Something else is at work; trying again later may help.
    Busy = 11,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Warnings => Self::Warnings,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// Why a command stopped early.
#[derive(Debug)]
pub enum Stop {
    /// The command line, or a file it names, makes no sense.
    Usage(Failure),
    /// The daemon could not be asked.
    Client(ClientError),
    /// The daemon said no.
    Failure(Failure),
    /// The command was interrupted, and the daemon has answered that it stopped.
    Interrupted(Option<Failure>),
    /// A program of this one (daemon, agent, demo) ended badly.
    Program(anyhow::Error),
    /// What reads our output has gone, as `head` does: nothing is wrong.
    OutputClosed,
    /// Output could not be written.
    Output(io::Error),
}

impl Stop {
    /// A command line that makes no sense.
    pub(super) fn usage(what: impl Into<String>, why: impl fmt::Display, hint: &str) -> Self {
        Self::Usage(Failure::new(FailureCode::Invalid, what, why).hint(hint))
    }

    /// The same for an error with all that caused it.
    pub(super) fn refused(
        what: impl Into<String>,
        error: &dyn std::error::Error,
        hint: &str,
    ) -> Self {
        Self::Usage(Failure::caused(FailureCode::Invalid, what, error).hint(hint))
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Client(ClientError::Lost { .. }) | Self::Output(_) => Exit::Failed,
            Self::Client(_) => Exit::Unreachable,
            Self::Failure(failure) => exit_of(failure),
            Self::Program(error) => error.downcast_ref().map_or(Exit::Failed, exit_of),
            Self::Interrupted(_) => Exit::Interrupted,
            Self::OutputClosed => Exit::Done,
        }
    }

    /// The same as a failure, for `--json` and for the text; none when there is nothing to say.
    pub(super) fn failure(&self) -> Option<Failure> {
        let failed = |what: &str, error: &dyn std::error::Error| {
            Failure::caused(FailureCode::Internal, what, error)
        };
        match self {
            Self::Usage(failure) | Self::Failure(failure) => Some(failure.clone()),
            Self::Interrupted(failure) => {
                failure.clone().filter(|f| f.code != FailureCode::Cancelled)
            }
            Self::Client(error) => Some(unreachable(error)),
            Self::Program(error) => Some(program(error)),
            Self::OutputClosed => None,
            Self::Output(error) => Some(failed("cannot write the output", error)),
        }
    }
}

fn exit_of(failure: &Failure) -> Exit {
    if failure.code == FailureCode::Busy { Exit::Busy } else { Exit::Failed }
}

fn program(error: &anyhow::Error) -> Failure {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.clone(),
        None => {
            let mut causes = error.chain().map(ToString::to_string);
            let what = causes.next().unwrap_or_default();
            let why = causes.collect::<Vec<_>>().join(": ");
            Failure::new(FailureCode::Internal, what, why)
        }
    }
}

fn unreachable(error: &ClientError) -> Failure {
    let failure = Failure::caused(FailureCode::Unreachable, "cannot ask the daemon", error);
    let kind = match error {
        ClientError::Unreachable { source, .. } => Some(source.kind()),
        ClientError::Address(_) | ClientError::Lost { .. } => None,
    };
    let hint = match kind {
        Some(io::ErrorKind::PermissionDenied) => {
            "run the command as root or as the user of the daemon"
        }
        Some(_) => {
            "start it with `backupmanager serve --data DIR`, or name its folder with --data DIR"
        }
        None => "look into the daemon's log, start it again if needed, then repeat the command",
    };
    failure.hint(hint)
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        let hint = "the keys are: data, name, listen, http, archives, socket, agent, instance_url, \
                    parallel_runs, plain_instances";
        Self::Usage(Failure::caused(FailureCode::Invalid, "cannot start", &error).hint(hint))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Output(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_tells_its_causes_and_keeps_its_failure() {
        let error = anyhow::anyhow!("the disk is full").context("cannot start");
        let stop = Stop::Program(error);
        assert_eq!(stop.failure().unwrap().to_string(), "cannot start: the disk is full");
        assert_eq!(stop.exit(), Exit::Failed);
        let busy = Failure::new(FailureCode::Busy, "cannot start", "another daemon runs").hint("x");
        let stop = Stop::Program(busy.clone().into());
        assert_eq!((stop.failure(), stop.exit()), (Some(busy), Exit::Busy));
    }
}

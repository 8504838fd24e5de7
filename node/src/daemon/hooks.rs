//! The commands of a job: before its source is read, and after its run.
//!
//! They go through the agent, one after the other, each with its own user, variables and time limit.
//! A `before` command that fails stops the run, and those behind it do not start. An `after` command
//! that fails is a warning, and those behind it run all the same: what was stopped for a backup has to
//! be started again. For the same reason they run after a run that was cancelled, too.
//!
//! What they say goes into the run's transcript, a bounded number of lines each. The command line
//! itself does not, since passwords are written into such lines: commands are named by their number.

use protocol::{
    control::{Failure, FailureCode, RunState},
    job::{Command, Job},
};

use super::node::Node;
use crate::{
    agent::{Agent, AgentError, FailureKind},
    socket::{Cancel, EventSink},
    tasks::{Line, Task, TaskIo, command::OWN_VARIABLES},
};

/// How many lines of one command are told; transcripts are bounded, and others have something to say.
const LINES_MAX: usize = 300;

/// How a run ended, for the commands after it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// How it stands.
    pub state: RunState,
    /// The archive that it made.
    pub archive: Option<&'a str>,
}

impl Outcome<'_> {
    fn word(&self) -> &'static str {
        match self.state {
            RunState::Success => "success",
            RunState::Warnings => "warnings",
            RunState::Cancelled => "cancelled",
            RunState::Queued | RunState::Running | RunState::Failed | RunState::Interrupted => {
                "failed"
            }
        }
    }
}

/// Runs the commands that come before a run.
///
/// # Errors
/// When one fails or somebody stops it; those behind it did not start then.
pub fn run_before(node: &Node, run: u64, job: &Job, events: &EventSink) -> Result<(), Failure> {
    let tell = teller(node, run, events);
    hooks(node, run, job, events, &tell).before()
}

/// Runs the commands that come after a run, also when it failed or was stopped. Answers what went
/// wrong with them.
#[must_use]
pub fn run_after(
    node: &Node,
    run: u64,
    job: &Job,
    events: &EventSink,
    outcome: Outcome<'_>,
) -> Vec<String> {
    let tell = teller(node, run, events);
    hooks(node, run, job, events, &tell).after(outcome)
}

fn teller(node: &Node, run: u64, events: &EventSink) -> impl Fn(String) + Sync {
    move |text| {
        node.runs.line(run, text.clone());
        events.line(text);
    }
}

fn hooks<'a>(
    node: &'a Node,
    run: u64,
    job: &'a Job,
    events: &'a EventSink,
    tell: &'a (dyn Fn(String) + Sync),
) -> Hooks<'a> {
    Hooks { agent: node.agent.as_ref(), run, job, cancel: events.cancel(), tell }
}

/// The commands of one run.
struct Hooks<'a> {
    agent: &'a dyn Agent,
    run: u64,
    job: &'a Job,
    cancel: &'a Cancel,
    tell: &'a (dyn Fn(String) + Sync),
}

impl Hooks<'_> {
    fn before(&self) -> Result<(), Failure> {
        let commands = &self.job.spec.before;
        for (at, command) in commands.iter().enumerate() {
            let which = format!("before command {} of {}", at + 1, commands.len());
            let result = self.one(&which, command, None, &|| self.cancel.is_set());
            result.map_err(|error| self.failed(&which, &error))?;
        }
        Ok(())
    }

    fn after(&self, outcome: Outcome<'_>) -> Vec<String> {
        let commands = &self.job.spec.after;
        let mut warnings = Vec::new();
        for (at, command) in commands.iter().enumerate() {
            let which = format!("after command {} of {}", at + 1, commands.len());
            // Who stopped the run, or the command before, did not stop this one.
            let was_set = self.cancel.is_set();
            let cancelled = || !was_set && self.cancel.is_set();
            if let Err(error) = self.one(&which, command, Some(outcome), &cancelled) {
                let failure = Failure::caused(FailureCode::Internal, &which, &error);
                warnings.push(format!("{}: {}", failure.what, failure.why));
            }
        }
        warnings
    }

    fn one(
        &self,
        which: &str,
        command: &Command,
        outcome: Option<Outcome<'_>>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), AgentError> {
        let whose = command.user.as_ref().map(|user| format!("as {user}, ")).unwrap_or_default();
        (self.tell)(format!("{which} ({whose}at most {} s)", command.timeout_s));
        let mut told = 0;
        let mut line = |said: Line| {
            told += 1;
            if told <= LINES_MAX {
                (self.tell)(said.text);
            }
        };
        let task = Task::Command(self.with_variables(command, outcome));
        let io = TaskIo { input: None, output: None, line: &mut line, cancelled };
        let result = self.agent.perform(&task, io);
        if told > LINES_MAX {
            (self.tell)(format!("({} more lines of {which} are left out)", told - LINES_MAX));
        }
        result.map(|_| ())
    }

    fn with_variables(&self, command: &Command, outcome: Option<Outcome<'_>>) -> Command {
        let [job, run, state, archive] = OWN_VARIABLES;
        let mut command = command.clone();
        let mut set = |name: &str, value: String| command.env.insert(name.to_owned(), value);
        set(job, self.job.spec.name.to_string());
        set(run, self.run.to_string());
        if let Some(outcome) = outcome {
            set(state, outcome.word().to_owned());
            set(archive, outcome.archive.unwrap_or_default().to_owned());
        }
        command
    }

    fn failed(&self, which: &str, error: &AgentError) -> Failure {
        let what = format!("cannot run {}", self.job.spec.name);
        let code = match error.kind() {
            FailureKind::Cancelled => {
                return Failure::new(FailureCode::Cancelled, what, "somebody stopped it");
            }
            FailureKind::NotFound | FailureKind::Invalid => FailureCode::Invalid,
            FailureKind::DiskFull => FailureCode::NoSpace,
            FailureKind::Busy => FailureCode::Busy,
            FailureKind::Unreachable | FailureKind::NoServer => FailureCode::Unreachable,
            FailureKind::Denied
            | FailureKind::Exists
            | FailureKind::Missing
            | FailureKind::Other => FailureCode::Internal,
        };
        let cause = Failure::caused(code, what, error);
        Failure { why: format!("{which}: {}", cause.why), ..cause }
            .hint("nothing was read; the run's transcript has what the command said")
    }
}

#[cfg(test)]
mod tests;

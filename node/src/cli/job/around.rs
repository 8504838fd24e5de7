//! Commands that run before and after a job.

use clap::Args;
use protocol::job::{Command, JobSpec};

use super::super::{Stop, value};

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Commands around a run")]
pub(super) struct Around {
    /// Run this for the shell first, several times for several; one that fails stops the run,
    /// and those of --after run all the same
    #[arg(long, value_name = "COMMAND")]
    before: Vec<String>,
    /// Run this afterwards, whether the archive was made or not; one that fails is a warning
    #[arg(long, value_name = "COMMAND")]
    after: Vec<String>,
    /// The user that the commands named here run as; when editing without any, all of the job
    /// [default: root]
    #[arg(long, value_name = "USER")]
    command_user: Option<String>,
    /// How long each of them may take, at most 24h [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = value::seconds)]
    command_timeout: Option<u32>,
    /// A variable that they find, several times for several; NAME alone takes the value that it has
    /// here, so that a secret does not show in the list of processes
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = value::variable)]
    command_env: Vec<(String, String)>,
}

impl Around {
    pub(super) fn apply(mut self, spec: &mut JobSpec) -> Result<(), Stop> {
        let (before, after) = (std::mem::take(&mut self.before), std::mem::take(&mut self.after));
        let named = !before.is_empty() || !after.is_empty();
        if !named && self != Self::default() {
            if spec.before.is_empty() && spec.after.is_empty() {
                let why = "a user, a time limit or a variable is named, and the job has no command";
                let hint = "name the command too, with --before or --after";
                return Err(Stop::usage("cannot set the commands", why, hint));
            }
            spec.before.iter_mut().chain(&mut spec.after).for_each(|known| self.set(known));
        }
        spec.before.extend(before.into_iter().map(|line| self.command(line)));
        spec.after.extend(after.into_iter().map(|line| self.command(line)));
        Ok(())
    }

    fn command(&self, line: String) -> Command {
        let mut command = Command::new(line);
        self.set(&mut command);
        command
    }

    fn set(&self, command: &mut Command) {
        if let Some(user) = &self.command_user {
            command.user = Some(user.clone());
        }
        command.timeout_s = self.command_timeout.unwrap_or(command.timeout_s);
        command.env.extend(self.command_env.iter().cloned());
    }
}

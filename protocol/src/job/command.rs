//! Commands that run before and after a job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    JobError, RESTORE_COMMAND_BYTES_MAX,
    check::{account, count, refuse, text},
};

/// Most commands before or after a run.
pub const COMMANDS_MAX: usize = 20;

/// Most variables of one command.
pub(crate) const ENV_MAX: usize = 100;

/// How long a command may take, seconds, when nothing is said.
pub const COMMAND_SECONDS: u32 = 600;

/// The longest that can be asked for: a day.
pub const COMMAND_SECONDS_MAX: u32 = 86_400;

/// A line for the shell, written by an administrator of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// What `sh -c` gets.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::TEXT), length(max = RESTORE_COMMAND_BYTES_MAX)))]
    pub run: String,
    /// The user it runs as; the agent's (root) without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ACCOUNT)))]
    pub user: Option<String>,
    /// Variables it finds, besides a small fixed set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::variables))]
    pub env: BTreeMap<String, String>,
    /// After so many seconds it is stopped, and has failed.
    #[serde(default = "default_seconds")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = COMMAND_SECONDS_MAX)))]
    pub timeout_s: u32,
}

fn default_seconds() -> u32 {
    COMMAND_SECONDS
}

impl Command {
    /// A line with the usual limits.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into(), user: None, env: BTreeMap::new(), timeout_s: COMMAND_SECONDS }
    }

    pub(super) fn validate(&self) -> Result<(), JobError> {
        text("command", &self.run, RESTORE_COMMAND_BYTES_MAX)?;
        self.user.as_ref().map_or(Ok(()), |user| account("command.user", user))?;
        count("command.env", self.env.len(), ENV_MAX)?;
        for (name, value) in &self.env {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.len() > 100 || !name.chars().all(inner) {
                return refuse("command.env", name, "is no name of a variable");
            }
            if value.len() > RESTORE_COMMAND_BYTES_MAX || value.contains('\0') {
                return refuse(
                    "command.env",
                    name,
                    "has a value that is too long or has a zero byte",
                );
            }
        }
        if (1..=COMMAND_SECONDS_MAX).contains(&self.timeout_s) {
            Ok(())
        } else {
            refuse("timeout_s", &self.timeout_s.to_string(), "must be between 1 and 86400")
        }
    }
}

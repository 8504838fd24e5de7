//! What to back up and how its archives are kept: a job, as it is asked for and as it is stored.
//!
//! The JSON keys of a job's configuration are those of the first program this one replaces
//! (`source_path`, `excludes`, `restore` …), so that its jobs can be taken over as they are. Keys
//! that this version does not know are refused, never dropped: a node that cannot do all that a job
//! says must say so. Everything is checked by [`JobSpec::validate`] before a job is stored; reading
//! the JSON alone checks shapes and names only.

mod check;
mod command;
mod custom_dir;
mod database;
mod name;
mod ynh;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
pub(crate) use command::ENV_MAX;
pub use command::{COMMAND_SECONDS, COMMAND_SECONDS_MAX, COMMANDS_MAX, Command};
pub use custom_dir::{
    CustomDir, EXCLUDE_BYTES_MAX, EXCLUDES_MAX, FIREWALL_PORTS_MAX, FirewallPort, Permissions,
    PortProtocol, RESTORE_COMMAND_BYTES_MAX, RESTORE_COMMANDS_MAX, RestoreBlock, SystemUser,
    SystemdService,
};
pub use database::{DATABASES_MAX, Databases, DumpFormat};
pub use name::{Name, NameError};
pub use ynh::{PARTS_MAX, YnhApp, YnhSystem};

use crate::{
    JobId, Time,
    retention::{Retention, RetentionError},
    schedule::{Schedule, ScheduleError},
};

/// The longest path a job may name, bytes: Linux's `PATH_MAX` without its zero.
pub const PATH_BYTES_MAX: usize = 4_095;

/// Most copies of one archive. More nodes than that is a mistake in the number, not a wish.
pub const COPIES_MAX: u8 = 20;

/// Most nodes that a job may name as holders.
pub const HOLDERS_NAMED_MAX: usize = 50;

/// The zstd levels that a job may ask for. Above 19 a worker needs hundreds of megabytes.
pub const LEVELS: std::ops::RangeInclusive<i8> = 1..=19;

/// Most plain tars that a job may keep beside its archives.
pub const KEEP_TAR_MAX: u16 = 1_000;

/// What a job backs up, by kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum JobConfig {
    /// One app of `YunoHost`.
    YnhApp(YnhApp),
    /// Parts of the `YunoHost` system.
    YnhSystem(YnhSystem),
    /// Any directory or single file of the machine.
    CustomDir(CustomDir),
    /// Databases of a `MySQL` or MariaDB server.
    Mysql(Databases),
    /// Databases of a PostgreSQL server.
    Postgresql(Databases),
}

impl JobConfig {
    /// The kind as it is written in JSON and on the command line.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::YnhApp(_) => "ynh_app",
            Self::YnhSystem(_) => "ynh_system",
            Self::CustomDir(_) => "custom_dir",
            Self::Mysql(_) => "mysql",
            Self::Postgresql(_) => "postgresql",
        }
    }

    /// What is backed up, as 000 calls it in the names of archives: the app, `system`,
    /// `mysql_mabase`. None where the job's own name is the better one.
    #[must_use]
    pub fn archive_stem(&self) -> Option<String> {
        match self {
            Self::YnhApp(app) => Some(app.app_id.clone()),
            Self::YnhSystem(system) => system.parts.is_empty().then(|| "system".to_owned()),
            Self::CustomDir(_) => None,
            Self::Mysql(databases) | Self::Postgresql(databases) => {
                let named = databases.named();
                let one = named.first().filter(|_| named.len() == 1);
                one.map(|name| format!("{}_{name}", self.kind()))
            }
        }
    }

    /// What is backed up, for people: a path, an app, databases.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::YnhApp(app) => app.app_id.clone(),
            Self::YnhSystem(system) if system.parts.is_empty() => "the system".to_owned(),
            Self::YnhSystem(system) => system.parts.join(", "),
            Self::CustomDir(dir) => dir.source_path.clone(),
            Self::Mysql(databases) | Self::Postgresql(databases) if databases.all => {
                "all databases".to_owned()
            }
            Self::Mysql(databases) | Self::Postgresql(databases) => {
                databases.named().into_iter().collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn validate(&self) -> Result<(), JobError> {
        match self {
            Self::YnhApp(app) => app.validate(),
            Self::YnhSystem(system) => system.validate(),
            Self::CustomDir(dir) => dir.validate(),
            Self::Mysql(databases) | Self::Postgresql(databases) => databases.validate(),
        }
    }
}

/// Which nodes hold the copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Holders {
    /// The placement chooses among all members that have room.
    #[default]
    Any,
    /// These nodes and no others, by name.
    Named(
        #[cfg_attr(feature = "schema", schemars(length(min = 1, max = HOLDERS_NAMED_MAX)))]
        BTreeSet<Name>,
    ),
}

/// How a job's chunks are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// Encrypted with the cipher that this machine is fastest at.
    #[default]
    Auto,
    /// Compressed only. Whoever holds a copy can read it.
    None,
}

/// A job as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Unique among the jobs of its node.
    pub name: Name,
    /// What is backed up.
    pub config: JobConfig,
    /// How many copies on other nodes, besides the origin's own.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(max = COPIES_MAX)))]
    pub copies: u8,
    /// Where the copies lie.
    #[serde(default)]
    pub on: Holders,
    /// Whether chunks are encrypted.
    #[serde(default)]
    pub seal: Seal,
    /// zstd level.
    #[serde(default = "default_level")]
    #[cfg_attr(feature = "schema", schemars(range(min = *LEVELS.start(), max = *LEVELS.end())))]
    pub level: i8,
    /// How many plain tars of the newest archives are kept in the archives folder. When nothing is
    /// said: the newest where `YunoHost` runs, none elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = KEEP_TAR_MAX)))]
    pub keep_tar: Option<u16>,
    /// When it runs by itself; without one, only when somebody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Which of its archives stay.
    #[serde(default)]
    pub retention: Retention,
    /// Run before anything is read, in order. One that fails stops the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = COMMANDS_MAX)))]
    pub before: Vec<Command>,
    /// Run after the archive is made, or could not be made, or a command before failed. One that
    /// fails is a warning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = COMMANDS_MAX)))]
    pub after: Vec<Command>,
    /// A disabled job runs only when somebody asks.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
}

/// Level 1 costs two seconds of CPU per GiB of text; each step above gains a few per cent.
fn default_level() -> i8 {
    1
}

fn default_enabled() -> bool {
    true
}

/// What stands for the value of a variable that may not be seen.
const HIDDEN: &str = "…";

impl JobSpec {
    /// A job with the policy that holds when nothing is said of it.
    #[must_use]
    pub fn new(name: Name, config: JobConfig) -> Self {
        Self {
            name,
            config,
            copies: 0,
            on: Holders::Any,
            seal: Seal::Auto,
            level: default_level(),
            keep_tar: None,
            schedule: None,
            retention: Retention::All,
            before: Vec::new(),
            after: Vec::new(),
            enabled: default_enabled(),
        }
    }

    /// Puts a mark in place of the values of its commands' variables, for who may not know them.
    pub fn hide_variables(&mut self) {
        for command in self.before.iter_mut().chain(&mut self.after) {
            command.env.values_mut().for_each(|value| HIDDEN.clone_into(value));
        }
    }

    /// Whether every part is within its bounds and makes sense by itself.
    ///
    /// # Errors
    /// The first thing that does not, with the reason.
    pub fn validate(&self) -> Result<(), JobError> {
        self.config.validate()?;
        if self.copies > COPIES_MAX {
            return Err(JobError::Copies { copies: self.copies });
        }
        if let Holders::Named(names) = &self.on {
            if names.is_empty() || names.len() > HOLDERS_NAMED_MAX {
                return Err(JobError::Holders { count: names.len() });
            }
            if usize::from(self.copies) > names.len() {
                return Err(JobError::TooFewHolders { copies: self.copies, named: names.len() });
            }
        }
        if !LEVELS.contains(&self.level) {
            return Err(JobError::Level { level: self.level });
        }
        if let Some(keep_tar) = self.keep_tar.filter(|keep| *keep > KEEP_TAR_MAX) {
            return Err(JobError::KeepTar { keep_tar });
        }
        if let Some(schedule) = &self.schedule {
            schedule.validate().map_err(JobError::Schedule)?;
        }
        self.retention.validate().map_err(JobError::Retention)?;
        for (what, commands) in [("before", &self.before), ("after", &self.after)] {
            check::count(what, commands.len(), COMMANDS_MAX)?;
            commands.iter().try_for_each(Command::validate)?;
        }
        Ok(())
    }
}

/// A job as its node stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Stays the same when the job is renamed.
    pub id: JobId,
    /// What was asked for.
    pub spec: JobSpec,
    /// When it was added.
    pub created_ms: Time,
    /// When it was last changed; an edit names the one it was based on.
    pub updated_ms: Time,
}

/// Why a job is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A path that is not absolute, too long, or not plain.
    #[error("{what} {path:?} {why}")]
    Path {
        /// The key of the configuration.
        what: &'static str,
        /// What was given, cut to a readable length.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Too many of something.
    #[error("{what} has {count} entries, at most {count_max} are allowed")]
    TooMany {
        /// The key of the configuration.
        what: &'static str,
        /// How many were given.
        count: usize,
        /// The bound.
        count_max: usize,
    },
    /// A text that is empty, too long, or has characters that do not belong there.
    #[error("{what} {text:?} {why}")]
    Text {
        /// The key of the configuration.
        what: &'static str,
        /// What was given, cut to a readable length.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More copies than make sense.
    #[error("copies is {copies}, at most {COPIES_MAX} are allowed")]
    Copies {
        /// What was asked for.
        copies: u8,
    },
    /// No node named, or far too many.
    #[error("{count} nodes are named as holders, 1 to {HOLDERS_NAMED_MAX} are allowed")]
    Holders {
        /// How many were named.
        count: usize,
    },
    /// More copies than nodes to put them on.
    #[error("{copies} copies cannot lie on {named} named nodes")]
    TooFewHolders {
        /// What was asked for.
        copies: u8,
        /// How many nodes were named.
        named: usize,
    },
    /// A compression level that zstd has not, or that costs too much memory.
    #[error("level is {level}, 1 to 19 are allowed")]
    Level {
        /// What was asked for.
        level: i8,
    },
    /// More plain tars than make sense.
    #[error("keep_tar is {keep_tar}, at most {KEEP_TAR_MAX} are allowed")]
    KeepTar {
        /// What was asked for.
        keep_tar: u16,
    },
    /// A schedule that makes no sense.
    #[error("the schedule is refused")]
    Schedule(#[source] ScheduleError),
    /// A retention that makes no sense.
    #[error("the retention is refused")]
    Retention(#[source] RetentionError),
}

#[cfg(test)]
mod tests;

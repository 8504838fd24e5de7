//! Configurations from files: that of one kind, as the replaced program had it, or a whole job.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use protocol::job::{JobConfig, JobSpec};
use serde::{Deserialize, de::DeserializeOwned};

use super::super::{Stop, value};

/// A file with a restore block is small; a mistake in the path must not fill the memory.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The kinds of jobs, as they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum Kind {
    /// An app of YunoHost
    YnhApp,
    /// Parts of the YunoHost system
    YnhSystem,
    /// A directory
    CustomDir,
    /// Databases of MySQL or MariaDB
    Mysql,
    /// Databases of PostgreSQL
    Postgresql,
}

impl Kind {
    pub(super) fn of(config: &JobConfig) -> Self {
        match config {
            JobConfig::YnhApp(_) => Self::YnhApp,
            JobConfig::YnhSystem(_) => Self::YnhSystem,
            JobConfig::CustomDir(_) => Self::CustomDir,
            JobConfig::Mysql(_) => Self::Mysql,
            JobConfig::Postgresql(_) => Self::Postgresql,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::YnhApp => "ynh_app",
            Self::YnhSystem => "ynh_system",
            Self::CustomDir => "custom_dir",
            Self::Mysql => "mysql",
            Self::Postgresql => "postgresql",
        }
    }

    fn keys(self) -> &'static str {
        match self {
            Self::YnhApp => "the keys are app_id and core_only",
            Self::YnhSystem => "the key is parts, a list; an empty one means all of them",
            Self::CustomDir => "the keys are source_path, excludes and restore",
            Self::Mysql | Self::Postgresql => {
                "the keys are database, databases, all, excludes, user, socket, host, port, \
                 options_file and compress; a password has no place in a job"
            }
        }
    }

    fn parse(self, text: &str) -> serde_json::Result<JobConfig> {
        match self {
            Self::YnhApp => serde_json::from_str(text).map(JobConfig::YnhApp),
            Self::YnhSystem => serde_json::from_str(text).map(JobConfig::YnhSystem),
            Self::CustomDir => serde_json::from_str(text).map(JobConfig::CustomDir),
            Self::Mysql => serde_json::from_str(text).map(JobConfig::Mysql),
            Self::Postgresql => serde_json::from_str(text).map(JobConfig::Postgresql),
        }
    }
}

/// What a configuration says of its kind, if anything.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A configuration of this kind. It may name its `type`, as the one inside a job does.
pub(super) fn read(file: &Path, kind: Kind) -> Result<JobConfig, Stop> {
    let (text, refuse) = (text(file)?, refusal(file, kind.keys()));
    match parse::<Typed>(&text).map_err(&refuse)?.kind {
        Some(other) if other != kind.word() => {
            Err(refuse(format!("it is for a job of type {other:?}, not {}", kind.word())))
        }
        Some(_) => parse(&text).map_err(refuse),
        None => kind.parse(&text).map_err(|error| refuse(error.to_string())),
    }
}

/// A whole job.
pub(super) fn read_spec(file: &Path) -> Result<JobSpec, Stop> {
    let hint = "`backupmanager job show NAME --json | jq .job.job.spec` prints one";
    parse(&text(file)?).map_err(refusal(file, hint))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn refusal(file: &Path, hint: &'static str) -> impl Fn(String) -> Stop {
    let what = if is_input(file) {
        "cannot use the configuration on the input".to_owned()
    } else {
        format!("cannot use the configuration {}", file.display())
    };
    move |why| Stop::usage(what.clone(), why, hint)
}

fn is_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn text(file: &Path) -> Result<String, Stop> {
    let refuse = refusal(file, "name a file of JSON, or - for the input");
    let mut text = String::new();
    let read = if is_input(file) {
        std::io::stdin().lock().take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|open| open.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text))
    };
    match read {
        Ok(bytes) if bytes as u64 > CONFIG_BYTES_MAX => {
            Err(refuse(format!("it is larger than {CONFIG_BYTES_MAX} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(refuse(error.to_string())),
    }
}

/// A path of this machine as a job has it: absolute, and text.
pub(super) fn path(path: &Path) -> Result<String, Stop> {
    let path = value::absolute(path)?;
    path.into_os_string().into_string().map_err(|path| {
        let why = format!("{} is not UTF-8", PathBuf::from(path).display());
        Stop::usage("cannot use this path", why, "back up the directory above it")
    })
}

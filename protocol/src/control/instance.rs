//! Instances: servers that are reached by the HTTP contract alone, not as members of a mesh.

use serde::{Deserialize, Serialize};

use super::{ApiKey, CertificatePin, InstanceUrl, SshAdd, SshReport};
use crate::{Time, job::Name};

/// Most instances that one node knows.
pub const INSTANCES_MAX: usize = 200;

/// Most jobs of one instance that are remembered.
pub const INSTANCE_JOBS_MAX: usize = 500;

/// The longest text of an instance that is kept: a job's name, a version, bytes.
pub const INSTANCE_TEXT_BYTES_MAX: usize = 256;

/// An instance to be known from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceAdd {
    /// What people call it here.
    pub name: Name,
    /// Where it is.
    pub url: InstanceUrl,
    /// The key that it gave.
    pub key: ApiKey,
    /// The only certificate that is taken from it; without one, those that the machine trusts.
    #[serde(default)]
    pub pin: Option<CertificatePin>,
    /// Its ssh account, for large archives.
    #[serde(default)]
    pub ssh: Option<SshAdd>,
}

/// A job of an instance to be run there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRun {
    /// Which instance.
    pub instance: Name,
    /// The job's name there, or its number.
    pub job: String,
}

/// How an instance is, as far as is known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It was never asked.
    #[default]
    Unknown,
    /// It answered, and as it should.
    Online,
    /// Nobody answered.
    Offline,
    /// Somebody answered, and not as it should: a wrong key, another program.
    Error,
}

/// An instance, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Its number here, which it keeps.
    pub number: u64,
    /// What people call it here.
    pub name: Name,
    /// Where it is.
    pub url: InstanceUrl,
    /// The only certificate that is taken from it.
    pub pin: Option<CertificatePin>,
    /// Its ssh account.
    #[serde(default)]
    pub ssh: Option<SshReport>,
    /// How it is.
    pub state: InstanceState,
    /// Why it is not online.
    pub why: Option<String>,
    /// When it last answered as it should.
    pub last_seen_ms: Option<Time>,
    /// When it was last asked.
    pub asked_ms: Option<Time>,
    /// What it calls itself.
    pub instance_name: Option<String>,
    /// Its version, as it says.
    pub version: Option<String>,
    /// Its jobs as it last told them. In a list of instances there are none.
    pub jobs: Vec<InstanceJob>,
    /// When they were told.
    pub jobs_ms: Option<Time>,
    /// When it was added.
    pub created_ms: Time,
}

/// A job of an instance, as it tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceJob {
    /// Its number there.
    pub number: u64,
    /// Its name there.
    pub name: String,
    /// `ynh_app`, `custom_dir` …
    pub kind: String,
    /// Whether it runs by itself.
    pub enabled: bool,
    /// When it last ran, and how that ended.
    pub last_run: Option<InstanceJobRun>,
}

/// A run of a job of an instance, as it tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceJobRun {
    /// Its number there.
    pub run: u64,
    /// `running`, `success`, `error` …
    pub status: String,
    /// When it began.
    pub started_ms: Option<Time>,
    /// When it ended.
    pub ended_ms: Option<Time>,
    /// What it made.
    pub archive: Option<String>,
    /// How large that is.
    pub bytes: Option<u64>,
}

/// A run has begun on an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRunStarted {
    /// Which instance.
    pub instance: Name,
    /// The job's name there.
    pub job: String,
    /// The run's number there, when it told one.
    pub run: Option<u64>,
}

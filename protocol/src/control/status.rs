//! How a node is, and what its activities do.

use serde::{Deserialize, Serialize};

use super::{NodeName, Progress, RawPath};
use crate::{MeshId, Time};

/// What a person must know at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Everything that should be stored is, and was proven.
    Green,
    /// Something is late or short, nothing is lost.
    Amber,
    /// Somebody must act.
    Red,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Which node this is.
    pub node: NodeName,
    /// The mesh it is a member of; none before the first invitation or joining.
    pub mesh: Option<MeshId>,
    /// The program's version.
    pub version: String,
    /// When the daemon started.
    pub started_ms: Time,
    /// The daemon's clock now, to compare with.
    pub now_ms: Time,
    /// Its data folder.
    pub data: RawPath,
    /// The addresses it listens on.
    pub listen: Vec<String>,
    /// Where it serves pages and API: `127.0.0.1:8080`, `unix:/run/x.sock`; none for nowhere.
    #[serde(default)]
    pub http: Option<String>,
    /// Members of the mesh, this node included.
    pub members: u32,
    /// Peers connected at the moment.
    pub connected: u32,
    /// Jobs of this node.
    pub jobs: u32,
    /// Runs at work now.
    pub runs: u32,
    /// Archives made here.
    pub archives: u64,
    /// Those of them with fewer whole copies than their job wants.
    pub archives_short: u64,
    /// Archives of other nodes that lie here whole.
    pub replicas: u64,
    /// Bytes of the chunk store.
    pub store_bytes: u64,
    /// Bytes free on its file system.
    pub free_bytes: u64,
    /// Bytes that file system has.
    #[serde(default)]
    pub disk_bytes: u64,
    /// Where people find this node, when somebody said so.
    #[serde(default)]
    pub instance_url: Option<String>,
    /// The version of `YunoHost`, where it runs.
    #[serde(default)]
    pub yunohost_version: Option<String>,
    /// The sum of it.
    pub health: Health,
    /// Why it is not green.
    pub reasons: Vec<String>,
}

/// What an activity is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Nothing to do.
    Idle,
    /// At work.
    Working,
    /// Has something to do and waits for its time, a peer or room.
    Waiting,
    /// Its last work failed; it will try again.
    Failing,
}

/// One long-lived activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// `replicate`, `gossip`, `gc` …
    pub name: String,
    /// What it is at.
    pub state: WorkerState,
    /// In words: `fetching jerry_hermes_20260508 from tom`.
    pub what: Option<String>,
    /// How far that is.
    pub progress: Option<Progress>,
    /// Failures since its last success.
    pub errors_in_a_row: u32,
    /// The last failure.
    pub last_error: Option<String>,
    /// When it last did something.
    pub worked_ms: Option<Time>,
}

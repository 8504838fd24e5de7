//! Jobs and runs as they are reported.

use serde::{Deserialize, Serialize};

use super::{Failure, Progress};
use crate::{Time, job::Job};

/// Most lines of a transcript; the middle of a longer one is left out.
pub const TRANSCRIPT_LINES_MAX: usize = 2_000;

/// A job and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// The job as it is stored.
    pub job: Job,
    /// Its newest run.
    pub last_run: Option<RunReport>,
    /// Archives it has.
    pub archives: u64,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// At work.
    Running,
    /// An archive was made of everything.
    Success,
    /// An archive was made; some files changed meanwhile or could not be read.
    Warnings,
    /// No archive was made.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// The daemon ended before it did.
    Interrupted,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its number, growing on each node.
    pub run: u64,
    /// The job's name at that time.
    pub job: String,
    /// How it stands.
    pub state: RunState,
    /// When it began.
    pub started_ms: Time,
    /// When it ended.
    pub ended_ms: Option<Time>,
    /// The archive it made.
    pub archive: Option<String>,
    /// Members of the archive so far.
    pub entries: u64,
    /// Size of the tar stream.
    pub stream_bytes: u64,
    /// Of those, bytes whose chunks were known and not stored again.
    pub known_bytes: u64,
    /// Sealed bytes that were added to the store.
    pub stored_bytes: u64,
    /// Files that something was wrong with.
    pub warnings: u64,
    /// How far it is, while it is at work.
    pub progress: Option<Progress>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// A line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// When.
    pub at_ms: Time,
    /// Without a line break.
    pub text: String,
}

/// One run with all it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run.
    pub run: RunReport,
    /// What it said, oldest first.
    pub transcript: Vec<TranscriptLine>,
}

//! Jobs and runs as they are reported.

use serde::{Deserialize, Serialize};

use super::{Failure, Progress};
use crate::{
    JobId, Time,
    job::{Job, Name},
};

/// Most lines of a transcript; the middle of a longer one is left out.
pub const TRANSCRIPT_LINES_MAX: usize = 2_000;

/// A job and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// The job as it is stored.
    pub job: Job,
    /// Its number on its node, which it keeps and no other job gets after it; for clients whose
    /// ids are numbers.
    #[serde(default)]
    pub number: u64,
    /// Its newest run.
    pub last_run: Option<RunReport>,
    /// Archives it has.
    pub archives: u64,
    /// When it will run by itself, the next few times, soonest first.
    #[serde(default)]
    pub next_runs: Vec<Time>,
}

/// How many coming runs of a job are told.
pub const NEXT_RUNS_TOLD: usize = 5;

/// A page of jobs, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// This page.
    pub jobs: Vec<JobReport>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// Which runs to list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunList {
    /// Of this job only.
    pub job: Option<Name>,
    /// Older than this run.
    #[serde(default)]
    pub before: Option<u64>,
    /// The newest so many.
    pub limit: u32,
}

/// What a job could name: for a form, or for a message that says what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// The kind of job they are for.
    pub kind: String,
    /// The apps, the parts of the system, or the databases.
    pub choices: Vec<Choice>,
}

/// One app, part or database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What a job's configuration calls it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Whether a job can back it up: an app without a backup script cannot.
    pub usable: bool,
}

/// What a run does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Makes an archive.
    #[default]
    Backup,
    /// Puts one back.
    Restore,
    /// Takes a plain tar of the archives folder in.
    Adopt,
    /// Checks an archive that came in parts, and takes it in.
    Upload,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Somebody asked.
    #[default]
    Hand,
    /// It was due.
    Schedule,
    /// It had been due while the node was down or its clock stood elsewhere.
    CatchUp,
    /// A restore wanted to be able to go back.
    Safety,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for its turn.
    Queued,
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
    /// The job's name at that time; for a restore, the job that the archive came from.
    pub job: String,
    /// The job, however it is called now.
    #[serde(default)]
    pub job_id: Option<JobId>,
    /// That job's number, as [`JobReport::number`] has it; filled in when it is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_number: Option<u64>,
    /// What it does.
    #[serde(default)]
    pub kind: RunKind,
    /// Why it began.
    #[serde(default)]
    pub trigger: Trigger,
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
    /// Nothing was found that earlier archives of this node do not have.
    #[serde(default)]
    pub nothing_new: bool,
    /// Files that something was wrong with.
    pub warnings: u64,
    /// How far it is, while it is at work.
    pub progress: Option<Progress>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl RunReport {
    /// A backup that has done nothing yet.
    pub fn new(run: u64, job: impl Into<String>, state: RunState, started_ms: Time) -> Self {
        Self {
            run,
            job: job.into(),
            job_id: None,
            job_number: None,
            kind: RunKind::Backup,
            trigger: Trigger::Hand,
            state,
            started_ms,
            ended_ms: None,
            archive: None,
            entries: 0,
            stream_bytes: 0,
            known_bytes: 0,
            stored_bytes: 0,
            nothing_new: false,
            warnings: 0,
            progress: None,
            failure: None,
        }
    }
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

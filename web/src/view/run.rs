//! Runs.

use protocol::control::{
    Failure, FailureCode, Progress, RunKind, RunReport, RunState, TranscriptLine, Trigger,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Iso, iso, iso_or_none};

/// The longest transcript that an answer has, bytes; of a longer one the end is told.
pub(crate) const LOG_BYTES_MAX: usize = 256 << 10;

/// A run as 000's table `runs` has it, and what it did not have.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
pub(crate) struct RunView {
    id: u64,
    /// The job; null when it is of none of this node.
    job_id: Option<u64>,
    started_at: Iso,
    finished_at: Option<Iso>,
    /// What made an archive went well; `state` says more.
    #[schemars(extend("enum" = ["running", "success", "error"]))]
    status: &'static str,
    /// What it said; none when it was not asked for.
    pub(crate) log_text: Option<String>,
    /// The archive it made.
    archive_name: Option<String>,
    /// The size of that as a tar.
    size_bytes: Option<u64>,
    /// Files that something was wrong with.
    warnings: u64,
    job_name: String,
    state: RunState,
    kind: RunKind,
    trigger: Trigger,
    /// Members of the archive so far.
    entries: u64,
    /// Of the size, bytes that were known and not stored again.
    known_bytes: u64,
    /// Sealed bytes that were added to the store.
    stored_bytes: u64,
    /// Nothing was found that earlier archives do not have.
    nothing_new: bool,
    progress: Option<ProgressView>,
    failure: Option<FailureView>,
}

impl From<RunReport> for RunView {
    fn from(run: RunReport) -> Self {
        Self {
            id: run.run,
            job_id: run.job_number,
            started_at: iso(run.started_ms),
            finished_at: iso_or_none(run.ended_ms),
            status: status(run.state),
            log_text: None,
            size_bytes: run.archive.is_some().then_some(run.stream_bytes),
            archive_name: run.archive,
            warnings: run.warnings,
            job_name: run.job,
            state: run.state,
            kind: run.kind,
            trigger: run.trigger,
            entries: run.entries,
            known_bytes: run.known_bytes,
            stored_bytes: run.stored_bytes,
            nothing_new: run.nothing_new,
            progress: run.progress.map(ProgressView::from),
            failure: run.failure.map(FailureView::from),
        }
    }
}

/// The word that 000 has for it: what made an archive went well.
fn status(state: RunState) -> &'static str {
    match state {
        RunState::Queued | RunState::Running => "running",
        RunState::Success | RunState::Warnings => "success",
        RunState::Failed | RunState::Cancelled | RunState::Interrupted => "error",
    }
}

/// The end of a transcript, as long as an answer may have it, one line each.
pub(crate) fn log_text(lines: &[TranscriptLine]) -> String {
    let mut bytes = 0;
    let fits = |line: &&TranscriptLine| {
        bytes += line.text.len() + 1;
        bytes <= LOG_BYTES_MAX
    };
    let told = lines.iter().rev().take_while(fits).count();
    let left_out = lines.len() - told;
    let mut text =
        if left_out > 0 { format!("({left_out} lines before)\n") } else { String::new() };
    for line in &lines[left_out..] {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// How far something is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Progress")]
pub(crate) struct ProgressView {
    #[schemars(range(max = 100))]
    percent: Option<u64>,
    #[serde(flatten)]
    progress: Progress,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        Self { percent: progress.per_mille().map(|share| share / 10), progress }
    }
}

/// Why something that was begun failed: in the shape of an error.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub(crate) struct FailureView {
    error: FailureCode,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<Failure> for FailureView {
    fn from(failure: Failure) -> Self {
        Self { error: failure.code, message: failure.to_string(), hint: failure.hint }
    }
}

#[cfg(test)]
mod tests {
    use protocol::Time;

    use super::*;

    #[test]
    fn a_long_transcript_is_told_from_its_end() {
        let line = |text: &str| TranscriptLine { at_ms: Time(0), text: text.to_owned() };
        assert_eq!(log_text(&[line("a"), line("b")]), "a\nb\n");
        assert_eq!(log_text(&[]), "");
        let long = [line("first"), line(&"x".repeat(LOG_BYTES_MAX - 10)), line("last")];
        let told = log_text(&long);
        assert!(told.starts_with("(1 lines before)\nxxx") && told.ends_with("x\nlast\n"));
        assert!(told.len() < LOG_BYTES_MAX + 100);
    }
}

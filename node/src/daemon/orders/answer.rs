//! What came of an order, in a few words: the whole reply stays on the node that gave it.

use protocol::{
    control::{Failure, FailureCode, NodeName, Outcome as How, Reply, RunReport, RunState},
    key::{ExchangePublic, NodeSecret},
    order::{Answer, Which},
    record::{Outcome, Progress},
};

use super::cut;
use crate::sys::OsEntropy;

/// The end of an order, for its record.
pub(super) fn progress(
    which: &Which,
    readers: &[ExchangePublic; 2],
    went: &Result<Reply, Failure>,
) -> Progress {
    let (text, failure) = match went {
        Ok(reply) => (text(reply), failed(reply)),
        Err(failure) => (failure.to_string(), Some(failure.clone())),
    };
    let code = failure.as_ref().map(|failure| failure.code);
    // It is cut to fit; should it not all the same, the bare end is still true.
    let reply = which.seal_answer(Answer { text, failure }, readers, &mut OsEntropy);
    let reply = reply.unwrap_or_default();
    match code {
        None => Progress::Done { reply },
        Some(code) => Progress::Failed { why: word(code), reply },
    }
}

/// The kind of a failure, which every member may know.
fn word(code: FailureCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "failed".to_owned(),
    }
}

/// Why a reply is no good news.
fn failed(reply: &Reply) -> Option<Failure> {
    if reply.outcome() != How::Failed {
        return None;
    }
    if let Reply::RunEnded(RunReport { failure: Some(failure), .. }) = reply {
        return Some(failure.clone());
    }
    Some(Failure::new(FailureCode::Damaged, "what was ordered did not end well", text(reply)))
}

/// A reply in a line. It names no content of jobs: these may have secrets in their commands.
fn text(reply: &Reply) -> String {
    match reply {
        Reply::Job(report) => format!("the job {} is stored", report.job.spec.name),
        Reply::RunStarted(run) => format!("run {} of {} has begun", run.run, run.job),
        Reply::RunEnded(run) => ended(run),
        Reply::Pruned(pruned) => format!("kept {}, dropped {}", pruned.kept, pruned.dropped),
        Reply::Restored(restored) => {
            format!("restored {} members of {}", restored.entries, restored.archive)
        }
        Reply::Archive(archive) => {
            let name = archive.name.as_deref().unwrap_or("the archive");
            let pinned = if archive.pinned { "is pinned" } else { "is not pinned" };
            format!("{name} {pinned}")
        }
        Reply::Transferred(sent) => format!("{} lies with {}", sent.archive, sent.to.name),
        Reply::Transfer(transfer) => {
            format!("transfer {} of {} has begun", transfer.id, transfer.archive)
        }
        Reply::StoreChecked(checked) => format!(
            "checked {} objects: {} damaged, {} missing",
            checked.objects, checked.damaged_total, checked.missing_total
        ),
        Reply::StoreCollected(collected) => format!("freed {} bytes", collected.freed_bytes),
        _ => "done".to_owned(),
    }
}

fn ended(run: &RunReport) -> String {
    let how = match run.state {
        RunState::Success => "went well",
        RunState::Warnings => "ended with warnings",
        RunState::Cancelled => "was stopped",
        _ => "failed",
    };
    let made = run.archive.as_ref().map(|archive| format!(" and made {archive}"));
    format!("run {} of {} {how}{}", run.run, run.job, made.unwrap_or_default())
}

/// What the other side said of it: a text, and why it was not done.
pub(super) fn said(
    secret: &NodeSecret,
    which: &Which,
    outcome: Option<&Outcome>,
    by: &NodeName,
    to: &NodeName,
) -> (Option<String>, Option<Failure>) {
    let what = format!("{} did not do it", to.name);
    let open = |reply: &[u8]| which.open_answer(reply, secret).ok();
    let Some(outcome) = outcome else { return (None, None) };
    match &outcome.progress {
        Progress::Begun => (None, None),
        Progress::Done { reply } => (open(reply).map(|answer| answer.text), None),
        Progress::Failed { why, reply } => match open(reply) {
            Some(answer) => (Some(answer.text), answer.failure),
            None => (None, Some(Failure::new(FailureCode::Internal, what, cut(why)))),
        },
        Progress::Refused { why } => {
            let why = cut(why).replace(&which.issuer.to_string(), &by.name);
            let hint = why.contains("no right").then(|| {
                format!("`backupmanager mesh grant {}` on {} allows more", by.name, to.name)
            });
            (None, Some(Failure { hint, ..Failure::new(FailureCode::Refused, what, why) }))
        }
        Progress::Interrupted => {
            let why = "it stopped while it was at work: what was done is not known";
            let failure = Failure::new(FailureCode::Internal, what, why);
            (None, Some(failure.hint("it is not repeated: look, and order it again if need be")))
        }
    }
}

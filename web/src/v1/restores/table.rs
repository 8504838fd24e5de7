//! Restores that were begun over HTTP, and how they go.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use protocol::{
    NodeId, Time,
    control::{
        ArchiveRef, EVENT_BYTES_MAX, Event, Failure, FailureCode, Outcome, Progress, Reply,
        TRANSCRIPT_LINES_MAX,
    },
    job::Name,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Notify;

use crate::view::{FailureView, Iso, ProgressView, ReportView, iso, iso_or_none};

/// Most archives whose newest restore is remembered.
const RESTORES_MAX: usize = 100;

/// Most bytes of lines that one restore keeps; the oldest go.
const LOG_BYTES_MAX: usize = 256 << 10;

/// Where it is restored, none for this node; what the archive is called, and whose it is.
type Key = (Option<NodeId>, String, String);

/// The newest restore of each archive, on each node.
#[derive(Default)]
pub(crate) struct Restores {
    all: Mutex<BTreeMap<Key, Arc<Restore>>>,
}

impl Restores {
    /// Remembers one. The oldest that has ended makes room for it, or the oldest of all.
    pub(super) fn put(&self, at: Option<NodeId>, archive: &ArchiveRef, restore: Arc<Restore>) {
        let mut all = lock(&self.all);
        all.insert(key(at, archive), restore);
        while all.len() > RESTORES_MAX {
            let age = |restore: &Arc<Restore>| {
                let state = lock(&restore.state);
                (state.end.is_none(), state.started)
            };
            let oldest = all.iter().min_by_key(|(_, one)| age(one)).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            all.remove(&oldest);
        }
    }

    /// The newest of an archive.
    pub(super) fn get(&self, at: Option<NodeId>, archive: &ArchiveRef) -> Option<Arc<Restore>> {
        lock(&self.all).get(&key(at, archive)).cloned()
    }
}

fn key(at: Option<NodeId>, archive: &ArchiveRef) -> Key {
    let node = archive.node_of.as_ref().map(ToString::to_string);
    (at, archive.name.to_string(), node.unwrap_or_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How a restore goes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RestoreStatus")]
pub(super) struct StatusView {
    archive_name: Name,
    #[schemars(extend("enum" = ["running", "success", "error"]))]
    state: &'static str,
    /// What is being done, in words.
    step: Option<String>,
    progress: Option<ProgressView>,
    warnings: u64,
    /// When it has ended.
    report: Option<ReportView>,
    /// When it failed.
    failure: Option<FailureView>,
    log_text: String,
    started_at: Iso,
    finished_at: Option<Iso>,
}

/// One restore.
pub(super) struct Restore {
    state: Mutex<Going>,
    spoke: Notify,
}

struct Going {
    started: Time,
    ended: Option<Time>,
    progress: Option<Progress>,
    step: Option<String>,
    lines: VecDeque<String>,
    line_bytes: usize,
    warnings: u64,
    end: Option<Result<Reply, Failure>>,
}

impl Restore {
    /// One that begins now.
    pub(super) fn new() -> Self {
        let state = Mutex::new(Going {
            started: now(),
            ended: None,
            progress: None,
            step: None,
            lines: VecDeque::new(),
            line_bytes: 0,
            warnings: 0,
            end: None,
        });
        Self { state, spoke: Notify::new() }
    }

    /// Waits for the first event.
    pub(super) async fn spoke(&self) {
        self.spoke.notified().await;
    }

    /// Something happened.
    pub(super) fn hear(&self, event: Event) {
        let mut state = lock(&self.state);
        match event {
            Event::Progress(progress) => {
                state.step = Some(progress.what.clone());
                state.progress = Some(progress);
            }
            Event::Line { text } => {
                state.step = Some(text.clone());
                state.say(text);
            }
            Event::Warning { what, why } => {
                state.warnings += 1;
                state.say(format!("warning: {what}: {why}"));
            }
        }
        drop(state);
        self.spoke.notify_one();
    }

    /// It has ended.
    pub(super) fn end(&self, result: Result<Reply, Failure>) {
        let mut state = lock(&self.state);
        if let Err(failure) = &result {
            let said = format!("failed: {failure}");
            state.say(said);
        }
        let unexpected = || Failure::new(FailureCode::Internal, "the restore", "has no report");
        state.end = Some(result.and_then(|reply| match reply {
            Reply::Restored(_) => Ok(reply),
            _ => Err(unexpected()),
        }));
        state.ended = Some(now());
    }

    /// How it goes, for a client.
    pub(super) fn view(&self, archive: &ArchiveRef) -> StatusView {
        let state = lock(&self.state);
        let mut log_text = String::with_capacity(state.line_bytes);
        for line in &state.lines {
            log_text.push_str(line);
            log_text.push('\n');
        }
        let report = match &state.end {
            Some(Ok(Reply::Restored(done))) => Some(ReportView::from(done.clone())),
            _ => None,
        };
        let failure = match &state.end {
            Some(Err(failure)) => Some(FailureView::from(failure.clone())),
            _ => None,
        };
        StatusView {
            archive_name: archive.name.clone(),
            state: state.word(),
            step: state.step.clone(),
            progress: state.progress.clone().map(ProgressView::from),
            warnings: state.warnings,
            report,
            failure,
            log_text,
            started_at: iso(state.started),
            finished_at: iso_or_none(state.ended),
        }
    }
}

impl Going {
    fn say(&mut self, mut line: String) {
        let cut = (0..=EVENT_BYTES_MAX.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(cut.unwrap_or(0));
        self.line_bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.lines.len() > TRANSCRIPT_LINES_MAX || self.line_bytes > LOG_BYTES_MAX {
            let Some(gone) = self.lines.pop_front() else { return };
            self.line_bytes -= gone.len() + 1;
        }
    }

    /// 000's word; something that was restored and differs after all is an error.
    fn word(&self) -> &'static str {
        match &self.end {
            None => "running",
            Some(Ok(reply)) if reply.outcome() != Outcome::Failed => "success",
            Some(_) => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(number: usize) -> ArchiveRef {
        ArchiveRef { name: format!("a{number}").parse().expect("a name"), node_of: None }
    }

    #[test]
    fn what_a_restore_says_has_a_bound_and_its_end_stays() {
        let restore = Restore::new();
        for number in 0..5_000 {
            restore.hear(Event::Line { text: format!("line {number}") });
        }
        restore.hear(Event::Line { text: "é".repeat(EVENT_BYTES_MAX) });
        let view = restore.view(&archive(0));
        let text = view.log_text;
        assert_eq!(text.lines().count(), TRANSCRIPT_LINES_MAX);
        assert!(!text.contains("line 3000\n") && text.contains("line 4999\n"));
        assert!(text.len() <= LOG_BYTES_MAX + 1);
    }

    #[test]
    fn the_oldest_that_has_ended_makes_room() {
        let restores = Restores::default();
        for number in 0..RESTORES_MAX {
            restores.put(None, &archive(number), Arc::new(Restore::new()));
        }
        let failure = Failure::new(FailureCode::Cancelled, "the restore", "was stopped");
        restores.get(None, &archive(7)).expect("there").end(Err(failure));
        restores.put(None, &archive(RESTORES_MAX), Arc::new(Restore::new()));
        assert!(restores.get(None, &archive(7)).is_none());
        assert!(restores.get(None, &archive(0)).is_some());
        assert!(restores.get(None, &archive(RESTORES_MAX)).is_some());
        let elsewhere = Some(NodeId([1; 32]));
        assert!(restores.get(elsewhere, &archive(RESTORES_MAX)).is_none());
    }
}

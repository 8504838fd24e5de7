//! Messages for the people who look after this node, kept over restarts.
//!
//! Whoever has something to tell does so at once and never waits: a notice is in memory, and the
//! worker here writes what is new to the state file a moment later. The same thing happening again
//! (one kind, one subject) is counted on the notice that is there. A *condition* (a full disk, an
//! instance that is away) is told once when it begins, however long it holds.
//!
//! Limits: the newest [`NOTICES_MAX`]. What is lost when the node is killed at that moment is told
//! again where the cause holds.

mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::control::{
    Failure, FailureCode, NOTICES_MAX, NoticeKind, NoticeList, NoticeReport, Notices as Page,
    RunReport, RunState,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::{info, warn};

pub(super) use self::watch::run as watch;
use super::node::{Node, blocking};
use crate::{
    db::{Db, DbError, Numbered},
    replicate::Cancel,
    sys,
};

/// The wait after the disk refused a notice.
const WRITE_AGAIN: Duration = Duration::from_secs(30);

/// A notice as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    notice: NoticeReport,
    /// Whether it is a condition that still holds.
    holds: bool,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<u64, Row>,
    /// Changed or removed since the last write.
    unwritten: BTreeSet<u64>,
    last: u64,
}

/// All notices.
pub struct Notices {
    db: Arc<Db>,
    state: Mutex<State>,
    news: Notify,
}

impl Notices {
    /// What was told before.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let rows: BTreeMap<u64, Row> = db.rows(Numbered::Notices)?.into_iter().collect();
        let last = rows.keys().next_back().copied().unwrap_or_default();
        let state = Mutex::new(State { rows, unwritten: BTreeSet::new(), last });
        Ok(Self { db, state, news: Notify::new() })
    }

    /// Something happened.
    pub fn note(&self, kind: NoticeKind, subject: &str, why: Option<&str>) {
        self.put(kind, subject, why, false);
    }

    /// Something began to hold: told once until it [holds no more](Notices::clear).
    pub fn raise(&self, kind: NoticeKind, subject: &str, why: Option<&str>) {
        if !self.holds(kind, subject) {
            self.put(kind, subject, why, true);
        }
    }

    /// It holds no more; whether it did.
    pub fn clear(&self, kind: NoticeKind, subject: &str) -> bool {
        let mut state = self.lock();
        let Some(row) = state.find(kind, subject).filter(|row| row.holds) else { return false };
        row.holds = false;
        let id = row.notice.id;
        state.unwritten.insert(id);
        drop(state);
        self.news.notify_one();
        true
    }

    /// The subjects of which something holds.
    #[must_use]
    pub fn held(&self, kind: NoticeKind) -> Vec<String> {
        let state = self.lock();
        let held = state.rows.values().filter(|row| row.holds && row.notice.kind == kind);
        held.map(|row| row.notice.subject.clone()).collect()
    }

    fn holds(&self, kind: NoticeKind, subject: &str) -> bool {
        self.lock().find(kind, subject).is_some_and(|row| row.holds)
    }

    fn put(&self, kind: NoticeKind, subject: &str, why: Option<&str>, holds: bool) {
        let now = sys::now();
        let mut state = self.lock();
        let id = match state.find(kind, subject) {
            Some(row) => {
                row.notice.again(why, now);
                row.holds = holds;
                row.notice.id
            }
            None => {
                state.last += 1;
                let id = state.last;
                let notice = NoticeReport::new(id, kind, subject, why, now);
                state.rows.insert(id, Row { notice, holds });
                id
            }
        };
        state.unwritten.insert(id);
        state.shrink();
        drop(state);
        info!(notice = id, ?kind, subject, "people are told");
        self.news.notify_one();
    }

    /// A run ended. What somebody stopped is no news.
    pub(super) fn note_run(&self, run: &RunReport) {
        let why = run.failure.as_ref().map(|failure| failure.why.clone());
        let (kind, why) = match run.state {
            RunState::Failed | RunState::Interrupted => (NoticeKind::RunFailed, why),
            RunState::Warnings => {
                let warnings = run.warnings;
                let archive = run.archive.as_deref().unwrap_or_default();
                let why = format!("{warnings} warnings, see run {}: {archive}", run.run);
                (NoticeKind::RunWarnings, Some(why))
            }
            _ => return,
        };
        self.note(kind, &run.job, why.as_deref());
    }

    /// A page, newest first.
    #[must_use]
    pub fn list(&self, list: NoticeList) -> Page {
        let state = self.lock();
        let unread = state.rows.values().filter(|row| !row.notice.read).count();
        let all = state.rows.values().map(|row| &row.notice);
        let mut wanted: Vec<_> = all.filter(|notice| !list.unread || !notice.read).collect();
        wanted.sort_by_key(|notice| std::cmp::Reverse((notice.last_ms, notice.id)));
        let page = wanted.iter().skip(list.offset as usize).take(list.limit as usize);
        Page {
            notices: page.map(|notice| (*notice).clone()).collect(),
            total: wanted.len() as u64,
            unread: unread as u64,
        }
    }

    /// Somebody has read one.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn read(&self, id: u64) -> Result<NoticeReport, Failure> {
        let mut state = self.lock();
        let Some(row) = state.rows.get_mut(&id) else {
            let what = format!("cannot find notice {id}");
            return Err(Failure::new(FailureCode::NotFound, what, "there is none"));
        };
        row.notice.read = true;
        let notice = row.notice.clone();
        state.unwritten.insert(id);
        drop(state);
        self.news.notify_one();
        Ok(notice)
    }

    /// Somebody has read them all.
    pub fn read_all(&self) {
        let mut state = self.lock();
        let unread: Vec<u64> =
            state.rows.iter().filter(|(_, row)| !row.notice.read).map(|(id, _)| *id).collect();
        for id in unread {
            if let Some(row) = state.rows.get_mut(&id) {
                row.notice.read = true;
            }
            state.unwritten.insert(id);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Writes what is new. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses; it is written with the next.
    pub fn write(&self) -> Result<(), DbError> {
        let (unwritten, put) = {
            let mut state = self.lock();
            let unwritten = std::mem::take(&mut state.unwritten);
            let rows = unwritten.iter().filter_map(|id| Some((*id, state.rows.get(id)?.clone())));
            let put: Vec<(u64, Row)> = rows.collect();
            (unwritten, put)
        };
        if unwritten.is_empty() {
            return Ok(());
        }
        let there = |id: &u64| put.iter().any(|(other, _)| other == id);
        let gone: Vec<u64> = unwritten.iter().filter(|id| !there(id)).copied().collect();
        self.db.change_rows(Numbered::Notices, &put, &gone).inspect_err(|_| {
            self.lock().unwritten.extend(unwritten);
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, kind: NoticeKind, subject: &str) -> Option<&mut Row> {
        // As it is stored: one line, and cut.
        let now = protocol::Time(0);
        let wanted = NoticeReport::new(0, kind, subject, None, now).subject;
        let mut rows = self.rows.values_mut();
        rows.find(|row| row.notice.kind == kind && row.notice.subject == wanted)
    }

    /// Drops what is too many: what happened longest ago.
    fn shrink(&mut self) {
        while self.rows.len() > NOTICES_MAX {
            let oldest = self.rows.iter().min_by_key(|(id, row)| (row.notice.last_ms, **id));
            let Some(id) = oldest.map(|(id, _)| *id) else { return };
            self.rows.remove(&id);
            self.unwritten.insert(id);
        }
    }
}

/// Writes what is new until the node stops, and once more then.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = node.notices.news.notified() => false,
        };
        let written = blocking({
            let node = Arc::clone(&node);
            move || Ok(node.notices.write())
        });
        let failed = match written.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(failure) => Some(failure.to_string()),
        };
        if stopping {
            return;
        }
        if let Some(error) = failed {
            warn!(error, "cannot write notices");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(WRITE_AGAIN) => {}
            }
            node.notices.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;

//! Transfers: archives on their way to instances, however long that takes.
//!
//! A transfer is a row in the state file before anybody hears of it, and every step that the other
//! side acknowledged is written there, so that after a crash or a cut it goes on where it was. At
//! most [`AT_ONCE`] send at the same time. One that fails waits, each time longer, and gives way to
//! others; one that cannot succeed ends with the reason. The archive stays for as long as a transfer
//! of it is open, whatever the retention says.

mod http;
mod row;
mod source;
mod ssh;
mod start;
mod work;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::control::{
    Failure, FailureCode, Happened, TRANSFERS_ENDED_MAX, TransferReport, TransferState,
};
use tokio::sync::Notify;

pub(super) use start::start;
pub(super) use work::run;

use self::row::Row;
use super::{
    failure::db_failure,
    keeping::Reading,
    news::Bus,
    node::{Node, blocking},
};
use crate::{
    db::{Db, DbError, Numbered},
    replicate::Cancel,
    sys,
};

/// How many send at the same time.
pub(super) const AT_ONCE: usize = 2;

/// Every transfer that is remembered.
pub struct Transfers {
    db: Arc<Db>,
    /// Where tars lie for programs that read files.
    spool: PathBuf,
    state: Mutex<State>,
    changed: Notify,
    news: Arc<Bus>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<u64, Row>,
    /// How to stop those at work.
    at_work: BTreeMap<u64, Cancel>,
    /// What keeps the archives of the open ones.
    readings: BTreeMap<u64, Reading>,
}

impl Transfers {
    /// Reads what is stored. Below `spool` is what transfers need while they are open.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>, spool: &Path) -> Result<Self, DbError> {
        let rows = db.rows::<Row>(Numbered::Transfers)?;
        let rows: BTreeMap<_, _> = rows.into_iter().map(|(id, row)| (id, row.awakened())).collect();
        clear(spool, &rows);
        let state = Mutex::new(State { rows, ..State::default() });
        let (changed, news) = (Notify::new(), Arc::default());
        Ok(Self { db, spool: spool.to_owned(), state, changed, news })
    }

    /// The same, telling those who watch.
    #[must_use]
    pub fn telling(mut self, news: &Arc<Bus>) -> Self {
        self.news = Arc::clone(news);
        self
    }

    /// All of them, newest first.
    pub(super) fn list(&self) -> Vec<TransferReport> {
        self.lock().rows.values().rev().map(|row| row.report.clone()).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn show(&self, id: u64) -> Result<TransferReport, Failure> {
        self.row(id).map(|row| row.report).ok_or_else(|| {
            let what = format!("cannot find transfer {id}");
            Failure::new(FailureCode::NotFound, what, "there is none")
                .hint("`backupmanager transfer list` shows the transfers that are remembered")
        })
    }

    /// A transfer to an instance that has not ended.
    pub(super) fn open_to(&self, instance: u64) -> Option<u64> {
        let state = self.lock();
        let mut open = state.rows.iter().filter(|(_, row)| row.is_open());
        open.find(|(_, row)| row.instance == Some(instance)).map(|(id, _)| *id)
    }

    /// The folder of a transfer.
    fn spool(&self, id: u64) -> PathBuf {
        self.spool.join(id.to_string())
    }

    fn row(&self, id: u64) -> Option<Row> {
        self.lock().rows.get(&id).cloned()
    }

    /// Changes a transfer that has not ended, on the disk first. Blocks on it.
    ///
    /// # Errors
    /// When it has ended, or the disk refuses.
    fn change(&self, id: u64, change: impl FnOnce(&mut Row)) -> Result<Row, Failure> {
        let what = format!("cannot go on with transfer {id}");
        let mut state = self.lock();
        let Some(row) = state.rows.get(&id).filter(|row| row.is_open()) else {
            return Err(Failure::new(FailureCode::Cancelled, what, "it has ended"));
        };
        let mut row = row.clone();
        change(&mut row);
        if !row.is_open() {
            row.report.ended_ms = Some(sys::now());
            row.report.next_ms = None;
            row.upload = None;
        }
        self.db
            .put_row(Numbered::Transfers, id, &row)
            .map_err(|error| db_failure(&what, &error))?;
        state.rows.insert(id, row.clone());
        self.news.tell(Happened::Transfer(Box::new(row.report.clone())));
        if !row.is_open() {
            state.readings.remove(&id);
            // Mostly there is none; what cannot go now goes at the next start.
            let _ = fs::remove_dir_all(self.spool(id));
            self.forget_old(&mut state);
        }
        drop(state);
        self.changed.notify_one();
        Ok(row)
    }

    /// Forgets the oldest of those that have ended, when there are too many.
    fn forget_old(&self, state: &mut State) {
        let ended = state.rows.iter().filter(|(_, row)| !row.is_open()).map(|(id, _)| *id);
        let ended: Vec<_> = ended.collect();
        let old = &ended[..ended.len().saturating_sub(TRANSFERS_ENDED_MAX)];
        if old.is_empty() {
            return;
        }
        match self.db.remove_rows(Numbered::Transfers, old) {
            Ok(()) => state.rows.retain(|id, _| !old.contains(id)),
            Err(error) => tracing::warn!(%error, "old transfers stay a while longer"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what transfers left that are not open any more.
fn clear(spool: &Path, rows: &BTreeMap<u64, Row>) {
    let Ok(folders) = fs::read_dir(spool) else { return };
    for folder in folders.flatten() {
        let id = folder.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        if !id.and_then(|id| rows.get(&id)).is_some_and(Row::is_open) {
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

/// Stops a transfer, and has the instance drop what it has of it.
///
/// # Errors
/// When there is none, or it has ended.
pub(super) async fn cancel(node: Arc<Node>, id: u64) -> Result<TransferReport, Failure> {
    let before = node.transfers.show(id)?;
    if before.state.has_ended() {
        let what = format!("cannot cancel transfer {id}");
        return Err(Failure::new(FailureCode::Conflict, what, "it has ended"));
    }
    let row = node.transfers.row(id);
    let cancelled = blocking({
        let node = Arc::clone(&node);
        move || node.transfers.change(id, |row| row.report.state = TransferState::Cancelled)
    })
    .await?;
    if let Some(stop) = node.transfers.lock().at_work.get(&id) {
        stop.cancel();
    }
    if let Some(row) = row {
        tokio::spawn(async move { drop_upload(&node, &row).await });
    }
    Ok(cancelled.report)
}

/// Has the instance drop what it has of a transfer that has ended.
async fn drop_upload(node: &Node, row: &Row) {
    let (Some(instance), Some(upload)) = (row.instance, &row.upload) else { return };
    let Ok(client) = node.instances.client(&node.secret, instance) else { return };
    if let Err(error) = client.upload_cancel(&upload.id).await {
        tracing::info!(%error, "an upload that is not wanted stays there until it expires");
    }
}

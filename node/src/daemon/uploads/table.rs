//! All uploads of the node: in memory to be looked at, in the state file to survive.
//!
//! Changes are made one at a time, each durable before anybody sees it; who only looks never waits
//! for the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{
    control::{Failure, FailureCode, UploadReport},
    upload::{Session, UploadId},
};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{
    ENDED_MAX, OPEN_MAX, RESERVE_BYTES, dropped, report,
    spool::{Spool, disk_failure},
    told, unknown,
};
use crate::{
    daemon::{failure::db_failure, news::Bus},
    db::Db,
};

/// How finishing ended, once it has.
pub(super) type Outcome = Option<Result<UploadReport, Failure>>;

/// The run that finishes an upload, once it has begun, and where its end is heard.
pub(super) type AtWork = (Option<u64>, watch::Receiver<Outcome>);

/// The uploads of a node.
#[derive(Debug)]
pub struct Uploads {
    pub(super) spool: Spool,
    pub(super) reserve_bytes: u64,
    table: Mutex<BTreeMap<UploadId, Entry>>,
    /// Held by whoever changes something, from looking to writing.
    changing: Mutex<()>,
    news: Arc<Bus>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    /// Parts that are being written.
    pub(super) writing: BTreeSet<u32>,
    /// Who finishes it.
    pub(super) finishing: Option<Finishing>,
}

/// Somebody finishes an upload.
#[derive(Debug)]
pub(super) struct Finishing {
    /// Its run, once that has begun.
    pub(super) run: Option<u64>,
    /// Somebody wants it to stop, perhaps before it has a run.
    pub(super) stop: bool,
    pub(super) ended: watch::Receiver<Outcome>,
}

impl Uploads {
    /// Reads the uploads, and removes what a crash left.
    ///
    /// # Errors
    /// When the state file or the folder cannot be read or written.
    pub fn open(db: &Db, folder: &Path) -> Result<Self, Failure> {
        const WHAT: &str = "cannot open the uploads";
        let failed = |error| db_failure(WHAT, &error);
        let spool = Spool::open(folder.to_owned()).map_err(|error| disk_failure(WHAT, &error))?;
        let (mut table, mut lost) = (BTreeMap::new(), Vec::new());
        for (id, session) in db.uploads().map_err(failed)? {
            match session {
                Ok(session) if session.has_ended() || spool.has(&id) => {
                    let (writing, finishing) = (BTreeSet::new(), None);
                    table.insert(id, Entry { session, writing, finishing });
                }
                Ok(_) => lost.push(id),
                Err(error) => {
                    warn!(upload.id = %id, %error, "an upload cannot be read and is dropped");
                    lost.push(id);
                }
            }
        }
        if !lost.is_empty() {
            db.forget_uploads(&lost).map_err(failed)?;
        }
        let open = table.iter().filter(|(_, entry)| !entry.session.has_ended());
        let open: BTreeSet<_> = open.map(|(id, _)| *id).collect();
        let swept = spool.sweep(&open).map_err(|error| disk_failure(WHAT, &error))?;
        if swept > 0 {
            info!(files = swept, folder = %spool.folder().display(), "leftovers were removed");
        }
        let (table, changing) = (Mutex::new(table), Mutex::new(()));
        let news = Arc::default();
        Ok(Self { spool, reserve_bytes: RESERVE_BYTES, table, changing, news })
    }

    /// The same, telling those who watch.
    #[must_use]
    pub fn telling(mut self, news: &Arc<Bus>) -> Self {
        self.news = Arc::clone(news);
        self
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<UploadId, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_alone(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at one.
    pub(super) fn look<T>(
        &self,
        id: &UploadId,
        look: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, Failure> {
        self.lock().get_mut(id).map(look).ok_or_else(unknown)
    }

    /// Where the bytes of one are.
    pub(super) fn path(&self, id: &UploadId) -> PathBuf {
        self.spool.path(id)
    }

    /// One, as it is told.
    pub(super) fn report(&self, id: &UploadId) -> Result<UploadReport, Failure> {
        self.look(id, |entry| report(id, &entry.session))
    }

    /// All, newest first.
    pub(super) fn reports(&self) -> Vec<UploadReport> {
        let mut all: Vec<_> =
            self.lock().iter().map(|(id, entry)| report(id, &entry.session)).collect();
        all.sort_by_key(|upload| std::cmp::Reverse(upload.started_ms));
        all
    }

    /// Those that a condition holds for.
    pub(super) fn those(&self, which: impl Fn(&Entry) -> bool) -> Vec<UploadId> {
        self.lock().iter().filter(|(_, entry)| which(entry)).map(|(id, _)| *id).collect()
    }

    /// Asks whoever finishes it to stop: the run to be cancelled, and where its end is heard. None
    /// when nobody does.
    pub(super) fn stop(&self, id: &UploadId) -> Result<Option<AtWork>, Failure> {
        self.look(id, |entry| {
            let finishing = entry.finishing.as_mut()?;
            finishing.stop = true;
            Some((finishing.run, finishing.ended.clone()))
        })
    }

    /// Adds one.
    pub(super) fn begin(&self, db: &Db, id: UploadId, session: Session) -> Result<(), Failure> {
        const WHAT: &str = "cannot begin the upload";
        let _alone = self.change_alone();
        self.admit(session.spec().total_bytes())?;
        self.drop_old_ends(db)?;
        // The file first: a row without one is forgotten at the next start, and so is the other.
        self.spool.create(&id).map_err(|error| disk_failure(WHAT, &error))?;
        if let Err(error) = db.set_upload(&id, &session) {
            let _ = self.spool.remove(&id);
            return Err(db_failure(WHAT, &error));
        }
        let (writing, finishing) = (BTreeSet::new(), None);
        let news = told(&id, &session);
        self.lock().insert(id, Entry { session, writing, finishing });
        self.news.tell(news);
        Ok(())
    }

    /// Refuses what would be too many, or too much for the disk.
    fn admit(&self, bytes: u64) -> Result<(), Failure> {
        const WHAT: &str = "cannot begin the upload";
        let (mut open, mut awaited) = (0, 0_u64);
        for entry in self.lock().values().filter(|entry| !entry.session.has_ended()) {
            open += 1;
            awaited = awaited.saturating_add(entry.session.awaited_bytes());
        }
        if open >= OPEN_MAX {
            let why = format!("{OPEN_MAX} uploads are open already");
            return Err(Failure::new(FailureCode::Busy, WHAT, why)
                .hint("finish or drop one of them, or wait until the oldest has expired"));
        }
        let (free, reserve) = (self.spool.free_bytes(), self.reserve_bytes);
        if free < bytes.saturating_add(awaited).saturating_add(reserve) {
            let why = format!(
                "it has {bytes} bytes, {free} are free, {awaited} of them are promised to other \
                 uploads and {reserve} stay free"
            );
            return Err(Failure::new(FailureCode::NoSpace, WHAT, why)
                .hint("free space on the disk of the data folder"));
        }
        Ok(())
    }

    /// Makes room for the end of one more.
    fn drop_old_ends(&self, db: &Db) -> Result<(), Failure> {
        let mut ended: Vec<_> = {
            let table = self.lock();
            let ended = table.iter().filter(|(_, entry)| entry.session.has_ended());
            ended.map(|(id, entry)| (entry.session.expires(), *id)).collect()
        };
        if ended.len() < ENDED_MAX {
            return Ok(());
        }
        ended.sort_unstable();
        let too_many = ended.len() + 1 - ENDED_MAX;
        let oldest: Vec<_> = ended.into_iter().take(too_many).map(|(_, id)| id).collect();
        self.remove(db, &oldest)
    }

    /// Changes one, durably: `change` is made, stored, then seen.
    pub(super) fn change<T>(
        &self,
        db: &Db,
        id: &UploadId,
        change: impl FnOnce(&mut Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let _alone = self.change_alone();
        let mut session = self.look(id, |entry| entry.session.clone())?;
        let changed = change(&mut session)?;
        let stored = db.set_upload(id, &session);
        stored.map_err(|error| db_failure("cannot note how the upload stands", &error))?;
        let news = told(id, &session);
        self.look(id, |entry| entry.session = session)?;
        self.news.tell(news);
        Ok(changed)
    }

    /// Forgets some with their bytes, whatever state they are in.
    pub(super) fn forget(&self, db: &Db, ids: &[UploadId]) -> Result<(), Failure> {
        let _alone = self.change_alone();
        self.remove(db, ids)
    }

    fn remove(&self, db: &Db, ids: &[UploadId]) -> Result<(), Failure> {
        const WHAT: &str = "cannot drop the upload";
        db.forget_uploads(ids).map_err(|error| db_failure(WHAT, &error))?;
        let removed = ids.iter().map(|id| {
            if let Some(entry) = self.lock().remove(id) {
                self.news.tell(dropped(id, &entry.session));
            }
            self.spool.remove(id).map_err(|error| disk_failure(WHAT, &error))
        });
        // All are tried, whatever becomes of one; what stays goes at the next start.
        removed.collect::<Vec<_>>().into_iter().collect()
    }
}

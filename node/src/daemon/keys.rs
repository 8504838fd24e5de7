//! Keys of the HTTP interface: made, listed, revoked, checked.
//!
//! A key is 64 random hex digits. The first eight are its *id*: they stand in lists and logs, and
//! lead to the one row that a check needs, so that a check is one bcrypt and not one for each key.
//! What is stored is a bcrypt hash of all 64 (bcrypt takes 72 bytes). An id that nobody has costs
//! the same, so that the time of an answer tells nothing. The text itself is in one answer, once.
//!
//! Checks run on blocking threads, few at once, whatever comes from outside; others wait. Who
//! serves HTTP remembers what was checked, until [`ApiKeys::epoch`] changes.

mod check;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::{
    Entropy as _,
    control::{
        API_KEY_ID_DIGITS, API_KEYS_MAX, ApiKey, Failure, FailureCode, KeyCreate, KeyCreated,
        KeyReport,
    },
    job::Name,
};
use tokio::sync::Semaphore;
use tracing::info;
use zeroize::Zeroizing;

use super::{
    failure::db_failure,
    handle::archive::hex,
    news::Bus,
    node::{Node, blocking},
};
use crate::{
    db::{Db, DbError, KeyRow},
    sys::{self, OsEntropy},
};

/// Bytes of a key, two digits each.
const KEY_BYTES: usize = protocol::control::API_KEY_DIGITS / 2;

/// How many new keys are drawn before one has an id of its own: two are enough for ever.
const DRAWS_MAX: usize = 16;

/// Bcrypts at work at once. Each is some 50 ms of a processor that backups want too.
const CHECKS_MAX: usize = 2;

/// The keys of this node.
pub struct ApiKeys {
    db: Arc<Db>,
    rows: Mutex<BTreeMap<String, KeyRow>>,
    /// Held while the state file and then `rows` are changed.
    changing: Mutex<()>,
    epoch: AtomicU64,
    checks: Arc<Semaphore>,
    news: Arc<Bus>,
}

impl ApiKeys {
    /// Reads them.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let rows = Mutex::new(db.api_keys()?.into_iter().collect());
        let checks = Arc::new(Semaphore::new(CHECKS_MAX));
        let (changing, epoch, news) = (Mutex::default(), AtomicU64::new(0), Arc::default());
        Ok(Self { db, rows, changing, epoch, checks, news })
    }

    /// The same, calling those who watch when a key is revoked.
    #[must_use]
    pub fn telling(mut self, news: &Arc<Bus>) -> Self {
        self.news = Arc::clone(news);
        self
    }

    /// Changes whenever keys are made or revoked, before whoever asked for that hears of it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.news.call();
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, KeyRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Vec<KeyReport> {
        let mut keys: Vec<_> = self.rows().iter().map(|(id, row)| report(id, row)).collect();
        keys.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        keys
    }

    /// Blocks on the disk and on a bcrypt.
    fn create(&self, create: KeyCreate) -> Result<KeyCreated, Failure> {
        let what = format!("cannot make key {}", create.name);
        if is_like_an_id(&create.name) {
            let why = "a name of eight hex digits looks like the id of another key";
            return Err(Failure::new(FailureCode::Invalid, what, why).hint("choose another name"));
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.rows().len() >= API_KEYS_MAX {
            let why = format!("there are {API_KEYS_MAX}, which is the most");
            return Err(Failure::new(FailureCode::Conflict, what, why)
                .hint("revoke one that is not used any more: `backupmanager key list`"));
        }
        let key = self.draw(&what)?;
        let hash = check::hash(&key)
            .map_err(|error| Failure::caused(FailureCode::Internal, &*what, &error))?;
        let KeyCreate { name, read_only, metrics_only } = create;
        // Also for an older program that reads the row.
        let read_only = read_only || metrics_only;
        let row = KeyRow { name, read_only, metrics_only, created: sys::now(), used: None, hash };
        let stored = self.db.add_api_key(key.id(), &row);
        stored.map_err(|error| db_failure(&what, &error))?;
        let report = report(key.id(), &row);
        self.rows().insert(key.id().to_owned(), row);
        self.changed();
        info!(key.id = report.id, key.name = %report.name, read_only, metrics_only, "a key was made");
        Ok(KeyCreated { report, key })
    }

    /// A random key whose id no other has.
    fn draw(&self, what: &str) -> Result<ApiKey, Failure> {
        for _ in 0..DRAWS_MAX {
            let bytes: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(OsEntropy.array());
            let key = ApiKey::try_from(hex(&*bytes));
            let key = key.map_err(|error| Failure::caused(FailureCode::Internal, what, &error))?;
            if !self.rows().contains_key(key.id()) {
                return Ok(key);
            }
        }
        let why = "every id that was drawn is taken";
        Err(Failure::new(FailureCode::Internal, what, why).hint("try again"))
    }

    /// Blocks on the disk.
    fn revoke(&self, wanted: &Name) -> Result<(), Failure> {
        let what = format!("cannot revoke key {wanted}");
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.find(wanted, &what)?;
        self.db.remove_api_key(&id).map_err(|error| db_failure(&what, &error))?;
        self.rows().remove(&id);
        self.changed();
        info!(key.id = id, "a key was revoked");
        Ok(())
    }

    fn find(&self, wanted: &Name, what: &str) -> Result<String, Failure> {
        let rows = self.rows();
        let is_wanted = |(id, row): &(&String, &KeyRow)| {
            row.name == *wanted || id.eq_ignore_ascii_case(wanted.as_str())
        };
        let mut found = rows.iter().filter(is_wanted).map(|(id, _)| id.clone());
        match (found.next(), found.count()) {
            (Some(id), 0) => Ok(id),
            (None, _) => Err(Failure::new(FailureCode::NotFound, what, "there is none")
                .hint("`backupmanager key list` shows the keys of this node")),
            (Some(_), more) => {
                let why = format!("{} keys are called so", more + 1);
                Err(Failure::new(FailureCode::Invalid, what, why)
                    .hint("name it by its id, as `backupmanager key list` shows it"))
            }
        }
    }
}

fn is_like_an_id(name: &Name) -> bool {
    let name = name.as_str();
    name.len() == API_KEY_ID_DIGITS && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn report(id: &str, row: &KeyRow) -> KeyReport {
    KeyReport {
        id: id.to_owned(),
        name: row.name.clone(),
        read_only: row.read_only,
        metrics_only: row.metrics_only,
        created_ms: row.created,
        used_ms: row.used,
    }
}

/// Makes a key. Its text is in the answer and nowhere else.
pub(super) async fn create(node: Arc<Node>, create: KeyCreate) -> Result<KeyCreated, Failure> {
    blocking(move || node.api_keys.create(create)).await
}

/// Every key, by name, without its text.
pub(super) async fn list(node: Arc<Node>) -> Result<Vec<KeyReport>, Failure> {
    Ok(node.api_keys.list())
}

/// No longer takes a key, from now on.
pub(super) async fn revoke(node: Arc<Node>, key: Name) -> Result<(), Failure> {
    blocking(move || node.api_keys.revoke(&key)).await
}

#[cfg(test)]
mod tests;

//! The instances that this node knows, with their keys.
//!
//! An instance is a server that is reached by the HTTP contract alone. Its key lies in the state
//! file sealed for this node and for the instance's address, and is opened only to make a call. What
//! an instance says of itself is remembered as its last word; every call notes how it is.

mod poll;
mod ssh;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{
    control::{
        ApiKey, Change, Failure, FailureCode, Happened, INSTANCES_MAX, InstanceAdd, InstanceJob,
        InstanceReport, InstanceState, SshReport,
    },
    job::Name,
    key::{KeptSecret, NodeSecret},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub(super) use poll::{poll, run};
pub(super) use ssh::{SshOptions, StoredSsh, look, run_until, task_failure};

use super::{failure::db_failure, news::Bus};
use crate::{
    db::{Db, DbError, Numbered},
    instances::{Client, ClientError, Health, Patience},
    sys::{self, OsEntropy},
};

/// Where the number of the next instance is kept.
const NEXT_KEY: &str = "instances.next";

/// How much newer than on the disk a time of being seen may be: it is not worth a write a minute.
const SEEN_WRITTEN_MS: u64 = 15 * 60 * 1_000;

/// An instance as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    report: InstanceReport,
    key: KeptSecret,
    #[serde(default)]
    ssh: Option<StoredSsh>,
}

/// Every instance of this node.
pub struct Instances {
    db: Arc<Db>,
    plain_allowed: bool,
    known: Mutex<BTreeMap<u64, Stored>>,
    changed: Notify,
    news: Arc<Bus>,
}

/// What a round of questions found.
pub(super) struct Told {
    health: Health,
    jobs: Option<Vec<InstanceJob>>,
}

impl Instances {
    /// Reads what is stored. Without `plain_allowed` keys leave this machine encrypted only.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>, plain_allowed: bool) -> Result<Self, DbError> {
        let known = Mutex::new(db.rows(Numbered::Instances)?.into_iter().collect());
        let (changed, news) = (Notify::new(), Arc::default());
        Ok(Self { db, plain_allowed, known, changed, news })
    }

    /// The same, telling those who watch.
    #[must_use]
    pub fn telling(mut self, news: &Arc<Bus>) -> Self {
        self.news = Arc::clone(news);
        self
    }

    /// All of them by name, without their jobs.
    pub(super) fn list(&self) -> Vec<InstanceReport> {
        let bare = |stored: &Stored| InstanceReport { jobs: Vec::new(), ..stored.report.clone() };
        let mut all: Vec<_> = self.lock().values().map(bare).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// One of them, by its name or else its number.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn find(&self, wanted: &Name) -> Result<InstanceReport, Failure> {
        let known = self.lock();
        let named = known.values().find(|stored| stored.report.name == *wanted);
        let number = || known.get(&wanted.as_str().parse().ok()?);
        let found = named.or_else(number).map(|stored| stored.report.clone());
        found.ok_or_else(|| {
            let what = format!("cannot find instance {wanted}");
            Failure::new(FailureCode::NotFound, what, "there is none")
                .hint("`backupmanager instance list` shows the instances that this node knows")
        })
    }

    /// One of them by its number.
    pub(super) fn numbered(&self, number: u64) -> Option<InstanceReport> {
        self.lock().get(&number).map(|stored| stored.report.clone())
    }

    /// The ssh account of one of them.
    pub(super) fn ssh(&self, number: u64) -> Option<StoredSsh> {
        self.lock().get(&number)?.ssh.clone()
    }

    /// Knows one more. Blocks on the disk.
    ///
    /// # Errors
    /// When there is one of that name, there are too many, or its address is not safe for a key.
    pub(super) fn add(
        &self,
        secret: &NodeSecret,
        add: &InstanceAdd,
        ssh: Option<(StoredSsh, SshReport)>,
    ) -> Result<InstanceReport, Failure> {
        let what = format!("cannot add instance {}", add.name);
        let mut known = self.lock();
        self.check(&known, add, &what)?;
        let failed = |error: DbError| db_failure(&what, &error);
        let next = self.db.meta(NEXT_KEY).map_err(failed)?;
        let next = next.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let number = next.unwrap_or(1);
        self.db.set_meta(NEXT_KEY, &(number + 1).to_le_bytes()).map_err(failed)?;
        let purpose = add.url.to_string();
        let key = secret.keep(purpose.as_bytes(), add.key.reveal().as_bytes(), &mut OsEntropy);
        let (ssh, shown) = ssh.unzip();
        let report = InstanceReport { ssh: shown, ..report(number, add) };
        let stored = Stored { report, key, ssh };
        self.db.put_row(Numbered::Instances, number, &stored).map_err(failed)?;
        let report = stored.report.clone();
        known.insert(number, stored);
        drop(known);
        self.news.tell(told(Change::Added, &report));
        self.changed.notify_one();
        Ok(report)
    }

    /// Whether one could be added.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn may_add(&self, add: &InstanceAdd) -> Result<(), Failure> {
        self.check(&self.lock(), add, &format!("cannot add instance {}", add.name))
    }

    fn check(
        &self,
        known: &BTreeMap<u64, Stored>,
        add: &InstanceAdd,
        what: &str,
    ) -> Result<(), Failure> {
        if known.values().any(|stored| stored.report.name == add.name) {
            return Err(Failure::new(FailureCode::Exists, what, "there is one of that name")
                .hint("choose another name, or remove that one first"));
        }
        if known.len() >= INSTANCES_MAX {
            let why = format!("a node knows at most {INSTANCES_MAX} instances");
            return Err(Failure::new(FailureCode::Conflict, what, why));
        }
        let (url, refused) = (&add.url, |why| Failure::new(FailureCode::Invalid, what, why));
        if !url.is_encrypted() && add.pin.is_some() {
            return Err(refused("without https there is no certificate to pin"));
        }
        if url.is_encrypted() || url.is_loopback() || self.plain_allowed {
            return Ok(());
        }
        Err(refused("its address is not https, so that everybody on the way could read the key")
            .hint("for a network that you trust, set plain_instances = true in the configuration"))
    }

    /// Forgets one with its key. Blocks on the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn remove(&self, instance: &InstanceReport) -> Result<(), Failure> {
        let what = format!("cannot remove instance {}", instance.name);
        let mut known = self.lock();
        let removed = self.db.remove_rows(Numbered::Instances, &[instance.number]);
        removed.map_err(|error| db_failure(&what, &error))?;
        known.remove(&instance.number);
        self.news.tell(told(Change::Removed, instance));
        Ok(())
    }

    /// Somebody to call an instance with.
    ///
    /// # Errors
    /// When it is gone, its key does not open, or this machine cannot make safe connections.
    pub(super) fn client(&self, secret: &NodeSecret, number: u64) -> Result<Client, Failure> {
        let stored = self.lock().get(&number).cloned();
        let Some(Stored { report, key, .. }) = stored else {
            let what = format!("cannot call instance {number}");
            return Err(Failure::new(FailureCode::NotFound, what, "it was removed"));
        };
        let what = format!("cannot call instance {}", report.name);
        let opened = secret.open_kept(report.url.to_string().as_bytes(), &key);
        let text = opened.ok().and_then(|key| String::from_utf8(key.to_vec()).ok());
        let Some(Ok(key)) = text.map(ApiKey::try_from) else {
            return Err(Failure::new(FailureCode::Damaged, what, "its stored key does not open")
                .hint("remove the instance and add it again"));
        };
        let client = Client::new(report.url, key, report.pin.as_ref(), Patience::default());
        client.map_err(|error| failed(&what, &error))
    }

    /// Notes how a call to an instance went. Blocks on the disk now and then.
    pub(super) fn note(&self, number: u64, went: &Result<Told, ClientError>) {
        let now = sys::now();
        let mut known = self.lock();
        let Some(stored) = known.get_mut(&number) else { return };
        let before = stored.report.clone();
        let after = &mut stored.report;
        after.asked_ms = Some(now);
        match went {
            Ok(told) => {
                (after.state, after.why, after.last_seen_ms) =
                    (InstanceState::Online, None, Some(now));
                after.instance_name.clone_from(&told.health.instance_name);
                after.version.clone_from(&told.health.version);
                if let Some(jobs) = &told.jobs {
                    (after.jobs, after.jobs_ms) = (jobs.clone(), Some(now));
                }
            }
            Err(error) => {
                let offline = error.is_offline();
                after.state = if offline { InstanceState::Offline } else { InstanceState::Error };
                after.why = Some(failed("", error).why);
            }
        }
        self.tell_change(&before, after);
        if worth_writing(&before, after) {
            let stored = stored.clone();
            // What was asked is asked again; it is no loss when it cannot be written.
            if let Err(error) = self.db.put_row(Numbered::Instances, number, &stored) {
                tracing::warn!(%error, "cannot note how an instance is");
            }
        }
    }

    /// Notes that an instance cannot even be called: a key that does not open.
    fn note_mute(&self, number: u64, why: &Failure) {
        if let Some(stored) = self.lock().get_mut(&number) {
            let before = stored.report.clone();
            stored.report.state = InstanceState::Error;
            stored.report.why = Some(why.why.clone());
            stored.report.asked_ms = Some(sys::now());
            self.tell_change(&before, &stored.report);
        }
    }

    fn tell_change(&self, before: &InstanceReport, after: &InstanceReport) {
        if (before.state, &before.why) != (after.state, &after.why) {
            self.news.tell(told(Change::Changed, after));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Stored>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(change: Change, instance: &InstanceReport) -> Happened {
    let InstanceReport { number, name, state, why, .. } = instance;
    let (name, why) = (name.to_string(), why.clone());
    Happened::Instance { change, number: *number, name, state: *state, why }
}

fn worth_writing(before: &InstanceReport, after: &InstanceReport) -> bool {
    let seen = |report: &InstanceReport| report.last_seen_ms.map_or(0, |seen| seen.0);
    before.state != after.state
        || before.jobs != after.jobs
        || before.version != after.version
        || seen(after) / SEEN_WRITTEN_MS != seen(before) / SEEN_WRITTEN_MS
}

fn report(number: u64, add: &InstanceAdd) -> InstanceReport {
    InstanceReport {
        number,
        name: add.name.clone(),
        url: add.url.clone(),
        pin: add.pin,
        ssh: None,
        state: InstanceState::Unknown,
        why: None,
        last_seen_ms: None,
        asked_ms: None,
        instance_name: None,
        version: None,
        jobs: Vec::new(),
        jobs_ms: None,
        created_ms: sys::now(),
    }
}

/// What to tell of a call that failed.
pub(super) fn failed(what: &str, error: &ClientError) -> Failure {
    let code = match error {
        ClientError::Status { status: 404, .. } => FailureCode::NotFound,
        ClientError::Status { status: 400 | 413 | 415 | 422, .. } => FailureCode::Invalid,
        ClientError::Status { status: 409, .. } => FailureCode::Conflict,
        ClientError::Status { status: 423 | 429 | 503, .. } => FailureCode::Busy,
        ClientError::Status { status: 507, .. } => FailureCode::NoSpace,
        ClientError::Status { status: 500.., .. } => FailureCode::Unreachable,
        ClientError::Status { .. } | ClientError::Key { .. } | ClientError::Handshake { .. } => {
            FailureCode::Refused
        }
        ClientError::Tls { .. } => FailureCode::Internal,
        _ if error.is_offline() => FailureCode::Unreachable,
        _ => FailureCode::Unsupported,
    };
    Failure::caused(code, what, error).hint(error.hint())
}

#[cfg(test)]
mod tests;

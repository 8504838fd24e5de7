//! Plain tars: views of archives in the folder where YunoHost looks for them.
//!
//! An archive lies in the chunk store; its plain tar is a copy that the webadmin lists, shows and
//! restores, and that people can take away. Each job keeps the tars of its newest archives
//! (`keep_tar`). This worker writes those that lack and removes those that are not wanted any more,
//! and nothing else: what lies in the folder and is not in its *ledger* is *foreign* (made by hand,
//! by the webadmin, before an upgrade) and is shown, can be adopted, and is never touched. A tar
//! that somebody deletes there is noticed and not written again; its archive stays.

pub(crate) mod foreign;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::{
    ArchiveId, JobId,
    archive::ArchiveMeta,
    cbor,
    control::{ArchiveRef, Failure, FailureCode, NodeRef},
    job::Job,
};
use tokio::sync::Notify;
use tracing::{info, warn};

use self::plan::{Candidate, Ledger, Standing, Step};
use super::{
    export,
    failure::db_failure,
    handle::archive::open,
    keeping,
    node::{Node, blocking},
    yunohost,
};
use crate::{
    agent::{AgentError, ArchiveFileName, FailureKind},
    db::Db,
    ingest::sidecar,
    replicate::Cancel,
    socket::EventSink,
};

/// Name of the worker.
pub(super) const WORKER: &str = "tars";

/// How often it looks without a reason: deletions in the webadmin show within this time.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The wait after a round that failed: a full disk does not empty itself.
const RETRY_AFTER: Duration = Duration::from_secs(900);

/// What a plain tar leaves free on its disk.
const SPARE_BYTES: u64 = 256 << 20;

/// Where the ledger is kept.
const LEDGER_KEY: &str = "tars";

/// The largest ledger: some hundred thousand tars.
const LEDGER_BYTES_MAX: usize = 32 << 20;

/// What the node knows of its plain tars, durable.
pub struct Tars {
    ledger: Mutex<Ledger>,
    /// Archives that are being made now, by id, with the names they will have.
    making: Mutex<BTreeMap<ArchiveId, String>>,
    news: Notify,
}

impl Tars {
    /// Reads the ledger.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: &Db) -> Result<Self, crate::db::DbError> {
        let stored = db.meta(LEDGER_KEY)?;
        let read = |bytes: Vec<u8>| {
            cbor::decode("ledger of tars", &bytes, LEDGER_BYTES_MAX)
                .inspect_err(|error| warn!(%error, "plain tars are taken for foreign ones"))
                .ok()
        };
        let ledger = stored.and_then(read).unwrap_or_default();
        Ok(Self { ledger: Mutex::new(ledger), making: Mutex::default(), news: Notify::new() })
    }

    /// Takes a name for an archive that is about to be made. Nobody else gets it, and the worker
    /// leaves its tar alone, until the guard is dropped.
    pub(super) fn reserve(
        &self,
        id: ArchiveId,
        choose: impl FnOnce(&BTreeSet<String>) -> String,
    ) -> Reserved<'_> {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = making.values().cloned().chain(self.names().into_values()).collect();
        let name = choose(&taken);
        making.insert(id, name.clone());
        Reserved { tars: self, id, name }
    }

    /// Takes a name that is given; none when a tar or another archive in the making has it.
    pub(super) fn reserve_named(&self, id: ArchiveId, name: &str) -> Option<Reserved<'_>> {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let free = !making.values().any(|made| made == name)
            && !self.names().values().any(|tar| tar == name);
        free.then(|| {
            making.insert(id, name.to_owned());
            Reserved { tars: self, id, name: name.to_owned() }
        })
    }

    fn in_the_making(&self) -> BTreeSet<ArchiveId> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.keys().copied().collect()
    }

    /// Notes that a tar of this name belongs to an archive, before it is in the folder.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn begin(&self, db: &Db, archive: ArchiveId, name: &str) -> Result<(), Failure> {
        self.change(db, |ledger| {
            ledger.insert(archive, (name.to_owned(), Standing::Writing));
        })
    }

    /// Notes that it is there.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn settle(&self, db: &Db, archive: ArchiveId, name: &str) -> Result<(), Failure> {
        self.change(db, |ledger| {
            ledger.insert(archive, (name.to_owned(), Standing::There));
        })
    }

    /// Notes that a file that was there before its archive is its tar.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn adopt(&self, db: &Db, archive: ArchiveId, name: &str) -> Result<(), Failure> {
        self.change(db, |ledger| {
            ledger.insert(archive, (name.to_owned(), Standing::Adopted));
        })
    }

    /// Forgets a tar that did not come to be.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn forget(&self, db: &Db, archive: ArchiveId) -> Result<(), Failure> {
        self.change(db, |ledger| {
            ledger.remove(&archive);
        })
    }

    /// Something changed that the worker should look at.
    pub fn look(&self) {
        self.news.notify_one();
    }

    /// The names of tars that are views of archives.
    #[must_use]
    pub fn names(&self) -> BTreeMap<ArchiveId, String> {
        let ledger = self.lock();
        let there = ledger.iter().filter(|(_, (_, standing))| *standing != Standing::Gone);
        there.map(|(id, (name, _))| (*id, name.clone())).collect()
    }

    /// The file of an archive's tar.
    #[must_use]
    pub fn file_of(&self, archive: &ArchiveId) -> Option<String> {
        match self.lock().get(archive) {
            Some((name, Standing::There | Standing::Adopted)) => Some(format!("{name}.tar")),
            _ => None,
        }
    }

    /// Whether somebody deleted the tar of an archive.
    #[must_use]
    pub fn was_deleted(&self, archive: &ArchiveId) -> bool {
        self.lock().get(archive).is_some_and(|(_, standing)| *standing == Standing::Gone)
    }

    fn change(&self, db: &Db, change: impl FnOnce(&mut Ledger)) -> Result<(), Failure> {
        let mut ledger = self.lock();
        change(&mut ledger);
        db.set_meta(LEDGER_KEY, &cbor::encode(&*ledger))
            .map_err(|error| db_failure("cannot note which plain tars there are", &error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is taken while its archive is made.
pub(super) struct Reserved<'a> {
    tars: &'a Tars,
    id: ArchiveId,
    /// The name.
    pub(super) name: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut making = self.tars.making.lock().unwrap_or_else(PoisonError::into_inner);
        making.remove(&self.id);
    }
}

/// How many plain tars a job keeps.
pub(super) fn kept_by(job: &Job, yunohost: bool) -> u16 {
    job.spec.keep_tar.unwrap_or(u16::from(yunohost))
}

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    let mut changes = node.mesh.changes();
    node.workers.idle(WORKER);
    loop {
        changes.mark_unchanged();
        let wait = match round(&node).await {
            Ok(true) => {
                node.workers.done(WORKER);
                LOOK_EVERY
            }
            Ok(false) => LOOK_EVERY,
            Err(failure) => {
                node.workers.failed(WORKER, failure.to_string());
                RETRY_AFTER
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = node.tars.news.notified() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Does what there is to do; true when there was something.
async fn round(node: &Arc<Node>) -> Result<bool, Failure> {
    let steps = blocking({
        let node = Arc::clone(node);
        move || steps(&node)
    })
    .await?;
    let any = !steps.is_empty();
    // One that fails keeps none of the others from being done.
    let mut failed = None;
    for step in steps {
        if let Err(failure) = take(node, step).await {
            warn!(%failure, "a plain tar is not as it should be");
            failed.get_or_insert(failure);
        }
    }
    failed.map_or(Ok(any), Err)
}

async fn take(node: &Arc<Node>, step: Step) -> Result<(), Failure> {
    match step {
        Step::Write(id, name) => {
            node.workers.working(WORKER, format!("writing {name}.tar"));
            write(node, id, &name).await
        }
        Step::Remove(id, name) => {
            node.workers.working(WORKER, format!("removing {name}.tar"));
            let node = Arc::clone(node);
            blocking(move || remove(&node, id, &name)).await
        }
        Step::Deleted(id, name) => {
            info!(archive.name = name, "its plain tar was deleted by somebody else");
            node.tars.change(&node.db, |ledger| {
                ledger.insert(id, (name, Standing::Gone));
            })
        }
        Step::Settle(id, name) => node.tars.settle(&node.db, id, &name),
        Step::Forget(id) => node.tars.forget(&node.db, id),
    }
}

fn steps(node: &Node) -> Result<Vec<Step>, Failure> {
    let me = node.id();
    let mine = |archive: Arc<super::view::Archive>| {
        // What a restore made to be able to go back is no view of anything.
        let own = |meta: &&ArchiveMeta| archive.origin == me && !meta.safety;
        let meta = archive.meta.as_ref().filter(own)?;
        let (name, job) = (meta.name.clone(), meta.job);
        Some(Candidate { id: archive.id, name, job, created: archive.facts.created })
    };
    let jobs = node.jobs();
    let yunohost =
        jobs.iter().any(|job| job.spec.keep_tar.is_none()) && yunohost::version(node).is_some();
    let keep: BTreeMap<JobId, u16> =
        jobs.iter().map(|job| (job.id, kept_by(job, yunohost))).collect();
    if keep.values().all(|count| *count == 0) && node.tars.lock().is_empty() {
        return Ok(Vec::new());
    }
    // In this order: an archive is announced before its tar is settled, and is in the making until
    // then, so what the ledger says is there is in the list that is taken last.
    let ledger = node.tars.lock().clone();
    let mut untouched = node.tars.in_the_making();
    let folder = match node.agent.list_archives() {
        Ok(files) => files.iter().filter_map(|file| tar_stem(&file.name)).collect(),
        // A disk that is not mounted is no deletion.
        Err(error) if error.kind() == FailureKind::NotFound && ledger.is_empty() => BTreeSet::new(),
        Err(error) => return Err(folder_failure("cannot list the plain tars", &error)),
    };
    let all = node.archive_list();
    // The tar of an archive that does not open may be the only copy that can be read.
    let sealed = all.iter().filter(|archive| archive.origin == me && archive.meta.is_none());
    untouched.extend(sealed.map(|archive| archive.id));
    let archives: Vec<_> = all.into_iter().filter_map(mine).collect();
    Ok(plan::plan(&archives, &keep, &ledger, &folder, &untouched))
}

/// The name of the archive that a file is the tar of.
pub(super) fn tar_stem(file: &ArchiveFileName) -> Option<String> {
    let text = file.to_string();
    let stem = text.strip_suffix(".tar").or_else(|| text.strip_suffix(".tar.gz"));
    stem.map(ToOwned::to_owned)
}

/// The files of an archive's view.
pub(super) fn file_names(name: &str) -> Result<[ArchiveFileName; 2], Failure> {
    let file = |ending: &str| {
        ArchiveFileName::new(format!("{name}.{ending}")).map_err(|error| {
            Failure::caused(FailureCode::Invalid, "cannot name a plain tar", &error)
        })
    };
    Ok([file("tar")?, file("info.json")?])
}

async fn write(node: &Arc<Node>, id: ArchiveId, name: &str) -> Result<(), Failure> {
    // By its id: two archives may have had one name.
    let wanted = ArchiveRef {
        name: id.to_string().parse().map_err(|error: protocol::job::NameError| {
            Failure::caused(FailureCode::Internal, "cannot name a plain tar", &error)
        })?,
        node_of: Some(NodeRef::Id(node.id())),
    };
    let opened = open(node, &wanted).await?;
    let archive = opened.archive.clone();
    let note = blocking({
        let (node, name) = (Arc::clone(node), name.to_owned());
        move || {
            node.tars.begin(&node.db, id, &name)?;
            let written = write_view(&node, &opened, &name, &EventSink::deaf())?;
            node.tars.settle(&node.db, id, &name)?;
            Ok(written)
        }
    })
    .await?;
    let Some(sha256) = note else { return Ok(()) };
    let what = format!("cannot note the SHA-256 of {name}");
    keeping::amend(node, &archive, &what, |_, meta| meta.sha256 = Some(sha256)).await
}

/// Writes tar and info through the agent; what is half-way is not published.
pub(super) fn write_view(
    node: &Node,
    opened: &super::handle::archive::Opened,
    name: &str,
    events: &EventSink,
) -> Result<Option<[u8; 32]>, Failure> {
    let what = format!("cannot write the plain tar of {name}");
    let [tar, info] = file_names(name)?;
    let failed = |error: &AgentError| folder_failure(&what, error);
    let file = node.agent.create_archive(&tar).map_err(|error| failed(&error))?;
    room(&file, opened.reader.stream_bytes(), &what).inspect_err(|_| {
        let _ = node.agent.discard_archive(&tar);
    })?;
    let described = export::copy_to(opened, &file, events, &what).and_then(|copied| {
        // What YunoHost could not read is better not there: it looks into the tar itself then.
        let described = sidecar(&copied.info).ok();
        if let Some(text) = &described {
            write_info(node, &info, text, &what)?;
        }
        Ok((copied, described.is_some()))
    });
    let (copied, described) = described.inspect_err(|_| {
        let _ = node.agent.discard_archive(&tar);
        let _ = node.agent.discard_archive(&info);
    })?;
    drop(file);
    // The description first: a tar without one is listed with a warning.
    if described {
        node.agent.publish_archive(&info).map_err(|error| failed(&error))?;
    }
    node.agent.publish_archive(&tar).map_err(|error| failed(&error))?;
    Ok(export::note(node, opened, copied.sha256))
}

fn write_info(node: &Node, info: &ArchiveFileName, text: &[u8], what: &str) -> Result<(), Failure> {
    let failed = |error: &AgentError| folder_failure(what, error);
    let mut beside = match node.agent.create_archive(info) {
        // What a crash left: the tar it belonged to is not there.
        Err(error) if error.kind() == FailureKind::Exists => {
            node.agent.remove_archive(info).map_err(|error| failed(&error))?;
            node.agent.create_archive(info).map_err(|error| failed(&error))?
        }
        created => created.map_err(|error| failed(&error))?,
    };
    beside.write_all(text).map_err(|error| {
        Failure::caused(FailureCode::NoSpace, what, &error).hint("free space there")
    })
}

/// Refuses to fill a disk up.
fn room(file: &std::fs::File, bytes: u64, what: &str) -> Result<(), Failure> {
    let Ok(disk) = rustix::fs::fstatvfs(file) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let wanted = bytes.saturating_add(SPARE_BYTES);
    if free >= wanted {
        return Ok(());
    }
    let why = format!("{wanted} bytes are needed in the archives folder, {free} are free");
    Err(Failure::new(FailureCode::NoSpace, what, why)
        .hint("free space there, or keep fewer plain tars (--keep-tar)"))
}

fn remove(node: &Node, id: ArchiveId, name: &str) -> Result<(), Failure> {
    remove_files(node, name)?;
    node.tars.forget(&node.db, id)
}

/// Removes the tar of an archive and what lies beside it; what is not there is not missed.
pub(super) fn remove_files(node: &Node, name: &str) -> Result<(), Failure> {
    for ending in ["tar", "tar.gz", "info.json"] {
        let Ok(file) = ArchiveFileName::new(format!("{name}.{ending}")) else { continue };
        match node.agent.remove_archive(&file) {
            Err(error) if error.kind() != FailureKind::NotFound => {
                return Err(folder_failure(&format!("cannot remove {file}"), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn folder_failure(what: &str, error: &AgentError) -> Failure {
    let code = match error.kind() {
        FailureKind::DiskFull => FailureCode::NoSpace,
        FailureKind::Exists => FailureCode::Exists,
        FailureKind::Busy => FailureCode::Busy,
        FailureKind::NotFound => FailureCode::NotFound,
        _ => FailureCode::Internal,
    };
    Failure::caused(code, what, error).hint("look at the archives folder and its disk")
}

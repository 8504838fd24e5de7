use std::{collections::BTreeMap, time::Duration};

use protocol::{
    ArchiveId, ChunkId, JobId, SealedId, Time,
    archive::ArchiveMeta,
    control::{ArchiveRemove, FailureCode, JobEdit},
    job::{CustomDir, JobConfig, JobSpec},
    object::Link,
    record::{ArchiveFacts, Fact},
    retention::Retention,
    schedule::Schedule,
};
use tempfile::TempDir;

use super::{super::job, *};
use crate::{
    daemon::{
        hurt,
        live::tests::{Sample, node},
        mesh::Change,
        objects::ArchiveObjects,
    },
    replicate::Cancel,
    socket::EventSink,
    sys::OsEntropy,
};

const DAY_MS: u64 = 24 * 3_600_000;

/// How long a test waits for the worker before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    _dir: TempDir,
    node: Arc<Node>,
    job: JobId,
}

impl World {
    /// A node with one job.
    async fn new(retention: Retention) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = node(&dir, "jerry").await;
        let added = job::add(&node, spec("docs", retention)).await.unwrap();
        Self { _dir: dir, node, job: added.job.id }
    }

    /// The same node, started again.
    async fn restart(self) -> Self {
        let Self { _dir: dir, node: old, job } = self;
        old.mesh.stop().await;
        let db = Arc::downgrade(&old.db);
        drop(old);
        // What the mesh had of it goes with its last task.
        let closed = async {
            while db.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("somebody keeps the state file open");
        let node = node(&dir, "jerry").await;
        Self { _dir: dir, node, job }
    }

    /// An archive of so many days ago, called after its number.
    async fn archive(&self, number: u8, days_ago: u64) -> ArchiveId {
        let sample = Sample::put(&self.node.store, number);
        self.say(number, days_ago, self.job, sample.facts()).await
    }

    async fn say(&self, number: u8, days_ago: u64, job: JobId, facts: ArchiveFacts) -> ArchiveId {
        let meta = ArchiveMeta {
            name: format!("a{number}"),
            job,
            job_name: "docs".to_owned(),
            kind: "custom_dir".to_owned(),
            source: b"/srv".to_vec(),
            root: ChunkId([4; 32]),
            stream_bytes: 1,
            members: 1,
            sha256: None,
            warnings: 0,
            in_clear: false,
            pinned: false,
            safety: false,
        };
        let sealed = meta.seal(&self.node.key, &mut OsEntropy);
        let created = Time(sys::now().0 - days_ago * DAY_MS);
        let id = ArchiveId([number; 16]);
        let fact = Fact::Archive(id, ArchiveFacts { created, sealed, ..facts });
        self.node.mesh.publish(vec![Change::Say(fact)]).await.unwrap();
        id
    }

    fn names(&self) -> Vec<String> {
        self.node.archive_list().iter().map(|archive| archive.title()).collect()
    }

    fn facts(&self, id: ArchiveId) -> ArchiveFacts {
        self.node.mesh.look(|catalog| catalog.archive(self.node.id(), id).cloned()).unwrap()
    }

    async fn prune(&self, dry_run: bool) -> Pruned {
        prune(&self.node, Prune { job: None, dry_run }).await.unwrap()
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        let remove = ArchiveRemove { archive: named(name), dry_run: false };
        archive::remove(&self.node, remove).await.map(drop)
    }

    /// Waits until only so many archives are left.
    async fn left(&self, count: usize) {
        let mut changes = self.node.mesh.changes();
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.names().len() != count {
                changes.changed().await.unwrap();
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{:?} are left", self.names()));
    }
}

fn spec(name: &str, retention: Retention) -> JobSpec {
    let dir = JobConfig::CustomDir(CustomDir::new("/srv"));
    JobSpec { retention, ..JobSpec::new(name.parse().unwrap(), dir) }
}

fn named(name: &str) -> ArchiveRef {
    ArchiveRef { name: name.parse().unwrap(), node_of: None }
}

fn reasons(pruned: &Pruned) -> BTreeMap<&str, (bool, &str)> {
    let verdicts = pruned.verdicts.iter();
    verdicts.map(|v| (v.archive.as_str(), (v.keep, v.reason.as_str()))).collect()
}

#[tokio::test]
async fn a_preview_says_what_goes_and_why_and_then_it_goes() {
    let world = World::new(Retention::Count(2)).await;
    for (number, days) in [(1, 9), (2, 8), (3, 2), (4, 1)] {
        world.archive(number, days).await;
    }
    pin(&world.node, &named("a1"), true).await.unwrap();
    let preview = world.prune(true).await;
    assert_eq!((preview.dry_run, preview.kept, preview.dropped), (true, 3, 1));
    // What the samples share stays; leaf, page and root of the one that goes are its own.
    assert!(preview.freed_bytes > 99, "{}", preview.freed_bytes);
    let told = reasons(&preview);
    assert_eq!(told["a4"], (true, "among the newest 2"));
    assert_eq!(told["a2"], (false, "older than the newest 2 archives that are kept"));
    assert_eq!(told["a1"], (true, "pinned"));
    assert_eq!(preview.verdicts[0].archive, "a4", "newest first");
    assert_eq!(world.names(), ["a1", "a2", "a3", "a4"], "nothing was changed");

    let done = world.prune(false).await;
    assert_eq!((done.dry_run, done.dropped, done.freed_bytes), (false, 1, preview.freed_bytes));
    assert_eq!(world.names(), ["a1", "a3", "a4"]);
    let again = world.prune(false).await;
    assert_eq!((again.dropped, again.freed_bytes), (0, 0));
}

#[tokio::test]
async fn a_pinned_archive_is_not_removed_until_it_is_let_go() {
    let world = World::new(Retention::All).await;
    let id = world.archive(1, 3).await;
    let before = world.facts(id);
    let report = pin(&world.node, &named("a1"), true).await.unwrap();
    assert!(report.pinned);
    let pinned = world.facts(id);
    assert_ne!(pinned.sealed, before.sealed);
    let same = ArchiveFacts { sealed: before.sealed.clone(), ..pinned.clone() };
    assert_eq!(same, before, "who holds it sees the same root, size and time");
    pin(&world.node, &named("a1"), true).await.unwrap();
    assert_eq!(world.facts(id), pinned, "nothing is published when nothing changes");

    let refused = world.remove("a1").await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Conflict, true), "{refused}");
    assert_eq!(world.names(), ["a1"]);
    assert!(!pin(&world.node, &named("a1"), false).await.unwrap().pinned);
    world.remove("a1").await.unwrap();
    assert_eq!(world.names(), [""; 0]);
    let gone = pin(&world.node, &named("a1"), true).await.unwrap_err();
    assert_eq!(gone.code, FailureCode::NotFound);
}

#[tokio::test]
async fn a_late_change_does_not_bring_a_removed_archive_back() {
    let world = World::new(Retention::All).await;
    world.archive(1, 3).await;
    let found = world.node.archive_list().remove(0);
    world.remove("a1").await.unwrap();
    let late = keeping::amend(&world.node, &found, "cannot note it", |_, meta| meta.warnings = 7);
    assert_eq!(late.await.unwrap_err().code, FailureCode::Conflict);
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test]
async fn a_change_is_made_to_the_newest_record() {
    let world = World::new(Retention::All).await;
    let id = world.archive(1, 3).await;
    let found = world.node.archive_list().remove(0);
    pin(&world.node, &named("a1"), true).await.unwrap();
    keeping::amend(&world.node, &found, "x", |_, meta| meta.sha256 = Some([5; 32])).await.unwrap();
    let meta = ArchiveMeta::open(&world.node.key, &world.facts(id).sealed).unwrap();
    assert!(meta.pinned && meta.sha256 == Some([5; 32]));
}

#[tokio::test]
async fn an_archive_that_somebody_reads_stays_until_nobody_does() {
    let world = World::new(Retention::Count(1)).await;
    world.archive(1, 2).await;
    world.archive(2, 1).await;
    let old = world.node.archive_list().remove(0);
    let (node, reading) = (&world.node, world.node.keeping.reading(&old));
    let objects = ArchiveObjects::with_holders(&node.store, &node.mesh, Vec::new(), reading);
    let second = node.keeping.reading(&old);
    drop(second);
    let pruned = world.prune(false).await;
    assert_eq!(reasons(&pruned)["a1"], (true, "in use: somebody reads it"));
    assert_eq!(world.names(), ["a1", "a2"]);
    drop(objects);
    assert_eq!(world.prune(false).await.dropped, 1);
    assert_eq!(world.names(), ["a2"]);
}

#[tokio::test]
async fn an_archive_in_use_is_not_removed_until_nobody_reads_it() {
    let world = World::new(Retention::All).await;
    world.archive(1, 3).await;
    world.archive(2, 2).await;
    let used = world.node.archive_list().remove(0);
    let (first, second) = (world.node.keeping.reading(&used), world.node.keeping.reading(&used));
    drop(first);
    let refused = world.remove("a1").await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Busy, true), "{refused}");
    let dry = ArchiveRemove { archive: named("a1"), dry_run: true };
    assert_eq!(archive::remove(&world.node, dry).await.unwrap_err().code, FailureCode::Busy);
    world.remove("a2").await.unwrap();
    assert_eq!(world.names(), ["a1"]);
    drop(second);
    world.remove("a1").await.unwrap();
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test]
async fn who_begins_to_read_while_a_removal_waits_keeps_the_archive() {
    let world = World::new(Retention::All).await;
    world.archive(1, 3).await;
    let used = world.node.archive_list().remove(0);
    let deciding = world.node.keeping.decide().await;
    let mut removal = Box::pin(world.remove("a1"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut removal).await;
    assert!(early.is_err(), "it was removed while somebody else decides");
    let reading = world.node.keeping.reading(&used);
    drop(deciding);
    assert_eq!(removal.await.unwrap_err().code, FailureCode::Busy);
    assert_eq!(world.names(), ["a1"]);
    drop(reading);
}

#[tokio::test]
async fn an_archive_with_missing_objects_does_not_cost_the_last_whole_one() {
    let world = World::new(Retention::Count(1)).await;
    world.archive(1, 3).await;
    world.archive(2, 2).await;
    let nowhere = Link { id: SealedId([9; 32]), bytes: 10 };
    let facts = ArchiveFacts { root: nowhere, ..Sample::put(&world.node.store, 3).facts() };
    let hurt = world.say(3, 1, world.job, facts).await;
    world.node.hurt.note(world.node.id(), hurt, nowhere);
    let done = prune::prune(&world.node, None, sys::now()).await.unwrap().report(false, 0);
    assert_eq!(reasons(&done)["a2"], (true, "among the newest 1"));
    assert_eq!(world.names(), ["a2", "a3"]);
}

#[tokio::test]
async fn what_is_not_whole_is_no_good_archive_after_a_restart_either() {
    let world = World::new(Retention::Count(1)).await;
    world.archive(1, 3).await;
    world.archive(2, 2).await;
    let nowhere = Link { id: SealedId([9; 32]), bytes: 10 };
    let facts = ArchiveFacts { root: nowhere, ..Sample::put(&world.node.store, 3).facts() };
    let hurt = world.say(3, 1, world.job, facts).await;
    let check = || super::super::store::check(Arc::clone(&world.node), false, EventSink::deaf());
    assert_eq!(check().await.unwrap().missing_total, 1);

    let world = world.restart().await;
    let preview = world.prune(true).await;
    assert_eq!(reasons(&preview)["a2"], (true, "among the newest 1"));
    world.prune(false).await;
    assert_eq!(world.names(), ["a2", "a3"], "the last good one is dropped by no rule");

    world.remove("a3").await.unwrap();
    assert!(!hurt::mend(&world.node, &Cancel::default()).await);
    assert!(!world.node.hurt.is_noted(world.node.id(), hurt), "a note of nothing");
    assert!(world.restart().await.node.db.hurt().unwrap().is_empty());
}

#[tokio::test]
async fn archives_of_other_jobs_and_of_none_are_left_alone() {
    let world = World::new(Retention::Count(1)).await;
    job::add(&world.node, spec("mail", Retention::All)).await.unwrap();
    for (number, days) in [(1, 9), (2, 8)] {
        world.archive(number, days).await;
        let facts = Sample::put(&world.node.store, number + 10).facts();
        world.say(number + 10, days, JobId([0; 16]), facts).await;
    }
    let of = |job: &str| Prune { job: Some(job.parse().unwrap()), dry_run: false };
    assert_eq!(prune(&world.node, of("mail")).await.unwrap().verdicts.len(), 0);
    assert_eq!(world.names().len(), 4);
    let unknown = prune(&world.node, of("none")).await.unwrap_err();
    assert_eq!(unknown.code, FailureCode::NotFound);
    assert_eq!(prune(&world.node, of("docs")).await.unwrap().dropped, 1);
    assert_eq!(world.names(), ["a11", "a2", "a12"]);
}

#[tokio::test]
async fn the_worker_looks_when_an_archive_was_made() {
    let world = World::new(Retention::Count(2)).await;
    for (number, days) in [(1, 4), (2, 3), (3, 2)] {
        world.archive(number, days).await;
    }
    let stop = Cancel::default();
    let worker = tokio::spawn(prune::run(Arc::clone(&world.node), stop.clone()));
    // What was there when it started waits for the hour; with a new one all are looked at.
    world.archive(4, 1).await;
    world.left(2).await;
    assert_eq!(world.names(), ["a3", "a4"]);
    stop.cancel();
    worker.await.unwrap();
    let workers = world.node.workers.list();
    let worker = workers.iter().find(|worker| worker.name == "prune").unwrap();
    assert_eq!((worker.errors_in_a_row, worker.last_error.as_ref()), (0, None));
}

#[tokio::test]
async fn the_worker_looks_every_hour() {
    let world = World::new(Retention::All).await;
    for (number, days) in [(1, 4), (2, 3), (3, 2)] {
        world.archive(number, days).await;
    }
    let stop = Cancel::default();
    let worker = tokio::spawn(prune::run(Arc::clone(&world.node), stop.clone()));
    tokio::task::yield_now().await;
    let job = world.node.jobs().remove(0);
    let spec = JobSpec { retention: Retention::Count(1), ..job.spec.clone() };
    let edit = JobEdit { job: spec.name.clone(), spec, based_on_ms: job.updated_ms };
    job::edit(&world.node, edit).await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(world.names().len(), 3, "another policy has an hour to be thought over");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3_601)).await;
    tokio::time::resume();
    world.left(1).await;
    assert_eq!(world.names(), ["a3"]);
    stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_job_with_a_zone_that_does_not_exist_is_refused() {
    let world = World::new(Retention::All).await;
    let schedule = |zone: &str| Schedule { zone: Some(zone.to_owned()), ..Schedule::new("@daily") };
    let with =
        |name, zone| JobSpec { schedule: Some(schedule(zone)), ..spec(name, Retention::All) };
    let refused = job::add(&world.node, with("mail", "Europe/Atlantis")).await.unwrap_err();
    assert_eq!((refused.code, refused.hint.is_some()), (FailureCode::Invalid, true), "{refused}");
    job::add(&world.node, with("mail", "Europe/Paris")).await.unwrap();
}

//! A node to test with, and what is live in a store.

use std::{collections::BTreeSet, sync::Arc};

use protocol::{
    MeshId, Time,
    control::FailureCode,
    engine::{Config, Input},
    entropy::SeededEntropy,
    key::{ArchiveKey, NodeSecret},
    record::{ArchiveFacts, Fact, Hold, Place},
    seal::{SealChoice, SealedObject, Sealer},
};
use tempfile::TempDir;

use super::*;
use crate::{
    agent::LocalAgent,
    chunks::{GcOptions, StoreOptions},
    daemon::{
        data::DataDir,
        failure::store_failure,
        mesh::{Mesh, MeshConfig},
        registry::Registry,
        runs::Runs,
        workers::Workers,
    },
    db::Db,
    socket::CancelSwitch,
    sys,
};

/// A whole node in a folder, on any port of the loopback interface.
pub(in crate::daemon) async fn node(dir: &TempDir, name: &str) -> Arc<Node> {
    node_and_asks(dir, name).await.0
}

/// Streams on which members ask.
pub(in crate::daemon) type Asks = tokio::sync::mpsc::Receiver<(NodeId, crate::net::BulkStream)>;

/// The same with what members ask of it.
pub(in crate::daemon) async fn node_and_asks(dir: &TempDir, name: &str) -> (Arc<Node>, Asks) {
    let data = DataDir::open(dir.path()).unwrap();
    let db = Arc::new(Db::open(&data.state()).unwrap());
    let secret = data.node_secret().unwrap();
    let (serve_asks, asks) = tokio::sync::mpsc::channel(64);
    let config = MeshConfig {
        secret: secret.clone(),
        name: name.to_owned(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        db: Arc::clone(&db),
        serve_bulk: tokio::sync::mpsc::channel(1).0,
        serve_asks,
    };
    let options = StoreOptions { free_bytes_min: 0, ..StoreOptions::default() };
    let node = Node {
        instance_url: None,
        name: name.to_owned(),
        key: data.archive_key().unwrap(),
        store: ChunkStore::open(&data.store(), options).unwrap().0,
        mesh: Mesh::start(config).await.unwrap(),
        agent: Arc::new(LocalAgent::new(dir.path().join("archives"))),
        runs: Runs::open(Arc::clone(&db), 2).unwrap(),
        uploads: crate::daemon::uploads::Uploads::open(&db, &data.uploads()).unwrap(),
        tars: crate::daemon::tars::Tars::open(&db).unwrap(),
        instances: crate::daemon::instances::Instances::open(Arc::clone(&db), false).unwrap(),
        transfers: crate::daemon::transfers::Transfers::open(
            Arc::clone(&db),
            &dir.path().join("transfers"),
        )
        .unwrap(),
        registry: Registry::default(),
        workers: Workers::default(),
        hurt: crate::daemon::hurt::Hurt::open(Arc::clone(&db), secret.id()).unwrap(),
        keeping: crate::daemon::keeping::Keeping::default(),
        notices: crate::daemon::notices::Notices::open(Arc::clone(&db)).unwrap(),
        numbers: Arc::new(crate::daemon::numbers::Numbers::open(Arc::clone(&db)).unwrap()),
        api_keys: Arc::new(crate::daemon::keys::ApiKeys::open(Arc::clone(&db)).unwrap()),
        asking: crate::daemon::asking::Asking::default(),
        http: None,
        yunohost: crate::daemon::yunohost::KnownYunohost::default(),
        http_answers: crate::daemon::metrics::HttpAnswers::default(),
        news: Arc::default(),
        started: sys::now(),
        secret,
        data,
        db,
    };
    (Arc::new(node), asks)
}

/// Two pages of two leaves each, and the root, stored; `seed` makes one leaf differ.
pub(in crate::daemon) struct Sample {
    pub(in crate::daemon) root: Link,
    pub(in crate::daemon) pages: Vec<SealedObject>,
    pub(in crate::daemon) leaves: Vec<SealedObject>,
}

impl Sample {
    pub(in crate::daemon) fn put(store: &ChunkStore, seed: u8) -> Self {
        let key = ArchiveKey::generate(&mut SeededEntropy::new(1));
        let mut sealer = Sealer::new(&key, SealChoice::Auto, 3);
        let mut seal = |text: &[u8]| {
            let id = sealer.chunk_id(text);
            sealer.seal_leaf(&id, text).unwrap()
        };
        let leaves = vec![seal(b"one"), seal(b"two"), seal(b"three"), seal(&[seed; 99])];
        let links: Vec<Link> = leaves.iter().map(SealedObject::link).collect();
        let pages: Vec<_> =
            links.chunks(2).map(|links| sealer.seal_branch(links, b"page").unwrap()).collect();
        let links: Vec<Link> = pages.iter().map(SealedObject::link).collect();
        let root = sealer.seal_branch(&links, b"root").unwrap();
        for object in leaves.iter().chain(&pages).chain([&root]) {
            store.put(&object.sealed, &object.bytes).unwrap();
        }
        store.flush().unwrap();
        Self { root: root.link(), pages, leaves }
    }

    fn ids(&self) -> BTreeSet<SealedId> {
        let objects = self.leaves.iter().chain(&self.pages).map(|object| object.sealed);
        objects.chain([self.root.id]).collect()
    }

    pub(in crate::daemon) fn facts(&self) -> ArchiveFacts {
        ArchiveFacts {
            created: Time(1),
            root: self.root,
            sealed_bytes: 1_000,
            objects: 7,
            copies: 1,
            place: Place::Any,
            sealed: vec![0; 8],
        }
    }

    fn hold(&self) -> Hold {
        let (root, until) = (self.root, Time(2));
        Hold { root, bytes: 9, since: Time(1), locked_until: until, record: Vec::new() }
    }
}

fn store(dir: &TempDir) -> ChunkStore {
    let options = StoreOptions { free_bytes_min: 0, ..StoreOptions::default() };
    ChunkStore::open(&dir.path().join("store"), options).unwrap().0
}

fn engine(stored: Vec<Arc<[u8]>>) -> Engine {
    let config = Config {
        secret: secret(),
        mesh: MeshId([1; 32]),
        founder: secret().id(),
        name: "jerry".into(),
        tickets: Vec::new(),
        read_order: Box::new(|_| None),
    };
    Engine::new(config, stored, Time(1), &mut SeededEntropy::new(2))
}

fn secret() -> NodeSecret {
    NodeSecret::from_seed(&[7; 32])
}

fn say(engine: &mut Engine, fact: Fact) {
    engine.handle(Input::Publish { fact }, Time(2), &mut SeededEntropy::new(3)).unwrap();
}

fn roots_of(samples: &[&Sample]) -> Roots {
    let root = |(n, sample): (u8, &&Sample)| Root {
        origin: NodeId([1; 32]),
        archive: ArchiveId([n; 16]),
        link: sample.root,
    };
    Roots { known: (1..).zip(samples).map(root).collect(), unreadable: Vec::new() }
}

fn collect(store: &ChunkStore, roots: &Roots) -> Result<u64, StoreError> {
    let mut live = |keep: &mut dyn FnMut(&SealedId)| {
        let title = |root: &Root| root.archive.short();
        mark_roots(store, roots.clone(), title, &Cancel::never(), keep).map_err(Into::into)
    };
    let wait = std::time::Duration::ZERO;
    let options = GcOptions { wait, rewrite_percent: 0, ..GcOptions::default() };
    let report = store.gc(&mut live, options, &mut |_| ControlFlow::Continue(()))?;
    Ok(report.live_objects)
}

#[test]
fn what_archives_share_stays_when_one_of_them_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let (old, new) = (Sample::put(&store, 1), Sample::put(&store, 2));
    assert_eq!(collect(&store, &roots_of(&[&old, &new])).unwrap(), 10);
    assert_eq!(collect(&store, &roots_of(&[&new])).unwrap(), 7);
    for id in old.ids().union(&new.ids()) {
        assert_eq!(store.has(id).unwrap(), new.ids().contains(id));
    }
    assert_eq!(collect(&store, &Roots::default()).unwrap(), 0);
}

#[test]
fn pages_that_were_walked_are_not_walked_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let (old, new) = (Sample::put(&store, 1), Sample::put(&store, 2));
    let (mut walked, mut named) = (Walked::default(), Vec::new());
    for sample in [&old, &new] {
        let mut visit = |link: &Link| {
            named.push(link.id);
            ControlFlow::Continue(())
        };
        let gaps = closure(&store, &sample.root, &mut walked, &mut visit).unwrap();
        assert_eq!(gaps.count, 0);
    }
    assert_eq!(named.len(), 7 + 5, "the leaves of the shared page are named once");
    assert_eq!(BTreeSet::from_iter(named), &old.ids() | &new.ids());
}

#[test]
fn nothing_is_freed_when_a_page_or_a_root_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let sample = Sample::put(&store, 1);
    let whole = roots_of(&[&sample]);
    let gone = Roots {
        known: vec![Root { link: Link { id: SealedId([9; 32]), bytes: 99 }, ..whole.known[0] }],
        unreadable: Vec::new(),
    };
    let error = collect(&store, &gone).unwrap_err();
    let failure = store_failure("cannot collect", &error);
    assert_eq!(failure.code, FailureCode::Damaged);
    assert!(failure.why.starts_with("1 pages of the archive 0101010101 cannot be read: object"));
    assert!(failure.hint.unwrap().contains("nothing was freed"));
    assert!(store.has_all(&Vec::from_iter(sample.ids())).unwrap().iter().all(|here| *here));
}

#[test]
fn an_object_that_is_none_is_a_gap_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let rubbish = b"rubbish".to_vec();
    let id = protocol::object::sealed_id(&rubbish);
    store.put(&id, &rubbish).unwrap();
    let link = Link { id, bytes: 7 };
    let mut none = |_: &Link| ControlFlow::Continue(());
    let gaps = closure(&store, &link, &mut Walked::default(), &mut none).unwrap();
    assert!(matches!(gaps.first, Some(BranchError::Object { .. })));
}

#[test]
fn a_missing_leaf_does_not_stop_the_collection_of_garbage() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let sample = Sample::put(&store, 1);
    let mut without = roots_of(&[&sample]);
    let branches = [sample.root.id, sample.pages[0].sealed, sample.pages[1].sealed];
    let mut live = |keep: &mut dyn FnMut(&SealedId)| {
        branches.iter().for_each(keep);
        Ok(())
    };
    let options =
        GcOptions { rewrite_percent: 0, wait: std::time::Duration::ZERO, ..GcOptions::default() };
    store.gc(&mut live, options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(collect(&store, &without).unwrap(), 3);
    without.unreadable.push("archive/00".into());
    let failure = store_failure("x", &collect(&store, &without).unwrap_err());
    assert_eq!(failure.code, FailureCode::Unsupported);
}

#[test]
fn somebody_who_stops_it_stops_the_marking() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let sample = Sample::put(&store, 1);
    let (switch, cancel) = CancelSwitch::new();
    switch.cancel();
    let title = |_: &Root| String::new();
    let marked = mark_roots(&store, roots_of(&[&sample]), title, &cancel, &mut |_| {});
    assert!(matches!(marked, Err(MarkError::Store(StoreError::Stopped))));
}

#[test]
fn archives_and_holds_of_this_node_are_roots_until_it_takes_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let (own, held) = (Sample::put(&store, 1), Sample::put(&store, 2));
    let mut engine = engine(Vec::new());
    let (me, friend) = (engine.me(), NodeId([2; 32]));
    let (first, second) = (ArchiveId([1; 16]), ArchiveId([2; 16]));
    say(&mut engine, Fact::Archive(first, own.facts()));
    say(&mut engine, Fact::Hold(friend, second, held.hold()));
    let found = roots(engine.catalog(), me);
    let expected = [
        Root { origin: me, archive: first, link: own.root },
        Root { origin: friend, archive: second, link: held.root },
    ];
    assert_eq!((&found.known[..], found.unreadable.len()), (&expected[..], 0));
    let key = RecordKey::Archive(first);
    engine.handle(Input::Remove { key }, Time(3), &mut SeededEntropy::new(4)).unwrap();
    assert_eq!(roots(engine.catalog(), me).known, expected[1..]);
    assert_eq!(roots(engine.catalog(), friend), Roots::default());
}

#[test]
fn a_node_that_may_not_know_all_it_said_may_not_collect() {
    let mut alone = engine(Vec::new());
    assert!(judge(&alone).is_ok());
    let other = NodeSecret::from_seed(&[8; 32]);
    let invitation = protocol::record::Invitation {
        role: protocol::record::Role::Operator,
        quota_bytes: None,
        name: "tom".into(),
        exchange: other.exchange_public(),
        time: Time(5),
    };
    say(&mut alone, Fact::Member(other.id(), invitation));
    assert!(matches!(judge(&alone), Err(MarkError::OwnHistoryUnknown)));
    let damaged = engine(vec![Arc::from(&b"rubbish"[..])]);
    assert!(matches!(judge(&damaged), Err(MarkError::RecordsDamaged { count: 1 })));
}

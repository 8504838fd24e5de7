//! Where a node gets sealed objects from: its own store, and members that hold what it lacks.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use protocol::{
    NodeId, SealedId,
    object::{self, Link, ObjectKind},
};
use tokio::runtime::Handle;

use super::{keeping::Reading, mesh::Mesh};
use crate::{
    archive::{MissingObject, Objects},
    chunks::{ChunkStore, StoreError},
    net::BulkStream,
    replicate::{
        Dialer, FetchError, FetchOptions, ObjectStore, StoreFault, Unreadable, fetch_ordered,
    },
};

/// Bytes that may lie fetched and not yet taken.
const AHEAD_BYTES_MAX: usize = 32 << 20;

/// The chunk store as replication sees it.
pub(super) struct Shelf(pub(super) ChunkStore);

fn fault(error: StoreError) -> StoreFault {
    if let StoreError::Full { .. } = error {
        return StoreFault::Full { source: io::Error::other(error) };
    }
    StoreFault::Failed { source: Box::new(error) }
}

impl ObjectStore for Shelf {
    fn has_all(&self, ids: &[SealedId]) -> Result<Vec<bool>, StoreFault> {
        self.0.has_all(ids).map_err(fault)
    }

    fn get(&self, id: &SealedId) -> Result<Option<Vec<u8>>, StoreFault> {
        match self.0.get(id) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    fn put(&self, id: &SealedId, bytes: &[u8]) -> Result<(), StoreFault> {
        self.0.put_trusted(id, bytes).map(drop).map_err(fault)
    }

    fn flush(&self) -> Result<(), StoreFault> {
        self.0.flush().map_err(fault)
    }

    fn links_in(&self, bytes: &[u8]) -> Result<Option<Vec<Link>>, Unreadable> {
        let parsed = object::parse(bytes).map_err(|error| Unreadable { why: error.to_string() })?;
        Ok((parsed.kind == ObjectKind::Branch).then_some(parsed.links))
    }
}

/// Opens bulk streams to members.
pub(super) struct MemberDialer(pub(super) Mesh);

impl Dialer for MemberDialer {
    type Stream = BulkStream;

    async fn open(&self, holder: NodeId) -> io::Result<BulkStream> {
        self.0.net().open_bulk(holder).await.map_err(io::Error::other)
    }
}

/// The objects of one archive: from the store, else from its holders.
pub(super) struct ArchiveObjects {
    store: ChunkStore,
    shared: Arc<Shared>,
    remote: Option<Remote>,
    /// No retention drops the archive meanwhile.
    _reading: Option<Reading>,
}

struct Remote {
    dialer: Arc<MemberDialer>,
    shelf: Arc<Shelf>,
    holders: Vec<NodeId>,
    runtime: Handle,
}

#[derive(Default)]
struct Shared {
    ahead: Mutex<Ahead>,
    news: Condvar,
    fetched_bytes: AtomicU64,
}

/// What was fetched ahead, and what will come.
#[derive(Default)]
struct Ahead {
    expected: BTreeMap<SealedId, usize>,
    arrived: BTreeMap<SealedId, VecDeque<Vec<u8>>>,
    bytes: usize,
    /// Batches announced, and batches that came whole: they come one after the other, or a later
    /// one could fill the room while an earlier one is waited for.
    batches: u64,
    batches_done: u64,
    closed: bool,
}

impl ArchiveObjects {
    /// From the store alone.
    #[must_use]
    pub(super) fn local(store: &ChunkStore) -> Self {
        Self { store: store.clone(), shared: Arc::default(), remote: None, _reading: None }
    }

    /// From the store, and from these holders what is not there. Call it on the runtime.
    #[must_use]
    pub(super) fn with_holders(
        store: &ChunkStore,
        mesh: &Mesh,
        holders: Vec<NodeId>,
        reading: Reading,
    ) -> Self {
        let remote = Remote {
            dialer: Arc::new(MemberDialer(mesh.clone())),
            shelf: Arc::new(Shelf(store.clone())),
            holders,
            runtime: Handle::current(),
        };
        let remote = Some(remote).filter(|remote| !remote.holders.is_empty());
        Self { store: store.clone(), shared: Arc::default(), remote, _reading: Some(reading) }
    }

    /// Counts sealed bytes that came from holders.
    #[must_use]
    pub(super) fn fetched(&self) -> FetchedBytes {
        FetchedBytes(Arc::clone(&self.shared))
    }

    fn here(&self, id: &SealedId) -> Result<Option<Vec<u8>>, MissingObject> {
        match self.store.get(id) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. })
                if self.remote.is_some() =>
            {
                Ok(None)
            }
            Err(error) => Err(MissingObject { id: *id, why: error.to_string() }),
        }
    }
}

impl Objects for ArchiveObjects {
    fn get(&self, link: &Link) -> Result<Vec<u8>, MissingObject> {
        if let Some(bytes) = self.here(&link.id)? {
            return Ok(bytes);
        }
        if let Some(bytes) = self.shared.take(&link.id) {
            return Ok(bytes);
        }
        let missing = |why: String| MissingObject { id: link.id, why };
        let remote = self.remote.as_ref().ok_or_else(|| missing("it is nowhere".to_owned()))?;
        match remote.fetch(vec![*link]).blocking_next() {
            Some(Ok((_, bytes))) => {
                self.shared.fetched_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes)
            }
            Some(Err(error)) => Err(missing(error.to_string())),
            None => Err(missing("no holder answered".to_owned())),
        }
    }

    fn prefetch(&self, mut links: Vec<Link>) {
        let Some(remote) = &self.remote else { return };
        let ids: Vec<_> = links.iter().map(|link| link.id).collect();
        let Ok(here) = self.store.has_all(&ids) else { return };
        let mut here = here.into_iter();
        links.retain(|_| !here.next().unwrap_or(false));
        if links.is_empty() {
            return;
        }
        let expected: Vec<_> = links.iter().map(|link| link.id).collect();
        let batch = self.shared.expect(&expected);
        let mut ordered = remote.fetch(links);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            let mut left: VecDeque<_> = expected.into();
            while let Some(next) = ordered.blocking_next() {
                left.pop_front();
                if !shared.arrive(batch, next) {
                    break;
                }
            }
            // What did not come is asked for by itself, and then the error is told.
            shared.give_up(&left);
        });
    }
}

impl Drop for ArchiveObjects {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_all();
    }
}

impl Remote {
    fn fetch(&self, links: Vec<Link>) -> crate::replicate::Ordered {
        let _on_runtime = self.runtime.enter();
        fetch_ordered(
            Arc::clone(&self.dialer),
            Arc::clone(&self.shelf),
            &self.holders,
            links.into_iter(),
            FetchOptions::default(),
        )
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, ids: &[SealedId]) -> u64 {
        let mut ahead = self.lock();
        for id in ids {
            *ahead.expected.entry(*id).or_default() += 1;
        }
        ahead.batches += 1;
        ahead.batches
    }

    /// Takes in what came; `false` when nobody wants more.
    fn arrive(&self, batch: u64, next: Result<(SealedId, Vec<u8>), FetchError>) -> bool {
        let Ok((id, bytes)) = next else { return false };
        let mut ahead = self.lock();
        while !ahead.closed && (ahead.bytes > AHEAD_BYTES_MAX || ahead.batches_done + 1 < batch) {
            ahead = self.news.wait(ahead).unwrap_or_else(PoisonError::into_inner);
        }
        self.fetched_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        ahead.bytes += bytes.len();
        ahead.forget(&id);
        ahead.arrived.entry(id).or_default().push_back(bytes);
        self.news.notify_all();
        !ahead.closed
    }

    fn give_up(&self, ids: &VecDeque<SealedId>) {
        let mut ahead = self.lock();
        ids.iter().for_each(|id| ahead.forget(id));
        ahead.batches_done += 1;
        self.news.notify_all();
    }

    /// Waits for something that was announced; nothing when it will not come.
    fn take(&self, id: &SealedId) -> Option<Vec<u8>> {
        let mut ahead = self.lock();
        loop {
            if let Some(bytes) = ahead.take(id) {
                self.news.notify_all();
                return Some(bytes);
            }
            if !ahead.expected.contains_key(id) || ahead.closed {
                return None;
            }
            ahead = self.news.wait(ahead).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Ahead {
    fn forget(&mut self, id: &SealedId) {
        if let Some(count) = self.expected.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.expected.remove(id);
            }
        }
    }

    fn take(&mut self, id: &SealedId) -> Option<Vec<u8>> {
        let queue = self.arrived.get_mut(id)?;
        let bytes = queue.pop_front()?;
        if queue.is_empty() {
            self.arrived.remove(id);
        }
        self.bytes -= bytes.len();
        Some(bytes)
    }
}

/// How many sealed bytes came from holders.
pub(super) struct FetchedBytes(Arc<Shared>);

impl FetchedBytes {
    /// So far.
    #[must_use]
    pub(super) fn get(&self) -> u64 {
        self.0.fetched_bytes.load(Ordering::Relaxed)
    }
}

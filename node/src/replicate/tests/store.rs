//! A store in memory that can be full, can crash, and counts; and closures to put into it.
//!
//! Objects have a format of their own here: the number of links, the links, then anything.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use protocol::{
    Entropy, SealedId,
    entropy::SeededEntropy,
    fetch::Expected,
    object::{Link, sealed_id},
};

use crate::replicate::{ObjectStore, StoreFault, Unreadable};

#[derive(Default)]
pub(super) struct Inner {
    pub(super) objects: BTreeMap<SealedId, Vec<u8>>,
    /// What a crash leaves.
    pub(super) durable: BTreeMap<SealedId, Vec<u8>>,
    pub(super) bytes_max: Option<usize>,
    /// Objects that were put although they were there.
    pub(super) put_again: u64,
    pub(super) put: u64,
    pub(super) gets: u64,
    pub(super) fails: bool,
}

#[derive(Default)]
pub(super) struct MemoryStore(Mutex<Inner>);

impl MemoryStore {
    pub(super) fn of(objects: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let store = Self::default();
        for bytes in objects {
            store.inner().objects.insert(sealed_id(&bytes), bytes);
        }
        store
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was not flushed is lost.
    pub(super) fn crash(&self) {
        let mut inner = self.inner();
        inner.objects = inner.durable.clone();
    }

    /// Asserts that all of it is there, right, and would survive a crash.
    pub(super) fn assert_has_all(&self, closure: &Closure) {
        self.crash();
        let inner = self.inner();
        for (id, bytes) in &closure.objects {
            assert_eq!(inner.objects.get(id), Some(bytes), "{id}");
        }
    }
}

impl ObjectStore for MemoryStore {
    fn has_all(&self, ids: &[SealedId]) -> Result<Vec<bool>, StoreFault> {
        let inner = self.inner();
        Ok(ids.iter().map(|id| inner.objects.contains_key(id)).collect())
    }

    fn get(&self, id: &SealedId) -> Result<Option<Vec<u8>>, StoreFault> {
        let mut inner = self.inner();
        inner.gets += 1;
        if inner.fails {
            return Err(StoreFault::Failed { source: "secret path".into() });
        }
        Ok(inner.objects.get(id).cloned())
    }

    fn put(&self, id: &SealedId, bytes: &[u8]) -> Result<(), StoreFault> {
        assert_eq!(sealed_id(bytes), *id, "an object was put that was not verified");
        let mut inner = self.inner();
        let used: usize = inner.objects.values().map(Vec::len).sum();
        if inner.bytes_max.is_some_and(|bytes_max| used + bytes.len() > bytes_max) {
            return Err(StoreFault::Full { source: io::ErrorKind::StorageFull.into() });
        }
        inner.put += 1;
        inner.put_again += u64::from(inner.objects.contains_key(id));
        inner.objects.insert(*id, bytes.to_vec());
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreFault> {
        let mut inner = self.inner();
        inner.durable = inner.objects.clone();
        Ok(())
    }

    fn links_in(&self, bytes: &[u8]) -> Result<Option<Vec<Link>>, Unreadable> {
        let unreadable = || Unreadable { why: "too short".into() };
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or_else(unreadable)?;
        let count = u32::from_be_bytes(*count) as usize;
        let (links, _) = rest.split_at_checked(count * 36).ok_or_else(unreadable)?;
        let link = |entry: &[u8; 36]| {
            let (id, length) = entry.split_first_chunk::<32>().unwrap();
            let bytes = u32::from_be_bytes(length.try_into().unwrap());
            Link { id: SealedId(*id), bytes }
        };
        let links: Vec<_> = links.as_chunks().0.iter().map(link).collect();
        Ok((count > 0).then_some(links))
    }
}

pub(super) fn object(links: &[Link], payload: &[u8]) -> Vec<u8> {
    let mut out = (links.len() as u32).to_be_bytes().to_vec();
    for link in links {
        out.extend_from_slice(&link.id.0);
        out.extend_from_slice(&link.bytes.to_be_bytes());
    }
    out.extend_from_slice(payload);
    out
}

pub(super) struct Closure {
    pub(super) root: Link,
    pub(super) objects: BTreeMap<SealedId, Vec<u8>>,
}

impl Closure {
    /// So many pages of so many leaves of about so many bytes.
    pub(super) fn new(seed: u64, pages: usize, leaves: usize, leaf_bytes: usize) -> Self {
        let mut random = SeededEntropy::new(seed);
        let mut objects = BTreeMap::new();
        let mut keep = |bytes: Vec<u8>| {
            let link = Link { id: sealed_id(&bytes), bytes: bytes.len() as u32 };
            objects.insert(link.id, bytes);
            link
        };
        let mut page_links = Vec::new();
        for _ in 0..pages {
            let mut links = Vec::new();
            for _ in 0..leaves {
                let [a, b]: [u8; 2] = random.array();
                let spread = leaf_bytes * usize::from(u16::from_be_bytes([a, b])) / 65_536;
                let mut payload = vec![0; leaf_bytes / 2 + spread];
                random.fill(&mut payload);
                links.push(keep(object(&[], &payload)));
            }
            page_links.push(keep(object(&links, b"page")));
        }
        let root = keep(object(&page_links, b"root"));
        Self { root, objects }
    }

    pub(super) fn expected(&self) -> Expected {
        Expected { objects: self.objects.len() as u64, bytes: self.bytes() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.objects.values().map(|bytes| bytes.len() as u64).sum()
    }
}

//! Verifying and storing what came, on blocking threads behind a queue that is bounded in bytes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use protocol::{
    NodeId, SealedId,
    object::{Link, sealed_id},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};

use super::{ObjectStore, StoreFault, Unreadable, event::Event};

/// Threads that hash and store. One hashes 5 GiB/s; two keep going while one flushes.
const THREADS: usize = 2;

/// Bytes received or being received that are not stored yet.
const QUEUE_BYTES: u32 = 24 << 20;

/// What the smallest object counts for, so that their number is bounded too.
const ROOM_BYTES_MIN: u32 = 4 << 10;

/// Objects received that are not stored yet. There is never less room here than there are permits.
const QUEUE_OBJECTS: usize = (QUEUE_BYTES / ROOM_BYTES_MIN) as usize;

/// What is put between two flushes at most, so that a crash loses little.
const FLUSH_BYTES: u64 = 64 << 20;

/// How long what was put may wait for a flush while more arrives.
const FLUSH_AFTER: Duration = Duration::from_secs(2);

/// An object as a holder sent it.
pub(super) struct Received {
    pub(super) from: NodeId,
    pub(super) link: Link,
    pub(super) bytes: Vec<u8>,
    pub(super) room: OwnedSemaphorePermit,
}

/// What became of it.
pub(super) enum Verdict {
    /// It is what was asked for, and is kept.
    Kept(Option<Vec<Link>>),
    /// It is what was asked for; here it is.
    Handed(Vec<u8>),
    /// It is something else.
    WrongBytes,
    /// It is what was asked for, and no object.
    Unreadable(Unreadable),
    /// It could not be kept.
    Failed(StoreFault),
}

/// Keeps a verified object.
pub(super) trait Keep: Send + Sync + 'static {
    /// Takes the bytes of an object; returns its links.
    fn keep(&self, id: &SealedId, bytes: Vec<u8>) -> Verdict;
}

/// The way to the threads. Clones lead to the same ones; when all are gone, the threads end.
#[derive(Clone)]
pub(super) struct Intake {
    queue: mpsc::Sender<Received>,
    room: Arc<Semaphore>,
}

impl Intake {
    /// Starts the threads. They tell what became of each object.
    pub(super) fn start(
        keep: Arc<dyn Keep>,
        events: &mpsc::Sender<Event>,
    ) -> (Self, Vec<JoinHandle<()>>) {
        let (queue, jobs) = mpsc::channel(QUEUE_OBJECTS);
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..THREADS).map(|_| {
            let (keep, events, jobs) = (Arc::clone(&keep), events.clone(), Arc::clone(&jobs));
            tokio::task::spawn_blocking(move || work(&*keep, &jobs, &events))
        });
        let threads = threads.collect();
        (Self { queue, room: Arc::new(Semaphore::new(QUEUE_BYTES as usize)) }, threads)
    }

    /// Room for an object, once there is some. Taken before its first byte is read.
    pub(super) async fn room(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        let share = bytes.clamp(ROOM_BYTES_MIN, QUEUE_BYTES);
        Arc::clone(&self.room).acquire_many_owned(share).await.ok()
    }

    /// Hands an object over; says whether there is still somebody to take it.
    pub(super) async fn submit(&self, received: Received) -> bool {
        self.queue.send(received).await.is_ok()
    }
}

fn work(keep: &dyn Keep, jobs: &Mutex<mpsc::Receiver<Received>>, events: &mpsc::Sender<Event>) {
    loop {
        // One thread waits for work while it holds the lock; the other waits for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Received { from, link, bytes, room }) = job else { return };
        let verdict = if sealed_id(&bytes) == link.id {
            keep.keep(&link.id, bytes)
        } else {
            Verdict::WrongBytes
        };
        drop(room);
        if events.blocking_send(Event::Verdict { from, link, verdict }).is_err() {
            return;
        }
    }
}

/// Puts objects into a store, and flushes it now and then.
pub(super) struct Storing<S: ?Sized> {
    unflushed: Mutex<(u64, Instant)>,
    store: Arc<S>,
}

impl<S: ObjectStore + ?Sized> Storing<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self { unflushed: Mutex::new((0, Instant::now())), store }
    }

    /// Whether it is time to flush; whoever is told so does it.
    fn is_flush_due(&self, bytes: u64) -> bool {
        let mut unflushed = self.unflushed.lock().unwrap_or_else(PoisonError::into_inner);
        if unflushed.0 == 0 {
            unflushed.1 = Instant::now();
        }
        unflushed.0 += bytes;
        let due = unflushed.0 >= FLUSH_BYTES || unflushed.1.elapsed() >= FLUSH_AFTER;
        if due {
            unflushed.0 = 0;
        }
        due
    }
}

impl<S: ObjectStore + ?Sized> Keep for Storing<S> {
    fn keep(&self, id: &SealedId, bytes: Vec<u8>) -> Verdict {
        let links = match self.store.links_in(&bytes) {
            Ok(links) => links,
            Err(unreadable) => return Verdict::Unreadable(unreadable),
        };
        let put = self.store.put(id, &bytes);
        let flushed = put.and_then(|()| match self.is_flush_due(bytes.len() as u64) {
            true => self.store.flush(),
            false => Ok(()),
        });
        match flushed {
            Ok(()) => Verdict::Kept(links),
            Err(fault) => Verdict::Failed(fault),
        }
    }
}

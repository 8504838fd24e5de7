//! Objects one after another, from the store or from holders, for whoever restores as they come.
//!
//! A restore names the objects it will need in the order of the stream. This looks for each in the
//! store, asks holders for those that are not there, and hands them out in the same order. It works
//! ahead of the restore as far as a bound on memory allows, and stores nothing.

use std::sync::Arc;

use protocol::{NodeId, SealedId, object::Link};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};

use super::{
    Dialer, FetchError, FetchOptions, ObjectStore,
    connection::Shared,
    event::{EVENTS_MAX, Event, Wanted},
    intake::{Intake, Keep, Verdict},
    peers::Peers,
};

mod line;

use line::Line;

/// Objects that are being got or cannot be handed out yet, bytes.
const WINDOW_BYTES: u32 = 16 << 20;

/// What the smallest object counts for, so that their number is bounded too.
const ROOM_BYTES_MIN: u32 = 4 << 10;

/// Objects that are handed out and not taken yet. They still count for the window.
const HANDED_MAX: usize = 64;

type Handed = Result<(SealedId, Vec<u8>, OwnedSemaphorePermit), FetchError>;

/// Objects in the order in which they were wanted. Dropping it ends the work.
#[derive(Debug)]
pub struct Ordered {
    objects: mpsc::Receiver<Handed>,
    task: JoinHandle<()>,
}

impl Ordered {
    /// The next object; nothing after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<(SealedId, Vec<u8>), FetchError>> {
        let handed = self.objects.recv().await?;
        Some(handed.map(|(id, bytes, _room)| (id, bytes)))
    }

    /// The same for a thread that may block. Panics on a thread that drives a runtime.
    pub fn blocking_next(&mut self) -> Option<Result<(SealedId, Vec<u8>), FetchError>> {
        let handed = self.objects.blocking_recv()?;
        Some(handed.map(|(id, bytes, _room)| (id, bytes)))
    }
}

impl Drop for Ordered {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gets the objects of `links`, in their order. The iterator runs on a blocking thread of its own,
/// so it may wait, for instance for a page that another [`Ordered`] gets. To be called on a
/// runtime.
pub fn fetch_ordered<D, S>(
    dialer: Arc<D>,
    store: Arc<S>,
    holders: &[NodeId],
    links: impl Iterator<Item = Link> + Send + 'static,
    options: FetchOptions,
) -> Ordered
where
    D: Dialer,
    S: ObjectStore + ?Sized,
{
    let (events_in, events) = mpsc::channel(EVENTS_MAX);
    // The threads end by themselves when the channels do.
    let (intake, _) = Intake::start(Arc::new(Handing), &events_in);
    let (runtime, window) = (Handle::current(), Arc::new(Semaphore::new(WINDOW_BYTES as usize)));
    let wanted = events_in.clone();
    tokio::task::spawn_blocking(move || feed(&*store, links, &wanted, &window, &runtime));
    let shared = Shared { events: events_in, intake, throttle: options.throttle.clone() };
    let peers = Peers::start(dialer, shared, holders, &options);
    let (out, objects) = mpsc::channel(HANDED_MAX);
    Ordered { objects, task: tokio::spawn(Line::new(peers, events).run(out, options.cancel)) }
}

/// Hands objects on instead of keeping them.
struct Handing;

impl Keep for Handing {
    fn keep(&self, _: &SealedId, bytes: Vec<u8>) -> Verdict {
        Verdict::Handed(bytes)
    }
}

/// Goes through the links and the store, on a blocking thread, as far ahead as the window allows.
fn feed<S: ObjectStore + ?Sized>(
    store: &S,
    links: impl Iterator<Item = Link>,
    events: &mpsc::Sender<Event>,
    window: &Arc<Semaphore>,
    runtime: &Handle,
) {
    for link in links {
        let bytes = link.bytes.clamp(ROOM_BYTES_MIN, WINDOW_BYTES);
        let Some(room) = runtime.block_on(take_room(window, bytes, events)) else { return };
        let found = store.get(&link.id);
        let wanted = Event::Next(Some(Wanted { link, found, room }));
        if events.blocking_send(wanted).is_err() {
            return;
        }
    }
    let _ = events.blocking_send(Event::Next(None));
}

/// Room in the window, unless nobody waits any more.
async fn take_room(
    window: &Arc<Semaphore>,
    bytes: u32,
    events: &mpsc::Sender<Event>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        room = Arc::clone(window).acquire_many_owned(bytes) => room.ok(),
        () = events.closed() => None,
    }
}

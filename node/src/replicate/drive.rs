//! The task that feeds a session and carries out what it wants.

use std::{sync::Arc, time::Duration};

use protocol::{
    NodeId, SealedId, Time,
    fetch::{Expected, Found, Input, OPEN_OBJECTS_MAX, Output, Progress, Session},
    object::Link,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Cancel, Dialer, FetchError, FetchOptions, FetchReport, Lie, ObjectStore, StoreFault,
    connection::{Ended, News, Shared},
    event::{EVENTS_MAX, Event},
    intake::{Intake, Storing, Verdict},
    peers::Peers,
};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Events taken in before outputs are carried out and others get a turn.
const EVENTS_AT_ONCE: usize = 64;

/// What to look for in the store, and whether links are wanted.
type Look = (Vec<Link>, bool);

pub(super) struct Drive<D, S: ?Sized> {
    store: Arc<S>,
    session: Session,
    peers: Peers<D>,
    events: mpsc::Receiver<Event>,
    looks: mpsc::Sender<Look>,
    threads: Vec<JoinHandle<()>>,
    begun: Instant,
    /// What is missing, while nobody who is connected has it.
    stuck: Option<(SealedId, u64)>,
}

impl<D: Dialer, S: ObjectStore + ?Sized> Drive<D, S> {
    pub(super) fn start(
        dialer: Arc<D>,
        store: Arc<S>,
        root: Link,
        expected: Expected,
        holders: &[NodeId],
        options: &FetchOptions,
    ) -> Self {
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        // One look may be for a single object, and there are never more looks than open objects.
        let (looks, looks_out) = mpsc::channel(OPEN_OBJECTS_MAX);
        let storing = Arc::new(Storing::new(Arc::clone(&store)));
        let (intake, mut threads) = Intake::start(storing, &events_in);
        let (looked, looked_in) = (Arc::clone(&store), events_in.clone());
        threads.push(tokio::task::spawn_blocking(move || {
            look_up(&*looked, looks_out, &looked_in);
        }));
        let shared = Shared { events: events_in, intake, throttle: options.throttle.clone() };
        let peers = Peers::start(dialer, shared, holders, options);
        let session = Session::new(root, expected, Time(0));
        let begun = Instant::now();
        Self { store, session, peers, events, looks, threads, begun, stuck: None }
    }

    pub(super) async fn run(
        mut self,
        cancel: Cancel,
        mut progress: impl FnMut(&Progress),
    ) -> Result<FetchReport, FetchError> {
        let result = self.advance(&cancel, &mut progress).await;
        progress(&self.session.progress());
        self.finish(result).await
    }

    fn now(&self) -> Time {
        Time(0).after(self.begun.elapsed())
    }

    async fn advance(
        &mut self,
        cancel: &Cancel,
        progress: &mut impl FnMut(&Progress),
    ) -> Result<(), FetchError> {
        let mut tell_at = self.begun + PROGRESS_EVERY;
        while !self.carry_out()? {
            let deadline = self.session.deadline();
            let deadline = deadline.map(|at| self.begun + Duration::from_millis(at.0));
            let wake_at = deadline.map_or(tell_at, |deadline| deadline.min(tell_at));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(FetchError::Cancelled),
                () = sleep_until(wake_at) => {
                    self.session.handle(Input::Tick, self.now());
                }
                event = self.events.recv() => self.take_in(event)?,
            }
            if Instant::now() >= tell_at {
                progress(&self.session.progress());
                tell_at = Instant::now() + PROGRESS_EVERY;
            }
        }
        Ok(())
    }

    /// Does what the session wants; says whether it is done.
    fn carry_out(&mut self) -> Result<bool, FetchError> {
        while let Some(output) = self.session.next_output() {
            match output {
                Output::Look { links, walk } => {
                    self.stuck = None;
                    if self.looks.try_send((links, walk)).is_err() {
                        return Err(FetchError::Cancelled);
                    }
                }
                Output::Ask { holder, links } => {
                    self.stuck = None;
                    if !self.peers.ask(holder, links) {
                        self.session.handle(Input::HolderGone(holder), self.now());
                    }
                }
                Output::Close { holder, reason } => self.peers.close(holder, reason),
                Output::Stuck { missing, count } => {
                    self.stuck = missing.first().map(|link| (link.id, count));
                }
                Output::Done => return Ok(true),
                Output::Failed(source) => return Err(FetchError::Closure { source }),
            }
        }
        let Some((first, count)) = self.stuck else { return Ok(false) };
        if self.peers.is_hopeful() || self.peers.widen() {
            return Ok(false);
        }
        Err(FetchError::Missing { count, first, holders: Vec::new() })
    }

    /// Takes in an event, and those that are there already.
    fn take_in(&mut self, first: Option<Event>) -> Result<(), FetchError> {
        let mut next = first;
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = next else { return Ok(()) };
            self.heed(event)?;
            next = self.events.try_recv().ok();
        }
        next.map_or(Ok(()), |event| self.heed(event))
    }

    fn heed(&mut self, event: Event) -> Result<(), FetchError> {
        let now = self.now();
        match event {
            Event::News(from, news) => {
                if let Some(input) = self.hear(from, news) {
                    self.session.handle(input, now);
                }
            }
            Event::Verdict { from, link, verdict } => {
                let input = self.judge(from, link, verdict)?;
                self.session.handle(input, now);
            }
            Event::Looked(answers) => self.session.handle(Input::Looked(answers?), now),
            Event::Next(_) => {}
        }
        Ok(())
    }

    /// What news of a connection mean to the session.
    fn hear(&mut self, from: NodeId, news: News) -> Option<Input> {
        match news {
            News::Ready(asks) => self.peers.ready(from, asks).then_some(Input::Holder(from)),
            News::Moving => Some(Input::Moving(from)),
            News::Received(id) => {
                self.peers.delivered(from);
                Some(Input::Received { from, id })
            }
            News::Absent(id) => Some(Input::Absent { from, id }),
            News::Ended(ended) => {
                let lied = matches!(ended, Ended::Lied(_));
                self.peers.ended(from, ended);
                let gone = Input::HolderGone(from);
                Some(if lied { Input::Lied { from, id: None } } else { gone })
            }
        }
    }

    /// What the verdict on an object means to the session.
    fn judge(&mut self, from: NodeId, link: Link, verdict: Verdict) -> Result<Input, FetchError> {
        let id = link.id;
        match verdict {
            Verdict::Kept(links) => {
                self.peers.count(from, link.bytes);
                Ok(Input::Arrived { from, id, links })
            }
            Verdict::WrongBytes | Verdict::Handed(_) => {
                self.peers.shun(from, Lie::WrongBytes { id });
                Ok(Input::Lied { from, id: Some(id) })
            }
            Verdict::Unreadable(source) => Err(FetchError::Unreadable { id, source }),
            Verdict::Failed(fault) => Err(fault.into()),
        }
    }

    /// Ends everything that runs, makes durable what arrived, and only then tells.
    async fn finish(self, result: Result<(), FetchError>) -> Result<FetchReport, FetchError> {
        let Self { store, session, peers, events, looks, threads, begun, .. } = self;
        drop((events, looks));
        let holders = peers.finish().await;
        for thread in threads {
            let _ = thread.await;
        }
        let flush = tokio::task::spawn_blocking(move || store.flush());
        let flushed = flush.await.map_err(|_| FetchError::Cancelled)?;
        match result {
            Ok(()) => {
                flushed?;
                Ok(FetchReport { progress: session.progress(), took: begun.elapsed(), holders })
            }
            Err(FetchError::Missing { count, first, .. }) => {
                let holders = holders.into_iter().map(|(node, report)| (node, report.fault));
                Err(FetchError::Missing { count, first, holders: holders.collect() })
            }
            Err(error) => Err(error),
        }
    }
}

/// Looks into the store, on a blocking thread, until nobody asks any more.
fn look_up<S: ObjectStore + ?Sized>(
    store: &S,
    mut looks: mpsc::Receiver<Look>,
    events: &mpsc::Sender<Event>,
) {
    while let Some((links, walk)) = looks.blocking_recv() {
        let found = if walk { find_branches(store, &links) } else { find_leaves(store, &links) };
        if events.blocking_send(Event::Looked(found)).is_err() {
            return;
        }
    }
}

fn find_leaves<S: ObjectStore + ?Sized>(
    store: &S,
    links: &[Link],
) -> Result<Vec<(SealedId, Found)>, StoreFault> {
    let ids: Vec<_> = links.iter().map(|link| link.id).collect();
    let there = store.has_all(&ids)?;
    let found = there.into_iter().map(|there| if there { Found::Leaf } else { Found::Missing });
    Ok(ids.into_iter().zip(found).collect())
}

fn find_branches<S: ObjectStore + ?Sized>(
    store: &S,
    links: &[Link],
) -> Result<Vec<(SealedId, Found)>, StoreFault> {
    let find = |link: &Link| {
        let Some(bytes) = store.get(&link.id)? else { return Ok((link.id, Found::Missing)) };
        let found = match store.links_in(&bytes) {
            Ok(Some(links)) => Found::Branch(links),
            Ok(None) => Found::Leaf,
            // It comes again from a holder, and is then found to be what it is.
            Err(_) => Found::Missing,
        };
        Ok((link.id, found))
    };
    links.iter().map(find).collect()
}

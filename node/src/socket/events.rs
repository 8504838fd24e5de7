//! The way of events from work to its caller: bounded, and never in the work's way.
//!
//! Of progress only the newest is kept. Lines and warnings queue up to a bound; when the caller
//! does not read them they are counted instead of kept, and the count is told at the end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::control::{EVENT_BYTES_MAX, Event, Progress};
use tokio::sync::Notify;

use super::Cancel;

/// Lines and warnings that wait for a slow caller. At their longest they are 16 MiB.
const QUEUE_EVENTS_MAX: usize = 1_024;

#[derive(Default, Debug)]
struct Pending {
    progress: Option<Progress>,
    queue: VecDeque<Event>,
    dropped: u64,
}

#[derive(Default, Debug)]
struct Shared {
    pending: Mutex<Pending>,
    news: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where work tells how far it is, and sees whether to stop. From any thread, never blocking.
#[derive(Clone, Debug)]
pub struct EventSink {
    shared: Arc<Shared>,
    cancel: Cancel,
}

/// The other end. Clones share what comes out.
#[derive(Clone)]
pub(super) struct EventSource(Arc<Shared>);

impl EventSink {
    pub(super) fn new(cancel: Cancel) -> (Self, EventSource) {
        let shared = Arc::<Shared>::default();
        (Self { shared: Arc::clone(&shared), cancel }, EventSource(shared))
    }

    /// One that nobody listens to, for work that nobody asked for.
    #[must_use]
    pub fn deaf() -> Self {
        Self::new(Cancel::never()).0
    }

    /// The same listener, with another say in whether and when to stop.
    #[must_use]
    pub fn stopped_by(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// Whether and when to stop.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// How far the work is; replaces what was said before.
    pub fn progress(&self, progress: Progress) {
        self.shared.lock().progress = Some(progress);
        self.shared.news.notify_one();
    }

    /// A line for people.
    pub fn line(&self, text: impl Into<String>) {
        self.push(Event::Line { text: cut(text.into()) });
    }

    /// Something that does not stop the work and that somebody should know.
    pub fn warning(&self, what: impl Into<String>, why: impl Into<String>) {
        self.push(Event::Warning { what: cut(what.into()), why: cut(why.into()) });
    }

    fn push(&self, event: Event) {
        let mut pending = self.shared.lock();
        if pending.queue.len() < QUEUE_EVENTS_MAX {
            pending.queue.push_back(event);
        } else {
            pending.dropped += 1;
        }
        drop(pending);
        self.shared.news.notify_one();
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(EVENT_BYTES_MAX));
    text
}

impl EventSource {
    /// The next event; waits for one.
    pub(super) async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.0.news.notified().await;
        }
    }

    /// What is waiting, if anything is: lines first, in order.
    pub(super) fn take(&self) -> Option<Event> {
        let mut pending = self.0.lock();
        if let Some(event) = pending.queue.pop_front() {
            return Some(event);
        }
        if pending.dropped > 0 {
            let why = format!("{} more lines came faster than they were read", pending.dropped);
            pending.dropped = 0;
            return Some(Event::Warning { what: "output".into(), why });
        }
        pending.progress.take().map(Event::Progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_newest_progress_is_told_and_lines_keep_their_order() {
        let (sink, source) = EventSink::new(Cancel::never());
        for done in 0..10 {
            sink.progress(Progress { done, ..Progress::default() });
            sink.line(format!("line {done}"));
        }
        for done in 0..10 {
            assert_eq!(source.next().await, Event::Line { text: format!("line {done}") });
        }
        let Event::Progress(progress) = source.next().await else { panic!("no progress") };
        assert_eq!(progress.done, 9);
        assert_eq!(source.take(), None);
    }

    #[test]
    fn a_caller_that_does_not_read_costs_a_bounded_memory_and_is_told() {
        let (sink, source) = EventSink::new(Cancel::never());
        for _ in 0..QUEUE_EVENTS_MAX + 5 {
            sink.warning("é".repeat(EVENT_BYTES_MAX), "x");
        }
        for _ in 0..QUEUE_EVENTS_MAX {
            let Some(Event::Warning { what, .. }) = source.take() else { panic!("no warning") };
            assert!(what.len() <= EVENT_BYTES_MAX);
        }
        let Some(Event::Warning { why, .. }) = source.take() else { panic!("no count") };
        assert_eq!(why, "5 more lines came faster than they were read");
        assert_eq!(source.take(), None);
    }
}

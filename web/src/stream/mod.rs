//! Answers without an end of their own: streams of server-sent events.
//!
//! A *stream* is a reader with a place in something that grows; nothing waits in a queue for it. It
//! writes a piece when its client has taken the one before, so a client that is slow only has an
//! older place. It says that it is alive every [`ALIVE_EVERY`], and ends with its client, its key
//! and the server. So many are open at once; each has a place among the connections besides.

mod frame;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

pub(crate) use frame::Frames;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{Access, ApiError, State};

/// Most streams at once.
pub(crate) const STREAMS_MAX: usize = 256;

/// Most of them with one key: the others still have some.
pub(crate) const STREAMS_PER_KEY_MAX: usize = 200;

/// How often a stream says something at least, so that nobody between takes it for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Bytes after which a piece of a stream is sent. One event may be larger.
pub(crate) const PIECE_BYTES: usize = 16 << 10;

/// nginx gathers answers unless it is told not to.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How many streams are open.
#[derive(Default)]
pub(crate) struct Streams {
    by_key: Mutex<BTreeMap<Arc<str>, usize>>,
}

impl Streams {
    /// A place for one more.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn enter(self: &Arc<Self>, access: &Access) -> Result<StreamPlace, ApiError> {
        let mut open = self.lock();
        if open.values().sum::<usize>() >= STREAMS_MAX {
            return Err(ApiError::too_many_streams("of all keys", STREAMS_MAX));
        }
        let of_key = open.entry(Arc::clone(&access.key)).or_default();
        if *of_key >= STREAMS_PER_KEY_MAX {
            return Err(ApiError::too_many_streams("of this key", STREAMS_PER_KEY_MAX));
        }
        *of_key += 1;
        drop(open);
        Ok(StreamPlace { streams: Arc::clone(self), key: Arc::clone(&access.key) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's place; free again when it is dropped.
pub(crate) struct StreamPlace {
    streams: Arc<Streams>,
    key: Arc<str>,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

/// What a reader waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There may be something to say.
    Clock,
    /// Nothing was said for long.
    Alive,
    /// It is over: the server stops.
    End,
}

/// What wakes the reader of a stream.
pub(crate) struct Wait {
    clock: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// When something was said last.
    said: Instant,
}

impl Wait {
    /// For a stream that begins now.
    pub(crate) fn new(clock: watch::Receiver<u64>, state: &State) -> Self {
        Self { clock, stopping: state.stopping.clone(), said: Instant::now() }
    }

    /// Whether the server stops.
    pub(crate) fn is_over(&self) -> bool {
        *self.stopping.borrow()
    }

    /// What happens from here on wakes: to be called before looking for something to say.
    pub(crate) fn mark(&mut self) {
        self.clock.mark_unchanged();
    }

    /// Something is said.
    pub(crate) fn say(&mut self) {
        self.said = Instant::now();
    }

    /// Waits.
    pub(crate) async fn woken(&mut self) -> Woken {
        tokio::select! {
            changed = self.clock.changed() => match changed {
                Ok(()) => Woken::Clock,
                Err(_) => Woken::End,
            },
            _ = self.stopping.wait_for(|stopping| *stopping) => Woken::End,
            () = sleep_until(self.said + ALIVE_EVERY) => Woken::Alive,
        }
    }
}

/// Something that says one piece after another.
pub(crate) trait Reader: Send + Sized + 'static {
    /// The next piece; none when it has ended.
    fn next(self) -> impl Future<Output = Option<(Bytes, Self)>> + Send;
}

/// An answer that goes on.
pub(crate) fn answer(reader: impl Reader) -> Response {
    let pieces = futures::stream::unfold(reader, |reader| async {
        let (piece, reader) = reader.next().await?;
        Some((Ok::<_, Infallible>(piece), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(key: &str) -> Access {
        Access { key: key.into(), read_only: true }
    }

    #[test]
    fn one_key_has_its_share_and_the_others_what_is_left() {
        let streams = Arc::<Streams>::default();
        let enter = |key: &str, count: usize| -> Vec<_> {
            (0..count).map_while(|_| streams.enter(&access(key)).ok()).collect()
        };
        let one = enter("1", STREAMS_MAX);
        assert_eq!(one.len(), STREAMS_PER_KEY_MAX);
        let two = enter("2", STREAMS_MAX);
        assert_eq!(two.len(), STREAMS_MAX - STREAMS_PER_KEY_MAX);
        assert!(streams.enter(&access("3")).is_err());
        drop(one);
        assert_eq!(enter("3", 1).len(), 1);
        drop(two);
        assert!(streams.lock().is_empty());
    }
}

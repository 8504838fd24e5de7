//! Bodies: of a request, which must not stop coming, and of an answer, whose end ends the request.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::phase::End;

/// How long a client may send no byte of a body.
pub(super) const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A body of which nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled;

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nothing came for {} s", BODY_PAUSE_MAX.as_secs())
    }
}

impl std::error::Error for Stalled {}

/// A request's body that fails when its client takes too long.
pub(super) struct Paced {
    body: Incoming,
    clock: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// A body of which nothing was asked yet.
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, clock: None }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.clock = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let clock = || Box::pin(sleep_until(Instant::now() + BODY_PAUSE_MAX));
        ready!(self.clock.get_or_insert_with(clock).as_mut().poll(cx));
        Poll::Ready(Some(Err(Stalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; when it is gone, the request has ended.
pub(super) struct Served {
    body: Body,
    _end: End,
}

impl Served {
    /// The last part of a request.
    pub(super) fn new(body: Body, end: End) -> Self {
        Self { body, _end: end }
    }
}

impl HttpBody for Served {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

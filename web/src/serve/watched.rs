//! A connection's bytes, with a clock: who begins to say something must say it in time.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::phase::Phase;

/// How long a client may take for a request's head, from its first byte; and for that first byte
/// of a new connection.
pub(super) const HEAD_MAX: Duration = Duration::from_secs(10);

/// How long a connection may be silent between two requests.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a client may take no byte of an answer.
pub(super) const WRITE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A stream that fails when its client takes too long.
pub(super) struct Watched<S> {
    stream: S,
    phase: Arc<Phase>,
    /// Requests that were begun when the wait began.
    waited_at: u64,
    /// Until when the client must have sent more: all of a head, or the beginning of one.
    read_until: Instant,
    /// Whether the head was begun.
    in_head: bool,
    read_clock: Pin<Box<Sleep>>,
    write_clock: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    /// A connection that was just taken.
    pub(super) fn new(stream: S, phase: Arc<Phase>) -> Self {
        let read_until = Instant::now() + HEAD_MAX;
        let read_clock = Box::pin(sleep_until(read_until));
        let (waited_at, write_clock) = (phase.begun(), None);
        Self { stream, phase, waited_at, read_until, in_head: false, read_clock, write_clock }
    }

    /// Bytes came that are no body's.
    fn heard(&mut self) {
        self.next_request();
        if !self.in_head {
            self.in_head = true;
            self.read_until = Instant::now() + HEAD_MAX;
        }
    }

    /// Starts the wait for another request, when the last one has come meanwhile.
    fn next_request(&mut self) {
        let begun = self.phase.begun();
        if begun != self.waited_at {
            self.waited_at = begun;
            self.in_head = false;
            self.read_until = Instant::now() + IDLE_MAX;
        }
    }

    /// Nothing came: fails when it should have.
    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.is_busy_until(cx.waker()) {
            return Poll::Pending;
        }
        self.next_request();
        if self.read_clock.deadline() != self.read_until {
            self.read_clock.as_mut().reset(self.read_until);
        }
        ready!(self.read_clock.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// What a write came to; fails when it has come to nothing for too long.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if write.is_ready() {
            self.write_clock = None;
            return write;
        }
        let clock = || Box::pin(sleep_until(Instant::now() + WRITE_PAUSE_MAX));
        ready!(self.write_clock.get_or_insert_with(clock).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let had = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return self.waits(cx);
        }
        if buffer.filled().len() > had && !self.phase.is_busy() {
            self.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

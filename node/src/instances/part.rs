//! The body of a part: bytes that another thread reads while they are sent, never all in memory.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Bytes handed over at once.
pub const PIECE_BYTES: usize = 256 << 10;

/// Pieces that wait to be sent.
const PIECES_WAITING_MAX: usize = 4;

/// The side that is sent.
#[derive(Debug)]
pub struct PartBody {
    left: u64,
    pieces: mpsc::Receiver<Bytes>,
    sent: Arc<AtomicU64>,
}

/// The side that is filled, on a thread that may block.
#[derive(Debug)]
pub struct PartFeed(mpsc::Sender<Bytes>);

/// A part of so many bytes.
#[must_use]
pub fn part(bytes: u64) -> (PartFeed, PartBody) {
    let (feed, pieces) = mpsc::channel(PIECES_WAITING_MAX);
    (PartFeed(feed), PartBody { left: bytes, pieces, sent: Arc::default() })
}

impl PartFeed {
    /// Hands a piece over; waits while enough of them wait. False when nobody wants it any more.
    #[must_use]
    pub fn put(&self, piece: Bytes) -> bool {
        self.0.blocking_send(piece).is_ok()
    }
}

impl PartBody {
    /// Counts what was sent, so that somebody sees whether it moves.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }
}

impl Body for PartBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Poll::Ready(piece) = self.pieces.poll_recv(cx) else { return Poll::Pending };
        let Some(piece) = piece else {
            let why = "what was to be sent ended too early";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))));
        };
        let Some(left) = self.left.checked_sub(piece.len() as u64) else {
            let why = "there is more to send than was said";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidInput, why))));
        };
        self.left = left;
        self.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

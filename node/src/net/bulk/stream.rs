//! The bytes of a bulk stream, in pieces, as tokio's reader and writer.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead as _, AsyncWrite as _};
use libp2p::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::limits::BULK_PIECE_BYTES_MAX;

const HEADER_BYTES: usize = 4;
const END: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

/// A pair of byte streams with one peer.
///
/// Writes are gathered: call `flush` after a message that the peer must see, and `shutdown` at the
/// end. A reader gets a clean end only if the peer's writer was shut down; when the peer or the
/// connection went away before, reading fails. Dropping the stream is therefore an abort. There is no timeout in it: its user knows how long to wait.
pub struct BulkStream {
    stream: Stream,
    reading: Reading,
    /// The piece being gathered or written: a place for its header, then its bytes.
    piece: Vec<u8>,
    /// How much of the piece is written; none while it is still gathering.
    written: Option<usize>,
    closing: bool,
}

/// Where the reader is in the row of pieces.
enum Reading {
    Header { bytes: [u8; HEADER_BYTES], have: usize },
    Piece { left: usize },
    Ended,
}

const NEXT_HEADER: Reading = Reading::Header { bytes: END, have: 0 };

impl BulkStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, reading: NEXT_HEADER, piece: Vec::new(), written: None, closing: false }
    }

    /// Ends the gathering of the current piece, if it has bytes.
    fn seal_piece(&mut self) {
        if self.written.is_none() && self.piece.len() > HEADER_BYTES {
            let length = u32::try_from(self.piece.len() - HEADER_BYTES).expect("a small number");
            self.piece[..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
            self.written = Some(0);
        }
    }

    /// Writes what is sealed.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(written) = self.written {
            if written == self.piece.len() {
                self.piece.clear();
                self.written = None;
                break;
            }
            let rest = &self.piece[written..];
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = Some(written + n);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Reading::Header { bytes, have } = &mut self.reading {
            let n = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes[*have..]))?;
            if n == 0 {
                return Poll::Ready(Err(cut_short()));
            }
            *have += n;
            if *have == HEADER_BYTES {
                self.reading = match usize::try_from(u32::from_be_bytes(*bytes)) {
                    Ok(0) => Reading::Ended,
                    Ok(left) if left <= BULK_PIECE_BYTES_MAX - HEADER_BYTES => {
                        Reading::Piece { left }
                    }
                    _ => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                };
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer or the connection went away")
}

impl AsyncRead for BulkStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_header(cx))?;
        let Reading::Piece { left } = &mut this.reading else { return Poll::Ready(Ok(())) };
        let wanted = (*left).min(buf.remaining());
        let space = buf.initialize_unfilled_to(wanted);
        let n = ready!(Pin::new(&mut this.stream).poll_read(cx, space))?;
        if n == 0 {
            return Poll::Ready(Err(cut_short()));
        }
        buf.advance(n);
        *left -= n;
        if *left == 0 {
            this.reading = NEXT_HEADER;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BulkStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_drain(cx))?;
        if this.piece.is_empty() {
            this.piece.reserve_exact(BULK_PIECE_BYTES_MAX);
            this.piece.extend_from_slice(&END);
        }
        let n = buf.len().min(BULK_PIECE_BYTES_MAX - this.piece.len());
        this.piece.extend_from_slice(&buf[..n]);
        if this.piece.len() == BULK_PIECE_BYTES_MAX {
            this.seal_piece();
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal_piece();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.seal_piece();
        ready!(this.poll_drain(cx))?;
        if !this.closing {
            this.closing = true;
            this.piece.clear();
            this.piece.extend_from_slice(&END);
            this.written = Some(0);
            ready!(this.poll_drain(cx))?;
        }
        Pin::new(&mut this.stream).poll_close(cx)
    }
}

impl fmt::Debug for BulkStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulkStream(…)")
    }
}

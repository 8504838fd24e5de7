//! Frames on a byte stream, with patience that ends.

use std::{io, time::Duration};

use protocol::fetch::wire::{ErrorCode, Frame, HEADER_BYTES, Header, Kind, WireError};
use protocol::{NodeId, SealedId};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::{Instant, timeout},
};

/// What is read at once when frames are small; objects are read past this buffer.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// The longest step of reading or writing an object.
pub(super) const STEP_BYTES: usize = 256 << 10;

/// How long the other side may need for [`PATIENCE_BYTES`].
const PATIENCE: Duration = Duration::from_secs(30);

/// Fewer bytes than these in [`PATIENCE`] are a stall: 2 KiB/s.
const PATIENCE_BYTES: usize = 64 << 10;

/// How long a last word to the other side may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> ByteStream for T {}

/// Opens bulk streams to holders.
pub trait Dialer: Send + Sync + 'static {
    /// What it opens.
    type Stream: ByteStream;

    /// Opens a stream to this holder, connecting to it if need be.
    fn open(&self, holder: NodeId) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection failed or was cut.
    #[error("the connection was cut")]
    Cut {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The other side sent nothing, or next to nothing, for too long.
    #[error("the other side fell silent")]
    Silent,
    /// What it sent is no frame.
    #[error("the other side sent garbage")]
    Wire {
        /// What is wrong with it.
        #[source]
        source: WireError,
    },
    /// It sent a frame that has no place here.
    #[error("the other side sent a {kind:?} frame out of place")]
    Unexpected {
        /// Which.
        kind: Kind,
    },
    /// It said why it ended the stream.
    #[error("the other side said: {code} ({text})")]
    Told {
        /// Why.
        code: ErrorCode,
        /// The same in words.
        text: String,
    },
}

impl From<io::Error> for StreamError {
    fn from(source: io::Error) -> Self {
        Self::Cut { source }
    }
}

impl From<WireError> for StreamError {
    fn from(source: WireError) -> Self {
        Self::Wire { source }
    }
}

/// Reads frames, and counts how long it waited for how much.
pub(super) struct FrameReader<R> {
    inner: BufReader<R>,
    waited: Duration,
    came: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(READ_BUFFER_BYTES, inner);
        Self { inner, waited: Duration::ZERO, came: 0 }
    }

    /// Waits until something comes, for however long; says whether it did, or the stream ended.
    /// Nothing is lost when it is cancelled.
    pub(super) async fn ready(&mut self) -> io::Result<bool> {
        Ok(!self.inner.fill_buf().await?.is_empty())
    }

    /// Waits like [`Self::ready`], but with patience.
    pub(super) async fn soon(&mut self) -> Result<bool, StreamError> {
        let (begun, left) = (Instant::now(), PATIENCE.saturating_sub(self.waited));
        let came = timeout(left, self.ready()).await.map_err(|_| StreamError::Silent)??;
        self.waited += begun.elapsed();
        Ok(came)
    }

    pub(super) async fn header(&mut self) -> Result<Header, StreamError> {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        self.fill(&mut head, HEADER_BYTES).await?;
        let mut array = [0; HEADER_BYTES];
        array.copy_from_slice(&head);
        Ok(Header::decode(&array)?)
    }

    /// The rest of a frame that is no object.
    pub(super) async fn body(&mut self, header: Header) -> Result<Frame, StreamError> {
        if header.kind == Kind::Object {
            return Err(StreamError::Unexpected { kind: header.kind });
        }
        let mut body = Vec::with_capacity(header.bytes);
        self.fill(&mut body, header.bytes).await?;
        Ok(Frame::decode(header.kind, &body)?)
    }

    /// The id at the beginning of an object frame.
    pub(super) async fn object_id(&mut self) -> Result<SealedId, StreamError> {
        let mut id = Vec::with_capacity(SealedId::BYTES);
        self.fill(&mut id, SealedId::BYTES).await?;
        let mut array = [0; SealedId::BYTES];
        array.copy_from_slice(&id);
        Ok(SealedId(array))
    }

    /// Reads until `out` has `bytes_wanted` bytes.
    async fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<(), StreamError> {
        while out.len() < bytes_wanted {
            self.some(out, bytes_wanted).await?;
        }
        Ok(())
    }

    /// Reads a step towards `bytes_wanted` bytes in `out`; returns how many came.
    pub(super) async fn some(
        &mut self,
        out: &mut Vec<u8>,
        bytes_wanted: usize,
    ) -> Result<usize, StreamError> {
        let step = (bytes_wanted - out.len()).min(STEP_BYTES) as u64;
        let (begun, left) = (Instant::now(), PATIENCE.saturating_sub(self.waited));
        let mut limited = (&mut self.inner).take(step);
        let read = timeout(left, limited.read_buf(out)).await;
        let bytes = read.map_err(|_| StreamError::Silent)??;
        if bytes == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.waited += begun.elapsed();
        self.came += bytes;
        if self.came >= PATIENCE_BYTES {
            self.content();
        }
        Ok(bytes)
    }

    /// Nothing is owed by the other side, or it has delivered enough: patience is renewed.
    pub(super) fn content(&mut self) {
        (self.waited, self.came) = (Duration::ZERO, 0);
    }
}

/// Writes all of it, unless the other side takes less than a step in `patience`.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    out: &mut W,
    bytes: &[u8],
    patience: Duration,
) -> Result<(), StreamError> {
    timeout(patience, out.write_all(bytes)).await.map_err(|_| StreamError::Silent)??;
    Ok(())
}

/// Sends what was written on its way.
pub(super) async fn flush<W: AsyncWrite + Unpin>(
    out: &mut W,
    patience: Duration,
) -> Result<(), StreamError> {
    timeout(patience, out.flush()).await.map_err(|_| StreamError::Silent)??;
    Ok(())
}

/// Tells the other side why this ends, if it still listens.
pub(super) async fn last_word<W: AsyncWrite + Unpin>(out: &mut W, frame: &Frame) {
    let say = async {
        out.write_all(&frame.encode()).await?;
        out.shutdown().await
    };
    let _ = timeout(LAST_WORD, say).await;
}

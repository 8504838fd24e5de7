//! The exchange under frames and join requests: one request, one short answer, on its own stream.
//!
//! ```text
//! request: length u32, big endian | bytes
//! answer:  code u8 (0 = accepted) | length u32, big endian | bytes
//! ```
//!
//! A request over the limit is not read; it is answered with "too large". Bytes of requests are
//! held against one budget from before they are read until the driver takes them, so many peers
//! that send much at once wait on the wire instead of filling the memory.

use std::{io, sync::Arc};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    error::Refusal,
    limits::{EXCHANGE_TIME_MAX, FRAME_STREAMS_MAX},
};

/// Bytes that are reserved before any arrive.
const FIRST_READ_BYTES: usize = 16 << 10;

/// What one side asks.
#[derive(Debug)]
pub(super) enum Request {
    Whole {
        bytes: Vec<u8>,
        /// The share of the budget; none in requests that we send.
        held: Option<OwnedSemaphorePermit>,
    },
    /// It announced more than the limit and was not read.
    TooLarge,
}

impl Request {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self::Whole { bytes, held: None }
    }
}

/// What the other side says to it.
#[derive(Debug)]
pub(super) struct Answer {
    code: u8,
    bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn accept(bytes: Vec<u8>) -> Self {
        Self { code: Refusal::ACCEPTED, bytes }
    }

    pub(super) fn refuse(refusal: Refusal) -> Self {
        Self { code: refusal.code(), bytes: Vec::new() }
    }

    pub(super) fn into_result(self) -> Result<Vec<u8>, Refusal> {
        Refusal::from_code(self.code).map_or(Ok(self.bytes), Err)
    }
}

/// Reads and writes both, within limits.
#[derive(Clone)]
pub(super) struct FrameCodec {
    pub(super) request_bytes_max: usize,
    pub(super) answer_bytes_max: usize,
    pub(super) budget: Arc<Semaphore>,
}

/// The behaviour around the codec.
pub(super) type Exchange = request_response::Behaviour<FrameCodec>;

impl FrameCodec {
    pub(super) fn exchange(
        self,
        name: StreamProtocol,
        direction: request_response::ProtocolSupport,
    ) -> Exchange {
        let config = request_response::Config::default()
            .with_request_timeout(EXCHANGE_TIME_MAX)
            .with_max_concurrent_streams(FRAME_STREAMS_MAX);
        request_response::Behaviour::with_codec(self, [(name, direction)], config)
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io).await?;
        let Some(length) = length.filter(|&length| length <= self.request_bytes_max) else {
            return Ok(Request::TooLarge);
        };
        let share = u32::try_from(length).map_err(io::Error::other)?;
        let held = self.budget.clone().acquire_many_owned(share).await.map_err(io::Error::other)?;
        Ok(Request::Whole { bytes: read_exactly(io, length).await?, held: Some(held) })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut code = [0];
        io.read_exact(&mut code).await?;
        let length = read_length(io).await?;
        let length = length
            .filter(|&length| length <= self.answer_bytes_max)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is too large"))?;
        Ok(Answer { code: code[0], bytes: read_exactly(io, length).await? })
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Request::Whole { bytes, .. } => write_sized(io, &bytes).await,
            Request::TooLarge => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[answer.code]).await?;
        write_sized(io, &answer.bytes).await
    }
}

async fn read_length(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    Ok(usize::try_from(u32::from_be_bytes(length)).ok())
}

async fn read_exactly(io: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(FIRST_READ_BYTES));
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write_sized(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

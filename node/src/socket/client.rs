//! The commands' side of the socket.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocol::control::{
    AskFrame, CONTROL_FRAME_BYTES_MAX, Event, Failure, REQUEST_BYTES_MAX, Reply, Request, TellFrame,
};
use tokio::net::UnixStream;

use super::{
    AddressError, Cancel,
    address::Address,
    frames::{self, FrameError},
};

/// No answer could be had.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The path is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Nobody listens there, or this user may not talk to it.
    #[error("cannot reach the daemon on {}", .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The daemon ended, or answered something that is no answer.
    #[error("the daemon on {} has gone before it answered", .path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
        /// How that was noticed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Asks one thing and waits for the answer. When `cancel` is set, the daemon is asked to stop; its
/// answer is waited for all the same.
///
/// # Errors
/// When no answer could be had; an answer that says no is the inner `Err`.
pub async fn ask(
    path: &Path,
    request: Request,
    cancel: &Cancel,
    mut on_event: impl FnMut(Event),
) -> Result<Result<Reply, Failure>, ClientError> {
    let address = Address::of(path)?;
    let mut stream = UnixStream::connect(&address.path)
        .await
        .map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
    let lost =
        |error: FrameError| ClientError::Lost { path: path.to_owned(), source: Box::new(error) };
    let (mut reader, mut writer) = stream.split();
    let ask = AskFrame::Request(Box::new(request));
    // A daemon that refuses the caller answers at once and closes: then writing fails, reading works.
    let asked = frames::write(&mut writer, &ask, REQUEST_BYTES_MAX).await;
    if let Err(error @ FrameError::TooLarge { .. }) = asked {
        return Err(lost(error));
    }
    let mut cancelled = false;
    loop {
        let mut frame = Box::pin(frames::read(&mut reader, "answer", CONTROL_FRAME_BYTES_MAX));
        let frame = loop {
            tokio::select! {
                frame = &mut frame => break frame.map_err(lost)?,
                () = cancel.wait(), if !cancelled => {
                    cancelled = true;
                    let stop = frames::write(&mut writer, &AskFrame::Cancel, REQUEST_BYTES_MAX);
                    stop.await.map_err(lost)?;
                }
            }
        };
        match frame {
            TellFrame::Event(event) => on_event(event),
            TellFrame::End(end) => return Ok(end.into()),
        }
    }
}

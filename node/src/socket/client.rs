//! The commands' side of the socket.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocol::control::{Asked, Event, Failure, Reply};
use tokio::net::UnixStream;

use super::{
    AddressError, Cancel,
    address::Address,
    converse::{self, Listening},
    frames::FrameError,
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

/// Asks one thing, of the daemon or through it of another member, and waits for the answer. When
/// `cancel` is set, the daemon is asked to stop; its answer is waited for all the same.
///
/// # Errors
/// When no answer could be had; an answer that says no is the inner `Err`.
pub async fn ask(
    path: &Path,
    asked: impl Into<Asked>,
    cancel: &Cancel,
    on_event: impl FnMut(Event),
) -> Result<Result<Reply, Failure>, ClientError> {
    let address = Address::of(path)?;
    let mut stream = UnixStream::connect(&address.path)
        .await
        .map_err(|source| ClientError::Unreachable { path: path.to_owned(), source })?;
    let lost =
        |error: FrameError| ClientError::Lost { path: path.to_owned(), source: Box::new(error) };
    let (mut reader, mut writer) = stream.split();
    let listening = Listening::default();
    converse::put(&mut reader, &mut writer, asked.into(), cancel, &listening, on_event)
        .await
        .map_err(lost)
}

//! From a thread that reads to a client that takes its time.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::stream;
use protocol::control::{Failure, FailureCode};
use tokio::sync::mpsc;
use tracing::{debug, warn};
use web::DownloadBody;

use super::DownloadError;
use crate::daemon::{handle::archive::Opened, node::Node, view::Archive};

/// Pieces that lie ready for a client, each a chunk or what was gathered.
const PIECES_AHEAD: usize = 4;

/// Small bytes are gathered to pieces of this size.
const PIECE_BYTES: usize = 128 << 10;

/// What a client's connection is cut with. Why is in the log: it is not the client's matter.
#[derive(Debug, thiserror::Error)]
#[error("the download was cut off")]
struct CutOff;

enum Piece {
    Bytes(Bytes),
    /// All was sent. Without it the body never ends well, whatever happened to the thread.
    Done,
}

/// A download that was not begun.
pub(super) struct Pouring {
    node: Arc<Node>,
    archive: Archive,
    place: Box<dyn Send>,
}

impl Pouring {
    /// Of this archive; `place` is dropped at the end.
    pub(super) fn new(node: Arc<Node>, opened: &Opened, place: impl Send + 'static) -> Self {
        Self { node, archive: opened.archive.clone(), place: Box::new(place) }
    }

    /// Begins: `work` runs on a thread of its own until it has ended or nobody reads any more. What
    /// it holds keeps the archive in use.
    pub(super) fn pour(
        self,
        work: impl FnOnce(&mut Out) -> Result<(), DownloadError> + Send + 'static,
    ) -> DownloadBody {
        let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
        tokio::task::spawn_blocking(move || {
            let Self { node, archive, place } = self;
            let mut out = Out { pieces, gathered: BytesMut::new() };
            let ended = work(&mut out).and_then(|()| out.flush());
            match ended {
                Ok(()) => drop(out.pieces.blocking_send(Piece::Done)),
                Err(error) => cut_off(&node, &archive, &error),
            }
            drop(place);
        });
        Box::pin(stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
                Some(Piece::Done) => None,
                None => Some((Err(io::Error::other(CutOff)), None)),
            }
        }))
    }
}

/// Says why, and sees to it that what is missing here is fetched.
fn cut_off(node: &Node, archive: &Archive, error: &DownloadError) {
    let name = archive.title();
    if let DownloadError::Gone = error {
        debug!(archive.name = name, "a client left in the middle of a download");
        return;
    }
    let failure = Failure::caused(FailureCode::Damaged, "a download was cut off", error);
    warn!(archive.name = name, %failure, "a client got a part of an archive only");
    let me = node.id();
    let lies_here = archive.origin == me
        || node.mesh.look(|catalog| {
            let mut holders = catalog.holders(archive.origin, archive.id);
            holders.any(|(holder, hold)| *holder == me && hold.root == archive.facts.root)
        });
    if error.is_damage() && lies_here {
        node.hurt.note(archive.origin, archive.id, archive.facts.root);
    }
}

/// Where a download's bytes go.
pub(super) struct Out {
    pieces: mpsc::Sender<Piece>,
    gathered: BytesMut,
}

impl Out {
    /// The next bytes as they are.
    pub(super) fn put(&mut self, bytes: Bytes) -> Result<(), DownloadError> {
        self.flush()?;
        self.send(bytes)
    }

    /// The next bytes, gathered with others.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), DownloadError> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            bytes = rest;
            if self.gathered.len() == PIECE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Sends what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), DownloadError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = self.gathered.split().freeze();
        self.send(bytes)
    }

    fn send(&mut self, bytes: Bytes) -> Result<(), DownloadError> {
        self.pieces.blocking_send(Piece::Bytes(bytes)).map_err(|_| DownloadError::Gone)
    }
}

//! Answering what other members ask.

use std::{sync::Arc, time::Duration};

use protocol::{
    NodeId,
    control::{Asked, Failure, FailureCode, Request},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{debug, warn};

use super::{
    PATIENCE, WHAT,
    room::{Entry, Place, Room},
};
use crate::socket::{self, Caller, Cancel, FrameError, Handler, STOP_WAIT, Work};

/// Streams in hand, those included that are only told that there is no room.
const STREAMS_MAX: usize = 128;

/// How long an asker may take to close its side after the end.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Answers members until `stop` is asked; then what is at work is asked to stop, and waited for a
/// little.
pub(in crate::daemon) async fn serve<H, S>(
    handler: Arc<H>,
    mut streams: mpsc::Receiver<(NodeId, S)>,
    stop: Cancel,
) where
    H: Handler,
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let room = Room::default();
    let mut serving = JoinSet::new();
    loop {
        let (peer, stream) = tokio::select! {
            () = stop.wait() => break,
            Some(_) = serving.join_next() => continue,
            asked = streams.recv() => match asked {
                Some(asked) => asked,
                None => break,
            },
        };
        let asker = Asker { peer, room: room.clone(), stop: stop.clone() };
        match room.enter(peer, Instant::now()) {
            _ if serving.len() >= STREAMS_MAX => {}
            Entry::Place(place) => {
                drop(serving.spawn(asker.attend(stream, handler.clone(), place)))
            }
            Entry::Busy(why) => drop(serving.spawn(turn_away(stream, why))),
            Entry::Ignored => debug!(peer.id = %peer.short(), "a member is not heard for a while"),
        }
    }
    let ended = timeout(STOP_WAIT, async { while serving.join_next().await.is_some() {} });
    if ended.await.is_err() {
        warn!(requests = serving.len(), "requests of other nodes did not stop in time");
    }
}

/// One member that asks one thing.
struct Asker {
    peer: NodeId,
    room: Room,
    stop: Cancel,
}

impl Asker {
    async fn attend<H: Handler, S>(self, stream: S, handler: Arc<H>, place: Place)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let peer = self.peer;
        let told = match self.hear(&mut reader).await {
            Ok(request) => {
                let (caller, stop) = (Caller::Node(peer), self.stop);
                let work = Work::start(handler, caller, request, stop, place);
                socket::answer(&mut reader, &mut writer, work, &PATIENCE).await
            }
            Err(Some(failure)) => socket::tell_end(&mut writer, Err(failure), &PATIENCE).await,
            Err(None) => return,
        };
        match told {
            Ok(()) => close(reader, writer).await,
            Err(error) => {
                debug!(peer.id = %peer.short(), %error, "a member has gone before its answer");
            }
        }
    }

    /// What it asks. `None` when there is nobody to answer.
    async fn hear<R: AsyncRead + Unpin>(&self, reader: &mut R) -> Result<Request, Option<Failure>> {
        let Asked { of, request } = match socket::hear(reader, &PATIENCE.request).await {
            Ok(asked) => asked,
            Err(error) => {
                if is_fault(&error) {
                    self.fault(&error.to_string());
                }
                return Err(socket::not_understood(&error));
            }
        };
        if of.is_some() {
            let why = "a node is asked by who wants something of it, not through another one";
            self.fault(why);
            return Err(Some(Failure::new(FailureCode::Invalid, WHAT, why)));
        }
        socket::validate(&request).map_err(Some)?;
        Ok(request)
    }

    fn fault(&self, why: &str) {
        let peer = self.peer.short();
        if self.room.fault(self.peer, Instant::now()) {
            warn!(peer.id = %peer, why, "a member sends what is no request and is not heard");
        } else {
            debug!(peer.id = %peer, why, "a member sent what is no request");
        }
    }
}

/// Whether somebody sent what no version of this program sends.
fn is_fault(error: &FrameError) -> bool {
    match error {
        FrameError::TooLarge { .. } | FrameError::Garbage(_) | FrameError::Endless => true,
        // A newer one may know it.
        FrameError::Malformed(_) => false,
        FrameError::Gone | FrameError::Io(_) | FrameError::Late => false,
    }
}

/// Tells that there is no room, without having heard what is wanted.
async fn turn_away<S: AsyncRead + AsyncWrite>(stream: S, why: String) {
    let (reader, mut writer) = tokio::io::split(stream);
    let failure = Failure::new(FailureCode::Busy, WHAT, why).hint("try again later");
    if socket::tell_end(&mut writer, Err(failure), &PATIENCE).await.is_ok() {
        close(reader, writer).await;
    }
}

/// Ends a stream in order: dropped at once, it would take the last frame with it.
async fn close<S: AsyncRead + AsyncWrite>(mut reader: ReadHalf<S>, mut writer: WriteHalf<S>) {
    let ended = async {
        writer.shutdown().await?;
        // The asker closes too, or drops the stream.
        let mut rest = (&mut reader).take(1);
        rest.read_to_end(&mut Vec::new()).await
    };
    let _ = timeout(CLOSE_WAIT, ended).await;
}

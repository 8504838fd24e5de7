//! One connection to one holder: want-lists out, objects in.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use protocol::{
    NodeId, SealedId,
    fetch::wire::{ErrorCode, Frame},
    object::Link,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    Dialer, Lie, StreamError, Throttle,
    event::Event,
    handshake::greet,
    intake::Intake,
    stream::{FrameReader, flush, last_word, write},
};

mod receive;

use receive::Receiver;

/// How long it may take to open a stream.
const OPEN_WAIT: Duration = Duration::from_secs(30);

/// How long a want-list may take to be sent.
const SEND_WAIT: Duration = Duration::from_secs(60);

/// How often a requester that wants nothing says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

/// Want-lists on their way to a connection; the session asks for fewer.
pub(super) const ASKS_MAX: usize = 4_096;

/// What a connection tells.
pub(super) enum News {
    /// It is ready, and takes want-lists here.
    Ready(mpsc::Sender<Vec<Link>>),
    /// Bytes move.
    Moving,
    /// An object came and is being verified.
    Received(SealedId),
    /// The holder has not got it.
    Absent(SealedId),
    /// It is over; nothing more comes.
    Ended(Ended),
}

/// How a connection ended.
pub(super) enum Ended {
    /// It could not be opened.
    NotOpened(io::Error),
    /// It broke, or the holder ended it saying why.
    Broken(StreamError),
    /// The holder closed it in good order.
    HungUp,
    /// This side closed it.
    Dropped,
    /// The holder lied.
    Lied(Lie),
}

/// What all connections of a fetch share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) intake: Intake,
    pub(super) throttle: Option<Arc<Throttle>>,
}

impl Shared {
    async fn tell(&self, holder: NodeId, news: News) -> bool {
        self.events.send(Event::News(holder, news)).await.is_ok()
    }
}

/// Connects to a holder after a while, and fetches what it is told to until it ends. Its last news
/// is that it ended.
pub(super) async fn attend<D: Dialer>(
    dialer: Arc<D>,
    holder: NodeId,
    wait: Duration,
    shared: Shared,
) {
    sleep(wait).await;
    let opened = timeout(OPEN_WAIT, dialer.open(holder)).await;
    let ended = match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => {
            let (reader, mut out) = tokio::io::split(stream);
            let mut reader = FrameReader::new(reader);
            let ended = converse(&mut reader, &mut out, holder, &shared).await;
            if let Some(frame) = parting(&ended) {
                last_word(&mut out, &frame).await;
            }
            ended
        }
        Err(error) => Ended::NotOpened(error),
    };
    shared.tell(holder, News::Ended(ended)).await;
}

fn parting(ended: &Ended) -> Option<Frame> {
    let error = |code: ErrorCode| Some(Frame::Error { code, text: code.to_string() });
    match ended {
        Ended::Dropped => Some(Frame::Bye),
        Ended::Lied(_) => error(ErrorCode::Protocol),
        Ended::Broken(StreamError::Silent) => error(ErrorCode::Silent),
        Ended::NotOpened(_) | Ended::Broken(_) | Ended::HungUp => None,
    }
}

async fn converse<R, W>(
    reader: &mut FrameReader<R>,
    out: &mut W,
    holder: NodeId,
    shared: &Shared,
) -> Ended
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if let Err(error) = greet(reader, out).await {
        return ended_by(error);
    }
    let (asks_in, asks) = mpsc::channel(ASKS_MAX);
    if !shared.tell(holder, News::Ready(asks_in)).await {
        return Ended::Dropped;
    }
    let owed = Owed::default();
    let mut receiver = Receiver::new(reader, &owed, holder, shared);
    tokio::select! {
        ended = receiver.run() => ended,
        ended = ask(out, asks, &owed) => ended,
    }
}

/// A frame that is none is a lie; a connection that breaks is not.
fn ended_by(error: StreamError) -> Ended {
    match error {
        StreamError::Wire { .. } | StreamError::Unexpected { .. } => {
            Ended::Lied(Lie::Garbage { source: error })
        }
        _ => Ended::Broken(error),
    }
}

/// What was asked for and not answered, in order.
#[derive(Default)]
struct Owed(Mutex<VecDeque<Link>>);

impl Owed {
    fn with<T>(&self, change: impl FnOnce(&mut VecDeque<Link>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends want-lists until the fetch wants no more of this holder.
async fn ask<W: AsyncWrite + Unpin>(
    out: &mut W,
    mut asks: mpsc::Receiver<Vec<Link>>,
    owed: &Owed,
) -> Ended {
    loop {
        let frame = match timeout(ALIVE_EVERY, asks.recv()).await {
            Ok(Some(links)) => {
                owed.with(|owed| owed.extend(&links));
                Frame::Want(links)
            }
            Ok(None) => return Ended::Dropped,
            Err(_) => Frame::Alive,
        };
        let sent = match write(out, &frame.encode(), SEND_WAIT).await {
            Ok(()) => flush(out, SEND_WAIT).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            // The holder may have said why before it closed; the other half will find it.
            return linger(error).await;
        }
    }
}

/// Gives the reading half a moment to find out more.
async fn linger(error: StreamError) -> Ended {
    sleep(Duration::from_secs(1)).await;
    Ended::Broken(error)
}

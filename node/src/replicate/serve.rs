//! Giving objects to a requester, on one stream.

use std::{sync::Arc, time::Duration};

use protocol::{
    SealedId,
    fetch::wire::{ErrorCode, Frame, object_head},
    object::Link,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use super::{
    Cancel, ObjectStore, StoreFault, Throttle,
    handshake::welcome,
    stream::{ByteStream, FrameReader, STEP_BYTES, StreamError, flush, last_word, write},
};

/// Want-lists that wait; no more are read from the stream meanwhile.
const WANT_LISTS_MAX: usize = 16;

/// Objects read from the store before they can be sent, bytes; one larger object always.
const READ_AHEAD_BYTES: u32 = 4 << 20;

/// Answers that wait to be sent.
const ANSWERS_MAX: usize = 256;

/// What is gathered before it is written; larger pieces are written as they are.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

/// How long a requester may say nothing, not even that it is alive.
const QUIET_MAX: Duration = Duration::from_secs(120);

/// How long a requester may need to take one step of an object.
const TAKE_WAIT: Duration = Duration::from_secs(240);

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// A bound on the bytes sent.
    pub throttle: Option<Arc<Throttle>>,
    /// Ends the serving.
    pub cancel: Cancel,
}

/// What was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServeReport {
    /// Objects sent.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were asked for in vain.
    pub absent: u64,
}

/// Why serving ended before the requester said that it was over.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stream failed, or what came over it was wrong.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The store failed.
    #[error("cannot read what a peer wants")]
    Store {
        /// How.
        #[source]
        source: StoreFault,
    },
    /// This side is closing down.
    #[error("closing down")]
    Cancelled,
}

enum Answer {
    Object { link: Link, bytes: Vec<u8>, _room: OwnedSemaphorePermit },
    Absent(SealedId),
    Failed(StoreFault),
}

/// Answers one requester until it is content, cut off, wrong, or too slow.
///
/// An object that `authorise` denies is answered like one that is not there.
///
/// # Errors
/// When the stream did not end in good order, or the store failed.
pub async fn serve<T, S>(
    stream: T,
    store: Arc<S>,
    authorise: impl Fn(&SealedId) -> bool + Send + Sync + 'static,
    options: ServeOptions,
) -> Result<ServeReport, ServeError>
where
    T: ByteStream,
    S: ObjectStore + ?Sized,
{
    let (reader, writer) = tokio::io::split(stream);
    let mut reader = FrameReader::new(reader);
    let mut out = BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer);
    let mut report = ServeReport::default();
    let result = tokio::select! {
        result = converse(&mut reader, &mut out, store, authorise, &options, &mut report) => result,
        () = options.cancel.cancelled() => Err(ServeError::Cancelled),
    };
    match &result {
        Ok(()) => last_word(&mut out, &Frame::Bye).await,
        Err(error) => last_word(&mut out, &parting(error)).await,
    }
    result.map(|()| report)
}

fn parting(error: &ServeError) -> Frame {
    let code = match error {
        ServeError::Cancelled => ErrorCode::Closing,
        ServeError::Store { .. } => ErrorCode::Internal,
        ServeError::Stream(StreamError::Silent) => ErrorCode::Silent,
        ServeError::Stream(StreamError::Told { code, .. }) => *code,
        ServeError::Stream(StreamError::Wire { source }) => source.code(),
        ServeError::Stream(_) => ErrorCode::Protocol,
    };
    // Only what concerns the requester: nothing of this side's disks or paths.
    Frame::Error { code, text: code.to_string() }
}

async fn converse<R, W, S>(
    reader: &mut FrameReader<R>,
    out: &mut W,
    store: Arc<S>,
    authorise: impl Fn(&SealedId) -> bool + Send + Sync + 'static,
    options: &ServeOptions,
    report: &mut ServeReport,
) -> Result<(), ServeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    S: ObjectStore + ?Sized,
{
    welcome(reader, out).await?;
    let (wants_in, wants) = mpsc::channel(WANT_LISTS_MAX);
    let (answers_in, answers) = mpsc::channel(ANSWERS_MAX);
    let room = Arc::new(Semaphore::new(READ_AHEAD_BYTES as usize));
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        load(&*store, &authorise, wants, &answers_in, &room, &runtime);
    });
    tokio::select! {
        ended = listen(reader, wants_in) => ended,
        ended = answer(out, answers, options, report) => ended,
    }
}

/// Reads want-lists until the requester ends the stream.
async fn listen<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    wants: mpsc::Sender<Vec<Link>>,
) -> Result<(), ServeError> {
    loop {
        reader.content();
        let ready = timeout(QUIET_MAX, reader.ready()).await.map_err(|_| StreamError::Silent)?;
        if !ready.map_err(StreamError::from)? {
            return Ok(());
        }
        let header = reader.header().await?;
        match reader.body(header).await? {
            Frame::Want(links) => {
                if wants.send(links).await.is_err() {
                    return Ok(());
                }
            }
            Frame::Alive => {}
            Frame::Bye => return Ok(()),
            Frame::Error { code, text } => return Err(StreamError::Told { code, text }.into()),
            _ => return Err(StreamError::Unexpected { kind: header.kind }.into()),
        }
    }
}

/// Reads objects ahead, on a blocking thread, until either side is gone.
fn load<S: ObjectStore + ?Sized>(
    store: &S,
    authorise: &(impl Fn(&SealedId) -> bool + ?Sized),
    mut wants: mpsc::Receiver<Vec<Link>>,
    answers: &mpsc::Sender<Answer>,
    room: &Arc<Semaphore>,
    runtime: &Handle,
) {
    while let Some(links) = wants.blocking_recv() {
        for link in links {
            let share = link.bytes.min(READ_AHEAD_BYTES);
            let Ok(room) = runtime.block_on(Arc::clone(room).acquire_many_owned(share)) else {
                return;
            };
            let found = if authorise(&link.id) { store.get(&link.id) } else { Ok(None) };
            let answer = match found {
                Ok(Some(bytes)) if bytes.len() == link.bytes as usize => {
                    Answer::Object { link, bytes, _room: room }
                }
                Ok(_) => Answer::Absent(link.id),
                Err(fault) => Answer::Failed(fault),
            };
            if answers.blocking_send(answer).is_err() {
                return;
            }
        }
    }
}

/// Sends what was read, and what is buffered whenever there is nothing more to send.
async fn answer<W: AsyncWrite + Unpin>(
    out: &mut W,
    mut answers: mpsc::Receiver<Answer>,
    options: &ServeOptions,
    report: &mut ServeReport,
) -> Result<(), ServeError> {
    loop {
        let next = match answers.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                flush(out, TAKE_WAIT).await?;
                answers.recv().await
            }
        };
        match next {
            Some(Answer::Object { link, bytes, _room }) => {
                write(out, &object_head(link), TAKE_WAIT).await?;
                for step in bytes.chunks(STEP_BYTES) {
                    write(out, step, TAKE_WAIT).await?;
                    if let Some(throttle) = &options.throttle {
                        throttle.pass(step.len()).await;
                    }
                }
                report.objects += 1;
                report.bytes += bytes.len() as u64;
            }
            Some(Answer::Absent(id)) => {
                write(out, &Frame::Absent(id).encode(), TAKE_WAIT).await?;
                report.absent += 1;
            }
            Some(Answer::Failed(source)) => return Err(ServeError::Store { source }),
            None => return Ok(()),
        }
    }
}

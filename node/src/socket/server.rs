//! The daemon's side of the socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use protocol::control::{
    AskFrame, CONTROL_FRAME_BYTES_MAX, EndFrame, Failure, FailureCode, REQUEST_BYTES_MAX, Reply,
    Request, TellFrame,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

use super::{
    Caller, Cancel, CancelSwitch, Handler,
    bound::{Bound, ServerError},
    events::EventSource,
    frames::{self, FrameError},
    work::{self, Work},
};

/// Who may open the socket: its owner, and root.
const MODE: u32 = 0o600;

/// Requests at work at the same time. Each may hold a queue of events; people and pages need few.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a caller may take to say what it wants.
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// How long a caller may take to read its answer, once there is one: it may be a stopped terminal,
/// and its place is wanted again.
const ANSWER_WAIT: Duration = Duration::from_secs(600);

/// How long requests may take to end when the daemon stops.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(10);

/// How long to rest after the system refused a connection (no file handles left), so as not to spin.
const ACCEPT_REST: Duration = Duration::from_millis(200);

/// A bound socket, removed again when it is dropped.
#[derive(Debug)]
pub struct Server {
    bound: Bound,
    owner_uid: u32,
}

impl Server {
    /// Listens on `path`, which only root and this process's user can open. What a dead daemon left
    /// there is replaced. Two daemons that start in the same instant are told apart by the lock on
    /// the data folder, which the caller holds already.
    ///
    /// # Errors
    /// When a daemon answers there, or the system refuses.
    pub async fn bind(path: &Path) -> Result<Self, ServerError> {
        let bound = Bound::new(path, MODE).await?;
        let owner_uid = rustix::process::geteuid().as_raw();
        Ok(Self { bound, owner_uid })
    }

    /// Answers callers until `stop` is asked; then asks what is at work to stop, waits a little, and
    /// returns.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: Cancel) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.bound.listener().accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = stop.wait() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let place = Arc::clone(&room).try_acquire_owned().ok();
                    let handler = Arc::clone(&handler);
                    let connection = Connection { owner_uid: self.owner_uid, stop: stop.clone() };
                    connections.spawn(connection.answer(stream, handler, place));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a caller on the control socket");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
        let ended = timeout(STOP_WAIT, async { while connections.join_next().await.is_some() {} });
        if ended.await.is_err() {
            warn!(requests = connections.len(), "requests did not stop in time");
        }
    }
}

/// What one connection needs to know of the server.
struct Connection {
    owner_uid: u32,
    stop: Cancel,
}

impl Connection {
    async fn answer<H: Handler>(
        self,
        mut stream: UnixStream,
        handler: Arc<H>,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let end = match self.admit(&mut stream, place.is_some()).await {
            Ok((caller, request)) => match self.run(&mut stream, handler, caller, request).await {
                Ok(end) => end,
                Err(error) => return debug!(%error, "the caller has gone before its answer"),
            },
            Err(None) => return,
            Err(Some(failure)) => Err(failure),
        };
        if let Err(error) = in_time(tell_end(&mut stream, end)).await {
            debug!(%error, "the caller has gone before its answer");
        }
    }

    /// Who calls and what for. `None` when there is nobody to answer.
    async fn admit(
        &self,
        stream: &mut UnixStream,
        has_place: bool,
    ) -> Result<(Caller, Request), Option<Failure>> {
        let peer = stream.peer_cred().map_err(|_| None)?;
        if peer.uid() != 0 && peer.uid() != self.owner_uid {
            warn!(peer.uid = peer.uid(), "refused a caller on the control socket");
            return Err(Some(stranger(peer.uid())));
        }
        if !has_place {
            return Err(Some(crowded()));
        }
        let read = frames::read(stream, "request", REQUEST_BYTES_MAX);
        let request = match timeout(REQUEST_WAIT, read).await {
            Ok(Ok(AskFrame::Request(request))) => *request,
            Ok(Ok(AskFrame::Cancel) | Err(FrameError::Gone)) => return Err(None),
            Ok(Err(error)) => return Err(Some(not_understood(&error))),
            Err(_) => return Err(None),
        };
        work::validate(&request).map_err(Some)?;
        Ok((Caller::Local { uid: peer.uid(), pid: peer.pid() }, request))
    }

    /// The handler works in a task of its own, so that a caller who stops reading stops nothing.
    async fn run<H: Handler>(
        &self,
        stream: &mut UnixStream,
        handler: Arc<H>,
        caller: Caller,
        request: Request,
    ) -> Result<Result<Reply, Failure>, FrameError> {
        let mut work = Work::start(handler, caller, request, self.stop.clone(), ());
        let (mut reader, mut writer) = stream.split();
        let (finish, finished) = CancelSwitch::new();
        let source = work.events();
        let mut told = Box::pin(tell_events(&mut writer, &source, finished));
        let mut heard = Box::pin(hear(&mut reader, work.switch()));
        let (mut listening, mut telling) = (true, None);
        let result = loop {
            tokio::select! {
                result = work.end() => break result,
                result = &mut told, if telling.is_none() => telling = Some(result),
                () = &mut heard, if listening => {
                    listening = false;
                    work.caller_has_gone();
                }
            }
        };
        finish.cancel();
        match telling {
            Some(result) => result?,
            None => in_time(told).await?,
        }
        Ok(result)
    }
}

/// Passes events on until the work is finished and all is told, or the caller takes no more.
async fn tell_events(
    writer: &mut (impl AsyncWrite + Unpin),
    source: &EventSource,
    finished: Cancel,
) -> Result<(), FrameError> {
    loop {
        let event = tokio::select! {
            biased;
            event = source.next() => event,
            () = finished.wait() => return Ok(()),
        };
        frames::write(writer, &TellFrame::Event(event), CONTROL_FRAME_BYTES_MAX).await?;
    }
}

/// Listens for a cancel; returns when the caller has gone or talks nonsense.
async fn hear(reader: &mut (impl AsyncRead + Unpin), switch: CancelSwitch) {
    while let Ok(AskFrame::Cancel) = frames::read(reader, "frame", REQUEST_BYTES_MAX).await {
        switch.cancel();
    }
}

async fn in_time(told: impl Future<Output = Result<(), FrameError>>) -> Result<(), FrameError> {
    let late = |_| FrameError::Io(io::ErrorKind::TimedOut.into());
    timeout(ANSWER_WAIT, told).await.map_err(late)?
}

async fn tell_end(stream: &mut UnixStream, end: Result<Reply, Failure>) -> Result<(), FrameError> {
    let frame = TellFrame::End(EndFrame::from(end));
    match frames::write(stream, &frame, CONTROL_FRAME_BYTES_MAX).await {
        Err(FrameError::TooLarge { bytes, .. }) => {
            let why = format!("the answer has {bytes} bytes");
            let failure = Failure::new(FailureCode::Internal, "cannot answer", why)
                .hint("ask for less at a time");
            let frame = TellFrame::End(EndFrame::Failure(failure));
            frames::write(stream, &frame, CONTROL_FRAME_BYTES_MAX).await
        }
        result => result,
    }
}

fn stranger(uid: u32) -> Failure {
    let why = format!("user {uid} may not talk to this daemon");
    Failure::new(FailureCode::Refused, "cannot do what was asked", why)
        .hint("run the command as root or as the user of the daemon")
}

fn crowded() -> Failure {
    let why = format!("{CONNECTIONS_MAX} other requests are at work");
    Failure::new(FailureCode::Busy, "cannot do what was asked", why).hint("try again later")
}

fn not_understood(error: &FrameError) -> Failure {
    let what = "the daemon does not understand what was asked";
    Failure::caused(FailureCode::Invalid, what, error)
        .hint("after an upgrade, restart the daemon so that both have the same version")
}

//! The daemon's side of the socket.

use std::{path::Path, sync::Arc, time::Duration};

use protocol::control::{Asked, Failure, FailureCode};
use tokio::{
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

use super::{
    Caller, Cancel, Handler,
    bound::{Bound, ServerError},
    converse::{self, Patience},
    frames::Waits,
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

/// Callers of this machine: people at terminals, and programs that wait for them.
const PATIENCE: Patience = Patience {
    request: Waits { first: Some(REQUEST_WAIT), rest: Some(REQUEST_WAIT) },
    event: None,
    answer: ANSWER_WAIT,
    alive_every: None,
};

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
        let (caller, asked) = match self.admit(&mut stream, place.is_some()).await {
            Ok(admitted) => admitted,
            Err(None) => return,
            Err(Some(failure)) => {
                if let Err(error) = converse::tell_end(&mut stream, Err(failure), &PATIENCE).await {
                    debug!(%error, "the caller has gone before its answer");
                }
                return;
            }
        };
        let work = Work::start(handler, caller, asked, self.stop, ());
        let (mut reader, mut writer) = stream.split();
        let told = converse::answer(&mut reader, &mut writer, work, &PATIENCE).await;
        if let Err(error) = told {
            debug!(%error, "the caller has gone before its answer");
        }
    }

    /// Who calls and what for. `None` when there is nobody to answer.
    async fn admit(
        &self,
        stream: &mut UnixStream,
        has_place: bool,
    ) -> Result<(Caller, Asked), Option<Failure>> {
        let peer = stream.peer_cred().map_err(|_| None)?;
        if peer.uid() != 0 && peer.uid() != self.owner_uid {
            warn!(peer.uid = peer.uid(), "refused a caller on the control socket");
            return Err(Some(stranger(peer.uid())));
        }
        if !has_place {
            return Err(Some(crowded()));
        }
        let asked = converse::hear(stream, &PATIENCE.request).await;
        let asked = asked.map_err(|error| converse::not_understood(&error))?;
        work::validate(&asked.request).map_err(Some)?;
        Ok((Caller::Local { uid: peer.uid(), pid: peer.pid() }, asked))
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

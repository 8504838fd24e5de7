//! The driver's side of the network: a cheap, clonable handle.

use std::{collections::BTreeSet, io, time::Duration};

use libp2p::Multiaddr;
use protocol::{
    NodeId,
    limits::{FRAME_BYTES_MAX, RECORD_BYTES_MAX},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    bulk::{BulkStream, OpenError, Use, greet},
    command::Command,
    error::{NetError, Refusal},
    event::{GossipId, Verdict},
    limits::{BULK_OPEN_TIME_MAX, RETRY_WAIT_MAX, RETRY_WAIT_MIN, SEND_TIME_MAX},
    outbox::Done,
};

/// Asks the network task for things. Every method's effect is there when it returns.
#[derive(Clone, Debug)]
pub struct NetHandle {
    commands: mpsc::Sender<Command>,
}

impl NetHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Lets exactly these nodes connect as members. Those who are members no longer are cut off.
    ///
    /// # Errors
    /// When the network is shut down.
    pub async fn set_members(&self, members: BTreeSet<NodeId>) -> Result<(), NetError> {
        self.ask(|done| Command::SetMembers { members, done }).await
    }

    /// Lets the holder of a ticket's key ask to join, until forgotten or for so long at most.
    ///
    /// # Errors
    /// When the id is no key, or too many tickets are outstanding.
    pub async fn expect_ticket(&self, ticket: NodeId, time: Duration) -> Result<(), NetError> {
        self.ask(|done| Command::ExpectTicket { ticket, time, done }).await
    }

    /// Takes a ticket back: used, or withdrawn. An answer that is under way still arrives.
    ///
    /// # Errors
    /// When the network is shut down.
    pub async fn forget_ticket(&self, ticket: NodeId) -> Result<(), NetError> {
        self.ask(|done| Command::ForgetTicket { ticket, done }).await
    }

    /// Begins to connect to a member, unless it is connected or being dialled. The end is
    /// `Connected` or `DialFailed`.
    ///
    /// # Errors
    /// When the peer is no member.
    pub async fn dial(&self, peer: NodeId, addresses: Vec<Multiaddr>) -> Result<(), NetError> {
        self.ask(|done| Command::Dial { peer, addresses, done }).await
    }

    /// Sends a frame; returns when the peer's driver has it in its queue. A busy peer is tried
    /// again for a while. After a timeout the peer may have it nevertheless. Frames that are sent
    /// at the same time can arrive in any order.
    ///
    /// # Errors
    /// When the frame is too large, the peer is not connected, refuses, or is silent.
    pub async fn send(&self, peer: NodeId, bytes: Vec<u8>) -> Result<(), NetError> {
        check_size(bytes.len(), FRAME_BYTES_MAX)?;
        let tries = async {
            let mut wait = RETRY_WAIT_MIN;
            loop {
                let result = self.send_once(peer, bytes.clone()).await;
                let Err(NetError::Refused { refusal: Refusal::Busy, .. }) = result else {
                    return result;
                };
                pause(&mut wait).await;
            }
        };
        timeout(SEND_TIME_MAX, tries).await.map_err(|_| NetError::Timeout { peer })?
    }

    pub(super) async fn send_once(&self, peer: NodeId, bytes: Vec<u8>) -> Result<(), NetError> {
        self.ask(|done| Command::Send { peer, bytes, done }).await
    }

    /// Pushes a record to every member that can be reached; who misses it reconciles later.
    ///
    /// # Errors
    /// When the record is too large.
    pub async fn gossip(&self, bytes: Vec<u8>) -> Result<(), NetError> {
        check_size(bytes.len(), RECORD_BYTES_MAX)?;
        self.ask(|done| Command::Gossip { bytes, done }).await
    }

    /// Says what a gossip message was; only then an accepted one is passed on.
    ///
    /// # Errors
    /// When the network is shut down.
    pub async fn gossip_verdict(&self, id: GossipId, verdict: Verdict) -> Result<(), NetError> {
        self.ask(|done| Command::GossipVerdict { id, verdict, done }).await
    }

    /// Closes the connections to a peer. It may come back at once if it is a member.
    ///
    /// # Errors
    /// When it is not connected.
    pub async fn hang_up(&self, peer: NodeId) -> Result<(), NetError> {
        self.ask(|done| Command::HangUp { peer, done }).await
    }

    /// Opens a bulk stream; returns when the peer's driver has its end in its queue.
    ///
    /// # Errors
    /// When the peer is not connected, refuses, or is silent.
    pub async fn open_bulk(&self, peer: NodeId) -> Result<BulkStream, NetError> {
        self.open(peer, Use::Bulk).await
    }

    /// Opens a stream for one request; returns when the peer's driver has its end in its queue.
    ///
    /// # Errors
    /// As [`NetHandle::open_bulk`]; at once when the peer does not take requests.
    pub async fn open_ask(&self, peer: NodeId) -> Result<BulkStream, NetError> {
        self.open(peer, Use::Ask).await
    }

    async fn open(&self, peer: NodeId, to: Use) -> Result<BulkStream, NetError> {
        let tries = async {
            let mut wait = RETRY_WAIT_MIN;
            loop {
                match self.try_open(peer, to).await {
                    Err(
                        NetError::Refused { refusal: Refusal::Busy, .. } | NetError::Broken { .. },
                    ) => pause(&mut wait).await,
                    result => return result,
                }
            }
        };
        timeout(BULK_OPEN_TIME_MAX, tries).await.map_err(|_| NetError::Timeout { peer })?
    }

    async fn try_open(&self, peer: NodeId, to: Use) -> Result<BulkStream, NetError> {
        let (opener, opened) = oneshot::channel();
        self.command(Command::Open { peer, to, opener }).await?;
        let stream = match opened.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(OpenError::Crowded)) => return Err(NetError::Crowded { peer }),
            Ok(Err(OpenError::Io(source))) if source.kind() == io::ErrorKind::Unsupported => {
                return Err(NetError::Unknown { peer });
            }
            Ok(Err(OpenError::Io(source))) => return Err(NetError::Broken { peer, source }),
            // The connection went away, or the network did.
            Ok(Err(OpenError::NotConnected)) | Err(_) => {
                return Err(NetError::NotConnected { peer });
            }
        };
        let greeted = greet(stream).await.map_err(|source| NetError::Broken { peer, source })?;
        greeted.map_err(|refusal| NetError::Refused { peer, refusal })
    }

    /// Ends the network: connections say goodbye, then the events end. Later commands fail.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.command(Command::Shutdown { done }).await.is_ok() {
            // An error means that it ended without answering, which is an end as well.
            drop(ended.await);
        }
    }

    async fn ask(&self, command: impl FnOnce(Done) -> Command) -> Result<(), NetError> {
        let (done, result) = oneshot::channel();
        self.command(command(done)).await?;
        result.await.map_err(|_| NetError::Stopped)?
    }

    async fn command(&self, command: Command) -> Result<(), NetError> {
        self.commands.send(command).await.map_err(|_| NetError::Stopped)
    }
}

/// Waits before another try, and longer before the next one.
async fn pause(wait: &mut Duration) {
    sleep(*wait).await;
    *wait = (*wait * 2).min(RETRY_WAIT_MAX);
}

pub(super) fn check_size(bytes: usize, bytes_max: usize) -> Result<(), NetError> {
    if bytes > bytes_max { Err(NetError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

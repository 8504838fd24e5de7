//! What the network tells the driver, and the bounded way there.

use std::collections::VecDeque;

use libp2p::{Multiaddr, PeerId, gossipsub::MessageId};
use protocol::NodeId;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{
    bulk::BulkStream,
    limits::{EVENTS_BACKLOG_MAX, EVENTS_MAX},
};

/// Something that happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// This node can be dialled here.
    Listening(Multiaddr),
    /// This node can no longer be dialled here.
    ListeningEnded(Multiaddr),
    /// A member is connected and has shown that it counts us as a member too. Comes once, however
    /// many connections there are, and before anything else from this member.
    Connected {
        /// Who.
        peer: NodeId,
        /// The address at the other end of the first connection.
        address: Multiaddr,
    },
    /// The last connection to a member is gone.
    Disconnected {
        /// Who.
        peer: NodeId,
    },
    /// A dial led to nothing: no address answered, or the peer hung up on us at once.
    DialFailed {
        /// Who.
        peer: NodeId,
        /// Each address with what happened there, for people.
        reason: String,
    },
    /// A frame from a member, who has its acknowledgement already.
    Frame {
        /// Who.
        from: NodeId,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A record that a member pushed or passed on. It goes no further before its [`Verdict`].
    Gossip {
        /// Who passed it on; the author is in the record.
        from: NodeId,
        /// For the verdict.
        id: GossipId,
        /// The record.
        bytes: Vec<u8>,
    },
    /// The holder of a ticket asks to join. Dropping `reply` declines. A second request can come
    /// before the ticket is forgotten: a ticket is used up when the driver says so.
    Join {
        /// The ticket.
        ticket: NodeId,
        /// The request.
        bytes: Vec<u8>,
        /// Takes the answer.
        reply: oneshot::Sender<Vec<u8>>,
    },
    /// A member opened a bulk stream.
    Bulk {
        /// Who.
        from: NodeId,
        /// The stream.
        stream: BulkStream,
    },
    /// A member opened a stream for a request.
    Ask {
        /// Who.
        from: NodeId,
        /// The stream.
        stream: BulkStream,
    },
}

/// One gossip message as it came from one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipId {
    pub(super) message: MessageId,
    pub(super) source: PeerId,
}

/// What the driver found a gossip message to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A good record: pass it on.
    Accept,
    /// Not for us to judge, or known already: keep it back, blame nobody.
    Ignore,
    /// A forgery or garbage: keep it back.
    Reject,
}

/// The receiving end of the network's events. Read it without pause: what is not read holds up the
/// network (see the module's text on back-pressure).
#[derive(Debug)]
pub struct NetEvents {
    receiver: mpsc::Receiver<Delivery>,
}

impl NetEvents {
    /// The next event; none once the network is shut down. Safe to cancel.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        self.receiver.recv().await.map(|delivery| delivery.event)
    }
}

/// An event with its share of the bytes that may be held; the share returns when it is read.
#[derive(Debug)]
pub(super) struct Delivery {
    event: NetEvent,
    _held: Option<OwnedSemaphorePermit>,
}

impl From<NetEvent> for Delivery {
    fn from(event: NetEvent) -> Self {
        Self { event, _held: None }
    }
}

/// The sending end, owned by the network task.
pub(super) struct EventSender {
    sender: mpsc::Sender<Delivery>,
    backlog: VecDeque<NetEvent>,
}

impl EventSender {
    pub(super) fn new() -> (Self, NetEvents) {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { sender, backlog: VecDeque::new() }, NetEvents { receiver })
    }

    /// Reports what must not be lost. It waits in the backlog if there is no place.
    pub(super) fn report(&mut self, event: NetEvent) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(mpsc::error::TrySendError::Full(delivery)) =
            self.sender.try_send(event.into())
        {
            self.backlog.push_back(delivery.event);
        }
    }

    /// Hands traffic over if there is a place; traffic never overtakes a connection event.
    pub(super) fn offer(&self, event: NetEvent, held: Option<OwnedSemaphorePermit>) -> bool {
        let delivery = Delivery { event, _held: held };
        self.backlog.is_empty() && self.sender.try_send(delivery).is_ok()
    }

    /// A sender for tasks that wait for a place.
    pub(super) fn waiting(&self) -> mpsc::Sender<Delivery> {
        self.sender.clone()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    pub(super) fn backlog_is_full(&self) -> bool {
        self.backlog.len() >= EVENTS_BACKLOG_MAX
    }

    /// Moves one event from the backlog when there is a place. Safe to cancel.
    pub(super) async fn move_on(&mut self) {
        match self.sender.reserve().await {
            Ok(place) => {
                if let Some(event) = self.backlog.pop_front() {
                    place.send(event.into());
                }
            }
            Err(_) => self.backlog.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disconnected(n: usize) -> NetEvent {
        NetEvent::Disconnected { peer: NodeId([u8::try_from(n % 251).unwrap(); 32]) }
    }

    #[tokio::test]
    async fn connection_events_survive_a_full_queue_in_order_and_traffic_is_turned_away() {
        let (mut sender, mut events) = EventSender::new();
        for n in 0..EVENTS_MAX + 10 {
            sender.report(disconnected(n));
        }
        assert!(sender.has_backlog() && !sender.backlog_is_full());
        let frame = NetEvent::Frame { from: NodeId([0; 32]), bytes: vec![1] };
        assert!(!sender.offer(frame, None));
        for n in 0..EVENTS_MAX + 10 {
            let Some(NetEvent::Disconnected { peer }) = events.recv().await else { panic!() };
            assert_eq!(usize::from(peer.0[0]), n % 251);
            if sender.has_backlog() {
                sender.move_on().await;
            }
        }
        assert!(!sender.has_backlog());
    }

    #[tokio::test]
    async fn held_bytes_return_when_the_driver_reads() {
        let budget = std::sync::Arc::new(tokio::sync::Semaphore::new(10));
        let held = budget.clone().acquire_many_owned(10).await.unwrap();
        let (sender, mut events) = EventSender::new();
        assert!(sender.offer(disconnected(1), Some(held)));
        assert_eq!(budget.available_permits(), 0);
        let event = events.recv().await;
        assert_eq!(budget.available_permits(), 10);
        drop(event);
    }
}

//! Frames on their way out: a few under way to each peer, a bounded number waiting behind them.

use std::collections::{BTreeMap, VecDeque};

use libp2p::request_response::OutboundRequestId;
use protocol::NodeId;
use tokio::sync::oneshot;

use super::{
    error::NetError,
    limits::{FRAMES_IN_FLIGHT_MAX, FRAMES_WAITING_MAX},
};

/// Takes the result of a command.
pub(super) type Done = oneshot::Sender<Result<(), NetError>>;

/// One frame with whoever waits for its result.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) done: Done,
}

#[derive(Default)]
struct Queue {
    in_flight: usize,
    waiting: VecDeque<Outgoing>,
}

/// All frames that have no acknowledgement yet.
#[derive(Default)]
pub(super) struct Outbox {
    queues: BTreeMap<NodeId, Queue>,
    under_way: BTreeMap<OutboundRequestId, (NodeId, Done)>,
}

impl Outbox {
    /// Queues a frame, or answers its sender that there are too many.
    pub(super) fn push(&mut self, peer: NodeId, frame: Outgoing) {
        let queue = self.queues.entry(peer).or_default();
        if queue.waiting.len() < FRAMES_WAITING_MAX {
            queue.waiting.push_back(frame);
        } else {
            // The sender may have stopped waiting.
            drop(frame.done.send(Err(NetError::Crowded { peer })));
        }
    }

    /// The next frame that may go to this peer now. Frames nobody waits for are skipped.
    pub(super) fn next(&mut self, peer: NodeId) -> Option<Outgoing> {
        let queue = self.queues.get_mut(&peer)?;
        if queue.in_flight >= FRAMES_IN_FLIGHT_MAX {
            return None;
        }
        loop {
            let frame = queue.waiting.pop_front()?;
            if !frame.done.is_closed() {
                return Some(frame);
            }
        }
    }

    pub(super) fn started(&mut self, request: OutboundRequestId, peer: NodeId, done: Done) {
        self.queues.entry(peer).or_default().in_flight += 1;
        self.under_way.insert(request, (peer, done));
    }

    /// Answers the sender; says whose turn it is.
    pub(super) fn finished(
        &mut self,
        request: OutboundRequestId,
        result: impl FnOnce(NodeId) -> Result<(), NetError>,
    ) -> Option<NodeId> {
        let (peer, done) = self.under_way.remove(&request)?;
        if let Some(queue) = self.queues.get_mut(&peer) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
        // The sender may have stopped waiting.
        drop(done.send(result(peer)));
        Some(peer)
    }

    /// The peer is gone: what waits for it fails. What is under way fails by itself.
    pub(super) fn give_up(&mut self, peer: NodeId) {
        let Some(queue) = self.queues.get_mut(&peer) else { return };
        for frame in queue.waiting.drain(..) {
            drop(frame.done.send(Err(NetError::NotConnected { peer })));
        }
        if queue.in_flight == 0 {
            self.queues.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId([1; 32]);

    fn push(outbox: &mut Outbox) -> oneshot::Receiver<Result<(), NetError>> {
        let (done, result) = oneshot::channel();
        outbox.push(PEER, Outgoing { bytes: vec![1], done });
        result
    }

    #[test]
    fn what_is_too_many_is_refused_and_what_waits_fails_when_the_peer_goes() {
        let mut outbox = Outbox::default();
        let mut waiting: Vec<_> = (0..FRAMES_WAITING_MAX).map(|_| push(&mut outbox)).collect();
        let refused = push(&mut outbox).try_recv();
        assert!(matches!(refused, Ok(Err(NetError::Crowded { .. }))));
        outbox.give_up(PEER);
        let failed = waiting.remove(0).try_recv();
        assert!(matches!(failed, Ok(Err(NetError::NotConnected { .. }))));
        assert!(outbox.next(PEER).is_none());
    }

    #[test]
    fn a_frame_nobody_waits_for_is_not_sent() {
        let mut outbox = Outbox::default();
        drop(push(&mut outbox));
        let _waiting = push(&mut outbox);
        assert!(outbox.next(PEER).is_some());
        assert!(outbox.next(PEER).is_none());
    }
}

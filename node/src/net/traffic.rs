//! What members and ticket holders send: sorted by protocol, checked, handed to the driver.

use libp2p::{
    PeerId, gossipsub, identify,
    request_response::{self, Message, OutboundFailure, ResponseChannel},
};
use protocol::NodeId;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    behaviour::MemberProtocolsEvent,
    bulk::{Inbound, Use, accept},
    error::{NetError, Refusal},
    event::{GossipId, NetEvent, Verdict},
    frame::{Answer, Request},
    identity::node_id,
    limits::{
        BULK_GREETING_MAX, BULK_GREETING_TIME_MAX, JOIN_ANSWER_BYTES_MAX, JOIN_ANSWER_TIME_MAX,
    },
    service::{Reply, Service},
};

pub(super) type ExchangeEvent = request_response::Event<Request, Answer>;

impl Service {
    pub(super) fn on_member_event(&mut self, event: MemberProtocolsEvent) {
        match event {
            MemberProtocolsEvent::Ping(event) => {
                if let Err(error) = event.result {
                    tracing::debug!(peer.id = %event.peer, %error, "a connection is dead");
                    self.swarm.close_connection(event.connection);
                }
            }
            MemberProtocolsEvent::Identify(event) => self.on_identify(&event),
            MemberProtocolsEvent::Gossip(event) => self.on_gossip(event),
            MemberProtocolsEvent::Control(event) => self.on_control(event),
            MemberProtocolsEvent::Bulk(inbound) => self.on_stream(Use::Bulk, inbound),
            MemberProtocolsEvent::Ask(inbound) => self.on_stream(Use::Ask, inbound),
        }
    }

    /// The member behind a peer id, who now counts as connected. None for whoever was expelled
    /// while this event was under way.
    fn member(&mut self, peer: &PeerId) -> Option<NodeId> {
        let node = node_id(peer).filter(|_| self.swarm.behaviour().gate.is_member(peer))?;
        if let Some(address) = self.peers.admitted(node) {
            self.events.report(NetEvent::Connected { peer: node, address });
        }
        Some(node)
    }

    fn on_identify(&mut self, event: &identify::Event) {
        let identify::Event::Received { peer_id, connection_id, info } = event else { return };
        if info.protocol_version == self.version {
            self.member(peer_id);
        } else {
            tracing::warn!(peer.id = %peer_id, "a member is in another mesh, or speaks otherwise");
            self.swarm.close_connection(*connection_id);
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else {
            return;
        };
        let id = GossipId { message: message_id, source: propagation_source };
        let taken = self.member(&propagation_source).is_some_and(|from| {
            let event = NetEvent::Gossip { from, id: id.clone(), bytes: message.data };
            self.events.offer(event, None)
        });
        if !taken {
            tracing::debug!(peer.id = %propagation_source, "a pushed record was left out");
            self.judge(&id, Verdict::Ignore);
        }
    }

    fn on_control(&mut self, event: ExchangeEvent) {
        match event {
            ExchangeEvent::Message { peer, message, .. } => match message {
                Message::Request { request, channel, .. } => {
                    let answer = match self.take_frame(&peer, request) {
                        Ok(()) => Answer::accept(Vec::new()),
                        Err(refusal) => Answer::refuse(refusal),
                    };
                    // The peer may be gone; it learns nothing then, and may send again.
                    drop(self.members_mut().control.send_response(channel, answer));
                }
                Message::Response { request_id, response } => {
                    let next = self.outbox.finished(request_id, |peer| {
                        let result = response.into_result();
                        result.map(drop).map_err(|refusal| NetError::Refused { peer, refusal })
                    });
                    next.into_iter().for_each(|peer| self.send_on(peer));
                }
            },
            ExchangeEvent::OutboundFailure { request_id, error, .. } => {
                let next = self.outbox.finished(request_id, |peer| Err(send_failed(peer, error)));
                next.into_iter().for_each(|peer| self.send_on(peer));
            }
            ExchangeEvent::InboundFailure { peer, error, .. } => {
                tracing::debug!(peer.id = %peer, %error, "a frame did not arrive");
            }
            ExchangeEvent::ResponseSent { .. } => {}
        }
    }

    fn take_frame(&mut self, peer: &PeerId, request: Request) -> Result<(), Refusal> {
        let from = self.member(peer).ok_or(Refusal::NotAllowed)?;
        let Request::Whole { bytes, held } = request else { return Err(Refusal::TooLarge) };
        let taken = self.events.offer(NetEvent::Frame { from, bytes }, held);
        if taken { Ok(()) } else { Err(Refusal::Busy) }
    }

    fn on_stream(&mut self, to: Use, Inbound { peer, stream }: Inbound) {
        let Some(from) = self.member(&peer) else { return };
        if self.greetings.len() >= BULK_GREETING_MAX || self.events.has_backlog() {
            // The opener sees the stream end and tries again.
            tracing::debug!(peer.id = %peer, "too many bulk streams are being opened");
            return;
        }
        let events = self.events.waiting();
        let greeting = async move {
            let place = async { events.reserve().await.ok() };
            if let Some((place, stream)) = accept(stream, place).await? {
                let event = match to {
                    Use::Bulk => NetEvent::Bulk { from, stream },
                    Use::Ask => NetEvent::Ask { from, stream },
                };
                place.send(event.into());
            }
            std::io::Result::Ok(())
        };
        self.greetings.spawn(async move {
            match timeout(BULK_GREETING_TIME_MAX, greeting).await {
                Ok(Ok(())) => {}
                failed => tracing::debug!(peer.id = %peer, ?failed, "a bulk stream was not opened"),
            }
        });
    }

    pub(super) fn on_join(&mut self, event: ExchangeEvent) {
        match event {
            ExchangeEvent::Message { peer, message, .. } => {
                let Message::Request { request, channel, .. } = message else { return };
                if let Err((channel, refusal)) = self.take_join(&peer, request, channel) {
                    tracing::debug!(peer.id = %peer, %refusal, "a request to join was refused");
                    let answer = Answer::refuse(refusal);
                    // The peer may be gone by now.
                    drop(self.swarm.behaviour_mut().join.send_response(channel, answer));
                }
            }
            ExchangeEvent::ResponseSent { connection_id, .. } => {
                self.tickets.answered(connection_id, Instant::now());
            }
            ExchangeEvent::InboundFailure { .. } | ExchangeEvent::OutboundFailure { .. } => {}
        }
    }

    fn take_join(
        &mut self,
        peer: &PeerId,
        request: Request,
        channel: ResponseChannel<Answer>,
    ) -> Result<(), (ResponseChannel<Answer>, Refusal)> {
        let outstanding =
            node_id(peer).filter(|ticket| self.tickets.is_outstanding(ticket, Instant::now()));
        let Some(ticket) = outstanding else { return Err((channel, Refusal::NotAllowed)) };
        let Request::Whole { bytes, held } = request else {
            return Err((channel, Refusal::TooLarge));
        };
        if !self.tickets.begin_asking(ticket) {
            return Err((channel, Refusal::Busy));
        }
        let (reply, answer) = oneshot::channel();
        if !self.events.offer(NetEvent::Join { ticket, bytes, reply }, held) {
            self.tickets.end_asking(&ticket);
            return Err((channel, Refusal::Busy));
        }
        self.answers.spawn(async move {
            let answer = match timeout(JOIN_ANSWER_TIME_MAX, answer).await {
                Ok(Ok(bytes)) if bytes.len() <= JOIN_ANSWER_BYTES_MAX => Answer::accept(bytes),
                _ => Answer::refuse(Refusal::Declined),
            };
            Reply { ticket, channel, answer }
        });
        Ok(())
    }

    pub(super) fn on_reply(&mut self, Reply { ticket, channel, answer }: Reply) {
        self.tickets.end_asking(&ticket);
        // The asker may be gone; the driver learns of it when it does not turn up as a member.
        drop(self.swarm.behaviour_mut().join.send_response(channel, answer));
    }
}

fn send_failed(peer: NodeId, failure: OutboundFailure) -> NetError {
    match failure {
        OutboundFailure::Timeout => NetError::Timeout { peer },
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
            NetError::NotConnected { peer }
        }
        OutboundFailure::UnsupportedProtocols => {
            NetError::Refused { peer, refusal: Refusal::NotAllowed }
        }
        OutboundFailure::Io(source) => NetError::Broken { peer, source },
    }
}

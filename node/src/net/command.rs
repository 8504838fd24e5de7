//! What a handle asks of the network task, and how the task does it.

use std::{collections::BTreeSet, time::Duration};

use libp2p::{
    Multiaddr,
    gossipsub::{MessageAcceptance, PublishError},
    swarm::DialError,
};
use protocol::NodeId;
use tokio::{sync::oneshot, time::Instant};

use super::{
    bulk::{OpenError, Opener, Use},
    dial::Dial,
    error::NetError,
    event::{GossipId, NetEvent, Verdict},
    frame::Request,
    identity::peer_id,
    outbox::{Done, Outgoing},
    service::Service,
};

/// One request of a handle. Each carries the place for its result.
pub(super) enum Command {
    SetMembers { members: BTreeSet<NodeId>, done: Done },
    ExpectTicket { ticket: NodeId, time: Duration, done: Done },
    ForgetTicket { ticket: NodeId, done: Done },
    Dial { peer: NodeId, addresses: Vec<Multiaddr>, done: Done },
    Send { peer: NodeId, bytes: Vec<u8>, done: Done },
    Gossip { bytes: Vec<u8>, done: Done },
    GossipVerdict { id: GossipId, verdict: Verdict, done: Done },
    HangUp { peer: NodeId, done: Done },
    Open { peer: NodeId, to: Use, opener: Opener },
    Shutdown { done: oneshot::Sender<()> },
}

impl Service {
    /// Carries a command out. Never waits.
    pub(super) fn on_command(&mut self, command: Command) {
        // A caller that no longer waits for the result has no use for it.
        match command {
            Command::SetMembers { members, done } => drop(done.send(self.set_members(&members))),
            Command::ExpectTicket { ticket, time, done } => {
                drop(done.send(self.expect_ticket(ticket, time)));
            }
            Command::ForgetTicket { ticket, done } => drop(done.send(self.forget_ticket(&ticket))),
            Command::Dial { peer, addresses, done } => drop(done.send(self.dial(peer, addresses))),
            Command::Send { peer, bytes, done } => self.send(peer, bytes, done),
            Command::Gossip { bytes, done } => drop(done.send(self.gossip(bytes))),
            Command::GossipVerdict { id, verdict, done } => {
                self.judge(&id, verdict);
                drop(done.send(Ok(())));
            }
            Command::HangUp { peer, done } => drop(done.send(self.hang_up(peer))),
            Command::Open { peer, to, opener } => match (peer_id(&peer), to) {
                (Some(id), Use::Bulk) => self.members_mut().bulk.open(id, opener),
                (Some(id), Use::Ask) => self.members_mut().ask.open(id, opener),
                (None, _) => drop(opener.send(Err(OpenError::NotConnected))),
            },
            Command::Shutdown { done } => self.stopping = Some(done),
        }
    }

    fn set_members(&mut self, members: &BTreeSet<NodeId>) -> Result<(), NetError> {
        let own = *self.swarm.local_peer_id();
        let known = members.iter().filter_map(|member| {
            let id = peer_id(member);
            if id.is_none() {
                tracing::warn!(node.id = %member, "a member has no valid key and cannot connect");
            }
            id.filter(|id| *id != own)
        });
        let known = known.collect();
        self.swarm.behaviour_mut().gate.set_members(known);
        Ok(())
    }

    fn expect_ticket(&mut self, ticket: NodeId, time: Duration) -> Result<(), NetError> {
        let id = peer_id(&ticket).ok_or(NetError::NoKey { node: ticket })?;
        self.tickets.expect(ticket, Instant::now(), time)?;
        self.swarm.behaviour_mut().gate.let_ticket_in(id);
        Ok(())
    }

    pub(super) fn forget_ticket(&mut self, ticket: &NodeId) -> Result<(), NetError> {
        self.tickets.forget(ticket);
        if let Some(id) = peer_id(ticket) {
            self.swarm.behaviour_mut().gate.keep_ticket_out(&id);
        }
        Ok(())
    }

    fn dial(&mut self, peer: NodeId, addresses: Vec<Multiaddr>) -> Result<(), NetError> {
        let id = peer_id(&peer).ok_or(NetError::NoKey { node: peer })?;
        if !self.swarm.behaviour().gate.is_member(&id) {
            return Err(NetError::NotAMember { peer });
        }
        self.try_dial(peer, Dial::new(id, addresses));
        Ok(())
    }

    /// Starts an attempt, or reports why there is none.
    pub(super) fn try_dial(&mut self, peer: NodeId, mut dial: Dial) {
        let options = dial.options();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => drop(self.dials.insert(connection, (peer, dial))),
            // Connected, or being dialled: that is what was wanted.
            Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                dial.note(&error);
                self.events.report(NetEvent::DialFailed { peer, reason: dial.reason() });
            }
        }
    }

    fn send(&mut self, peer: NodeId, bytes: Vec<u8>, done: Done) {
        let connected =
            peer_id(&peer).is_some_and(|id| self.members_mut().control.is_connected(&id));
        if !connected {
            return drop(done.send(Err(NetError::NotConnected { peer })));
        }
        self.outbox.push(peer, Outgoing { bytes, done });
        self.send_on(peer);
    }

    /// Sends what may go to this peer now.
    pub(super) fn send_on(&mut self, peer: NodeId) {
        let Some(id) = peer_id(&peer) else { return };
        while let Some(Outgoing { bytes, done }) = self.outbox.next(peer) {
            let request = self.members_mut().control.send_request(&id, Request::new(bytes));
            self.outbox.started(request, peer, done);
        }
    }

    fn gossip(&mut self, bytes: Vec<u8>) -> Result<(), NetError> {
        let topic = self.topic.clone();
        match self.members_mut().gossip.publish(topic, bytes) {
            Err(PublishError::MessageTooLarge) => {
                tracing::error!("a record within the limit is too large for gossip");
            }
            // Nobody listens, everybody is slow, or it was sent already: reconciling does the rest.
            Err(error) => tracing::debug!(%error, "a record was not pushed"),
            Ok(_) => {}
        }
        Ok(())
    }

    pub(super) fn judge(&mut self, id: &GossipId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.members_mut().gossip.report_message_validation_result(
            &id.message,
            &id.source,
            acceptance,
        );
    }

    fn hang_up(&mut self, peer: NodeId) -> Result<(), NetError> {
        let id = peer_id(&peer).ok_or(NetError::NoKey { node: peer })?;
        self.swarm.disconnect_peer_id(id).map_err(|()| NetError::NotConnected { peer })
    }
}

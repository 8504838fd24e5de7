//! What the swarm reports about connections and listeners; traffic is sorted next door.

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    swarm::{ConnectionId, DialError, SwarmEvent},
};
use tokio::time::Instant;

use super::{
    behaviour::ProtocolsEvent, event::NetEvent, identity::node_id, peers::Farewell,
    service::Service,
};

impl Service {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<ProtocolsEvent>) {
        match event {
            SwarmEvent::Behaviour(ProtocolsEvent::Gate(event)) => self.on_member_event(event),
            SwarmEvent::Behaviour(ProtocolsEvent::Join(event)) => self.on_join(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connection(&peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer.id = %peer_id, ?cause, "a connection is closed");
                self.on_closed(&peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(address = %send_back_addr, %error, "a connection was refused");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.events.report(NetEvent::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.events.report(NetEvent::ListeningEnded(address));
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "no longer listening");
                for address in addresses {
                    self.events.report(NetEvent::ListeningEnded(address));
                }
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed"),
            _ => {}
        }
    }

    fn on_connection(&mut self, peer: &PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        self.dials.remove(&id);
        match node_id(peer) {
            Some(node) if self.swarm.behaviour().gate.is_member(peer) => {
                self.peers.opened(node, id, endpoint);
            }
            _ => self.tickets.opened(id, Instant::now()),
        }
    }

    fn on_closed(&mut self, peer: &PeerId, id: ConnectionId) {
        self.tickets.closed(id);
        let Some(peer) = node_id(peer) else { return };
        let Some(farewell) = self.peers.closed(peer, id) else { return };
        self.outbox.give_up(peer);
        match farewell {
            Farewell::Disconnected => self.events.report(NetEvent::Disconnected { peer }),
            Farewell::NotAdmitted { address } => {
                let reason = not_admitted(&address);
                self.events.report(NetEvent::DialFailed { peer, reason });
            }
            Farewell::Silent => {}
        }
    }

    fn on_dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let Some((peer, mut dial)) = self.dials.remove(&id) else { return };
        if dial.note(error) {
            self.try_dial(peer, dial);
        } else {
            self.events.report(NetEvent::DialFailed { peer, reason: dial.reason() });
        }
    }
}

fn not_admitted(address: &Multiaddr) -> String {
    format!("{address}: the peer hung up at once, it does not count this node as a member")
}

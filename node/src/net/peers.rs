//! The connections of each member, and whether it has shown that we are a member to it.
//!
//! A refusal acts after the security handshake, so the refused side sees a connection that ends at
//! once. A member therefore counts as connected only when it has spoken a member's protocol with
//! us; connections that end before were failed dials.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::{Multiaddr, core::ConnectedPoint, swarm::ConnectionId};
use protocol::NodeId;

struct Peer {
    address: Multiaddr,
    dialled: bool,
    admits_us: bool,
    connections: BTreeSet<ConnectionId>,
}

/// How a peer's last connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It was connected.
    Disconnected,
    /// We dialled, and it never admitted us.
    NotAdmitted { address: Multiaddr },
    /// It dialled, and never spoke.
    Silent,
}

/// All members with a connection.
#[derive(Default)]
pub(super) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
}

impl Peers {
    pub(super) fn opened(&mut self, node: NodeId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            address: endpoint.get_remote_address().clone(),
            dialled: false,
            admits_us: false,
            connections: BTreeSet::new(),
        });
        peer.dialled |= endpoint.is_dialer();
        peer.connections.insert(id);
    }

    /// The peer spoke with us as a member. Its address, if that is news.
    pub(super) fn admitted(&mut self, node: NodeId) -> Option<Multiaddr> {
        let peer = self.peers.get_mut(&node).filter(|peer| !peer.admits_us)?;
        peer.admits_us = true;
        Some(peer.address.clone())
    }

    /// What it means when this connection is gone; none while there are others.
    pub(super) fn closed(&mut self, node: NodeId, id: ConnectionId) -> Option<Farewell> {
        let peer = self.peers.get_mut(&node)?;
        peer.connections.remove(&id);
        if !peer.connections.is_empty() {
            return None;
        }
        let peer = self.peers.remove(&node)?;
        Some(match peer {
            Peer { admits_us: true, .. } => Farewell::Disconnected,
            Peer { dialled: true, address, .. } => Farewell::NotAdmitted { address },
            _ => Farewell::Silent,
        })
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::{Endpoint, transport::PortUse};

    use super::*;

    const NODE: NodeId = NodeId([1; 32]);

    fn dialled() -> ConnectedPoint {
        ConnectedPoint::Dialer {
            address: "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        }
    }

    #[test]
    fn a_peer_is_connected_from_its_first_word_to_its_last_connection() {
        let mut peers = Peers::default();
        let (one, two) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        peers.opened(NODE, one, &dialled());
        peers.opened(NODE, two, &dialled());
        assert!(peers.admitted(NODE).is_some());
        assert_eq!(peers.admitted(NODE), None, "it is news only once");
        assert_eq!(peers.closed(NODE, one), None);
        assert_eq!(peers.closed(NODE, two), Some(Farewell::Disconnected));
        assert_eq!(peers.closed(NODE, two), None);
    }

    #[test]
    fn a_peer_that_hangs_up_before_a_word_did_not_admit_us() {
        let mut peers = Peers::default();
        let id = ConnectionId::new_unchecked(1);
        peers.opened(NODE, id, &dialled());
        assert!(matches!(peers.closed(NODE, id), Some(Farewell::NotAdmitted { .. })));
    }
}

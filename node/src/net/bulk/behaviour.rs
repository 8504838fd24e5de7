//! Knows the connections of each peer and opens streams on the oldest of them.

use std::{
    collections::{BTreeMap, VecDeque},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use tokio::sync::oneshot;

use super::handler::Handler;

/// Takes the opened stream, before its greeting.
pub(in super::super) type Opener = oneshot::Sender<Result<Stream, OpenError>>;

/// Why no stream could be opened.
#[derive(Debug)]
pub(in super::super) enum OpenError {
    NotConnected,
    /// Too many are being opened at once.
    Crowded,
    Io(std::io::Error),
}

/// A stream that a peer opened, before its greeting.
#[derive(Debug)]
pub(in super::super) struct Inbound {
    pub(in super::super) peer: PeerId,
    pub(in super::super) stream: Stream,
}

/// The bulk protocol of one node.
pub(in super::super) struct Behaviour {
    protocol: StreamProtocol,
    /// Oldest connection first.
    connections: BTreeMap<PeerId, Vec<ConnectionId>>,
    actions: VecDeque<ToSwarm<Inbound, Opener>>,
}

impl Behaviour {
    pub(in super::super) fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, connections: BTreeMap::new(), actions: VecDeque::new() }
    }

    /// Opens a stream; the result arrives at the opener, which is dropped when the connection goes.
    pub(in super::super) fn open(&mut self, peer_id: PeerId, opener: Opener) {
        let oldest = self.connections.get(&peer_id).and_then(|all| all.first());
        match oldest {
            Some(&connection) => self.actions.push_back(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event: opener,
            }),
            // The caller may be gone, then nobody needs the answer.
            None => drop(opener.send(Err(OpenError::NotConnected))),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.protocol.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.connections.entry(event.peer_id).or_default().push(event.connection_id);
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(all) = self.connections.get_mut(&event.peer_id) {
                    all.retain(|connection| *connection != event.connection_id);
                }
                if event.remaining_established == 0 {
                    self.connections.remove(&event.peer_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        stream: THandlerOutEvent<Self>,
    ) {
        self.actions.push_back(ToSwarm::GenerateEvent(Inbound { peer, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Inbound, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

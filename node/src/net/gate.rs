//! Who may connect, and what a connection may speak.
//!
//! The gate stands around everything that members speak. A connection of a member gets those
//! protocols; one of a ticket gets none of them (the join protocol lies outside the gate); any other
//! is refused, before a protocol exists that could read a byte of it. The protocols inside never
//! hear of connections that are not members'.

use std::{
    collections::{BTreeSet, VecDeque},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, derive_prelude::Either, dummy,
    },
};

/// The refusal of a peer that is neither a member nor a ticket.
#[derive(Debug, thiserror::Error)]
#[error("the peer is no member of this mesh")]
pub(super) struct Stranger;

/// A behaviour that only members reach.
pub(super) struct Gate<B> {
    inner: B,
    members: BTreeSet<PeerId>,
    tickets: BTreeSet<PeerId>,
    /// Connections that the inner behaviour knows.
    inside: BTreeSet<ConnectionId>,
    expelled: VecDeque<PeerId>,
}

impl<B> Gate<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            members: BTreeSet::new(),
            tickets: BTreeSet::new(),
            inside: BTreeSet::new(),
            expelled: VecDeque::new(),
        }
    }

    pub(super) fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Lets exactly these peers in; connections of those who were members before are closed.
    pub(super) fn set_members(&mut self, members: BTreeSet<PeerId>) {
        self.expelled.extend(self.members.difference(&members));
        self.members = members;
    }

    pub(super) fn is_member(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    pub(super) fn let_ticket_in(&mut self, ticket: PeerId) {
        self.tickets.insert(ticket);
    }

    /// No new connection for this ticket. The one it has may still carry the answer away.
    pub(super) fn keep_ticket_out(&mut self, ticket: &PeerId) {
        self.tickets.remove(ticket);
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if self.members.contains(peer) || self.tickets.contains(peer) {
            Ok(())
        } else {
            Err(ConnectionDenied::new(Stranger))
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gate<B> {
    type ConnectionHandler = Either<THandler<B>, dummy::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        if !self.is_member(&peer) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.inner.handle_established_inbound_connection(id, peer, local, remote)?;
        self.inside.insert(id);
        Ok(Either::Left(handler))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if !peer.is_some_and(|peer| self.is_member(&peer)) {
            return Err(ConnectionDenied::new(Stranger));
        }
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.is_member(&peer) {
            return Err(ConnectionDenied::new(Stranger));
        }
        let handler =
            self.inner.handle_established_outbound_connection(id, peer, address, role, port)?;
        self.inside.insert(id);
        Ok(Either::Left(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let concerns_inner = match &event {
            FromSwarm::ConnectionEstablished(e) => self.inside.contains(&e.connection_id),
            FromSwarm::AddressChange(e) => self.inside.contains(&e.connection_id),
            FromSwarm::ConnectionClosed(e) => self.inside.remove(&e.connection_id),
            // A later behaviour may have refused what was let in here.
            FromSwarm::DialFailure(e) => {
                self.inside.remove(&e.connection_id);
                true
            }
            FromSwarm::ListenFailure(e) => {
                self.inside.remove(&e.connection_id);
                true
            }
            _ => true,
        };
        if concerns_inner {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, id, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer_id) = self.expelled.pop_front() {
            let connection = CloseConnection::All;
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection });
        }
        self.inner.poll(cx).map(|action| action.map_in(Either::Left))
    }
}

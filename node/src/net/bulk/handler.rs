//! Opens and takes bulk streams on one connection.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
};

use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError},
    },
};

use super::behaviour::{OpenError, Opener};
use crate::net::limits::BULK_OPENING_MAX;

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Opener, Stream>;

/// The bulk protocol on one connection.
pub(in super::super) struct Handler {
    protocol: StreamProtocol,
    wanted: VecDeque<Opener>,
    opening: usize,
    /// Bounded by the connection: it takes no further stream before this one is handed on.
    inbound: VecDeque<Stream>,
}

impl Handler {
    pub(super) fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, wanted: VecDeque::new(), opening: 0, inbound: VecDeque::new() }
    }

    fn offer(&self) -> ReadyUpgrade<StreamProtocol> {
        ReadyUpgrade::new(self.protocol.clone())
    }

    fn opened(&mut self, opener: Opener, result: Result<Stream, OpenError>) {
        self.opening -= 1;
        // A caller that gave up needs no stream; dropping it resets it.
        drop(opener.send(result));
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Opener;
    type ToBehaviour = Stream;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Opener;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(self.offer(), ())
    }

    fn on_behaviour_event(&mut self, opener: Opener) {
        if self.wanted.len() + self.opening < BULK_OPENING_MAX {
            self.wanted.push_back(opener);
        } else {
            drop(opener.send(Err(OpenError::Crowded)));
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Event> {
        if let Some(stream) = self.inbound.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if let Some(opener) = self.wanted.pop_front() {
            self.opening += 1;
            let protocol = SubstreamProtocol::new(self.offer(), opener);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(event) => {
                self.inbound.push_back(event.protocol)
            }
            ConnectionEvent::FullyNegotiatedOutbound(event) => {
                self.opened(event.info, Ok(event.protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.opened(info, Err(OpenError::Io(why(error))));
            }
            _ => {}
        }
    }
}

fn why(error: StreamUpgradeError<std::convert::Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => io::ErrorKind::Unsupported.into(),
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}

//! The other side of a ticket: a short-lived node whose only key is the ticket's.
//!
//! The ticket names the inviter's key, so nobody in between can answer for it; and the inviter
//! knows the ticket's key, so nobody else can ask. The request and the answer are not read here.

use std::sync::Arc;

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    request_response::{Event, Message, OutboundFailure, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
};
use protocol::{NodeId, key::NodeSecret};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    dial::Dial,
    error::{NetError, Refusal},
    frame::{Exchange, FrameCodec, Request},
    handle::check_size,
    identity::{JOIN_PROTOCOL, keypair, peer_id},
    limits::{JOIN_ANSWER_BYTES_MAX, JOIN_REQUEST_BYTES_MAX, JOIN_TIME_MAX},
    transport::{swarm_config, transport},
};

#[derive(NetworkBehaviour)]
struct Asking {
    join: Exchange,
}

/// Asks the inviter to let the holder of a ticket join.
///
/// # Errors
/// `Unreachable` when no address leads to the inviter, `TicketRefused` when it does not know the
/// ticket (any more), `Refused` with another reason of its, `Timeout` after twenty seconds.
pub async fn join(
    ticket: &NodeSecret,
    addresses: &[Multiaddr],
    inviter: NodeId,
    request: Vec<u8>,
) -> Result<Vec<u8>, NetError> {
    check_size(request.len(), JOIN_REQUEST_BYTES_MAX)?;
    let peer = peer_id(&inviter).ok_or(NetError::NoKey { node: inviter })?;
    let keypair = keypair(ticket);
    let own = keypair.public().to_peer_id();
    let mut swarm = Swarm::new(transport(&keypair)?, Asking::new(), own, swarm_config());
    let asked = async {
        reach(&mut swarm, inviter, Dial::new(peer, addresses.to_vec())).await?;
        ask(&mut swarm, inviter, peer, request).await
    };
    timeout(JOIN_TIME_MAX, asked).await.map_err(|_| NetError::Timeout { peer: inviter })?
}

impl Asking {
    fn new() -> Self {
        let codec = FrameCodec {
            request_bytes_max: 0,
            answer_bytes_max: JOIN_ANSWER_BYTES_MAX,
            budget: Arc::new(Semaphore::new(0)),
        };
        Self { join: codec.exchange(JOIN_PROTOCOL, ProtocolSupport::Outbound) }
    }
}

/// Connects to the inviter at one of its addresses.
async fn reach(swarm: &mut Swarm<Asking>, inviter: NodeId, mut dial: Dial) -> Result<(), NetError> {
    loop {
        let failed = match swarm.dial(dial.options()) {
            Err(error) => Some(error),
            Ok(()) => loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { .. } => break None,
                    SwarmEvent::OutgoingConnectionError { error, .. } => break Some(error),
                    _ => {}
                }
            },
        };
        let Some(error) = failed else { return Ok(()) };
        if !dial.note(&error) {
            return Err(NetError::Unreachable { peer: inviter, reason: dial.reason() });
        }
    }
}

/// Sends the request and waits for the answer.
async fn ask(
    swarm: &mut Swarm<Asking>,
    inviter: NodeId,
    peer: PeerId,
    request: Vec<u8>,
) -> Result<Vec<u8>, NetError> {
    swarm.behaviour_mut().join.send_request(&peer, Request::new(request));
    loop {
        let SwarmEvent::Behaviour(AskingEvent::Join(event)) = swarm.select_next_some().await else {
            continue;
        };
        match event {
            Event::Message { message: Message::Response { response, .. }, .. } => {
                return response.into_result().map_err(|refusal| refused(inviter, refusal));
            }
            Event::OutboundFailure { error, .. } => return Err(failed(inviter, error)),
            _ => {}
        }
    }
}

fn refused(inviter: NodeId, refusal: Refusal) -> NetError {
    match refusal {
        Refusal::NotAllowed => NetError::TicketRefused { inviter },
        refusal => NetError::Refused { peer: inviter, refusal },
    }
}

/// The inviter refuses an unknown ticket by hanging up, which shows in several ways.
fn failed(inviter: NodeId, failure: OutboundFailure) -> NetError {
    match failure {
        OutboundFailure::Timeout => NetError::Timeout { peer: inviter },
        OutboundFailure::DialFailure
        | OutboundFailure::ConnectionClosed
        | OutboundFailure::UnsupportedProtocols
        | OutboundFailure::Io(_) => NetError::TicketRefused { inviter },
    }
}

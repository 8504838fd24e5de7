//! One attempt to reach a peer over several addresses.
//!
//! libp2p tries the addresses side by side and takes the first that answers; if somebody else
//! answers there (an old address that another node has now), it gives up on the others too. So an
//! attempt goes on without that address.

use std::{error::Error, fmt::Write as _};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::limits::DIAL_ADDRESSES_MAX;

/// The addresses that are left, and what happened at the others.
pub(super) struct Dial {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    failures: String,
}

impl Dial {
    pub(super) fn new(peer: PeerId, addresses: Vec<Multiaddr>) -> Self {
        let mut unique: Vec<Multiaddr> = Vec::new();
        for address in addresses.iter().map(without_peer) {
            if unique.len() < DIAL_ADDRESSES_MAX && !unique.contains(&address) {
                unique.push(address);
            }
        }
        Self { peer, addresses: unique, failures: String::new() }
    }

    /// From a port of its own: two nodes that dial each other from their listening ports at the
    /// same time would meet in one TCP connection, each believing to be the dialler.
    pub(super) fn options(&self) -> DialOpts {
        DialOpts::peer_id(self.peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(self.addresses.clone())
            .allocate_new_port()
            .build()
    }

    /// Notes a failure; whether another try makes sense.
    pub(super) fn note(&mut self, error: &DialError) -> bool {
        match error {
            DialError::Transport(failures) => {
                for (address, error) in failures {
                    self.note_one(address, &innermost(error));
                }
                false
            }
            DialError::WrongPeerId { address, .. } => {
                self.note_one(address, "another node answers here");
                self.leave_out(address)
            }
            DialError::LocalPeerId { address } => {
                self.note_one(address, "this is our own address");
                self.leave_out(address)
            }
            DialError::NoAddresses => self.note_all("no address is known"),
            DialError::Denied { cause } => self.note_all(&innermost(cause)),
            DialError::Aborted => self.note_all("the attempt was ended"),
            DialError::DialPeerConditionFalse(_) => self.note_all("it is being dialled already"),
        }
    }

    /// All failures, for people.
    pub(super) fn reason(self) -> String {
        self.failures
    }

    fn note_one(&mut self, address: &Multiaddr, what: &str) {
        let between = if self.failures.is_empty() { "" } else { "; " };
        let address = without_peer(address);
        write!(self.failures, "{between}{address}: {what}").expect("a string takes any text");
    }

    fn note_all(&mut self, what: &str) -> bool {
        let between = if self.failures.is_empty() { "" } else { "; " };
        write!(self.failures, "{between}{what}").expect("a string takes any text");
        false
    }

    fn leave_out(&mut self, address: &Multiaddr) -> bool {
        let (before, address) = (self.addresses.len(), without_peer(address));
        self.addresses.retain(|known| *known != address);
        !self.addresses.is_empty() && self.addresses.len() < before
    }
}

/// The address alone: whom we expect there is known.
fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// What the system or the peer said, without the layers around it.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn goes_on_without_an_address_where_somebody_else_answers() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let with_peer = address(1).with(Protocol::P2p(peer));
        let mut dial = Dial::new(peer, vec![with_peer.clone(), address(1), address(2)]);
        assert_eq!(dial.addresses, [address(1), address(2)]);
        assert!(dial.note(&DialError::WrongPeerId { obtained: other, address: with_peer }));
        assert_eq!(dial.addresses, [address(2)]);
        assert!(!dial.note(&DialError::WrongPeerId { obtained: other, address: address(2) }));
        assert_eq!(
            dial.reason(),
            "/ip4/127.0.0.1/tcp/1: another node answers here; \
             /ip4/127.0.0.1/tcp/2: another node answers here"
        );
    }
}

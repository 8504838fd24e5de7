//! What can go wrong between nodes, and the numbers a refusal has on the wire.

use std::{fmt, io};

use libp2p::{Multiaddr, TransportError, noise};
use protocol::NodeId;

/// Why a peer did not take what it was sent. The code is what travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its queues are full: try again later.
    Busy,
    /// More bytes than it takes.
    TooLarge,
    /// It knows no reason to take this from us: no member, or the ticket is unknown, used or
    /// expired.
    NotAllowed,
    /// It looked at it and gave no answer.
    Declined,
    /// A code that this version does not know.
    Other(u8),
}

impl Refusal {
    /// The code of an acknowledgement, which is no refusal.
    pub(super) const ACCEPTED: u8 = 0;

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Busy => 1,
            Self::TooLarge => 2,
            Self::NotAllowed => 3,
            Self::Declined => 4,
            Self::Other(code) => code,
        }
    }

    /// The refusal a code stands for; none for an acknowledgement.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            Self::ACCEPTED => None,
            1 => Some(Self::Busy),
            2 => Some(Self::TooLarge),
            3 => Some(Self::NotAllowed),
            4 => Some(Self::Declined),
            code => Some(Self::Other(code)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("it is busy"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::NotAllowed => f.write_str("it is not allowed"),
            Self::Declined => f.write_str("it was declined"),
            Self::Other(code) => write!(f, "code {code}"),
        }
    }
}

/// An operation of the network part that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The security layer refused our own key.
    #[error("cannot prepare the security handshake")]
    Handshake(#[source] noise::Error),
    /// An address to listen on is taken, or is not one of this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: Multiaddr,
        /// What the system says.
        #[source]
        source: TransportError<io::Error>,
    },
    /// A node id that is no public key, so nobody can prove to be it.
    #[error("node {} has no valid key", .node.short())]
    NoKey {
        /// The id.
        node: NodeId,
    },
    /// The network task has ended.
    #[error("the network is shut down")]
    Stopped,
    /// More bytes than the limit for this kind of message.
    #[error("the message has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The peer is not among the members that were set.
    #[error("node {} is no member", .peer.short())]
    NotAMember {
        /// Who.
        peer: NodeId,
    },
    /// There is no connection to the peer, or it was lost before the answer.
    #[error("node {} is not connected", .peer.short())]
    NotConnected {
        /// Who.
        peer: NodeId,
    },
    /// Too much is waiting for this peer already.
    #[error("too much is waiting for node {} already", .peer.short())]
    Crowded {
        /// Who.
        peer: NodeId,
    },
    /// The peer answered with a refusal.
    #[error("node {} refused: {refusal}", .peer.short())]
    Refused {
        /// Who.
        peer: NodeId,
        /// Its reason.
        refusal: Refusal,
    },
    /// The inviter hung up, or said that the ticket is none of its own.
    #[error("node {} does not accept this ticket: it is unknown there, was used, or has expired", .inviter.short())]
    TicketRefused {
        /// Who.
        inviter: NodeId,
    },
    /// No answer in time. The peer may have taken the message nevertheless.
    #[error("node {} did not answer in time", .peer.short())]
    Timeout {
        /// Who.
        peer: NodeId,
    },
    /// The stream to the peer broke.
    #[error("the stream to node {} broke", .peer.short())]
    Broken {
        /// Who.
        peer: NodeId,
        /// How.
        #[source]
        source: io::Error,
    },
    /// The peer does not know the protocol.
    #[error("node {} does not know this: its program is older", .peer.short())]
    Unknown {
        /// Who.
        peer: NodeId,
    },
    /// No address led to the peer.
    #[error("cannot reach node {}: {reason}", .peer.short())]
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Each address with what happened there.
        reason: String,
    },
    /// As many tickets are outstanding as there may be.
    #[error("{tickets_max} tickets are outstanding already")]
    TooManyTickets {
        /// The limit.
        tickets_max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways_and_zero_is_no_refusal() {
        assert_eq!(Refusal::from_code(Refusal::ACCEPTED), None);
        for code in 1..=255 {
            assert_eq!(Refusal::from_code(code).map(Refusal::code), Some(code));
        }
    }
}

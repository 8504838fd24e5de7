//! What a joining node and its inviter say to each other: one request, one answer.
//!
//! The transport already proved that the caller has the ticket's key. The request proves that it
//! has the key of the node that wants in, too. The answer carries records only, so the new node
//! checks with the founder's id from its ticket that the chain of invitations reaches itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Evidence, Membership, Ticket};
use crate::{
    MeshId, NodeId,
    cbor::{self, CborError},
    key::{ExchangePublic, NodeSecret, Purpose, Signature},
    limits::FRAME_BYTES_MAX,
    record::{Feed, RecordError, SignedRecord},
};

/// The largest request, bytes.
const REQUEST_BYTES_MAX: usize = 4096;

/// What a node says that wants in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The mesh, from the ticket.
    pub mesh: MeshId,
    /// Whom it asks, from the ticket.
    pub inviter: NodeId,
    /// The id that belongs to the ticket's key.
    pub ticket: NodeId,
    /// Who wants in.
    pub node: NodeId,
    /// The key that archive keys shall be wrapped for.
    pub exchange: ExchangePublic,
    /// The name it wants to be called by.
    pub name: String,
}

/// `[payload, signature]`
#[derive(Serialize, Deserialize)]
struct SignedRequest(ByteBuf, ByteBuf);

/// What the inviter answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JoinAnswer {
    /// The node is a member. These records prove it; the rest comes by reconciliation.
    Accepted {
        /// Signed records as they are stored.
        records: Vec<ByteBuf>,
    },
    /// It is not.
    Refused {
        /// Why, for programs.
        code: JoinRefusal,
        /// Why, for people.
        why: String,
    },
}

/// Why a node is not let in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[serde(into = "u16", try_from = "u16")]
pub enum JoinRefusal {
    /// The inviter does not know the ticket.
    #[error("the inviter does not know this ticket")]
    Unknown = 1,
    /// Its time has passed.
    #[error("the ticket has expired")]
    Expired = 2,
    /// Another node joined with it.
    #[error("the ticket was used already, by another node")]
    Used = 3,
    /// The request is damaged or signed by somebody else.
    #[error("the request to join is damaged or not signed by the node that it names")]
    Damaged = 4,
    /// The name is empty, too long or has control characters.
    #[error("the name of the node is empty, too long, or has control characters")]
    Name = 5,
    /// The node was expelled; whoever did so has to withdraw that first.
    #[error("the node was expelled; who expelled it has to withdraw that first")]
    Expelled = 6,
    /// The mesh has as many members as it may.
    #[error("the mesh is full")]
    Full = 7,
    /// It is a member by the word of a more senior node, with another role.
    #[error("the node is a member already, with another role, by the word of a more senior one")]
    Senior = 8,
    /// The inviter is no operator of the mesh any more.
    #[error("the inviter may not let anybody in any more")]
    NoOperator = 9,
}

impl From<JoinRefusal> for u16 {
    fn from(refusal: JoinRefusal) -> Self {
        refusal as Self
    }
}

impl TryFrom<u16> for JoinRefusal {
    type Error = String;

    fn try_from(code: u16) -> Result<Self, String> {
        Ok(match code {
            1 => Self::Unknown,
            2 => Self::Expired,
            3 => Self::Used,
            4 => Self::Damaged,
            5 => Self::Name,
            6 => Self::Expelled,
            7 => Self::Full,
            8 => Self::Senior,
            9 => Self::NoOperator,
            _ => return Err(format!("unknown refusal {code}")),
        })
    }
}

/// Why joining did not work, as the joining node sees it.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The inviter said no.
    #[error("the inviter refused: {why}")]
    Refused {
        /// Why, for programs.
        code: JoinRefusal,
        /// Why, in the inviter's words.
        why: String,
    },
    /// The answer cannot be read.
    #[error("the inviter's answer is damaged")]
    Damaged(#[source] CborError),
    /// A record in it cannot be read or is forged.
    #[error("the inviter's answer has a record that does not stand")]
    Record(#[source] RecordError),
    /// It does not prove what it claims.
    #[error("the inviter's answer does not prove that this node is a member of the mesh")]
    Unproven,
}

/// What a node begins its life in the mesh with.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Records to store before the engine is started with them.
    pub records: Vec<SignedRecord>,
    /// Who is a member according to them.
    pub membership: Membership,
}

impl JoinRequest {
    /// The request of the node with this secret.
    #[must_use]
    pub fn new(ticket: &Ticket, secret: &NodeSecret, name: &str) -> Self {
        Self {
            mesh: ticket.mesh,
            inviter: ticket.inviter,
            ticket: ticket.peer(),
            node: secret.id(),
            exchange: secret.exchange_public(),
            name: name.to_owned(),
        }
    }

    /// The bytes to send, signed.
    #[must_use]
    pub fn sign(&self, secret: &NodeSecret) -> Vec<u8> {
        let payload = cbor::encode(self);
        let signature = secret.sign(Purpose::Join, &payload);
        cbor::encode(&SignedRequest(ByteBuf::from(payload), ByteBuf::from(signature.0.to_vec())))
    }

    /// Reads a request that came with a ticket; `None` when anything about it is wrong.
    #[must_use]
    pub fn open(bytes: &[u8], mesh: MeshId, inviter: NodeId, ticket: NodeId) -> Option<Self> {
        let SignedRequest(payload, signature) =
            cbor::decode("a request to join", bytes, REQUEST_BYTES_MAX).ok()?;
        let request: Self = cbor::decode("a request to join", &payload, REQUEST_BYTES_MAX).ok()?;
        let signature = Signature(<[u8; 64]>::try_from(&signature[..]).ok()?);
        let meant = (request.mesh, request.inviter, request.ticket) == (mesh, inviter, ticket);
        let signed = request.node.verifies(Purpose::Join, &payload, &signature);
        (meant && signed).then_some(request)
    }
}

impl JoinAnswer {
    /// A refusal in the words that belong to its code.
    #[must_use]
    pub fn refused(code: JoinRefusal) -> Self {
        Self::Refused { code, why: code.to_string() }
    }

    /// Reads the answer and checks what it claims.
    ///
    /// # Errors
    /// When the inviter refused, or the answer does not prove that `me` is a member now.
    pub fn open(bytes: &[u8], ticket: &Ticket, me: NodeId) -> Result<Joined, JoinError> {
        let answer: Self = cbor::decode("an answer to a join", bytes, FRAME_BYTES_MAX)
            .map_err(JoinError::Damaged)?;
        let records = match answer {
            Self::Refused { code, why } => {
                let why = why.chars().filter(|c| !c.is_control()).take(200).collect();
                return Err(JoinError::Refused { code, why });
            }
            Self::Accepted { records } => records,
        };
        let records = records
            .iter()
            .map(|bytes| SignedRecord::open(bytes).map_err(JoinError::Record))
            .collect::<Result<Vec<_>, _>>()?;
        if records.iter().any(|signed| signed.record().mesh != ticket.mesh) {
            return Err(JoinError::Unproven);
        }
        let mut feeds: BTreeMap<NodeId, Feed> = BTreeMap::new();
        for signed in &records {
            feeds.entry(signed.record().author).or_default().insert(signed);
        }
        let membership = Membership::derive(ticket.founder, &Evidence::gather(&feeds));
        if !membership.is_member(&me) {
            return Err(JoinError::Unproven);
        }
        Ok(Joined { records, membership })
    }
}

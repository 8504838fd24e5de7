//! Key and body together, as the program speaks of them.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    ArchiveFacts, Expulsion, Grant, Hold, Invitation, JobFacts, NodeFacts, Order, Outcome,
    RecordKey,
};
use crate::{
    ArchiveId, JobId, NodeId, OrderId,
    cbor::{self, CborError},
    key::WrappedKey,
    limits::{NAME_BYTES_MAX, RECORD_BYTES_MAX},
};

/// The version that every body begins with.
const BODY_VERSION: u16 = 1;

/// Addresses that one node may publish.
const ADDRESSES_MAX: usize = 32;

/// The longest of them, bytes.
const ADDRESS_BYTES_MAX: usize = 256;

/// One statement: what a record of this version of the program can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// What the author says of itself.
    Node(NodeFacts),
    /// The author let a node in.
    Member(NodeId, Invitation),
    /// The author turned a node out.
    Expel(NodeId, Expulsion),
    /// What a node may do at the author.
    Grant(NodeId, Grant),
    /// The author's archive key, for a node.
    Wrap(NodeId, WrappedKey),
    /// A job of the author.
    Job(JobId, JobFacts),
    /// An archive of the author.
    Archive(ArchiveId, ArchiveFacts),
    /// A replica that the author has, of an archive of another node.
    Hold(NodeId, ArchiveId, Hold),
    /// An order of the author.
    Order(OrderId, Order),
    /// What the author made of an order of another node.
    Result(NodeId, OrderId, Outcome),
}

/// A body that this version cannot use. Its record is kept and forwarded all the same.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not of the expected shape.
    #[error("the body of a record is not as its key demands")]
    Malformed(#[source] CborError),
    /// From a newer program, or with a part that is out of bounds.
    #[error("the body of {key} has {what}")]
    Inadmissible {
        /// The record's key.
        key: RecordKey,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Fact {
    /// The key of its record.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Node(_) => RecordKey::Node,
            Self::Member(node, _) => RecordKey::Member(*node),
            Self::Expel(node, _) => RecordKey::Expel(*node),
            Self::Grant(node, _) => RecordKey::Grant(*node),
            Self::Wrap(node, _) => RecordKey::Wrap(*node),
            Self::Job(job, _) => RecordKey::Job(*job),
            Self::Archive(archive, _) => RecordKey::Archive(*archive),
            Self::Hold(origin, archive, _) => RecordKey::Hold(*origin, *archive),
            Self::Order(order, _) => RecordKey::Order(*order),
            Self::Result(issuer, order, _) => RecordKey::Result(*issuer, *order),
        }
    }

    /// The body of its record: `[version, fields]`.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        match self {
            Self::Node(facts) => write(facts),
            Self::Member(_, invitation) => write(invitation),
            Self::Expel(_, expulsion) => write(expulsion),
            Self::Grant(_, grant) => write(grant),
            Self::Wrap(_, wrapped) => write(wrapped),
            Self::Job(_, facts) => write(facts),
            Self::Archive(_, facts) => write(facts),
            Self::Hold(_, _, hold) => write(hold),
            Self::Order(_, order) => write(order),
            Self::Result(_, _, outcome) => write(outcome),
        }
    }

    /// Reads the body that belongs to a key.
    ///
    /// # Errors
    /// When it has another shape, another version, or a part that is out of bounds.
    pub fn read(key: &RecordKey, body: &[u8]) -> Result<Self, BodyError> {
        let fact = match *key {
            RecordKey::Node => Self::Node(read(key, body)?),
            RecordKey::Member(node) => Self::Member(node, read(key, body)?),
            RecordKey::Expel(node) => Self::Expel(node, read(key, body)?),
            RecordKey::Grant(node) => Self::Grant(node, read(key, body)?),
            RecordKey::Wrap(node) => Self::Wrap(node, read(key, body)?),
            RecordKey::Job(job) => Self::Job(job, read(key, body)?),
            RecordKey::Archive(archive) => Self::Archive(archive, read(key, body)?),
            RecordKey::Hold(origin, archive) => Self::Hold(origin, archive, read(key, body)?),
            RecordKey::Order(order) => Self::Order(order, read(key, body)?),
            RecordKey::Result(issuer, order) => Self::Result(issuer, order, read(key, body)?),
        };
        match fact.out_of_bounds() {
            Some(what) => Err(BodyError::Inadmissible { key: *key, what }),
            None => Ok(fact),
        }
    }

    fn out_of_bounds(&self) -> Option<&'static str> {
        match self {
            Self::Member(_, invitation) => bad_name(&invitation.name),
            Self::Expel(_, expulsion) => {
                expulsion.kept.iter().find_map(|(_, invitation)| bad_name(&invitation.name))
            }
            Self::Node(facts) if facts.addresses.len() > ADDRESSES_MAX => {
                Some("too many addresses")
            }
            Self::Node(facts) if facts.addresses.iter().any(|a| a.len() > ADDRESS_BYTES_MAX) => {
                Some("an address that is too long")
            }
            Self::Node(facts) => bad_name(&facts.name).or_else(|| bad_name(&facts.program)),
            _ => None,
        }
    }
}

/// What is wrong with a name of a node, if anything.
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Some("a name that is empty or too long");
    }
    name.chars().any(char::is_control).then_some("control characters in a name")
}

fn write<T: Serialize>(fields: &T) -> Vec<u8> {
    cbor::encode(&(BODY_VERSION, fields))
}

fn read<T: DeserializeOwned>(key: &RecordKey, body: &[u8]) -> Result<T, BodyError> {
    let (version, fields): (u16, T) =
        cbor::decode("a record's body", body, RECORD_BYTES_MAX).map_err(BodyError::Malformed)?;
    if version == BODY_VERSION {
        return Ok(fields);
    }
    Err(BodyError::Inadmissible { key: *key, what: "a version that this program does not know" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SealedId, Time,
        entropy::SeededEntropy,
        key::{ArchiveKey, ExchangePublic},
        object::Link,
        record::{Place, Progress, Role, Version},
    };

    fn archive() -> ArchiveFacts {
        ArchiveFacts {
            created: Time(1),
            root: Link { id: SealedId([2; 32]), bytes: 3 },
            sealed_bytes: 4,
            objects: 5,
            copies: 6,
            place: Place::Named(vec![NodeId([7; 32])]),
            sealed: vec![8; 9],
        }
    }

    fn node_facts(name: &str) -> Fact {
        Fact::Node(NodeFacts {
            name: name.into(),
            addresses: vec!["/ip4/192.0.2.1/tcp/4001".into()],
            program: "0.1.0".into(),
            free_bytes: 1 << 40,
            exchange: ExchangePublic([3; 32]),
            time: Time(5),
        })
    }

    #[test]
    fn every_fact_comes_back_from_its_key_and_body() {
        let (node, mut entropy) = (NodeId([1; 32]), SeededEntropy::new(1));
        let exchange = ExchangePublic([9; 32]);
        let invitation = Invitation {
            role: Role::Storage,
            quota_bytes: Some(1),
            name: "jerry".into(),
            exchange,
            time: Time(2),
        };
        let last = Version { epoch: 1, seq: 2 };
        let hold = Hold {
            root: Link { id: SealedId([2; 32]), bytes: 3 },
            bytes: 4,
            since: Time(5),
            locked_until: Time(6),
            record: vec![7],
        };
        let order = Order { to: node, request: vec![1], deadline: Time(3) };
        let done = Outcome { progress: Progress::Done { reply: vec![1] }, time: Time(4) };
        for fact in [
            node_facts("jerry"),
            Fact::Member(node, invitation.clone()),
            Fact::Expel(
                node,
                Expulsion { last, kept: vec![(node, invitation.clone())], time: Time(1) },
            ),
            Fact::Grant(node, Grant { rights: crate::record::Rights::NONE, quota_bytes: None }),
            Fact::Wrap(node, ArchiveKey::generate(&mut entropy).wrap(&exchange, &mut entropy)),
            Fact::Job(JobId([1; 16]), JobFacts { sealed: vec![1] }),
            Fact::Archive(ArchiveId([1; 16]), archive()),
            Fact::Hold(node, ArchiveId([1; 16]), hold),
            Fact::Order(OrderId([1; 16]), order),
            Fact::Result(node, OrderId([1; 16]), done),
        ] {
            assert_eq!(Fact::read(&fact.key(), &fact.body()).unwrap(), fact);
        }
    }

    #[test]
    fn names_out_of_bounds_and_newer_versions_are_refused() {
        for name in ["", "a\nb", "x".repeat(51).as_str()] {
            assert!(Fact::read(&RecordKey::Node, &node_facts(name).body()).is_err(), "{name:?}");
        }
        let newer = cbor::encode(&(2u16, archive()));
        let key = RecordKey::Archive(ArchiveId([1; 16]));
        assert!(matches!(Fact::read(&key, &newer), Err(BodyError::Inadmissible { .. })));
        let wrong_shape = Fact::read(&RecordKey::Node, &cbor::encode(&(1u16, archive())));
        assert!(matches!(wrong_shape, Err(BodyError::Malformed(_))));
    }
}

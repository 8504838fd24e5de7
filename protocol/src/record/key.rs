//! The keys of records, as text.

use std::{fmt, str::FromStr};

use crate::{ArchiveId, JobId, NodeId, OrderId};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKey {
    /// `node`: the author's own facts.
    Node,
    /// `member/<node>`: the author invited this node.
    Member(NodeId),
    /// `expel/<node>`: the author expels this node.
    Expel(NodeId),
    /// `grant/<node>`: what this node may do at the author.
    Grant(NodeId),
    /// `wrap/<node>`: the author's archive key for this node.
    Wrap(NodeId),
    /// `job/<job>`: a job of the author.
    Job(JobId),
    /// `archive/<archive>`: an archive that the author made.
    Archive(ArchiveId),
    /// `hold/<origin>/<archive>`: the author has a replica of this archive of `origin`.
    Hold(NodeId, ArchiveId),
    /// `order/<order>`: the author wants a node to do something.
    Order(OrderId),
    /// `result/<issuer>/<order>`: what became of an order that the author was given.
    ///
    /// The issuer is part of the key: a second issuer that takes the same id cannot make an order
    /// look done.
    Result(NodeId, OrderId),
}

/// A text that is no key that this version knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key of a record that this version knows")]
pub struct ParseKeyError(String);

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Member(node) => write!(f, "member/{node}"),
            Self::Expel(node) => write!(f, "expel/{node}"),
            Self::Grant(node) => write!(f, "grant/{node}"),
            Self::Wrap(node) => write!(f, "wrap/{node}"),
            Self::Job(job) => write!(f, "job/{job}"),
            Self::Archive(archive) => write!(f, "archive/{archive}"),
            Self::Hold(origin, archive) => write!(f, "hold/{origin}/{archive}"),
            Self::Order(order) => write!(f, "order/{order}"),
            Self::Result(issuer, order) => write!(f, "result/{issuer}/{order}"),
        }
    }
}

impl FromStr for RecordKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let key = match parts[..] {
            ["node"] => Some(Self::Node),
            ["member", node] => node.parse().ok().map(Self::Member),
            ["expel", node] => node.parse().ok().map(Self::Expel),
            ["grant", node] => node.parse().ok().map(Self::Grant),
            ["wrap", node] => node.parse().ok().map(Self::Wrap),
            ["job", job] => job.parse().ok().map(Self::Job),
            ["archive", archive] => archive.parse().ok().map(Self::Archive),
            ["hold", origin, archive] => pair(origin, archive).map(|(o, a)| Self::Hold(o, a)),
            ["order", order] => order.parse().ok().map(Self::Order),
            ["result", issuer, order] => pair(issuer, order).map(|(i, o)| Self::Result(i, o)),
            _ => None,
        };
        // Hex digits parse in both cases; a key has one spelling only.
        key.filter(|key| key.to_string() == text)
            .ok_or_else(|| ParseKeyError(text.chars().take(200).collect()))
    }
}

fn pair<A: FromStr, B: FromStr>(a: &str, b: &str) -> Option<(A, B)> {
    a.parse().ok().zip(b.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RECORD_KEY_BYTES_MAX;

    #[test]
    fn keys_are_text_and_come_back() {
        let node = NodeId([0xab; 32]);
        for key in [
            RecordKey::Node,
            RecordKey::Member(node),
            RecordKey::Expel(node),
            RecordKey::Grant(node),
            RecordKey::Wrap(node),
            RecordKey::Job(JobId([1; 16])),
            RecordKey::Archive(ArchiveId([2; 16])),
            RecordKey::Hold(node, ArchiveId([2; 16])),
            RecordKey::Order(OrderId([3; 16])),
            RecordKey::Result(node, OrderId([3; 16])),
        ] {
            let text = key.to_string();
            assert!(text.len() <= RECORD_KEY_BYTES_MAX);
            assert_eq!(text.parse(), Ok(key));
            if key != RecordKey::Node {
                assert!(text.to_uppercase().parse::<RecordKey>().is_err());
                assert!(format!("{text}/").parse::<RecordKey>().is_err());
            }
        }
        let upper = format!("member/{}", "AB".repeat(32));
        assert!(upper.parse::<RecordKey>().is_err(), "a key has one spelling");
    }
}

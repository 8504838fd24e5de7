//! Bodies about what a node has and does.

use serde::{Deserialize, Serialize};

use crate::{ArchiveId, NodeId, Time, key::ExchangePublic, object::Link};

/// `node`: what a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// The name people call it by.
    pub name: String,
    /// Where it can be reached, as multiaddress text.
    pub addresses: Vec<String>,
    /// The version of the program it runs.
    pub program: String,
    /// What is free in its chunk store for others, bytes.
    pub free_bytes: u64,
    /// The key that archive keys are wrapped for. Signed by the node itself: wrap for this one.
    pub exchange: ExchangePublic,
    /// Its clock when it wrote this.
    pub time: Time,
}

/// `job/<job>`: a job, for those who can open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFacts {
    /// The job, sealed with the author's archive key.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// Where the copies of an archive shall lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On any members with room.
    Any,
    /// On these nodes and no others.
    Named(Vec<NodeId>),
}

/// `archive/<archive>`: an archive, as far as everybody may know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// When its run began, by the origin's clock.
    pub created: Time,
    /// The root of its manifest.
    pub root: Link,
    /// All its sealed objects together, bytes.
    pub sealed_bytes: u64,
    /// How many sealed objects it has.
    pub objects: u64,
    /// How many nodes besides the origin shall hold it.
    pub copies: u8,
    /// Which nodes.
    pub place: Place,
    /// Name, job, sizes and checksum, sealed with the origin's archive key.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// `hold/<origin>/<archive>`: the author has all sealed objects of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The root that it has everything below of.
    pub root: Link,
    /// What that is, bytes.
    pub bytes: u64,
    /// Since when, by the holder's clock.
    pub since: Time,
    /// Until when it will not drop it, whoever asks, by the holder's clock.
    pub locked_until: Time,
    /// The origin's own signed record of the archive, as it came.
    ///
    /// A thief of the origin's key can remove the origin's record everywhere, and with it the
    /// private part without which the replica cannot be read. This copy stays with the replica.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
}

/// `order/<order>`: the author wants one node to do one thing once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who shall do it.
    pub to: NodeId,
    /// What: a request of `control`, sealed as [`crate::order`] says; opaque here.
    #[serde(with = "serde_bytes")]
    pub request: Vec<u8>,
    /// Not to be begun after this, by the executing node's clock.
    pub deadline: Time,
}

/// How far a node is with an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It is about to be executed. Written before anything is done.
    Begun,
    /// It was executed.
    Done {
        /// What came of it, sealed as [`crate::order`] says; opaque here.
        #[serde(with = "serde_bytes")]
        reply: Vec<u8>,
    },
    /// The issuer may not ask for this here.
    Refused {
        /// For people.
        why: String,
    },
    /// It was executed and failed.
    Failed {
        /// The kind of failure, which every member may know.
        why: String,
        /// The rest of it, as [`Progress::Done`] has it. Empty when there is no more.
        #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
        reply: Vec<u8>,
    },
    /// The node stopped after it had begun; what was done is unknown, and it is not repeated.
    Interrupted,
}

/// `result/<issuer>/<order>`: what became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How far it is.
    pub progress: Progress,
    /// When, by the executing node's clock.
    pub time: Time,
}

impl Hold {
    /// What the origin had said of the archive, also when it has removed its record since.
    ///
    /// `None` when the copy does not stand: not signed by `origin`, or about another archive.
    #[must_use]
    pub fn archive(&self, origin: NodeId, archive: ArchiveId) -> Option<ArchiveFacts> {
        let signed = super::SignedRecord::open(&self.record).ok()?;
        let record = signed.record();
        let key = super::RecordKey::Archive(archive);
        match super::Fact::read(&key, record.body.as_deref()?) {
            Ok(super::Fact::Archive(_, facts))
                if record.author == origin && record.key == key.to_string() =>
            {
                Some(facts).filter(|facts| facts.root == self.root)
            }
            _ => None,
        }
    }
}

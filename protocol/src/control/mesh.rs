//! Members of the mesh: inviting, joining, granting, expelling.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{NodeName, Ticket};
pub use crate::record::{Right, Role};
use crate::{
    MeshId, NodeId, Time,
    job::{Name, NameError},
};

/// How long a ticket is good when nothing is said: a day.
pub const INVITE_MS_DEFAULT: u64 = 24 * 3_600_000;

/// The longest a ticket may be good: thirty days. It is a key to the mesh that lies around.
pub const INVITE_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// A node as somebody names it: by its name or by its whole key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NodeRef {
    /// By its key, as 64 hexadecimal digits.
    Id(NodeId),
    /// By its name.
    Name(Name),
}

impl FromStr for NodeRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl TryFrom<String> for NodeRef {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<NodeRef> for String {
    fn from(node: NodeRef) -> Self {
        node.to_string()
    }
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// An invitation for one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshInvite {
    /// What it will be.
    pub role: Role,
    /// How much it offers to hold at most; none for no bound.
    pub quota_bytes: Option<u64>,
    /// How long the ticket is good.
    pub expires_ms: u64,
}

/// A ticket, and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// What the ticket is called by; no secret.
    pub id: NodeId,
    /// The secret to hand over.
    pub ticket: Ticket,
    /// The mesh it lets in to.
    pub mesh: MeshId,
    /// This invitation founded it.
    pub founded: bool,
    /// What the invited node will be.
    pub role: Role,
    /// How much it will hold at most.
    pub quota_bytes: Option<u64>,
    /// Until when it is good.
    pub expires_at_ms: Time,
    /// The addresses in the ticket, at which the new node will look for this one.
    pub addresses: Vec<String>,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// It lets one node in.
    Open,
    /// It let one in, and no other.
    Used,
    /// Nobody came in time.
    Expired,
}

/// A ticket that this node made, without its secret, which is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteReport {
    /// What it is called by.
    pub id: NodeId,
    /// What became of it.
    pub state: InviteState,
    /// What it makes a node.
    pub role: Role,
    /// How much that will hold at most.
    pub quota_bytes: Option<u64>,
    /// Until when it is good.
    pub expires_at_ms: Time,
    /// Who came with it.
    pub used_by: Option<NodeName>,
    /// The four words that this one shows too.
    pub words: Option<String>,
}

/// The node is a member now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The mesh.
    pub mesh: MeshId,
    /// Who let it in.
    pub inviter: NodeName,
    /// What it is there.
    pub role: Role,
    /// Four words that the inviter's `mesh show` must show too.
    pub words: String,
    /// Members now.
    pub members: u32,
}

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// It is this node itself.
    This,
    /// Connected straight.
    Direct,
    /// Connected through another member.
    Relayed,
    /// Not connected.
    Offline,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Which.
    pub node: NodeName,
    /// What it is.
    pub role: Role,
    /// How it is reached.
    pub connection: Connection,
    /// Where it was last reached.
    pub addresses: Vec<String>,
    /// Its program's version, when it said so.
    pub version: Option<String>,
    /// When it joined.
    pub joined_ms: Time,
    /// When something was last heard of it.
    pub seen_ms: Option<Time>,
    /// When it was expelled; none for a member in good standing.
    pub expelled_ms: Option<Time>,
    /// What it may do at this node.
    pub rights: BTreeSet<Right>,
    /// How much of this node's it holds at most.
    pub quota_bytes: Option<u64>,
    /// How much of its own it may keep at this node at most, where a grant says so.
    pub keeps_here_bytes_max: Option<u64>,
    /// How much of this node's it holds.
    pub holds_bytes: u64,
    /// Archives of this node that it holds whole.
    pub holds_archives: u64,
    /// Four words that both sides of the joining show.
    pub words: Option<String>,
}

/// What shall change for a member; what is not named stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantChange {
    /// Whose grant.
    pub node: NodeRef,
    /// Rights it gets.
    pub allow: BTreeSet<Right>,
    /// Rights it loses; a right in both sets is lost.
    pub deny: BTreeSet<Right>,
    /// How much it may keep here at most.
    pub quota_bytes: Option<u64>,
    /// It may keep as much as there is room; not with `quota_bytes`.
    #[serde(default)]
    pub unlimited: bool,
}

impl GrantChange {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty()
            && self.deny.is_empty()
            && self.quota_bytes.is_none()
            && !self.unlimited
    }
}

/// A member to shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshExpel {
    /// Which.
    pub node: NodeRef,
    /// Only say what it would mean.
    pub dry_run: bool,
}

/// An archive that an expelled node still has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaLeft {
    /// The archive's name, or its id where the name is not to be seen.
    pub archive: String,
    /// Its sealed size.
    pub bytes: u64,
    /// Whole copies elsewhere.
    pub copies_elsewhere: u32,
}

/// The member is out, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expelled {
    /// Which.
    pub node: NodeName,
    /// Nothing was changed.
    pub dry_run: bool,
    /// What it still holds: the first of them.
    pub still_holds: Vec<ReplicaLeft>,
    /// How many it holds in all.
    pub still_holds_total: u64,
}

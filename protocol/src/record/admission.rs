//! Bodies about who belongs to the mesh and who may do what.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Version;
use crate::{NodeId, Time, key::ExchangePublic};

/// What a node is in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds sealed replicas within a quota; sees sizes and times only.
    Storage,
    /// One of my own servers: may see, run, restore and open everything, and invite and expel.
    Operator,
}

/// One thing that a node may do at another. Records carry [`Rights`], requests and replies words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See state, jobs, runs and health.
    #[serde(rename = "see_status")]
    See,
    /// Run jobs, and make the node work otherwise. To change a job needs more than this.
    #[serde(rename = "run_job")]
    Run,
    /// Entrust replicas.
    Store,
    /// Restore archives there.
    Restore,
    /// Delete archives before their time.
    Delete,
    /// Be given the archive key.
    Open,
}

impl Right {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::See, Self::Run, Self::Store, Self::Restore, Self::Delete, Self::Open];

    fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// The word for it, in commands and on pages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::See => "see-status",
            Self::Run => "run-job",
            Self::Store => "store",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A set of rights; on the wire a number with one bit for each, unknown bits mean nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(u32);

impl Rights {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// What a role may do where no grant narrows it.
    #[must_use]
    pub fn of(role: Role) -> Self {
        match role {
            Role::Operator => Right::ALL.into_iter().collect(),
            Role::Storage => [Right::See, Right::Store].into_iter().collect(),
        }
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn allow(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Those among them, in the order of [`Right::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.allow(*right))
    }

    /// What both allow.
    #[must_use]
    pub fn narrowed(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

/// `member/<node>`: an operator lets a node in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// What the node becomes.
    pub role: Role,
    /// How much it may be given to hold, bytes; `None` is as much as it has.
    pub quota_bytes: Option<u64>,
    /// The name it gave itself when it joined.
    pub name: String,
    /// Its exchange key, as it signed it when it joined.
    pub exchange: ExchangePublic,
    /// Later than any other invitation of this node that the author knew.
    pub time: Time,
}

/// `expel/<node>`: an operator turns a node out.
///
/// The expelled node may have signed whatever it likes, with whatever version. So its records
/// count up to `last` only, and of its invitations those that are repeated in `kept`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expulsion {
    /// The last record of the node that counts.
    pub last: Version,
    /// The invitations by the node that remain good. A record has room for some 350 of them.
    pub kept: Vec<(NodeId, Invitation)>,
    /// When.
    pub time: Time,
}

/// `grant/<node>`: what this node may do at the author, at most what its role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What remains allowed.
    pub rights: Rights,
    /// How much of this node's data the author holds, bytes; `None` leaves it to the author.
    pub quota_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_roles_are_words_in_json() {
        let text = |right: Right| serde_json::to_value(right).unwrap();
        for right in Right::ALL {
            assert_eq!(text(right), right.word().replace('-', "_"));
        }
        assert_eq!(serde_json::to_value(Role::Operator).unwrap(), "operator");
        assert_eq!(serde_json::to_value(Role::Storage).unwrap(), "storage");
    }

    #[test]
    fn rights_of_a_role_can_only_be_narrowed() {
        let storage = Rights::of(Role::Storage);
        assert!(storage.allow(Right::Store) && storage.allow(Right::See));
        assert!(!storage.allow(Right::Open) && !storage.allow(Right::Run));
        assert_eq!(storage.narrowed(Rights::of(Role::Operator)), storage);
        let only_open: Rights = [Right::Open].into_iter().collect();
        assert_eq!(storage.narrowed(only_open), Rights::NONE);
    }
}

//! What of the mesh is kept in the state file besides records.

use std::sync::Arc;

use protocol::{
    Entropy as _, MeshId, NodeId,
    cbor::{self, CborError},
    membership::Outstanding,
};
use serde::{Deserialize, Serialize};

use crate::{
    db::{Db, DbError},
    sys::OsEntropy,
};

/// Name of the setting that says which mesh this node belongs to.
pub(super) const MESH_KEY: &str = "mesh";
const TICKETS_KEY: &str = "tickets";
const BYTES_MAX: usize = 1 << 20;

/// State of the mesh that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The state file failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A setting is not what this program writes.
    #[error("the setting {key} in the state file is damaged")]
    Damaged {
        /// Its name.
        key: &'static str,
        /// How.
        #[source]
        source: CborError,
    },
}

/// Which mesh a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshState {
    /// The mesh.
    pub mesh: MeshId,
    /// Its first node.
    pub founder: NodeId,
}

impl MeshState {
    /// The stored one; on the first start a new mesh that this node founds.
    ///
    /// # Errors
    /// When the state file cannot be read or written.
    pub fn load_or_found(db: &Db, me: NodeId) -> Result<Self, StateError> {
        if let Some(bytes) = db.meta(MESH_KEY)? {
            return read(MESH_KEY, &bytes);
        }
        let state = Self { mesh: MeshId(OsEntropy.array()), founder: me };
        db.set_meta(MESH_KEY, &state.encode())?;
        Ok(state)
    }

    pub(super) fn encode(self) -> Vec<u8> {
        cbor::encode(&self)
    }
}

/// The tickets that were outstanding.
pub(super) fn load_tickets(db: &Db) -> Result<Vec<Outstanding>, StateError> {
    db.meta(TICKETS_KEY)?.map_or(Ok(Vec::new()), |bytes| read(TICKETS_KEY, &bytes))
}

/// Keeps the tickets that are outstanding.
pub(super) fn save_tickets(db: &Db, tickets: &[Outstanding]) -> Result<(), DbError> {
    db.set_meta(TICKETS_KEY, &cbor::encode(&tickets))
}

/// Every stored record.
pub(super) fn load_records(db: &Db) -> Result<Vec<Arc<[u8]>>, DbError> {
    Ok(db.records()?.into_iter().map(Arc::from).collect())
}

fn read<T: serde::de::DeserializeOwned>(key: &'static str, bytes: &[u8]) -> Result<T, StateError> {
    cbor::decode("setting", bytes, BYTES_MAX).map_err(|source| StateError::Damaged { key, source })
}

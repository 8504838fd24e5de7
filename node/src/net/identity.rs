//! Names on the wire: node ids and peer ids are the same key; protocols carry the mesh's id.

use libp2p::{PeerId, StreamProtocol, identity};
use protocol::{MeshId, NodeId, key::NodeSecret};

/// The multihash code of an identity hash: the peer id holds the key itself.
const IDENTITY_HASH: u64 = 0;

/// The name of the protocol that a ticket's holder speaks. It has no mesh id in it: the peer that
/// is dialled and the one-time key name the mesh already.
pub(super) const JOIN_PROTOCOL: StreamProtocol = StreamProtocol::new("/backupmanager/join/1");

/// The libp2p name of a node, or none if its id is no ed25519 public key.
#[must_use]
pub fn peer_id(node: &NodeId) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&node.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The node behind a libp2p name, or none if its key is of another kind.
#[must_use]
pub fn node_id(peer: &PeerId) -> Option<NodeId> {
    let hash = peer.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    let key = identity::PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(NodeId(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The key pair that libp2p signs its handshakes with.
pub(super) fn keypair(secret: &NodeSecret) -> identity::Keypair {
    identity::Keypair::ed25519_from_bytes(*secret.seed()).expect("the seed has 32 bytes")
}

/// The names of what members speak to each other, in one mesh.
pub(super) struct MeshProtocols {
    pub(super) control: StreamProtocol,
    pub(super) bulk: StreamProtocol,
    pub(super) ask: StreamProtocol,
    pub(super) gossip: String,
    pub(super) topic: String,
    pub(super) version: String,
}

impl MeshProtocols {
    pub(super) fn new(mesh: &MeshId) -> Self {
        let name = |what: &str| format!("/backupmanager/{}/{what}/1", mesh.short());
        let protocol = |what: &str| {
            StreamProtocol::try_from_owned(name(what)).expect("the name begins with a slash")
        };
        Self {
            control: protocol("control"),
            bulk: protocol("bulk"),
            ask: protocol("ask"),
            gossip: name("gossip"),
            topic: name("records"),
            version: name("mesh"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_and_peer_ids_go_both_ways() {
        let secret = NodeSecret::from_seed(&[7; 32]);
        let peer = keypair(&secret).public().to_peer_id();
        assert_eq!(node_id(&peer), Some(secret.id()));
        assert_eq!(peer_id(&secret.id()), Some(peer));
    }

    #[test]
    fn what_is_no_ed25519_key_is_nobody() {
        let not_a_point = (0..=255).map(|byte| NodeId([byte; 32])).find(|n| peer_id(n).is_none());
        assert!(not_a_point.is_some());
        let hashed: PeerId = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N".parse().unwrap();
        assert_eq!(node_id(&hashed), None);
    }

    #[test]
    fn protocols_of_different_meshes_have_different_names() {
        let (one, two) =
            (MeshProtocols::new(&MeshId([1; 32])), MeshProtocols::new(&MeshId([2; 32])));
        assert_eq!(one.control.as_ref(), "/backupmanager/0101010101/control/1");
        assert_ne!(one.bulk, two.bulk);
        assert_ne!(one.topic, two.topic);
    }
}

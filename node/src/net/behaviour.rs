//! The protocols of one node, put together in the order that refusals need.
//!
//! Limits and the gate come first: a refusal after another behaviour has noted the connection
//! would leave that behaviour with a connection that never was.

use std::{collections::HashSet, sync::Arc};

use libp2p::{
    connection_limits::{self, ConnectionLimits},
    gossipsub::{self, IdentityTransform, WhitelistSubscriptionFilter},
    identify,
    identity::Keypair,
    ping,
    request_response::ProtocolSupport,
    swarm::NetworkBehaviour,
};
use protocol::{MeshId, limits::FRAME_BYTES_MAX};
use tokio::sync::Semaphore;

use super::{
    bulk,
    frame::{Exchange, FrameCodec},
    gate::Gate,
    identity::{JOIN_PROTOCOL, MeshProtocols},
    limits,
};

pub(super) type Gossip = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// Everything one node speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Protocols {
    limits: connection_limits::Behaviour,
    pub(super) gate: Gate<MemberProtocols>,
    pub(super) join: Exchange,
}

/// What only members speak.
#[derive(NetworkBehaviour)]
pub(super) struct MemberProtocols {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    pub(super) gossip: Gossip,
    pub(super) control: Exchange,
    pub(super) bulk: bulk::Behaviour,
    pub(super) ask: bulk::Behaviour,
}

impl Protocols {
    pub(super) fn new(keypair: &Keypair, mesh: &MeshId) -> Self {
        let budget = Arc::new(Semaphore::new(limits::FRAMES_HELD_BYTES_MAX));
        let join = FrameCodec {
            request_bytes_max: limits::JOIN_REQUEST_BYTES_MAX,
            answer_bytes_max: limits::JOIN_ANSWER_BYTES_MAX,
            budget: budget.clone(),
        };
        Self {
            limits: connection_limits::Behaviour::new(connection_limits()),
            gate: Gate::new(MemberProtocols::new(keypair, mesh, budget)),
            join: join.exchange(JOIN_PROTOCOL, ProtocolSupport::Inbound),
        }
    }
}

impl MemberProtocols {
    fn new(keypair: &Keypair, mesh: &MeshId, budget: Arc<Semaphore>) -> Self {
        let names = MeshProtocols::new(mesh);
        let ping = ping::Config::new()
            .with_interval(limits::PING_INTERVAL)
            .with_timeout(limits::PING_TIME_MAX);
        let control =
            FrameCodec { request_bytes_max: FRAME_BYTES_MAX, answer_bytes_max: 0, budget };
        Self {
            ping: ping::Behaviour::new(ping),
            identify: identify::Behaviour::new(introduction(keypair, &names)),
            gossip: gossip(&names),
            control: control.exchange(names.control, ProtocolSupport::Full),
            bulk: bulk::Behaviour::new(names.bulk),
            ask: bulk::Behaviour::new(names.ask),
        }
    }
}

fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits::CONNECTIONS_PENDING_MAX))
        .with_max_pending_outgoing(Some(limits::DIALS_MAX))
        .with_max_established_per_peer(Some(limits::CONNECTIONS_PER_PEER_MAX))
        .with_max_established(Some(limits::CONNECTIONS_MAX))
}

/// Who we are, for members only, and no more than they know: addresses travel in records.
fn introduction(keypair: &Keypair, names: &MeshProtocols) -> identify::Config {
    identify::Config::new(names.version.clone(), keypair.public())
        .with_agent_version("backupmanager".to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
}

/// The topic of all records of a mesh.
pub(super) fn topic(mesh: &MeshId) -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(MeshProtocols::new(mesh).topic)
}

/// Records carry their author's signature, so messages are anonymous and named by their bytes.
fn gossip(names: &MeshProtocols) -> Gossip {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id(names.gossip.clone(), gossipsub::Version::V1_1)
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| blake3::hash(&message.data).as_bytes()[..].into())
        .max_transmit_size(limits::GOSSIP_MESSAGE_BYTES_MAX)
        .flood_publish(true)
        .connection_handler_queue_len(limits::GOSSIP_QUEUE_MAX)
        .build()
        .expect("the settings fit together");
    let topic = gossipsub::IdentTopic::new(names.topic.clone());
    let only_ours = WhitelistSubscriptionFilter(HashSet::from([topic.hash()]));
    let authorship = gossipsub::MessageAuthenticity::Anonymous;
    let mut gossip = Gossip::new_with_subscription_filter(authorship, config, only_ours)
        .expect("anonymous messages fit the validation mode");
    gossip.subscribe(&topic).expect("the filter allows this topic");
    gossip
}

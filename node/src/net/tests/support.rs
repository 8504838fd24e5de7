//! Nodes for tests, and a rogue that opens any stream and writes what it likes.

use std::{collections::BTreeSet, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, Stream, StreamProtocol, Swarm, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use protocol::{MeshId, NodeId, key::NodeSecret};
use tokio::time::timeout;

use crate::net::{
    NetConfig, NetEvent, NetEvents, NetHandle,
    dial::Dial,
    identity::{MeshProtocols, keypair, peer_id},
    start,
    transport::{swarm_config, transport},
};

pub(super) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(super) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub(super) const MESH: MeshId = MeshId([5; 32]);

/// Generous: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

pub(super) fn secret(seed: u8) -> NodeSecret {
    NodeSecret::from_seed(&[seed; 32])
}

pub(super) struct TestNode {
    pub(super) id: NodeId,
    pub(super) handle: NetHandle,
    pub(super) events: NetEvents,
    pub(super) address: Multiaddr,
}

impl TestNode {
    pub(super) async fn start(seed: u8, listen: &str) -> Self {
        let listen = vec![listen.parse().unwrap()];
        let config = NetConfig { secret: secret(seed), mesh: MESH, listen };
        let (handle, mut events) = start(config).await.unwrap();
        let Some(NetEvent::Listening(address)) = soon(events.recv()).await else { panic!() };
        Self { id: secret(seed).id(), handle, events, address }
    }

    /// The next event.
    pub(super) async fn next(&mut self) -> NetEvent {
        soon(self.events.recv()).await.expect("the network runs")
    }

    /// The first event that is wanted; others are passed over.
    pub(super) async fn until<T>(&mut self, mut want: impl FnMut(NetEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = want(self.next().await) {
                return found;
            }
        }
    }

    pub(super) async fn until_connected(&mut self, to: NodeId) {
        let is = |e| matches!(e, NetEvent::Connected { peer, .. } if peer == to).then_some(());
        self.until(is).await;
    }

    pub(super) async fn until_disconnected(&mut self, from: NodeId) {
        let is = |e| matches!(e, NetEvent::Disconnected { peer } if peer == from).then_some(());
        self.until(is).await;
    }

    pub(super) async fn until_frame(&mut self) -> (NodeId, Vec<u8>) {
        let frame =
            |e| if let NetEvent::Frame { from, bytes } = e { Some((from, bytes)) } else { None };
        self.until(frame).await
    }

    pub(super) async fn set_members(&self, members: &[NodeId]) {
        self.handle.set_members(members.iter().copied().collect::<BTreeSet<_>>()).await.unwrap();
    }

    pub(super) async fn connect(&mut self, to: &mut Self) {
        self.handle.dial(to.id, vec![to.address.clone()]).await.unwrap();
        self.until_connected(to.id).await;
        to.until_connected(self.id).await;
    }
}

/// Two connected members.
pub(super) async fn pair(listen: &str) -> (TestNode, TestNode) {
    let (mut a, mut b) = (TestNode::start(1, listen).await, TestNode::start(2, listen).await);
    a.set_members(&[a.id, b.id]).await;
    b.set_members(&[a.id, b.id]).await;
    a.connect(&mut b).await;
    (a, b)
}

/// It answers pings, as a node that does not would be taken for dead.
#[derive(NetworkBehaviour)]
struct Unruly {
    ping: ping::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// A node that keeps to no rule.
pub(super) struct Rogue {
    control: libp2p_stream::Control,
    target: libp2p::PeerId,
}

impl Rogue {
    /// Connects with this key; the handshake succeeds for everybody.
    pub(super) async fn connect(secret: &NodeSecret, to: &TestNode) -> Self {
        let keypair = keypair(secret);
        let (own, target) = (keypair.public().to_peer_id(), peer_id(&to.id).unwrap());
        let streams = libp2p_stream::Behaviour::new();
        let control = streams.new_control();
        let behaviour = Unruly { ping: ping::Behaviour::default(), streams };
        let mut swarm = Swarm::new(transport(&keypair).unwrap(), behaviour, own, swarm_config());
        swarm.dial(Dial::new(target, vec![to.address.clone()]).options()).unwrap();
        let connected = async {
            while !matches!(
                swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        };
        soon(connected).await;
        tokio::spawn(async move { while swarm.next().await.is_some() {} });
        Self { control, target }
    }

    /// Writes to a new stream of a protocol; what comes back, up to so many bytes.
    pub(super) async fn say(
        &mut self,
        protocol: StreamProtocol,
        bytes: &[u8],
        answer_bytes: usize,
    ) -> std::io::Result<Vec<u8>> {
        let stream = soon(self.control.open_stream(self.target, protocol)).await;
        let mut stream: Stream = stream.map_err(std::io::Error::other)?;
        stream.write_all(bytes).await?;
        stream.flush().await?;
        let mut answer = vec![0; answer_bytes];
        soon(stream.read_exact(&mut answer)).await?;
        Ok(answer)
    }
}

pub(super) fn protocols() -> MeshProtocols {
    MeshProtocols::new(&MESH)
}

/// A frame as it is on the wire.
pub(super) fn wire_frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[..], bytes].concat()
}

//! The network task: owns the swarm, carries out commands, turns what happens into events.

use std::collections::BTreeMap;

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    gossipsub::TopicHash,
    request_response::ResponseChannel,
    swarm::{ConnectionId, SwarmEvent},
};
use protocol::{MeshId, NodeId, key::NodeSecret};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    behaviour::{MemberProtocols, Protocols, topic},
    command::Command,
    dial::Dial,
    error::NetError,
    event::{EventSender, NetEvents},
    frame::Answer,
    handle::NetHandle,
    identity::{MeshProtocols, keypair},
    limits::{COMMANDS_MAX, GOODBYE_TIME_MAX},
    outbox::Outbox,
    peers::Peers,
    tickets::Tickets,
    transport::{check_free, swarm_config, transport},
};

/// What the network part needs to know.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The key that names this node.
    pub secret: NodeSecret,
    /// The mesh whose protocols are spoken.
    pub mesh: MeshId,
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
}

/// Starts the network on the current tokio runtime. At first nobody may connect: set the members.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn start(config: NetConfig) -> Result<(NetHandle, NetEvents), NetError> {
    let keypair = keypair(&config.secret);
    let protocols = Protocols::new(&keypair, &config.mesh);
    let peer = keypair.public().to_peer_id();
    let mut swarm = Swarm::new(transport(&keypair)?, protocols, peer, swarm_config());
    for address in config.listen {
        check_free(&address)
            .and_then(|()| swarm.listen_on(address.clone()))
            .map_err(|source| NetError::Listen { address, source })?;
    }
    let (events, receiver) = EventSender::new();
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let service = Service {
        swarm,
        commands,
        events,
        topic: topic(&config.mesh).hash(),
        version: MeshProtocols::new(&config.mesh).version,
        peers: Peers::default(),
        tickets: Tickets::default(),
        outbox: Outbox::default(),
        dials: BTreeMap::new(),
        greetings: JoinSet::new(),
        answers: JoinSet::new(),
        stopping: None,
    };
    tokio::spawn(service.run());
    Ok((NetHandle::new(sender), receiver))
}

/// An answer to a ticket's request that waits to be sent.
pub(super) struct Reply {
    pub(super) ticket: NodeId,
    pub(super) channel: ResponseChannel<Answer>,
    pub(super) answer: Answer,
}

/// The task's state.
pub(super) struct Service {
    pub(super) swarm: Swarm<Protocols>,
    commands: mpsc::Receiver<Command>,
    pub(super) events: EventSender,
    pub(super) topic: TopicHash,
    pub(super) version: String,
    pub(super) peers: Peers,
    pub(super) tickets: Tickets,
    pub(super) outbox: Outbox,
    pub(super) dials: BTreeMap<ConnectionId, (NodeId, Dial)>,
    /// Inbound bulk streams in their greeting.
    pub(super) greetings: JoinSet<()>,
    /// Requests of tickets that are with the driver.
    pub(super) answers: JoinSet<Reply>,
    pub(super) stopping: Option<oneshot::Sender<()>>,
}

impl Service {
    async fn run(mut self) {
        while self.stopping.is_none() && self.step().await {}
        self.say_goodbye().await;
        if let Some(done) = self.stopping.take() {
            drop(self);
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    /// Handles one thing; false when the last handle is gone.
    async fn step(&mut self) -> bool {
        let deadline = self.tickets.deadline();
        tokio::select! {
            command = self.commands.recv() => match command {
                Some(command) => self.on_command(command),
                None => return false,
            },
            event = self.swarm.select_next_some(), if !self.events.backlog_is_full() => {
                self.on_swarm_event(event);
            }
            () = self.events.move_on(), if self.events.has_backlog() => {}
            Some(reply) = self.answers.join_next() => {
                if let Ok(reply) = reply {
                    self.on_reply(reply);
                }
            }
            Some(_) = self.greetings.join_next() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                self.on_deadline();
            }
        }
        true
    }

    pub(super) fn members_mut(&mut self) -> &mut MemberProtocols {
        self.swarm.behaviour_mut().gate.inner_mut()
    }

    fn on_deadline(&mut self) {
        let (tickets, connections) = self.tickets.take_over(Instant::now());
        for ticket in tickets {
            // Expired is as good as forgotten, and forgetting cannot fail.
            drop(self.forget_ticket(&ticket));
        }
        for connection in connections {
            self.swarm.close_connection(connection);
        }
    }

    /// Closes every connection in order, for a moment, so that peers need no timeout to notice.
    async fn say_goodbye(&mut self) {
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // It may be gone by now, which is what is wanted.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let all_closed = async {
            while self.swarm.connected_peers().next().is_some() {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
                    self.swarm.close_connection(connection_id);
                }
            }
        };
        // Peers that do not answer are left to their timeouts.
        drop(timeout(GOODBYE_TIME_MAX, all_closed).await);
    }
}

//! The task that owns the way between engine, disk and network.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use libp2p::Multiaddr;
use protocol::{
    NodeId, Time,
    catalog::CatalogEvent,
    control::{Failure, FailureCode},
    engine::{Config, Engine, EngineError, Event, Input, Output},
    key::NodeSecret,
    membership::{Outstanding, Ticket},
    order,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::{debug, info, warn};

use super::{
    COMMANDS_MAX, Change, Command, Mesh, MeshState, Shared, StateError,
    dialing::Dialing,
    engine_failure, lock,
    state::{load_records, load_tickets, save_tickets},
};
use crate::{
    db::{Db, RecordWrite},
    net::{self, BulkStream, NetConfig, NetEvent, NetEvents, NetHandle, Verdict},
    sys::{self, OsEntropy},
};

/// How often members that are not connected are looked at.
const DIAL_EVERY: Duration = Duration::from_secs(1);

/// Frames on their way at once; more are dropped, and reconciling brings what they said.
const SENDS_MAX: usize = 512;

/// What the driver is started with.
pub struct MeshConfig {
    /// This node's key.
    pub secret: NodeSecret,
    /// This node's name.
    pub name: String,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// The state file.
    pub db: Arc<Db>,
    /// Takes bulk streams that members open.
    pub serve_bulk: mpsc::Sender<(NodeId, BulkStream)>,
    /// Takes streams on which members ask something.
    pub serve_asks: mpsc::Sender<(NodeId, BulkStream)>,
}

/// A mesh that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The state file failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The network cannot be started.
    #[error("cannot start the network")]
    Net(#[from] net::NetError),
}

impl Mesh {
    /// Opens the stored mesh, or founds one, and starts the network and the driver.
    ///
    /// # Errors
    /// When the state file cannot be read, or an address cannot be listened on.
    pub async fn start(config: MeshConfig) -> Result<Self, MeshError> {
        let db = &config.db;
        let state = MeshState::load_or_found(db, config.secret.id())?;
        let tickets = load_tickets(db)?;
        let records = load_records(db).map_err(StateError::from)?;
        let engine = engine(&config, state, tickets, records);
        let (net, events) = start_net(&config, state).await?;
        let shared = Arc::new(Shared {
            engine: std::sync::Mutex::new(engine),
            net: std::sync::Mutex::new(net.clone()),
            peers: std::sync::Mutex::default(),
            listening: std::sync::Mutex::default(),
            words: std::sync::Mutex::default(),
            changed: watch::channel(0).0,
        });
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let mut driver = Driver {
            me: config.secret.id(),
            config,
            shared: Arc::clone(&shared),
            net,
            events,
            unwritten: Vec::new(),
            sends: JoinSet::new(),
            room: Arc::new(Semaphore::new(SENDS_MAX)),
            joins: BTreeMap::new(),
            dialing: Dialing::default(),
            wake: sys::now(),
        };
        driver.carry_out().await.map_err(|(_, error)| StateError::Db(error))?;
        tokio::spawn(driver.run(receiver));
        Ok(Self { shared, commands })
    }
}

/// An engine for a mesh. It reads orders for this node to know which right each needs.
pub(super) fn engine(
    config: &MeshConfig,
    state: MeshState,
    tickets: Vec<Outstanding>,
    records: Vec<Arc<[u8]>>,
) -> Engine {
    let secret = config.secret.clone();
    let config = Config {
        secret: config.secret.clone(),
        mesh: state.mesh,
        founder: state.founder,
        name: config.name.clone(),
        tickets,
        read_order: Box::new(move |due| order::read(due, &secret)),
    };
    Engine::new(config, records, sys::now(), &mut OsEntropy)
}

pub(super) async fn start_net(
    config: &MeshConfig,
    state: MeshState,
) -> Result<(NetHandle, NetEvents), net::NetError> {
    let (secret, listen) = (config.secret.clone(), config.listen.clone());
    net::start(NetConfig { secret, mesh: state.mesh, listen }).await
}

pub(super) struct Driver {
    pub(super) me: NodeId,
    pub(super) config: MeshConfig,
    pub(super) shared: Arc<Shared>,
    pub(super) net: NetHandle,
    pub(super) events: NetEvents,
    /// Records that the disk refused; they go first next time.
    unwritten: Vec<RecordWrite>,
    sends: JoinSet<()>,
    room: Arc<Semaphore>,
    joins: BTreeMap<NodeId, oneshot::Sender<Vec<u8>>>,
    pub(super) dialing: Dialing,
    wake: Time,
}

/// What carrying out brought back, besides what it did.
#[derive(Default)]
pub(super) struct Carried {
    ticket: Option<Ticket>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut dial = tokio::time::interval(DIAL_EVERY);
        dial.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wait = self.wake.since(sys::now()).max(Duration::from_millis(10));
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
                command = commands.recv() => match command {
                    Some(Command::Stop { done }) => {
                        self.net.shutdown().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command).await,
                    None => return self.net.shutdown().await,
                },
                _ = dial.tick() => self.dial().await,
                Some(_) = self.sends.join_next() => {}
                () = tokio::time::sleep(wait) => drop(self.take(Input::Tick).await),
            }
        }
    }

    async fn on_command(&mut self, command: Command) {
        // Whoever asked may have stopped waiting; what was done is done.
        match command {
            Command::Publish { changes, done } => {
                let result = self.publish(changes).await;
                let _ = done.send(result);
            }
            Command::Invite { invitation, done } => {
                let addresses = self.addresses();
                let input = Input::Invite {
                    role: invitation.role,
                    quota_bytes: invitation.quota_bytes,
                    valid: invitation.valid,
                    addresses,
                };
                let carried = self.want("cannot make a ticket", input).await;
                let unmade = || Failure::new(FailureCode::Internal, "cannot make a ticket", "none");
                let _ = done.send(carried.and_then(|carried| carried.ticket.ok_or_else(unmade)));
            }
            Command::CancelTicket { ticket, done } => {
                let cancelled =
                    self.want("cannot withdraw the ticket", Input::CancelTicket { peer: ticket });
                let cancelled = cancelled.await.map(drop);
                if let Err(error) = self.net.forget_ticket(ticket).await {
                    warn!(%error, "the network still waits for the holder of a ticket");
                }
                let _ = done.send(cancelled);
            }
            Command::Expel { node, done } => {
                let input = Input::Expel { node };
                let _ = done.send(self.want("cannot expel", input).await.map(drop));
            }
            Command::Join { ticket, done } => {
                let _ = done.send(self.join(*ticket).await);
            }
            Command::Stop { done } => drop(done),
        }
    }

    async fn publish(&mut self, changes: Vec<Change>) -> Result<(), Failure> {
        for change in changes {
            let input = match change {
                Change::Say(fact) => Input::Publish { fact },
                Change::Unsay(key) => Input::Remove { key },
            };
            self.want("cannot tell the mesh", input).await?;
        }
        Ok(())
    }

    /// Gives the engine something this node wants, and carries out what follows.
    pub(super) async fn want(&mut self, what: &str, input: Input) -> Result<Carried, Failure> {
        let handled = lock(&self.shared.engine).handle(input, sys::now(), &mut OsEntropy);
        let carried = self.carry_out().await;
        handled.map_err(|error| engine_failure(what, &error))?;
        carried.map_err(|(_, error)| {
            let failure = Failure::caused(FailureCode::Internal, what, &error);
            failure.hint("free space on the disk of the data folder, then try again")
        })
    }

    /// Gives the engine something that happened.
    async fn take(&mut self, input: Input) -> Result<(), EngineError> {
        let handled = lock(&self.shared.engine).handle(input, sys::now(), &mut OsEntropy);
        if let Err((_, error)) = self.carry_out().await {
            warn!(%error, "cannot store what came from the mesh; it will be tried again");
        }
        handled
    }

    async fn on_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Listening(address) => {
                info!(%address, "listening");
                lock(&self.shared.listening).insert(address);
                self.changed();
            }
            NetEvent::ListeningEnded(address) => {
                lock(&self.shared.listening).remove(&address);
                self.changed();
            }
            NetEvent::Connected { peer, address } => {
                info!(peer.id = %peer.short(), %address, "connected");
                lock(&self.shared.peers).insert(peer, address);
                let _ = self.take(Input::Connected { peer }).await;
                self.changed();
            }
            NetEvent::Disconnected { peer } => {
                info!(peer.id = %peer.short(), "disconnected");
                lock(&self.shared.peers).remove(&peer);
                self.dialing.retry(&peer);
                let _ = self.take(Input::Disconnected { peer }).await;
                self.changed();
            }
            NetEvent::DialFailed { peer, reason } => {
                debug!(peer.id = %peer.short(), reason, "cannot reach a member");
            }
            NetEvent::Frame { from, bytes } => {
                let _ = self.take(Input::Frame { from, bytes }).await;
            }
            NetEvent::Gossip { from, id, bytes } => self.on_gossip(from, id, bytes).await,
            NetEvent::Join { ticket, bytes, reply } => {
                self.joins.insert(ticket, reply);
                let _ = self.take(Input::JoinRequest { ticket, bytes }).await;
                self.joins.remove(&ticket);
            }
            NetEvent::Bulk { from, stream } => {
                // A full queue drops the stream; the peer asks again.
                let _ = self.config.serve_bulk.try_send((from, stream));
            }
            NetEvent::Ask { from, stream } => {
                // A full queue drops the stream; the asker is told that it went away.
                let _ = self.config.serve_asks.try_send((from, stream));
            }
        }
    }

    async fn on_gossip(&mut self, from: NodeId, id: net::GossipId, bytes: Vec<u8>) {
        let before = lock(&self.shared.engine).counters();
        let _ = self.take(Input::Gossip { from, bytes }).await;
        let after = lock(&self.shared.engine).counters();
        let verdict = if after.bad_records > before.bad_records {
            Verdict::Reject
        } else if after.not_taken > before.not_taken {
            Verdict::Ignore
        } else {
            Verdict::Accept
        };
        let _ = self.net.gossip_verdict(id, verdict).await;
    }

    /// Carries out everything the engine says, in order.
    ///
    /// # Errors
    /// When the disk refuses: nothing after that point was done.
    pub(super) async fn carry_out(&mut self) -> Result<Carried, (Carried, crate::db::DbError)> {
        let mut carried = Carried::default();
        let mut outputs = Vec::new();
        {
            let mut engine = lock(&self.shared.engine);
            while let Some(output) = engine.poll() {
                outputs.push(output);
            }
        }
        let mut changed = false;
        for output in outputs {
            if let Output::Persist { author, key, bytes } = output {
                let (key, bytes) = (key.to_string(), bytes.to_vec());
                self.unwritten.push(RecordWrite::Put { author, key, bytes });
                changed = true;
                continue;
            }
            if let Err(error) = self.write() {
                return Err((carried, error));
            }
            if let Err(error) = self.carry(output, &mut carried).await {
                return Err((carried, error));
            }
        }
        if let Err(error) = self.write() {
            return Err((carried, error));
        }
        if changed {
            self.changed();
        }
        Ok(carried)
    }

    /// Makes durable what is to be stored. One commit takes less than a millisecond on a disk and
    /// some tens on a memory card; nothing else may happen before it, so this task waits.
    fn write(&mut self) -> Result<(), crate::db::DbError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.config.db.write_records(&self.unwritten)?;
        self.unwritten.clear();
        Ok(())
    }

    async fn carry(
        &mut self,
        output: Output,
        carried: &mut Carried,
    ) -> Result<(), crate::db::DbError> {
        match output {
            Output::Persist { .. } => {}
            Output::Tickets(tickets) => {
                save_tickets(&self.config.db, &tickets)?;
                self.expect(&tickets).await;
            }
            Output::Send { to, bytes } => self.send(to, bytes),
            Output::Gossip { bytes } => {
                let _ = self.net.gossip(bytes.to_vec()).await;
            }
            Output::Members(members) => {
                let _ = self.net.set_members(members).await;
                self.changed();
            }
            Output::Invited(ticket) => carried.ticket = Some(ticket),
            Output::JoinAnswer { ticket, bytes } => {
                if let Some(reply) = self.joins.remove(&ticket) {
                    let _ = reply.send(bytes);
                }
            }
            Output::Event(event) => self.tell(event),
            Output::Wait(until) => self.wake = until,
        }
        Ok(())
    }

    async fn expect(&self, tickets: &[Outstanding]) {
        let now = sys::now();
        for ticket in tickets {
            let result = if ticket.is_open(now) {
                self.net.expect_ticket(ticket.peer, ticket.expires.since(now)).await
            } else {
                self.net.forget_ticket(ticket.peer).await
            };
            if let Err(error) = result {
                warn!(%error, "cannot wait for the holder of a ticket");
            }
        }
    }

    fn send(&mut self, to: NodeId, bytes: Vec<u8>) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return debug!(peer.id = %to.short(), "too many frames are on their way");
        };
        let net = self.net.clone();
        self.sends.spawn(async move {
            if let Err(error) = net.send(to, bytes).await {
                debug!(peer.id = %to.short(), %error, "a frame was not sent");
            }
            drop(place);
        });
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Joined { node, words, .. } => {
                info!(peer.id = %node.short(), words = words.join(" "), "a node joined");
                lock(&self.shared.words).insert(node, words);
            }
            Event::Catalog(CatalogEvent::NodeChanged { node }) => self.dialing.retry(&node),
            Event::OwnHistoryLearned { records } => {
                warn!(
                    records,
                    "peers knew newer records of this node: it was put back from a copy"
                );
            }
            Event::Expelled => warn!("this node was expelled from its mesh"),
            Event::PeerIgnored { peer } => {
                warn!(peer.id = %peer.short(), "a member sends garbage and is ignored for a while");
            }
            // Who carries orders out looks when something changes.
            Event::Catalog(_) | Event::OrderArrived { .. } => {}
        }
        self.changed();
    }

    async fn dial(&mut self) {
        let due = {
            let engine = lock(&self.shared.engine);
            let connected = lock(&self.shared.peers).keys().copied().collect();
            self.dialing.due(engine.catalog(), self.me, &connected, sys::now())
        };
        for (peer, addresses) in due {
            if let Err(error) = self.net.dial(peer, addresses).await {
                debug!(peer.id = %peer.short(), %error, "cannot dial a member");
            }
        }
    }

    fn addresses(&self) -> Vec<String> {
        lock(&self.shared.listening).iter().map(Multiaddr::to_string).collect()
    }

    pub(super) fn changed(&self) {
        self.shared.changed.send_modify(|count| *count += 1);
    }
}

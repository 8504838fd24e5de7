//! One node as its shell sees it: an engine, a disk, a clock that may be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use protocol::{
    MeshId, NodeId, OrderId, Time,
    control::Request,
    engine::{Config, Engine, Event, Input, Output},
    key::NodeSecret,
    membership::{Outstanding, Ticket},
    record::{Fact, Outcome, Progress, SignedRecord},
};

use crate::dice::Dice;

/// Where a record lies on a disk: author and key.
pub(crate) type Place = (NodeId, Arc<str>);

/// What survives a crash.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) records: BTreeMap<Place, Arc<[u8]>>,
    pub(crate) tickets: Vec<Outstanding>,
}

/// What a node lets out to the rest of the world.
pub(crate) enum Out {
    Frame(NodeId, Vec<u8>),
    Gossip(Arc<[u8]>),
    Members,
    Invited(Ticket),
    JoinAnswer(NodeId, Vec<u8>),
    Wake(Time),
}

pub(crate) struct Node {
    pub(crate) secret: NodeSecret,
    pub(crate) mesh: MeshId,
    pub(crate) founder: NodeId,
    pub(crate) disk: Disk,
    pub(crate) engine: Option<Engine>,
    /// Whom the transport lets in.
    pub(crate) allowed: BTreeSet<NodeId>,
    /// Added to the world's time, in ms.
    pub(crate) skew: i64,
    pub(crate) lies: bool,
    /// Whether it was ever put back from an old copy.
    pub(crate) was_restored: bool,
    /// Gossip that it has forwarded.
    pub(crate) seen: BTreeSet<[u8; 32]>,
    /// How often it executed which order.
    pub(crate) executed: BTreeMap<(NodeId, OrderId), u32>,
    /// Results to publish at the next occasion.
    pub(crate) done: Vec<(NodeId, OrderId)>,
    pub(crate) learned_own: usize,
    dice: Dice,
}

impl Node {
    pub(crate) fn new(secret: NodeSecret, mesh: MeshId, founder: NodeId, dice: Dice) -> Self {
        Self {
            secret,
            mesh,
            founder,
            disk: Disk::default(),
            engine: None,
            allowed: BTreeSet::new(),
            skew: 0,
            lies: false,
            was_restored: false,
            seen: BTreeSet::new(),
            executed: BTreeMap::new(),
            done: Vec::new(),
            learned_own: 0,
            dice,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.secret.id()
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn clock(&self, now: u64) -> Time {
        Time(now.saturating_add_signed(self.skew))
    }

    /// Starts the engine with what the disk has.
    pub(crate) fn start(&mut self, now: u64) -> Vec<Out> {
        let config = Config {
            secret: self.secret.clone(),
            mesh: self.mesh,
            founder: self.founder,
            name: "node".into(),
            tickets: self.disk.tickets.clone(),
            read_order: Box::new(|due| match due.order.request.as_slice() {
                b"run" => Some(Request::StoreCheck { read_data: true }),
                b"see" => Some(Request::Status),
                _ => None,
            }),
        };
        let stored: Vec<Arc<[u8]>> = self.disk.records.values().cloned().collect();
        let now = self.clock(now);
        let engine = Engine::new(config, stored, now, &mut self.dice);
        assert_eq!(engine.counters().damaged_at_start, 0);
        self.engine = Some(engine);
        self.drain(usize::MAX).0
    }

    /// Puts a record from a join on the disk, if it is newer than what is there.
    pub(crate) fn store(&mut self, signed: &SignedRecord) {
        let place = (signed.record().author, signed.record().key.as_str().into());
        let version = |bytes: &Arc<[u8]>| SignedRecord::open(bytes).unwrap().record().version;
        let present = self.disk.records.get(&place).map(version);
        if present.is_none_or(|present| present < signed.record().version) {
            self.disk.records.insert(place, signed.bytes().clone());
        }
    }

    /// Stops it at once; what was not durable is gone.
    pub(crate) fn crash(&mut self) {
        self.engine = None;
        self.allowed.clear();
        self.done.clear();
        self.seen.clear();
    }

    /// Gives one input and carries out at most `steps` outputs; then it crashes if there are more.
    /// The second value says whether all was carried out: only then the input is acknowledged.
    pub(crate) fn handle(&mut self, input: Input, now: u64, steps: usize) -> (Vec<Out>, bool) {
        let now = self.clock(now);
        let Some(engine) = &mut self.engine else { return (Vec::new(), false) };
        let accepted = engine.handle(input, now, &mut self.dice).is_ok();
        let (out, all) = self.drain(steps);
        (out, all && accepted)
    }

    fn drain(&mut self, mut steps: usize) -> (Vec<Out>, bool) {
        let mut out = Vec::new();
        let mut unsynced: Vec<(Place, Arc<[u8]>)> = Vec::new();
        loop {
            let Some(output) = self.engine.as_mut().and_then(Engine::poll) else { break };
            if steps == 0 {
                // Half of the time the disk had got to it, half of the time not.
                if self.dice.percent(50) {
                    self.disk.records.extend(unsynced);
                }
                self.crash();
                return (out, false);
            }
            steps -= 1;
            if let Output::Persist { author, key, bytes } = output {
                unsynced.push(((author, key), bytes));
                continue;
            }
            self.disk.records.extend(unsynced.drain(..));
            out.extend(self.carry_out(output));
        }
        self.disk.records.extend(unsynced);
        (out, true)
    }

    fn carry_out(&mut self, output: Output) -> Option<Out> {
        match output {
            Output::Persist { .. } => None,
            Output::Tickets(tickets) => {
                self.disk.tickets = tickets;
                None
            }
            Output::Send { to, bytes } => Some(Out::Frame(to, bytes)),
            Output::Gossip { bytes } => Some(Out::Gossip(bytes)),
            Output::Members(members) => {
                self.allowed = members;
                Some(Out::Members)
            }
            Output::Invited(ticket) => Some(Out::Invited(ticket)),
            Output::JoinAnswer { ticket, bytes } => Some(Out::JoinAnswer(ticket, bytes)),
            Output::Wait(until) => Some(Out::Wake(until)),
            Output::Event(event) => {
                self.witness(event);
                None
            }
        }
    }

    fn witness(&mut self, event: Event) {
        match event {
            Event::OrderArrived { issuer, order } => {
                *self.executed.entry((issuer, order)).or_default() += 1;
                self.done.push((issuer, order));
            }
            Event::OwnHistoryLearned { records } => self.learned_own += records,
            _ => {}
        }
    }

    /// What it has to say about orders that it executed.
    pub(crate) fn next_result(&mut self, now: u64) -> Option<Input> {
        let (issuer, order) = self.done.pop()?;
        let outcome =
            Outcome { progress: Progress::Done { reply: vec![1] }, time: self.clock(now) };
        Some(Input::Publish { fact: Fact::Result(issuer, order, outcome) })
    }
}

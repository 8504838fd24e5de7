//! The engine and its loop.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Config, Counters, EngineError, Event, Input, Output, RECONCILE_EVERY, RECONCILE_SOON,
    author::Own, peers::Peers, talk::GossipBudget,
};
use crate::{
    Entropy, NodeId, OrderId, Time,
    catalog::{Catalog, CatalogEvent, Change},
    membership::Outstanding,
    order::ReadOrder,
    record::{Fact, SignedRecord},
};

/// The machine that owns what a node knows of its mesh.
pub struct Engine {
    pub(super) own: Own,
    pub(super) name: String,
    pub(super) catalog: Catalog,
    pub(super) peers: Peers,
    pub(super) tickets: Vec<Outstanding>,
    pub(super) read_order: ReadOrder,
    /// Orders that were begun since the start and have no result yet.
    pub(super) running: BTreeSet<(NodeId, OrderId)>,
    /// Whether to look for orders that are due.
    pub(super) look_for_orders: bool,
    pub(super) gossip: GossipBudget,
    pub(super) counters: Counters,
    pub(super) outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine with the records that it gave out as [`Output::Persist`] earlier, in any order.
    ///
    /// There are outputs to carry out right away.
    #[must_use]
    pub fn new(
        config: Config,
        stored: impl IntoIterator<Item = Arc<[u8]>>,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Self {
        let mut counters = Counters::default();
        let readable = |bytes: Arc<[u8]>| {
            let opened = SignedRecord::open(&bytes).ok();
            counters.damaged_at_start += u64::from(opened.is_none());
            opened
        };
        let records: Vec<SignedRecord> = stored.into_iter().filter_map(readable).collect();
        let catalog = Catalog::load(config.mesh, config.founder, &records);
        let own = Own::begin(config.secret, &catalog, now, entropy);
        let mut engine = Self {
            own,
            name: config.name,
            catalog,
            peers: Peers::default(),
            tickets: config.tickets,
            read_order: config.read_order,
            running: BTreeSet::new(),
            look_for_orders: true,
            gossip: GossipBudget::default(),
            counters,
            outputs: VecDeque::new(),
        };
        engine.found(now);
        engine.outputs.push_back(Output::Members(engine.catalog.membership().ids()));
        engine.forget_tickets(now);
        engine.settle(now, entropy);
        engine
    }

    /// Takes one input in. Afterwards take out everything with [`Engine::poll`].
    ///
    /// # Errors
    /// Only for what this node itself wanted; what peers send never fails here.
    pub fn handle(
        &mut self,
        input: Input,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<(), EngineError> {
        let result = self.dispatch(input, now, entropy);
        self.settle(now, entropy);
        result
    }

    fn dispatch(
        &mut self,
        input: Input,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<(), EngineError> {
        match input {
            Input::Connected { peer } => self.peers.connect(peer, now),
            Input::Disconnected { peer } => self.peers.disconnect(&peer),
            Input::Frame { from, bytes } => self.on_frame(from, &bytes, now),
            Input::Gossip { from, bytes } => self.on_gossip(from, &bytes, now),
            Input::Publish { fact } => return self.publish(&fact, now),
            Input::Remove { key } => return self.remove(&key, now),
            Input::Invite { role, quota_bytes, valid, addresses } => {
                let wanted = (role, quota_bytes, now.after(valid));
                return self.invite(wanted, addresses, now, entropy);
            }
            Input::CancelTicket { peer } => self.cancel_ticket(peer, now),
            Input::Expel { node } => return self.expel(node, now),
            Input::JoinRequest { ticket, bytes } => self.on_join(ticket, &bytes, now),
            Input::Tick => {
                self.look_for_orders = true;
                self.forget_tickets(now);
            }
        }
        Ok(())
    }

    /// What follows from every input.
    fn settle(&mut self, now: Time, entropy: &mut impl Entropy) {
        self.own.renew(now, entropy);
        self.attend_to_orders(now);
        self.send_summaries(now, entropy);
        let more_orders = self.own.known && self.look_for_orders;
        let wait = self.peers.next().unwrap_or(now.after(RECONCILE_EVERY));
        let wait = if more_orders { now } else { wait };
        self.outputs.push_back(Output::Wait(wait));
    }

    /// The next thing to do; nothing when all is done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What all records add up to.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.own.id()
    }

    /// Whether a peer has shown since the start that it holds nothing of this node's own feed that
    /// is not here. Before that, this node may be one that was put back from an old copy: it
    /// executes no orders, and the shell had better not prune.
    #[must_use]
    pub fn own_feed_known(&self) -> bool {
        self.own.known
    }

    /// Orders that were begun since the start and have no result yet, by issuer: the shell is to
    /// execute each of them once.
    pub fn orders_begun(&self) -> impl Iterator<Item = (NodeId, OrderId)> {
        self.running.iter().copied()
    }

    /// Tickets that are open, used or expired, until they are forgotten.
    #[must_use]
    pub fn tickets(&self) -> &[Outstanding] {
        &self.tickets
    }

    /// What went wrong since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { equivocations: self.catalog.equivocations(), ..self.counters }
    }

    /// Gives out what follows from a record that was taken in.
    pub(super) fn carry(&mut self, signed: &SignedRecord, change: Change, now: Time) {
        if !change.is_news {
            return;
        }
        let record = signed.record();
        self.outputs.push_back(Output::Persist {
            author: record.author,
            key: record.key.as_str().into(),
            bytes: Arc::clone(signed.bytes()),
        });
        for (author, key, bytes) in change.restored {
            self.outputs.push_back(Output::Persist { author, key, bytes });
        }
        if change.members_changed {
            self.outputs.push_back(Output::Members(self.catalog.membership().ids()));
            self.peers.hurry(None, now.after(RECONCILE_SOON));
            self.look_for_orders = true;
        }
        for event in change.events {
            self.notice(&event);
            self.outputs.push_back(Output::Event(Event::Catalog(event)));
        }
    }

    fn notice(&mut self, event: &CatalogEvent) {
        match event {
            CatalogEvent::OrderChanged { .. } | CatalogEvent::GrantChanged { .. } => {
                self.look_for_orders = true;
            }
            CatalogEvent::MemberChanged { node } if *node == self.me() => {
                let expelled =
                    self.catalog.membership().ever(node).is_some_and(|m| m.expelled.is_some());
                if expelled {
                    self.outputs.push_back(Output::Event(Event::Expelled));
                }
            }
            _ => {}
        }
    }

    /// Whether this node says exactly this already.
    pub(super) fn says(&self, fact: &Fact) -> bool {
        let held = self.catalog.feed(&self.me()).and_then(|feed| feed.get(&fact.key().to_string()));
        held.and_then(|held| held.record()).and_then(|record| record.body) == Some(fact.body())
    }
}

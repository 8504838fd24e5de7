//! Time, the network, and the nodes in it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    MeshId, NodeId,
    engine::Input,
    entropy::SeededEntropy,
    key::NodeSecret,
    membership::{JoinAnswer, JoinRequest, Ticket},
    record::{Role, SignedRecord, Version},
};

use crate::{
    dice::Dice,
    liar,
    node::{Node, Out},
};

/// How bad the network is; all in percent but the delay.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) doubled: u64,
    pub(crate) delay_ms_max: u64,
}

pub(crate) const FAIR: Weather = Weather { loss: 0, doubled: 0, delay_ms_max: 50 };

#[derive(Clone)]
pub(crate) enum Happening {
    Frame { from: usize, to: usize, bytes: Vec<u8> },
    Gossip { from: usize, to: usize, bytes: Vec<u8> },
    Wake { node: usize },
}

/// Of each key that an honest node was told is published: its version and hash.
pub(crate) type Promises = BTreeMap<(NodeId, String), (Version, [u8; 32])>;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) mesh: MeshId,
    pub(crate) links: BTreeSet<(usize, usize)>,
    /// Which side of the cut each node is on.
    pub(crate) side: Vec<u64>,
    pub(crate) promises: Promises,
    /// Who was ever expelled by anybody: nothing is expected of their disks.
    pub(crate) turned_out: BTreeSet<NodeId>,
    pub(crate) tickets: Vec<(usize, Ticket)>,
    pub(crate) answers: BTreeMap<NodeId, Vec<u8>>,
    agenda: BTreeMap<(u64, u64), Happening>,
    count: u64,
    /// Old messages for the liar to send again.
    pub(crate) overheard: Vec<Vec<u8>>,
}

impl World {
    /// A world with one node, which founds the mesh.
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            now: 1_800_000_000_000,
            nodes: Vec::new(),
            dice: Dice::new(seed),
            weather: FAIR,
            mesh: MeshId([7; 32]),
            links: BTreeSet::new(),
            side: Vec::new(),
            promises: Promises::new(),
            turned_out: BTreeSet::new(),
            tickets: Vec::new(),
            answers: BTreeMap::new(),
            agenda: BTreeMap::new(),
            count: 0,
            overheard: Vec::new(),
        };
        let founder = world.add_node();
        world.nodes[founder].founder = world.nodes[founder].id();
        world.start(founder);
        world
    }

    fn add_node(&mut self) -> usize {
        let index = self.nodes.len();
        let secret = NodeSecret::generate(&mut SeededEntropy::new(self.dice.below(u64::MAX)));
        let founder = self.nodes.first().map_or(NodeId([0; 32]), |node| node.founder);
        let dice = Dice::new(self.dice.below(u64::MAX));
        self.nodes.push(Node::new(secret, self.mesh, founder, dice));
        self.side.push(0);
        index
    }

    pub(crate) fn id(&self, node: usize) -> NodeId {
        self.nodes[node].id()
    }

    pub(crate) fn index(&self, id: &NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id() == *id)
    }

    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|n| self.nodes[*n].engine.is_some()).collect()
    }

    pub(crate) fn start(&mut self, node: usize) {
        let out = self.nodes[node].start(self.now);
        self.send_out(node, out);
        self.connect_all();
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].crash();
        self.drop_links(|(a, b)| a == node || b == node);
    }

    /// A new node joins by a ticket of `inviter`. Tells whether it worked.
    pub(crate) fn invite(&mut self, inviter: usize, role: Role) -> Option<usize> {
        let ticket = self.ticket(inviter, role)?;
        let node = self.add_node();
        let records = self.join(inviter, &ticket, node).ok()?;
        self.begin_with(node, &records);
        Some(node)
    }

    /// A node that exists joins once more.
    pub(crate) fn invite_again(&mut self, inviter: usize, node: usize, role: Role) {
        let Some(ticket) = self.ticket(inviter, role) else { return };
        self.crash(node);
        if let Ok(records) = self.join(inviter, &ticket, node) {
            self.begin_with(node, &records);
        }
    }

    pub(crate) fn ticket(&mut self, inviter: usize, role: Role) -> Option<Ticket> {
        let valid = std::time::Duration::from_secs(3600);
        let invite = Input::Invite { role, quota_bytes: None, valid, addresses: vec![] };
        self.give(inviter, invite);
        self.tickets.pop().map(|(_, ticket)| ticket)
    }

    fn begin_with(&mut self, node: usize, records: &[SignedRecord]) {
        for signed in records {
            self.nodes[node].store(signed);
        }
        self.start(node);
    }

    /// What the inviter answers to a node with a ticket.
    pub(crate) fn join(
        &mut self,
        inviter: usize,
        ticket: &Ticket,
        node: usize,
    ) -> Result<Vec<SignedRecord>, String> {
        let secret = self.nodes[node].secret.clone();
        let request = JoinRequest::new(ticket, &secret, "new").sign(&secret);
        self.give(inviter, Input::JoinRequest { ticket: ticket.peer(), bytes: request });
        let answer = self.answers.remove(&ticket.peer()).ok_or("no answer")?;
        let joined = JoinAnswer::open(&answer, ticket, secret.id()).map_err(|e| e.to_string())?;
        Ok(joined.records)
    }

    /// Gives an input and carries everything out.
    pub(crate) fn give(&mut self, node: usize, input: Input) -> bool {
        self.give_until(node, input, usize::MAX)
    }

    /// Gives an input; the node crashes after some outputs.
    pub(crate) fn give_until(&mut self, node: usize, input: Input, steps: usize) -> bool {
        let (out, acknowledged) = self.nodes[node].handle(input, self.now, steps);
        self.send_out(node, out);
        if self.nodes[node].engine.is_none() {
            self.drop_links(|(a, b)| a == node || b == node);
        }
        acknowledged
    }

    fn send_out(&mut self, node: usize, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Frame(to, bytes) => {
                    if let Some(to) = self.index(&to) {
                        self.send_frame(node, to, bytes);
                    }
                }
                Out::Gossip(bytes) => self.flood(node, None, &bytes),
                Out::Members => self.apply_members(node),
                Out::Invited(ticket) => self.tickets.push((node, ticket)),
                Out::JoinAnswer(ticket, bytes) => drop(self.answers.insert(ticket, bytes)),
                Out::Wake(until) => {
                    let at = until.0.saturating_add_signed(-self.nodes[node].skew);
                    self.schedule(at.max(self.now + 1), Happening::Wake { node });
                }
            }
        }
    }

    fn send_frame(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        self.overheard.push(bytes.clone());
        let messages = if self.nodes[from].lies {
            let old = self.dice.index(self.overheard.len());
            let old = self.overheard[old].clone();
            liar::twist(bytes, old, &mut self.dice)
        } else {
            vec![bytes]
        };
        for bytes in messages {
            self.post(Happening::Frame { from, to, bytes });
        }
    }

    /// Passes a record on to all neighbours but the one it came from, once.
    fn flood(&mut self, node: usize, from: Option<usize>, bytes: &[u8]) {
        if !self.nodes[node].seen.insert(blake3::hash(bytes).into()) {
            return;
        }
        for to in self.neighbours(node) {
            if Some(to) != from && !(self.nodes[node].lies && self.dice.percent(50)) {
                self.post(Happening::Gossip { from: node, to, bytes: bytes.to_vec() });
            }
        }
    }

    fn post(&mut self, happening: Happening) {
        let copies = 1 + u64::from(self.dice.percent(self.weather.doubled));
        for _ in 0..copies {
            if !self.dice.percent(self.weather.loss) {
                let at = self.now + 1 + self.dice.below(self.weather.delay_ms_max);
                self.schedule(at, happening.clone());
            }
        }
    }

    fn schedule(&mut self, at: u64, happening: Happening) {
        self.count += 1;
        self.agenda.insert((at, self.count), happening);
    }

    pub(crate) fn neighbours(&self, node: usize) -> Vec<usize> {
        let other = |(a, b): &(usize, usize)| match () {
            () if *a == node => Some(*b),
            () if *b == node => Some(*a),
            () => None,
        };
        self.links.iter().filter_map(other).collect()
    }

    /// Connects all pairs that are on one side and let each other in.
    pub(crate) fn connect_all(&mut self) {
        let up = self.up();
        for a in &up {
            for b in up.iter().filter(|b| a < *b) {
                let welcome = self.nodes[*a].allowed.contains(&self.id(*b))
                    && self.nodes[*b].allowed.contains(&self.id(*a));
                if welcome && self.side[*a] == self.side[*b] && self.links.insert((*a, *b)) {
                    let (peer_a, peer_b) = (self.id(*a), self.id(*b));
                    self.give(*a, Input::Connected { peer: peer_b });
                    self.give(*b, Input::Connected { peer: peer_a });
                }
            }
        }
    }

    pub(crate) fn drop_links(&mut self, which: impl Fn((usize, usize)) -> bool) {
        let gone: Vec<_> = self.links.iter().copied().filter(|link| which(*link)).collect();
        for (a, b) in gone {
            self.links.remove(&(a, b));
            let (peer_a, peer_b) = (self.id(a), self.id(b));
            self.give(a, Input::Disconnected { peer: peer_b });
            self.give(b, Input::Disconnected { peer: peer_a });
        }
    }

    /// The transport hangs up on those that are not let in any more.
    fn apply_members(&mut self, node: usize) {
        let unwelcome: Vec<usize> = self
            .neighbours(node)
            .into_iter()
            .filter(|other| !self.nodes[node].allowed.contains(&self.id(*other)))
            .collect();
        for other in unwelcome {
            self.drop_links(|link| link == (node.min(other), node.max(other)));
        }
    }

    /// Cuts the network along `side`, or heals it when all are equal.
    pub(crate) fn partition(&mut self, side: Vec<u64>) {
        self.side = side;
        let side = self.side.clone();
        self.drop_links(|(a, b)| side[a] != side[b]);
        self.connect_all();
    }

    /// Lets time pass, with all that happens in it.
    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > end {
                break;
            }
            let happening = entry.remove();
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
        self.connect_all();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Frame { from, to, bytes } if self.linked(from, to) => {
                let from = self.id(from);
                self.give(to, Input::Frame { from, bytes });
            }
            Happening::Gossip { from, to, bytes } if self.linked(from, to) => {
                let from_id = self.id(from);
                self.give(to, Input::Gossip { from: from_id, bytes: bytes.clone() });
                self.flood(to, Some(from), &bytes);
            }
            Happening::Wake { node } => {
                self.give(node, Input::Tick);
                while let Some(result) = self.nodes[node].next_result(self.now) {
                    self.give(node, result);
                }
            }
            _ => {}
        }
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }
}

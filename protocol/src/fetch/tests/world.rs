//! A closure, holders with parts of it, a local store, and everything that can go wrong between.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Entropy, NodeId, SealedId, Time,
    entropy::SeededEntropy,
    fetch::{
        CloseReason, Expected, Found, Input, Output, Session, WANT_LINKS_MAX,
        holder::BUDGET_BYTES_MAX,
    },
    object::Link,
};

/// A number below `bound`.
pub(super) fn below(random: &mut SeededEntropy, bound: u64) -> u64 {
    u64::from_le_bytes(random.array()) % bound
}

/// A closure: the links of its branches, and all its objects with their lengths.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    pub(super) root: Link,
    pub(super) branches: BTreeMap<SealedId, Vec<Link>>,
    pub(super) objects: BTreeMap<SealedId, u32>,
}

impl Closure {
    pub(super) fn random(random: &mut SeededEntropy) -> Self {
        let mut objects = BTreeMap::new();
        let mut branches = BTreeMap::new();
        let mut make = |random: &mut SeededEntropy, bytes: u64| {
            let link = Link { id: SealedId(random.array()), bytes: bytes as u32 };
            objects.insert(link.id, link.bytes);
            link
        };
        let root = make(random, 1_000);
        let shared: Vec<Link> = (0..5).map(|_| make(random, 300_000)).collect();
        let mut pages = Vec::new();
        for _ in 0..1 + below(random, 6) {
            let page = make(random, 5_000);
            let mut leaves = Vec::new();
            for _ in 0..below(random, 60) {
                let bytes = 1 + below(random, 1 << 20);
                leaves.push(make(random, bytes));
            }
            leaves.extend(shared.iter().take(below(random, 6) as usize));
            branches.insert(page.id, leaves);
            pages.push(page);
            if below(random, 4) == 0 {
                pages.push(page);
            }
        }
        branches.insert(root.id, pages);
        let reachable: BTreeSet<_> = branches.values().flatten().map(|link| link.id).collect();
        objects.retain(|id, _| *id == root.id || reachable.contains(id));
        Self { root, branches, objects }
    }

    pub(super) fn expected(&self) -> Expected {
        let bytes = self.objects.values().map(|bytes| u64::from(*bytes)).sum();
        Expected { objects: self.objects.len() as u64, bytes }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    Liar,
    Silent,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) manner: Manner,
    pub(super) has: BTreeSet<SealedId>,
    pub(super) connected: bool,
}

/// Everything around a session. All events that are under way may happen in any order.
#[derive(Debug)]
pub(super) struct World {
    pub(super) closure: Closure,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) store: BTreeSet<SealedId>,
    pub(super) random: SeededEntropy,
    pub(super) now: Time,
    under_way: Vec<Input>,
    lied: BTreeSet<NodeId>,
    closed: BTreeSet<NodeId>,
    cuts: u32,
    lacks: BTreeSet<(NodeId, SealedId)>,
    asked: BTreeMap<NodeId, BTreeMap<SealedId, u32>>,
    pub(super) asked_bytes: BTreeMap<NodeId, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Stuck(u64),
    Failed(String),
}

impl World {
    pub(super) fn new(closure: Closure, random: SeededEntropy) -> Self {
        Self {
            closure,
            peers: BTreeMap::new(),
            store: BTreeSet::new(),
            random,
            now: Time(1_000_000),
            under_way: Vec::new(),
            lied: BTreeSet::new(),
            closed: BTreeSet::new(),
            cuts: 50,
            lacks: BTreeSet::new(),
            asked: BTreeMap::new(),
            asked_bytes: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, n: u8, manner: Manner, has: BTreeSet<SealedId>) {
        self.peers.insert(NodeId([n; 32]), Peer { manner, has, connected: false });
    }

    /// Whether the store and those who tell the truth have everything.
    pub(super) fn is_obtainable(&self) -> bool {
        let honest = self.peers.values().filter(|peer| peer.manner == Manner::Honest);
        let mut there: BTreeSet<_> = honest.flat_map(|peer| &peer.has).collect();
        there.extend(&self.store);
        self.closure.objects.keys().all(|id| there.contains(id))
    }

    fn begin(&mut self) -> Session {
        (self.under_way, self.lied, self.closed, self.lacks) = Default::default();
        self.asked.clear();
        self.peers.values_mut().for_each(|peer| peer.connected = false);
        Session::new(self.closure.root, self.closure.expected(), self.now)
    }

    /// Runs to an end; crashes and starts again so many times on the way.
    pub(super) fn run(&mut self, mut crashes: u64) -> Ending {
        let mut session = self.begin();
        for _ in 0..2_000_000 {
            if let Some(ending) = self.drain(&mut session) {
                return ending;
            }
            if crashes > 0 && below(&mut self.random, 60) == 0 {
                crashes -= 1;
                session = self.begin();
                continue;
            }
            let Some(input) = self.next_input(&session) else {
                panic!("nothing is under way, and the session does not say that it is stuck");
            };
            session.handle(input, self.now);
        }
        panic!("it does not end");
    }

    /// What happens next: something that is under way, a connection, a cut, or time.
    fn next_input(&mut self, session: &Session) -> Option<Input> {
        self.now = Time(self.now.0 + below(&mut self.random, 20));
        let away: Vec<NodeId> = (self.peers.iter())
            .filter(|(node, peer)| !peer.connected && !self.closed.contains(node))
            .map(|(node, _)| *node)
            .collect();
        if !away.is_empty() && (self.under_way.is_empty() || below(&mut self.random, 10) == 0) {
            let node = away[below(&mut self.random, away.len() as u64) as usize];
            if let Some(peer) = self.peers.get_mut(&node) {
                peer.connected = true;
            }
            return Some(Input::Holder(node));
        }
        if self.cuts > 0 && below(&mut self.random, 40) == 0 && !self.peers.is_empty() {
            self.cuts -= 1;
            let nth = below(&mut self.random, self.peers.len() as u64) as usize;
            let node = self.peers.keys().copied().nth(nth)?;
            return Some(self.cut(node));
        }
        if self.under_way.is_empty() {
            self.now = session.deadline()?;
            return Some(Input::Tick);
        }
        let nth = below(&mut self.random, self.under_way.len() as u64) as usize;
        Some(self.happen(nth))
    }

    fn cut(&mut self, node: NodeId) -> Input {
        self.forget(node);
        Input::HolderGone(node)
    }

    /// Nothing more comes from this connection, except what was received already.
    fn forget(&mut self, node: NodeId) {
        self.asked.remove(&node);
        self.under_way.retain(|input| match input {
            Input::Received { from, .. } | Input::Absent { from, .. } => *from != node,
            _ => true,
        });
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.connected = false;
        }
    }

    fn happen(&mut self, nth: usize) -> Input {
        let input = self.under_way.swap_remove(nth);
        match &input {
            Input::Received { from, id } => {
                let (from, id) = (*from, *id);
                self.asked.get_mut(&from).and_then(|asked| asked.remove(&id));
                let lie = self.peers[&from].manner == Manner::Liar;
                let links = self.closure.branches.get(&id).cloned();
                self.under_way.push(if lie {
                    Input::Lied { from, id: Some(id) }
                } else {
                    Input::Arrived { from, id, links }
                });
            }
            Input::Arrived { id, .. } => drop(self.store.insert(*id)),
            Input::Absent { from, id } => {
                self.asked.get_mut(from).and_then(|asked| asked.remove(id));
                self.lacks.insert((*from, *id));
            }
            Input::Lied { from, .. } => drop(self.lied.insert(*from)),
            _ => {}
        }
        input
    }

    /// Carries out what the session wants, and checks that it may want it.
    fn drain(&mut self, session: &mut Session) -> Option<Ending> {
        while let Some(output) = session.next_output() {
            match output {
                Output::Look { links, walk } => self.look(&links, walk),
                Output::Ask { holder, links } => self.ask(holder, &links),
                Output::Close { holder, reason } => {
                    self.forget(holder);
                    if reason != CloseReason::Silent {
                        self.closed.insert(holder);
                    }
                }
                Output::Done => return Some(Ending::Done),
                Output::Failed(error) => return Some(Ending::Failed(error.to_string())),
                Output::Stuck { missing, count } => {
                    assert!(!missing.is_empty() && missing.len() as u64 <= count);
                    let usable = |(node, peer): (&NodeId, &Peer)| {
                        peer.manner == Manner::Honest
                            && !peer.connected
                            && !self.lied.contains(node)
                    };
                    if !self.peers.iter().any(usable) {
                        return Some(Ending::Stuck(count));
                    }
                }
            }
        }
        None
    }

    fn look(&mut self, links: &[Link], walk: bool) {
        let answer = |link: &Link| {
            let found = match (self.store.contains(&link.id), self.closure.branches.get(&link.id)) {
                (false, _) => Found::Missing,
                (true, Some(links)) if walk => Found::Branch(links.clone()),
                (true, _) => Found::Leaf,
            };
            (link.id, found)
        };
        let answers: Vec<_> = links.iter().map(answer).collect();
        let half = answers.len() / 2;
        self.under_way.push(Input::Looked(answers[half..].to_vec()));
        self.under_way.push(Input::Looked(answers[..half].to_vec()));
    }

    fn ask(&mut self, holder: NodeId, links: &[Link]) {
        let peer = &self.peers[&holder];
        assert!(peer.connected, "asked somebody who is not here");
        assert!(!self.lied.contains(&holder), "asked a liar again");
        assert!(!links.is_empty() && links.len() <= WANT_LINKS_MAX);
        let asked = self.asked.entry(holder).or_default();
        for link in links {
            assert!(!self.lacks.contains(&(holder, link.id)), "asked again for what it lacks");
            assert!(asked.insert(link.id, link.bytes).is_none(), "asked twice at once");
            *self.asked_bytes.entry(holder).or_default() += u64::from(link.bytes);
            let id = link.id;
            match peer.manner {
                Manner::Silent => {}
                Manner::Honest if !peer.has.contains(&id) => {
                    self.under_way.push(Input::Absent { from: holder, id });
                }
                _ => self.under_way.push(Input::Received { from: holder, id }),
            }
        }
        let bytes: u64 = asked.values().map(|bytes| u64::from(*bytes)).sum();
        assert!(bytes <= BUDGET_BYTES_MAX || asked.len() == 1, "{bytes} bytes in flight");
    }
}

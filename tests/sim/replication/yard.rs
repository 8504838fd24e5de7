//! The world with shelves in it, and the streams that objects travel on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::{
    ArchiveId, NodeId, SealedId, Time, engine,
    fetch::{CloseReason, Expected, Found, Input, Output, Session},
    key::ArchiveKey,
    object::{Link, sealed_id},
    record::{ArchiveFacts, Fact, Hold},
};

use super::{
    LOCK,
    shelf::{Bytes, Shelf, links},
};
use crate::{dice::Dice, world::World};

pub(super) struct Wanted {
    pub(super) origin: NodeId,
    pub(super) archive: ArchiveId,
    pub(super) facts: ArchiveFacts,
    pub(super) record: Vec<u8>,
    pub(super) holders: Vec<usize>,
}

impl Wanted {
    pub(super) fn hold(&self, now: u64) -> Fact {
        let held = Hold {
            root: self.facts.root,
            bytes: self.facts.sealed_bytes,
            since: Time(now),
            locked_until: Time(now).after(LOCK),
            record: self.record.clone(),
        };
        Fact::Hold(self.origin, self.archive, held)
    }
}

pub(super) struct Fetch {
    number: u64,
    session: Session,
    wanted: Wanted,
    /// The streams that are open: to whom, and which.
    lines: BTreeMap<usize, u64>,
    /// Nobody who is here has the rest. If nobody else comes it is given up, for a later round.
    is_stuck: bool,
}

pub(super) struct Ingest {
    pub(super) archive: ArchiveId,
    pub(super) facts: ArchiveFacts,
    pub(super) objects: VecDeque<(Link, Bytes)>,
}

/// What a node is beside its engine. Fetch and ingest keep the collection away while they run.
pub(super) struct Keeper {
    pub(super) shelf: Shelf,
    pub(super) key: ArchiveKey,
    pub(super) fetch: Option<Fetch>,
    pub(super) ingest: Option<Ingest>,
}

/// Something under way for the fetch with this number; if that is no more, nothing happens.
struct Bulk {
    node: usize,
    number: u64,
    what: What,
}

enum What {
    Dial(usize),
    Looked(Vec<Link>, bool),
    Asked {
        holder: usize,
        line: u64,
        link: Link,
    },
    Answered {
        holder: usize,
        line: u64,
        link: Link,
        bytes: Option<Bytes>,
    },
    Stored {
        holder: usize,
        id: SealedId,
        bytes: Bytes,
    },
    Done,
    Tick,
    /// For an ingest: its next object.
    Make(ArchiveId),
}

pub(super) struct Yard {
    pub(super) world: World,
    pub(super) keepers: Vec<Keeper>,
    pub(super) acknowledged: BTreeSet<(NodeId, ArchiveId)>,
    agenda: BTreeMap<(u64, u64), Bulk>,
    count: u64,
    /// All that was ever made: a liar may have got it.
    made: BTreeMap<SealedId, Bytes>,
}

impl Yard {
    pub(super) fn new(seed: u64) -> Self {
        let mut yard = Self {
            world: World::new(seed),
            keepers: Vec::new(),
            acknowledged: BTreeSet::new(),
            agenda: BTreeMap::new(),
            count: 0,
            made: BTreeMap::new(),
        };
        yard.grow();
        yard
    }

    /// One more node.
    pub(super) fn grow(&mut self) {
        let key = ArchiveKey::generate(&mut self.world.dice);
        self.keepers.push(Keeper { shelf: Shelf::default(), key, fetch: None, ingest: None });
    }

    pub(super) fn honest(&self) -> Vec<usize> {
        self.world.up().into_iter().filter(|node| !self.world.nodes[*node].lies).collect()
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.world.crash(node);
        self.lose(node);
    }

    fn lose(&mut self, node: usize) {
        let keeper = &mut self.keepers[node];
        (keeper.fetch, keeper.ingest) = (None, None);
        keeper.shelf.crash(&mut self.world.dice);
    }

    /// Gives an input to an engine; sometimes the node crashes on the way.
    pub(super) fn give(&mut self, node: usize, input: engine::Input) -> bool {
        let stops = self.world.weather.loss > 0 && self.world.dice.percent(15);
        let steps = if stops { self.world.dice.index(5) } else { usize::MAX };
        let was_up = self.world.nodes[node].engine.is_some();
        let done = self.world.give_until(node, input, steps);
        if was_up && self.world.nodes[node].engine.is_none() {
            self.lose(node);
        }
        self.check(node);
        done
    }

    /// What this node's own records say that it has.
    fn roots(&self, node: usize) -> Vec<Link> {
        let Some(engine) = &self.world.nodes[node].engine else { return vec![] };
        let (me, catalog) = (self.world.id(node), engine.catalog());
        let archives = catalog.archives_of(me).map(|(_, facts)| facts.root);
        archives.chain(catalog.holds_of(me).map(|(_, _, hold)| hold.root)).collect()
    }

    pub(super) fn collect(&mut self, node: usize) {
        let keeper = &self.keepers[node];
        if self.world.nodes[node].engine.is_some()
            && keeper.fetch.is_none()
            && keeper.ingest.is_none()
        {
            let roots = self.roots(node);
            self.keepers[node].shelf.collect(&roots);
            self.check(node);
        }
    }

    pub(super) fn check_all(&self) {
        (0..self.keepers.len()).for_each(|node| self.check(node));
    }

    fn check(&self, node: usize) {
        if !self.world.nodes[node].lies {
            for root in self.roots(node) {
                let lacks = self.keepers[node].shelf.lacks(&root);
                assert!(lacks.is_none(), "node {node} says it has {root:?}, and lacks {lacks:?}");
            }
        }
    }

    pub(super) fn ingest(&mut self, node: usize, ingest: Ingest) {
        self.made.extend(ingest.objects.iter().map(|(link, bytes)| (link.id, bytes.clone())));
        self.later(node, 0, What::Make(ingest.archive));
        self.keepers[node].ingest = Some(ingest);
    }

    /// The next object of an ingest, or its end.
    fn make(&mut self, node: usize, archive: ArchiveId) {
        let keeper = &mut self.keepers[node];
        let Some(ingest) = keeper.ingest.as_mut().filter(|i| i.archive == archive) else { return };
        if let Some((link, bytes)) = ingest.objects.pop_front() {
            keeper.shelf.put(link.id, bytes);
            return self.later(node, 0, What::Make(archive));
        }
        keeper.shelf.flush();
        let fact = Fact::Archive(archive, ingest.facts.clone());
        if self.give(node, engine::Input::Publish { fact }) {
            self.acknowledged.insert((self.world.id(node), archive));
        }
        self.keepers[node].ingest = None;
    }

    pub(super) fn fetch(&mut self, node: usize, wanted: Wanted) {
        self.count += 1;
        let (number, facts) = (self.count, &wanted.facts);
        let expected = Expected { objects: facts.objects, bytes: facts.sealed_bytes };
        let session = Session::new(facts.root, expected, Time(self.world.now));
        for holder in &wanted.holders {
            self.later(node, number, What::Dial(*holder));
        }
        self.later(node, number, What::Tick);
        let fetch = Fetch { number, session, wanted, lines: BTreeMap::new(), is_stuck: false };
        self.keepers[node].fetch = Some(fetch);
        self.drain(node);
    }

    fn later(&mut self, node: usize, number: u64, what: What) {
        let wait = 1 + self.world.dice.below(self.world.weather.delay_ms_max);
        let wait = if matches!(what, What::Tick) { 10_000 } else { wait };
        self.count += 1;
        self.agenda.insert((self.world.now + wait, self.count), Bulk { node, number, what });
    }

    /// Lets time pass, for engines and streams.
    pub(super) fn run_for(&mut self, ms: u64) {
        let end = self.world.now + ms;
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= end) {
            let at = entry.key().0;
            let bulk = entry.remove();
            self.world.run_for(at.saturating_sub(self.world.now));
            self.cut_lines();
            self.happen(bulk);
        }
        self.world.run_for(end.saturating_sub(self.world.now));
        self.cut_lines();
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        self.world.links.contains(&(a.min(b), a.max(b)))
    }

    /// Streams end with their connections.
    fn cut_lines(&mut self) {
        for node in 0..self.keepers.len() {
            let Some(fetch) = &self.keepers[node].fetch else { continue };
            let gone = fetch.lines.keys().copied().filter(|holder| !self.linked(node, *holder));
            for holder in gone.collect::<Vec<_>>() {
                self.hang_up(node, holder);
            }
        }
    }

    fn hang_up(&mut self, node: usize, holder: usize) {
        let Some(fetch) = &mut self.keepers[node].fetch else { return };
        fetch.lines.remove(&holder);
        let number = fetch.number;
        self.later(node, number, What::Dial(holder));
        let gone = Input::HolderGone(self.world.id(holder));
        self.tell(node, gone);
    }

    fn tell(&mut self, node: usize, input: Input) {
        let now = Time(self.world.now);
        if let Some(fetch) = &mut self.keepers[node].fetch {
            fetch.session.handle(input, now);
            self.drain(node);
        }
    }

    fn drain(&mut self, node: usize) {
        loop {
            let Some(fetch) = &mut self.keepers[node].fetch else { return };
            let number = fetch.number;
            let Some(output) = fetch.session.next_output() else { return };
            match output {
                Output::Look { links, walk } => {
                    self.later(node, number, What::Looked(links, walk));
                }
                Output::Ask { holder, links } => self.ask(node, holder, links),
                Output::Close { holder, reason } => {
                    let holder = self.world.index(&holder).unwrap();
                    fetch.lines.remove(&holder);
                    if reason == CloseReason::Silent {
                        self.later(node, number, What::Dial(holder));
                    }
                }
                Output::Stuck { .. } => fetch.is_stuck = true,
                Output::Done => self.later(node, number, What::Done),
                Output::Failed(error) => panic!("node {node} cannot fetch: {error}"),
            }
        }
    }

    fn ask(&mut self, node: usize, holder: NodeId, links: Vec<Link>) {
        let holder = self.world.index(&holder).unwrap();
        let fetch = self.keepers[node].fetch.as_ref().unwrap();
        let (number, line) = (fetch.number, fetch.lines[&holder]);
        for link in links {
            self.later(node, number, What::Asked { holder, line, link });
        }
    }

    fn happen(&mut self, bulk: Bulk) {
        let Bulk { node, number, what } = bulk;
        if let What::Make(archive) = what {
            return self.make(node, archive);
        }
        let Some(fetch) = self.keepers[node].fetch.as_mut().filter(|f| f.number == number) else {
            return;
        };
        match what {
            What::Dial(holder) => self.dial(node, holder),
            What::Looked(links, walk) => {
                let answers = links.iter().map(|link| (link.id, self.look(node, link, walk)));
                let answers = answers.collect();
                self.tell(node, Input::Looked(answers));
            }
            What::Asked { holder, line, link } if fetch.lines.get(&holder) == Some(&line) => {
                self.serve(node, number, holder, line, link);
            }
            What::Answered { holder, line, link, bytes }
                if fetch.lines.get(&holder) == Some(&line) =>
            {
                self.take(node, number, holder, link, bytes);
            }
            What::Asked { .. } | What::Answered { .. } | What::Make(_) => {}
            What::Stored { holder, id, bytes } => {
                let links = links(&bytes);
                self.keepers[node].shelf.put(id, bytes);
                let from = self.world.id(holder);
                self.tell(node, Input::Arrived { from, id, links });
            }
            What::Done => self.acknowledge(node),
            What::Tick if fetch.is_stuck => self.keepers[node].fetch = None,
            What::Tick => {
                self.later(node, number, What::Tick);
                self.tell(node, Input::Tick);
            }
        }
    }

    fn dial(&mut self, node: usize, holder: usize) {
        let linked = self.linked(node, holder);
        let Some(fetch) = &mut self.keepers[node].fetch else { return };
        if linked && !fetch.lines.contains_key(&holder) {
            self.count += 1;
            fetch.lines.insert(holder, self.count);
            fetch.is_stuck = false;
            let comes = Input::Holder(self.world.id(holder));
            self.tell(node, comes);
        }
    }

    fn look(&self, node: usize, link: &Link, walk: bool) -> Found {
        match self.keepers[node].shelf.get(&link.id) {
            None => Found::Missing,
            Some(bytes) if walk => links(bytes).map_or(Found::Leaf, Found::Branch),
            Some(_) => Found::Leaf,
        }
    }

    /// The holder answers; the network may break the stream, or an answer never comes.
    fn serve(&mut self, node: usize, number: u64, holder: usize, line: u64, link: Link) {
        if self.world.dice.percent(self.world.weather.loss) {
            if self.world.dice.percent(70) {
                self.hang_up(node, holder);
            }
            return;
        }
        let bytes = if self.world.nodes[holder].lies {
            let Some(answer) = lie(&self.made, link, &mut self.world.dice) else { return };
            answer
        } else {
            self.keepers[holder].shelf.get(&link.id).cloned()
        };
        self.later(node, number, What::Answered { holder, line, link, bytes });
    }

    /// What came is believed only for its hash.
    fn take(&mut self, node: usize, number: u64, holder: usize, link: Link, got: Option<Bytes>) {
        let (from, id) = (self.world.id(holder), link.id);
        let Some(bytes) = got else { return self.tell(node, Input::Absent { from, id }) };
        self.tell(node, Input::Received { from, id });
        if bytes.len() == link.bytes as usize && sealed_id(&bytes) == id {
            self.later(node, number, What::Stored { holder, id, bytes });
        } else {
            assert!(self.world.nodes[holder].lies, "an honest node sent another object");
            self.tell(node, Input::Lied { from, id: Some(id) });
        }
    }

    /// All is there: make it durable, then say so.
    fn acknowledge(&mut self, node: usize) {
        let Some(fetch) = &self.keepers[node].fetch else { return };
        let fact = fetch.wanted.hold(self.world.now);
        self.keepers[node].shelf.flush();
        self.give(node, engine::Input::Publish { fact });
        self.keepers[node].fetch = None;
    }
}

/// What a liar answers; nothing at all when it stays silent.
fn lie(made: &BTreeMap<SealedId, Bytes>, link: Link, dice: &mut Dice) -> Option<Option<Bytes>> {
    let right = made.get(&link.id).cloned();
    let twist = |with: fn(&mut Vec<u8>)| {
        let mut bytes = made[&link.id].to_vec();
        with(&mut bytes);
        Some(bytes.into())
    };
    match dice.below(20) {
        0 => None,
        1..4 => Some(None),
        4 => Some(twist(|bytes| bytes.truncate(bytes.len() / 2))),
        5 => Some(twist(|bytes| bytes[0] ^= 1)),
        6 => {
            let nth = dice.index(made.len());
            Some(made.values().nth(nth).cloned())
        }
        _ => Some(right),
    }
}

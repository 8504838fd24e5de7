//! The task that gets objects in order: who is asked for what, and whose turn it is.

use std::collections::{BTreeMap, VecDeque};

use protocol::{NodeId, SealedId, fetch::WANT_LINKS_MAX, object::Link};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Handed;
use crate::replicate::{
    Cancel, Dialer, FetchError, Lie,
    connection::News,
    event::{Event, Wanted},
    intake::Verdict,
    peers::Peers,
};

/// What a holder may owe, bytes; one larger object always.
const OWED_BYTES_MAX: u64 = 8 << 20;

/// An object that the store has not got.
struct Want {
    link: Link,
    asked: Option<NodeId>,
    absent: Vec<NodeId>,
}

/// An object in its turn, and its bytes once they are here.
struct Turn {
    id: SealedId,
    bytes: Option<Vec<u8>>,
    room: OwnedSemaphorePermit,
}

/// The task that gets objects in order.
pub(super) struct Line<D> {
    peers: Peers<D>,
    events: mpsc::Receiver<Event>,
    turns: VecDeque<Turn>,
    wants: BTreeMap<SealedId, Want>,
    /// Wants that nobody was asked for, in order.
    unasked: VecDeque<SealedId>,
    /// Who is connected, and the bytes each owes.
    owed: BTreeMap<NodeId, u64>,
    /// There are no more links.
    ended: bool,
}

impl<D: Dialer> Line<D> {
    pub(super) fn new(peers: Peers<D>, events: mpsc::Receiver<Event>) -> Self {
        Self {
            peers,
            events,
            turns: VecDeque::new(),
            wants: BTreeMap::new(),
            unasked: VecDeque::new(),
            owed: BTreeMap::new(),
            ended: false,
        }
    }

    /// Works until the last object was handed out, nobody takes them, or an error is handed out.
    pub(super) async fn run(mut self, out: mpsc::Sender<Handed>, cancel: Cancel) {
        let result = self.advance(&out, &cancel).await;
        let Self { peers, events, .. } = self;
        drop(events);
        let faults = peers.finish().await;
        let error = match result {
            Ok(()) => return,
            Err(FetchError::Missing { count, first, .. }) => {
                let holders = faults.into_iter().map(|(node, report)| (node, report.fault));
                FetchError::Missing { count, first, holders: holders.collect() }
            }
            Err(error) => error,
        };
        let _ = out.send(Err(error)).await;
    }

    async fn advance(
        &mut self,
        out: &mpsc::Sender<Handed>,
        cancel: &Cancel,
    ) -> Result<(), FetchError> {
        loop {
            self.ask();
            let is_ready = self.turns.front().is_some_and(|turn| turn.bytes.is_some());
            if !is_ready {
                self.despair()?;
            }
            if self.ended && self.turns.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(FetchError::Cancelled),
                slot = out.reserve(), if is_ready => {
                    let (Ok(slot), Some(turn)) = (slot, self.turns.pop_front()) else {
                        return Ok(());
                    };
                    slot.send(Ok((turn.id, turn.bytes.unwrap_or_default(), turn.room)));
                }
                () = out.closed() => return Ok(()),
                event = self.events.recv() => {
                    if let Some(event) = event {
                        self.heed(event)?;
                    }
                }
            }
        }
    }

    /// Ends it when nobody has what is to be handed out next, and nobody else will come.
    fn despair(&mut self) -> Result<(), FetchError> {
        let Some(id) = self.turns.front().map(|turn| turn.id) else { return Ok(()) };
        if !self.is_hopeless(&id) || self.peers.is_hopeful() || self.peers.widen() {
            return Ok(());
        }
        let count = self.unasked.iter().filter(|id| self.is_hopeless(id)).count() as u64;
        Err(FetchError::Missing { count, first: id, holders: Vec::new() })
    }

    /// Whether nobody was asked for it, nor can be.
    fn is_hopeless(&self, id: &SealedId) -> bool {
        let Some(want) = self.wants.get(id) else { return false };
        want.asked.is_none() && self.owed.keys().all(|node| want.absent.contains(node))
    }

    /// Asks for what nobody was asked for, each of the one who owes least and may have it.
    fn ask(&mut self) {
        // Not for each object that comes, or every want-list would be for one.
        if self.owed.values().all(|owed| *owed > OWED_BYTES_MAX / 2) {
            return;
        }
        let mut lists: BTreeMap<NodeId, Vec<Link>> = BTreeMap::new();
        let mut left = VecDeque::new();
        for id in std::mem::take(&mut self.unasked) {
            let Some(want) = self.wants.get_mut(&id) else { continue };
            let bytes = u64::from(want.link.bytes);
            let free = self.owed.iter_mut().filter(|(node, owed)| {
                !want.absent.contains(node) && (**owed == 0 || **owed + bytes <= OWED_BYTES_MAX)
            });
            match free.min_by_key(|(_, owed)| **owed) {
                Some((node, owed)) => {
                    *owed += bytes;
                    want.asked = Some(*node);
                    lists.entry(*node).or_default().push(want.link);
                }
                None => left.push_back(id),
            }
        }
        self.unasked = left;
        for (node, links) in lists {
            let mut lists = links.chunks(WANT_LINKS_MAX);
            if !lists.all(|links| self.peers.ask(node, links.to_vec())) {
                self.gone(node);
            }
        }
    }

    fn heed(&mut self, event: Event) -> Result<(), FetchError> {
        match event {
            Event::Next(None) => self.ended = true,
            Event::Next(Some(wanted)) => self.enqueue(wanted)?,
            Event::News(from, news) => self.hear(from, news),
            Event::Verdict { from, link, verdict: Verdict::Handed(bytes) } => {
                self.peers.count(from, link.bytes);
                self.answered(from, &link.id);
                self.fill(link.id, bytes);
            }
            Event::Verdict { from, link, .. } => {
                self.peers.shun(from, Lie::WrongBytes { id: link.id });
                self.gone(from);
            }
            Event::Looked(_) => {}
        }
        Ok(())
    }

    fn enqueue(&mut self, wanted: Wanted) -> Result<(), FetchError> {
        let Wanted { link, found, room } = wanted;
        let bytes = found?;
        if bytes.is_none() && !self.wants.contains_key(&link.id) {
            self.wants.insert(link.id, Want { link, asked: None, absent: Vec::new() });
            self.unasked.push_back(link.id);
        }
        self.turns.push_back(Turn { id: link.id, bytes, room });
        Ok(())
    }

    fn hear(&mut self, from: NodeId, news: News) {
        match news {
            News::Ready(asks) => {
                if self.peers.ready(from, asks) {
                    self.owed.insert(from, 0);
                }
            }
            News::Moving => {}
            News::Received(_) => self.peers.delivered(from),
            News::Absent(id) => {
                self.answered(from, &id);
                if let Some(want) = self.wants.get_mut(&id) {
                    want.asked = None;
                    want.absent.push(from);
                    self.unasked.push_front(id);
                }
            }
            News::Ended(ended) => {
                self.peers.ended(from, ended);
                self.gone(from);
            }
        }
    }

    fn answered(&mut self, from: NodeId, id: &SealedId) {
        let Some(want) = self.wants.get(id).filter(|want| want.asked == Some(from)) else { return };
        if let Some(owed) = self.owed.get_mut(&from) {
            *owed = owed.saturating_sub(u64::from(want.link.bytes));
        }
    }

    /// Gives an object to all whose turn it is or will be.
    fn fill(&mut self, id: SealedId, bytes: Vec<u8>) {
        if self.wants.remove(&id).is_none() {
            return;
        }
        for turn in self.turns.iter_mut().filter(|turn| turn.id == id && turn.bytes.is_none()) {
            turn.bytes = Some(bytes.clone());
        }
    }

    /// What it was asked for is to be asked of others.
    fn gone(&mut self, node: NodeId) {
        self.owed.remove(&node);
        for (id, want) in self.wants.iter_mut().filter(|(_, want)| want.asked == Some(node)) {
            want.asked = None;
            self.unasked.push_front(*id);
        }
    }
}

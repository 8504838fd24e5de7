//! The machine that fetches one archive.

use std::collections::{BTreeMap, VecDeque};

use super::{
    BRANCH_LEVELS, BRANCH_LEVELS_MAX, MISSING_NAMED_MAX,
    holder::{Holder, Standing, Turn},
    message::{CloseReason, Expected, Found, Input, Output, SessionError},
    progress::{Progress, Tally},
    walk::{Placed, Walk},
};
use crate::{NodeId, SealedId, Time, object::Link};

mod ask;
mod visit;

/// Where an object stands that is being got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Looking,
    Waiting,
    Asked(NodeId),
    Storing(NodeId),
}

/// An object that is being got, and who has not got it.
#[derive(Debug)]
pub(super) struct Open {
    placed: Placed,
    turn: Turn,
    state: State,
    absent: Vec<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Stuck,
    Over,
}

/// Fetches the closure of one root. See the [module](super).
#[derive(Debug)]
pub struct Session {
    expected: Expected,
    pub(super) walk: Walk,
    pub(super) open: BTreeMap<SealedId, Open>,
    waiting: BTreeMap<Turn, SealedId>,
    /// Objects nobody who is connected has, kept with who has not got them.
    missing: BTreeMap<SealedId, Open>,
    /// Missing objects that a new holder may have.
    retry: VecDeque<SealedId>,
    holders: BTreeMap<NodeId, Holder>,
    outputs: VecDeque<Output>,
    turns: u64,
    needed: u64,
    needed_bytes: u64,
    tally: Tally,
    stage: Stage,
}

impl Session {
    /// A session for the closure of `root`, with branches at the usual depths.
    #[must_use]
    pub fn new(root: Link, expected: Expected, now: Time) -> Self {
        Self::with_branch_levels(root, expected, BRANCH_LEVELS, now)
    }

    /// A session for a closure whose branches lie at depths below `branch_levels`.
    #[must_use]
    pub fn with_branch_levels(root: Link, expected: Expected, levels: u8, now: Time) -> Self {
        let mut session = Self {
            expected,
            walk: Walk::new(levels.clamp(1, BRANCH_LEVELS_MAX)),
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            missing: BTreeMap::new(),
            retry: VecDeque::new(),
            holders: BTreeMap::new(),
            outputs: VecDeque::new(),
            turns: 0,
            needed: 0,
            needed_bytes: 0,
            tally: Tally::default(),
            stage: Stage::Running,
        };
        session.tally.start(now);
        let begun = session.walk.begin(root);
        session.settle(begun, now);
        session
    }

    /// Takes in what happened; then drain [`Self::next_output`].
    pub fn handle(&mut self, input: Input, now: Time) {
        if self.stage == Stage::Over {
            return;
        }
        let taken = match input {
            Input::Looked(answers) => self.looked(answers, now),
            Input::Arrived { from, id, links } => self.arrived(from, id, links, now),
            other => {
                self.heed(other, now);
                Ok(())
            }
        };
        self.settle(taken, now);
    }

    /// Takes in what says nothing of the closure.
    fn heed(&mut self, input: Input, now: Time) {
        match input {
            Input::Holder(node) => self.holder_comes(node, now),
            Input::HolderGone(node) => self.holder_leaves(node, Standing::Gone),
            Input::Moving(from) => self.hear(from, now),
            Input::Received { from, id } => self.received(from, &id, now),
            Input::Absent { from, id } => self.absent(from, &id, now),
            Input::Lied { from, id } => self.lied(from, id),
            Input::Tick | Input::Looked(_) | Input::Arrived { .. } => self.tick(now),
        }
    }

    /// The next thing to do, if there is one.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due, if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.holders.values().filter_map(Holder::deadline).min()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let finished = self.stage == Stage::Over && self.is_complete();
        self.tally.progress(self.expected.objects, self.expected.bytes, finished)
    }

    fn is_complete(&self) -> bool {
        self.open.is_empty() && self.missing.is_empty() && self.walk.is_exhausted()
    }

    /// After every input: begin what there is room for, ask who is free, see whether it is over.
    fn settle(&mut self, taken: Result<(), SessionError>, now: Time) {
        if let Err(error) = taken.and_then(|()| self.begin_more()) {
            self.stage = Stage::Over;
            self.outputs.clear();
            self.outputs.push_back(Output::Failed(error));
            return;
        }
        self.ask_holders(now);
        if !self.open.is_empty() {
            self.stage = Stage::Running;
        } else if self.is_complete() {
            self.stage = Stage::Over;
            self.outputs.push_back(Output::Done);
        } else if self.stage == Stage::Running {
            self.stage = Stage::Stuck;
            let missing = self.missing.values().take(MISSING_NAMED_MAX);
            let missing = missing.map(|open| open.placed.link).collect();
            self.outputs.push_back(Output::Stuck { missing, count: self.missing.len() as u64 });
        }
    }
}

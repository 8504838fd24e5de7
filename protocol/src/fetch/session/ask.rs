//! The holders' side of a session: whom to ask for what, and what becomes of their answers.

use super::{CloseReason, Holder, NodeId, Open, Output, SealedId, Session, Stage, Standing, State};
use crate::{
    Time,
    fetch::{HOLDERS_MAX, WANT_LINKS_MAX},
    object::Link,
};

impl Session {
    pub(super) fn holder_comes(&mut self, node: NodeId, now: Time) {
        let here = self.holders.values().filter(|holder| holder.is_here()).count();
        let holder = self.holders.entry(node).or_insert_with(|| {
            let mut new = Holder::new(now);
            new.leaves(Standing::Gone);
            new
        });
        if holder.is_here() {
            return;
        }
        if holder.standing == Standing::Shunned || here >= HOLDERS_MAX {
            self.close(node, CloseReason::NotWanted);
            return;
        }
        holder.returns(now);
        // If it does not help, that is said again.
        self.stage = Stage::Running;
        // Deepest first: leaves are what makes room for the links of branches.
        let may_have = self.missing.iter().filter(|(_, open)| self.obtainable(open));
        let mut again: Vec<_> = may_have.map(|(id, open)| (open.turn, *id)).collect();
        again.sort_by_key(|((depth, seq), _)| (std::cmp::Reverse(*depth), *seq));
        self.retry = again.into_iter().map(|(_, id)| id).collect();
    }

    pub(super) fn holder_leaves(&mut self, node: NodeId, standing: Standing) {
        let Some(holder) = self.holders.get_mut(&node) else { return };
        let standing =
            if holder.standing == Standing::Shunned { Standing::Shunned } else { standing };
        let asked = holder.leaves(standing);
        self.give_back(&asked);
    }

    /// What a holder was asked for waits again; what only it could have had is missing now.
    fn give_back(&mut self, asked: &[SealedId]) {
        asked.iter().for_each(|id| self.wait(*id));
        let stranded =
            |id: &&SealedId| self.open.get(id).is_some_and(|open| !self.obtainable(open));
        let stranded: Vec<_> = self.waiting.values().filter(stranded).copied().collect();
        stranded.into_iter().for_each(|id| self.wait(id));
    }

    /// Whether somebody is here who may have it.
    fn obtainable(&self, open: &Open) -> bool {
        self.holders.iter().any(|(node, holder)| holder.is_here() && !open.absent.contains(node))
    }

    /// Puts an open object in the waiting list, or with the missing ones.
    pub(super) fn wait(&mut self, id: SealedId) {
        let Some(open) = self.open.get(&id) else { return };
        if !self.obtainable(open) {
            self.waiting.remove(&open.turn);
            self.walk.release(open.placed);
            if let Some(open) = self.open.remove(&id) {
                self.missing.insert(id, open);
            }
            return;
        }
        let turn = open.turn;
        self.holders.values_mut().for_each(|holder| holder.from = holder.from.min(turn));
        self.waiting.insert(turn, id);
        if let Some(open) = self.open.get_mut(&id) {
            open.state = State::Waiting;
        }
    }

    /// Asks everybody who has room, the fastest first.
    pub(super) fn ask_holders(&mut self, now: Time) {
        let mut free: Vec<_> = self
            .holders
            .iter()
            .filter(|(_, h)| h.wants_more())
            .map(|(n, h)| (h.rate(), *n))
            .collect();
        free.sort_by(|a, b| b.cmp(a));
        for (_, node) in free {
            let links = self.choose(node, now);
            let batches = links.chunks(WANT_LINKS_MAX);
            self.outputs
                .extend(batches.map(|links| Output::Ask { holder: node, links: links.to_vec() }));
        }
    }

    /// Takes from the waiting list what this holder may have, as far as its budget goes.
    fn choose(&mut self, node: NodeId, now: Time) -> Vec<Link> {
        let mut chosen = Vec::new();
        let Some(holder) = self.holders.get_mut(&node) else { return chosen };
        let mut next = holder.from;
        while let Some((&turn, &id)) = self.waiting.range(next..).next() {
            next = (turn.0, turn.1 + 1);
            let Some(open) = self.open.get_mut(&id) else { continue };
            if !open.absent.contains(&node) {
                if !holder.has_room(open.placed.link) {
                    break;
                }
                holder.ask(open.placed.link, now);
                open.state = State::Asked(node);
                self.waiting.remove(&turn);
                chosen.push(open.placed.link);
            }
            holder.from = next;
        }
        chosen
    }

    pub(super) fn hear(&mut self, from: NodeId, now: Time) {
        if let Some(holder) = self.holders.get_mut(&from) {
            holder.hear(now);
        }
    }

    /// Another has delivered it; this one's answer will not be waited for.
    pub(super) fn forget_asked(&mut self, node: NodeId, id: &SealedId, now: Time) {
        if let Some(holder) = self.holders.get_mut(&node) {
            holder.answered(id, false, now);
        }
    }

    pub(super) fn received(&mut self, from: NodeId, id: &SealedId, now: Time) {
        let asked =
            self.holders.get_mut(&from).is_some_and(|holder| holder.answered(id, true, now));
        if let Some(open) = self.open.get_mut(id).filter(|_| asked) {
            open.state = State::Storing(from);
        }
    }

    pub(super) fn absent(&mut self, from: NodeId, id: &SealedId, now: Time) {
        let Some(holder) = self.holders.get_mut(&from) else { return };
        if !holder.answered(id, false, now) {
            return;
        }
        if let Some(open) = self.open.get_mut(id) {
            open.absent.push(from);
            self.wait(*id);
        }
    }

    pub(super) fn lied(&mut self, from: NodeId, id: Option<SealedId>) {
        let known = self.holders.get(&from).is_some_and(|h| h.standing == Standing::Shunned);
        self.holder_leaves(from, Standing::Shunned);
        let lost = id
            .filter(|id| self.open.get(id).is_some_and(|open| open.state == State::Storing(from)));
        if let Some(id) = lost {
            self.wait(id);
        }
        if !known {
            self.close(from, CloseReason::Lied);
        }
    }

    pub(super) fn tick(&mut self, now: Time) {
        let silent = |holder: &Holder| holder.deadline().is_some_and(|deadline| deadline <= now);
        let silent: Vec<_> =
            self.holders.iter().filter(|(_, h)| silent(h)).map(|(node, _)| *node).collect();
        for node in silent {
            let Some(holder) = self.holders.get_mut(&node) else { continue };
            let asked = holder.falls_silent();
            self.give_back(&asked);
            self.close(node, CloseReason::Silent);
        }
    }

    fn close(&mut self, holder: NodeId, reason: CloseReason) {
        self.outputs.push_back(Output::Close { holder, reason });
    }
}

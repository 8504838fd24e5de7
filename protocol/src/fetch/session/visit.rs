//! The store's side of a session: what to visit next, what was found, what has arrived.

use super::{Found, Open, Output, Placed, SealedId, Session, SessionError, State};
use crate::{
    NodeId, Time,
    fetch::{LOOK_LINKS_MAX, MISSING_OBJECTS_MAX, OPEN_OBJECTS_MAX},
    object::Link,
};

impl Session {
    /// Begins objects while there is room: missing ones that somebody may have now, then new ones.
    pub(super) fn begin_more(&mut self) -> Result<(), SessionError> {
        // Not one by one as they finish, or every look would be for a single object.
        if self.open.len() > OPEN_OBJECTS_MAX / 4 * 3 {
            return Ok(());
        }
        let (mut branches, mut leaves) = (Vec::new(), Vec::new());
        while self.open.len() < OPEN_OBJECTS_MAX {
            if self.retry_missing() {
                continue;
            }
            if self.missing.len() >= MISSING_OBJECTS_MAX {
                break;
            }
            let Some(placed) = self.walk.next() else { break };
            if self.begin(placed)? {
                let walk = self.walk.is_branch_depth(placed.depth);
                if walk { &mut branches } else { &mut leaves }.push(placed.link);
            }
        }
        self.look(&branches, true);
        self.look(&leaves, false);
        Ok(())
    }

    fn look(&mut self, links: &[Link], walk: bool) {
        let batches = links.chunks(LOOK_LINKS_MAX);
        self.outputs.extend(batches.map(|links| Output::Look { links: links.to_vec(), walk }));
    }

    /// Begins an object, unless it is a repetition; says whether it did.
    fn begin(&mut self, placed: Placed) -> Result<bool, SessionError> {
        let id = placed.link.id;
        if self.walk.is_branch_depth(placed.depth) && self.walk.was_walked(&id) {
            self.walk.release(placed);
            return Ok(false);
        }
        if let Some(known) = self.open.get(&id).or_else(|| self.missing.get(&id)) {
            // As a leaf it is enough that it is got as anything; to be walked it must be got so.
            let same = known.placed.depth == placed.depth;
            let leaf = !self.walk.is_branch_depth(placed.depth);
            if known.placed.link != placed.link || !(same || leaf) {
                return Err(SessionError::Tangled { id });
            }
            self.walk.release(placed);
            return Ok(false);
        }
        self.turns += 1;
        let turn = (placed.depth, self.turns);
        self.open.insert(id, Open { placed, turn, state: State::Looking, absent: Vec::new() });
        Ok(true)
    }

    /// Lets a missing object wait again; says whether it did.
    fn retry_missing(&mut self) -> bool {
        while let Some(id) = self.retry.front().copied() {
            let Some(open) = self.missing.get(&id) else {
                self.retry.pop_front();
                continue;
            };
            if !self.walk.reserve(open.placed) {
                return false;
            }
            self.retry.pop_front();
            if let Some(open) = self.missing.remove(&id) {
                self.open.insert(id, open);
                self.wait(id);
                return true;
            }
        }
        false
    }

    /// The store answered.
    pub(super) fn looked(
        &mut self,
        answers: Vec<(SealedId, Found)>,
        now: Time,
    ) -> Result<(), SessionError> {
        for (id, found) in answers {
            if self.open.get(&id).is_none_or(|open| open.state != State::Looking) {
                continue;
            }
            match found {
                Found::Missing => self.need(id)?,
                Found::Leaf => {
                    let bytes = self.finish(&id, None)?;
                    self.tally.count_held(bytes, now);
                }
                Found::Branch(links) => {
                    let bytes = self.finish(&id, Some(links))?;
                    self.tally.count_held(bytes, now);
                }
            }
        }
        Ok(())
    }

    /// The store has not got it: it must come from a holder, if the record allows so much.
    fn need(&mut self, id: SealedId) -> Result<(), SessionError> {
        let Some(open) = self.open.get(&id) else { return Ok(()) };
        self.needed += 1;
        self.needed_bytes += u64::from(open.placed.link.bytes);
        let objects_max = self.expected.objects_max();
        if self.needed > objects_max
            || self.walk.walked() > objects_max
            || self.needed_bytes > self.expected.bytes_max()
        {
            let (objects, bytes) = (self.expected.objects, self.expected.bytes);
            return Err(SessionError::MoreThanExpected { objects, bytes });
        }
        self.wait(id);
        Ok(())
    }

    /// A holder's object is in the store.
    pub(super) fn arrived(
        &mut self,
        from: NodeId,
        id: SealedId,
        links: Option<Vec<Link>>,
        now: Time,
    ) -> Result<(), SessionError> {
        if let Some(holder) = self.holders.get_mut(&from) {
            holder.answered(&id, true, now);
        }
        // It may have been asked of another by now, whose answer will then find nothing open.
        let Some(open) = self.open.get(&id) else { return Ok(()) };
        match open.state {
            State::Waiting => drop(self.waiting.remove(&open.turn)),
            State::Asked(other) if other != from => self.forget_asked(other, &id, now),
            _ => {}
        }
        let bytes = self.finish(&id, links)?;
        self.tally.count_fetched(bytes, now);
        Ok(())
    }

    /// The object is in the store: take its links where they are wanted. Returns its length.
    fn finish(&mut self, id: &SealedId, links: Option<Vec<Link>>) -> Result<u32, SessionError> {
        let Some(open) = self.open.remove(id) else { return Ok(0) };
        match links {
            Some(links) => self.walk.expand(open.placed, &links)?,
            None => self.walk.release(open.placed),
        }
        Ok(open.placed.link.bytes)
    }
}

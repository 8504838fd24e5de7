//! Room for what members ask: how many at once, how many a second, and who is not heard any more.
//!
//! A member that sends what is no request, again and again, is *ignored* for a while: its streams
//! are dropped as they come. One that merely asks too much is told so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::NodeId;
use tokio::time::Instant;

/// Requests of all members at work at once.
pub(super) const ASKED_MAX: usize = 64;

/// Requests of one member at work at once.
pub(super) const ASKED_OF_ONE_MAX: usize = 16;

/// Between two requests of one member, in the long run.
const EVERY: Duration = Duration::from_millis(10);

/// How much faster it may be for a while: 400 requests.
const AHEAD_MAX: Duration = Duration::from_secs(4);

/// Faults of a member within [`FAULTS_WITHIN`] that are forgiven.
pub(super) const FAULTS_MAX: u32 = 8;

/// After so long without a fault, the earlier ones are forgotten.
const FAULTS_WITHIN: Duration = Duration::from_secs(60);

/// How long a member with too many faults is not heard.
pub(super) const IGNORED: Duration = Duration::from_secs(300);

/// Members that are remembered; those about whom there is nothing to say go first.
const MEMBERS_MAX: usize = 1_024;

/// What each member is at.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    at_work: usize,
    members: BTreeMap<NodeId, Member>,
}

#[derive(Clone, Copy)]
struct Member {
    at_work: usize,
    /// When its next request is due at an even pace.
    next: Instant,
    faults: u32,
    last_fault: Instant,
    ignored_until: Instant,
}

/// Whether there is room.
pub(super) enum Entry {
    /// There is.
    Place(Place),
    /// Not now; the reason.
    Busy(String),
    /// It is not heard.
    Ignored,
}

/// A request at work; its place is free again when this is dropped.
pub(super) struct Place {
    room: Room,
    member: NodeId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.at_work -= 1;
        if let Some(member) = state.members.get_mut(&self.member) {
            member.at_work -= 1;
        }
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member wants to ask.
    pub(super) fn enter(&self, who: NodeId, now: Instant) -> Entry {
        let mut state = self.lock();
        state.make_room(now);
        let all = state.at_work;
        let member = state.members.entry(who).or_insert_with(|| Member::new(now));
        if member.ignored_until > now {
            return Entry::Ignored;
        }
        member.next = member.next.max(now);
        if member.next.duration_since(now) > AHEAD_MAX {
            return Entry::Busy("too many requests came within seconds".to_owned());
        }
        member.next += EVERY;
        if member.at_work >= ASKED_OF_ONE_MAX {
            return Entry::Busy(format!("{ASKED_OF_ONE_MAX} requests of the asker are at work"));
        }
        if all >= ASKED_MAX {
            return Entry::Busy(format!("{ASKED_MAX} requests of other nodes are at work"));
        }
        member.at_work += 1;
        state.at_work += 1;
        Entry::Place(Place { room: self.clone(), member: who })
    }

    /// A member sent what is no request. Whether it is ignored from now on.
    pub(super) fn fault(&self, who: NodeId, now: Instant) -> bool {
        let mut state = self.lock();
        let member = state.members.entry(who).or_insert_with(|| Member::new(now));
        if now.duration_since(member.last_fault) > FAULTS_WITHIN {
            member.faults = 0;
        }
        (member.faults, member.last_fault) = (member.faults + 1, now);
        let ignored = member.faults > FAULTS_MAX;
        if ignored {
            (member.faults, member.ignored_until) = (0, now + IGNORED);
        }
        ignored
    }
}

impl State {
    fn make_room(&mut self, now: Instant) {
        if self.members.len() >= MEMBERS_MAX {
            self.members.retain(|_, member| !member.is_idle(now));
        }
    }
}

impl Member {
    fn new(now: Instant) -> Self {
        Self { at_work: 0, next: now, faults: 0, last_fault: now, ignored_until: now }
    }

    fn is_idle(&self, now: Instant) -> bool {
        let calm = now.duration_since(self.last_fault) > FAULTS_WITHIN || self.faults == 0;
        self.at_work == 0 && self.next <= now && self.ignored_until <= now && calm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: NodeId = NodeId([1; 32]);

    fn node(n: usize) -> NodeId {
        NodeId([u8::try_from(n).unwrap(); 32])
    }

    fn place(room: &Room, who: NodeId, now: Instant) -> Option<Place> {
        match room.enter(who, now) {
            Entry::Place(place) => Some(place),
            Entry::Busy(_) | Entry::Ignored => None,
        }
    }

    #[test]
    fn one_member_has_so_many_places_and_all_have_so_many() {
        let (room, now) = (Room::default(), Instant::now());
        let mut of_tom: Vec<_> = (0..ASKED_OF_ONE_MAX).map(|_| place(&room, TOM, now)).collect();
        assert!(of_tom.iter().all(Option::is_some));
        assert!(place(&room, TOM, now).is_none());
        let others: Vec<_> = (0..ASKED_MAX - ASKED_OF_ONE_MAX)
            .map(|n| place(&room, node(2 + n / ASKED_OF_ONE_MAX), now))
            .collect();
        assert!(others.iter().all(Option::is_some));
        assert!(place(&room, node(99), now).is_none());
        of_tom.clear();
        assert!(place(&room, node(99), now).is_some());
        assert!(place(&room, TOM, now).is_some());
    }

    #[test]
    fn a_member_may_ask_quickly_for_a_while_and_evenly_for_ever() {
        let (room, mut now) = (Room::default(), Instant::now());
        let taken = (0..1_000).filter(|_| place(&room, TOM, now).is_some()).count();
        assert_eq!(taken, 401);
        assert!(place(&room, node(2), now).is_some(), "others are not concerned");
        for _ in 0..1_000 {
            now += EVERY;
            assert!(place(&room, TOM, now).is_some());
        }
    }

    #[test]
    fn who_sends_nonsense_again_and_again_is_ignored_for_a_while() {
        let (room, now) = (Room::default(), Instant::now());
        assert!((0..FAULTS_MAX).all(|_| !room.fault(TOM, now)));
        assert!(place(&room, TOM, now).is_some());
        assert!(room.fault(TOM, now));
        assert!(matches!(room.enter(TOM, now), Entry::Ignored));
        assert!(place(&room, node(2), now).is_some());
        assert!(place(&room, TOM, now + IGNORED).is_some());
        let seldom = (1..100).map(|n| now + IGNORED + n * (FAULTS_WITHIN + EVERY));
        assert!(seldom.into_iter().all(|now| !room.fault(TOM, now)));
    }

    #[test]
    fn members_about_whom_there_is_nothing_to_say_are_forgotten() {
        let (room, now) = (Room::default(), Instant::now());
        for n in 0..MEMBERS_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_le_bytes());
            drop(place(&room, NodeId(id), now));
        }
        let later = now + EVERY;
        let _place = place(&room, TOM, later);
        assert_eq!(room.lock().members.len(), 1);
    }
}

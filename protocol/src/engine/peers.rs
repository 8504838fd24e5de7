//! What is remembered of a connected peer: little, and all of it bounded.

use std::{collections::BTreeMap, time::Duration};

use super::{RECONCILE_EVERY, RECONCILE_JITTER};
use crate::{NodeId, Time, limits::MEMBERS_MAX};

/// The stretch over which a peer's frames, bytes and errors are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Peers that are talked to at once. All members, and a few that are just being turned out.
const PEERS_MAX: usize = 2 * MEMBERS_MAX;

/// Frames that a peer may send in a window.
const FRAMES_MAX: u32 = 1_200;

/// Bytes of answers that a peer gets in a window.
const ANSWERED_BYTES_MAX: usize = 64 << 20;

/// Errors in a window after which a peer is ignored.
const ERRORS_MAX: u32 = 16;

/// For how long it is ignored.
const IGNORED_FOR: Duration = Duration::from_secs(600);

/// One connected peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// When to send it a summary.
    pub(super) next_summary: Time,
    /// Whether there was more to begin with than one summary allows.
    pub(super) unfinished: bool,
    window_ends: Time,
    frames: u32,
    answered_bytes: usize,
    errors: u32,
}

/// The connected peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    connected: BTreeMap<NodeId, Peer>,
    ignored_until: BTreeMap<NodeId, Time>,
}

impl Peers {
    pub(super) fn connect(&mut self, peer: NodeId, now: Time) {
        let fresh = Peer {
            next_summary: now,
            unfinished: false,
            window_ends: now.after(WINDOW),
            frames: 0,
            answered_bytes: 0,
            errors: 0,
        };
        if self.connected.len() < PEERS_MAX {
            self.connected.insert(peer, fresh);
        }
    }

    pub(super) fn disconnect(&mut self, peer: &NodeId) {
        self.connected.remove(peer);
    }

    pub(super) fn get_mut(&mut self, peer: &NodeId) -> Option<&mut Peer> {
        self.connected.get_mut(peer)
    }

    /// The peers whose summary is due.
    pub(super) fn due(&self, now: Time) -> Vec<NodeId> {
        // One that lies too far ahead was set before the clock was set back.
        let latest = now.after(RECONCILE_EVERY + RECONCILE_JITTER);
        let due = |peer: &Peer| peer.next_summary <= now || peer.next_summary > latest;
        self.connected.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect()
    }

    /// When the next summary is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.connected.values().map(|peer| peer.next_summary).min()
    }

    /// Lets all but one compare by then at the latest.
    pub(super) fn hurry(&mut self, but: Option<&NodeId>, by: Time) {
        for (_, peer) in self.connected.iter_mut().filter(|(id, _)| Some(*id) != but) {
            peer.next_summary = peer.next_summary.min(by);
        }
    }

    /// Whether to listen to a frame of a peer, which counts from now on.
    pub(super) fn admits(&mut self, peer: &NodeId, now: Time) -> bool {
        let ignored = |until: &Time| now < *until && *until <= now.after(IGNORED_FOR);
        if self.ignored_until.get(peer).is_some_and(ignored) {
            return false;
        }
        self.ignored_until.remove(peer);
        let Some(peer) = self.connected.get_mut(peer) else { return false };
        peer.roll(now);
        peer.frames = peer.frames.saturating_add(1);
        peer.frames <= FRAMES_MAX
    }

    /// Whether a peer may have this many bytes more.
    pub(super) fn grants(&mut self, peer: &NodeId, bytes: usize, now: Time) -> bool {
        let Some(peer) = self.connected.get_mut(peer) else { return false };
        peer.roll(now);
        peer.answered_bytes = peer.answered_bytes.saturating_add(bytes);
        peer.answered_bytes <= ANSWERED_BYTES_MAX
    }

    /// Counts an error of a peer. True when it is ignored from now on.
    pub(super) fn blame(&mut self, id: &NodeId, now: Time) -> bool {
        let Some(peer) = self.connected.get_mut(id) else { return false };
        peer.roll(now);
        peer.errors = peer.errors.saturating_add(1);
        let enough = peer.errors == ERRORS_MAX;
        if enough {
            self.ignored_until.retain(|_, until| now < *until);
            self.ignored_until.insert(*id, now.after(IGNORED_FOR));
        }
        enough
    }
}

impl Peer {
    fn roll(&mut self, now: Time) {
        // A clock that was set back must not freeze the window.
        if now >= self.window_ends || self.window_ends > now.after(WINDOW) {
            self.window_ends = now.after(WINDOW);
            (self.frames, self.answered_bytes, self.errors) = (0, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_ignored_after_many_errors_and_heard_again_later() {
        let (id, mut peers) = (NodeId([1; 32]), Peers::default());
        peers.connect(id, Time(0));
        for _ in 1..ERRORS_MAX {
            assert!(!peers.blame(&id, Time(1)));
        }
        assert!(peers.blame(&id, Time(1)));
        assert!(!peers.admits(&id, Time(2)));
        peers.disconnect(&id);
        peers.connect(id, Time(3));
        assert!(!peers.admits(&id, Time(4)), "connecting anew does not help");
        assert!(peers.admits(&id, Time(1).after(IGNORED_FOR)));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let (id, mut peers) = (NodeId([1; 32]), Peers::default());
        peers.connect(id, Time(1 << 40));
        assert_eq!(peers.due(Time(5)), [id]);
        assert!((0..ERRORS_MAX).any(|_| peers.blame(&id, Time(1 << 40))));
        assert!(!peers.admits(&id, Time(1 << 40)));
        assert!(peers.admits(&id, Time(5)));
    }

    #[test]
    fn frames_and_bytes_are_bounded_in_a_window() {
        let (id, mut peers) = (NodeId([1; 32]), Peers::default());
        peers.connect(id, Time(0));
        let heard = (0..FRAMES_MAX + 10).filter(|_| peers.admits(&id, Time(1))).count();
        assert_eq!(heard, FRAMES_MAX as usize);
        assert!(peers.grants(&id, ANSWERED_BYTES_MAX, Time(1)));
        assert!(!peers.grants(&id, 1, Time(1)));
        assert!(peers.admits(&id, Time(0).after(WINDOW)) && peers.grants(&id, 1, Time(1)));
    }
}

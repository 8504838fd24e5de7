//! What is said to and heard from peers.

use std::{sync::Arc, time::Duration};

use super::{Engine, Event, Output, RECONCILE_EVERY, RECONCILE_JITTER, RECONCILE_SOON};
use crate::{
    Entropy, NodeId, Time,
    catalog::NotTaken,
    record::{Head, SignedRecord},
    sync::{self, Frame},
};

/// Records in one frame; more is a sign of ill will.
const RECORDS_IN_FRAME_MAX: usize = 8_192;

/// Records gossiped in one [`GOSSIP_WINDOW`]. What is beyond goes by reconciliation, in bulk.
const GOSSIP_MAX: u32 = 200;

/// The stretch over which gossip is counted.
const GOSSIP_WINDOW: Duration = Duration::from_secs(10);

/// How much this node has gossiped of late.
#[derive(Default)]
pub(super) struct GossipBudget {
    window_ends: Time,
    records: u32,
}

impl GossipBudget {
    fn grants(&mut self, now: Time) -> bool {
        let window_ends = now.after(GOSSIP_WINDOW);
        if now >= self.window_ends || self.window_ends > window_ends {
            *self = Self { window_ends, records: 0 };
        }
        self.records = self.records.saturating_add(1);
        self.records <= GOSSIP_MAX
    }
}

impl Engine {
    /// Spreads a record of this node.
    pub(super) fn spread(&mut self, bytes: &Arc<[u8]>, now: Time) {
        if self.gossip.grants(now) {
            self.outputs.push_back(Output::Gossip { bytes: Arc::clone(bytes) });
            // Gossip can get lost; a comparison soon afterwards costs little.
            self.peers.hurry(None, now.after(RECONCILE_EVERY / 6));
        } else {
            self.peers.hurry(None, now.after(RECONCILE_SOON));
        }
    }

    pub(super) fn on_gossip(&mut self, from: NodeId, bytes: &[u8], now: Time) {
        if self.listens_to(&from, now) {
            self.take(&from, bytes, now);
            self.tell_own_history();
        }
    }

    pub(super) fn on_frame(&mut self, from: NodeId, bytes: &[u8], now: Time) {
        if !self.listens_to(&from, now) {
            return;
        }
        let Ok(frame) = Frame::decode(bytes) else { return self.blame_frame(&from, now) };
        let replies = match frame {
            Frame::Summary { heads, answer } => Some(self.on_summary(from, &heads, answer, now)),
            Frame::Ranges { author, ranges } => sync::compare(&self.catalog, author, &ranges),
            Frame::List { author, from, to, entries } => {
                sync::complete(&self.catalog, author, (from, to), &entries)
            }
            Frame::Want { author, entries } => sync::supply(&self.catalog, author, &entries),
            Frame::Records { records, .. } if records.len() > RECORDS_IN_FRAME_MAX => None,
            Frame::Records { author, records, more } => {
                self.on_records(from, author, &records, more, now);
                Some(Vec::new())
            }
        };
        match replies {
            Some(replies) => replies.iter().for_each(|frame| self.send(from, frame, now)),
            None => self.blame_frame(&from, now),
        }
    }

    fn listens_to(&mut self, from: &NodeId, now: Time) -> bool {
        let heard = self.catalog.membership().is_member(from) && self.peers.admits(from, now);
        self.counters.frames_dropped += u64::from(!heard);
        heard
    }

    fn blame_frame(&mut self, peer: &NodeId, now: Time) {
        self.counters.bad_frames += 1;
        self.blame(peer, now);
    }

    fn blame(&mut self, peer: &NodeId, now: Time) {
        if self.peers.blame(peer, now) {
            self.outputs.push_back(Output::Event(Event::PeerIgnored { peer: *peer }));
        }
    }

    fn send(&mut self, to: NodeId, frame: &Frame, now: Time) {
        let bytes = frame.encode();
        if self.peers.grants(&to, bytes.len(), now) {
            self.outputs.push_back(Output::Send { to, bytes });
        } else {
            self.counters.frames_dropped += 1;
        }
    }

    fn on_summary(
        &mut self,
        from: NodeId,
        heads: &[(NodeId, Head)],
        answer: bool,
        now: Time,
    ) -> Vec<Frame> {
        let me = self.me();
        let opening = sync::open(&self.catalog, me, from, heads);
        if !opening.differing.contains(&me) && !opening.more {
            self.own_feed_is_known();
        }
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.unfinished = opening.more;
            if !self.own.known {
                peer.next_summary = peer.next_summary.min(now.after(RECONCILE_SOON));
            }
        }
        let mut replies = opening.frames;
        if answer {
            replies.push(sync::summary(&self.catalog, false));
        }
        replies
    }

    /// This node lacks nothing of its own feed, as far as a peer knows.
    fn own_feed_is_known(&mut self) {
        if !self.own.known {
            self.own.known = true;
            self.look_for_orders = true;
        }
    }

    fn on_records(
        &mut self,
        from: NodeId,
        author: NodeId,
        records: &[serde_bytes::ByteBuf],
        more: bool,
        now: Time,
    ) {
        let news = records.iter().filter(|bytes| self.take(&from, bytes, now)).count();
        self.tell_own_history();
        if news == 0 {
            return;
        }
        let soon = now.after(RECONCILE_SOON);
        // Others may lack what was learned here; gossip has passed them by.
        self.peers.hurry(Some(&from), soon);
        let own = author == self.me();
        if let Some(peer) = self.peers.get_mut(&from) {
            let unfinished = std::mem::take(&mut peer.unfinished);
            if more || unfinished || own {
                peer.next_summary = now;
            }
        }
    }

    /// Takes in one record from a peer. Whether it was news.
    fn take(&mut self, from: &NodeId, bytes: &[u8], now: Time) -> bool {
        let Ok(signed) = SignedRecord::open(bytes) else {
            self.counters.bad_records += 1;
            self.blame(from, now);
            return false;
        };
        let change = match self.catalog.insert(&signed) {
            Ok(change) => change,
            Err(why) => {
                self.counters.not_taken += 1;
                if why == NotTaken::OtherMesh {
                    self.blame(from, now);
                }
                return false;
            }
        };
        let is_news = change.is_news;
        if is_news && signed.record().author == self.me() {
            self.learn_own(signed.record().version);
        }
        self.carry(&signed, change, now);
        is_news
    }

    /// Sends the summaries that are due.
    pub(super) fn send_summaries(&mut self, now: Time, entropy: &mut impl Entropy) {
        let due = self.peers.due(now);
        if due.is_empty() {
            return;
        }
        let summary = sync::summary(&self.catalog, true);
        for id in due {
            let jitter = u64::from(u32::from_le_bytes(entropy.array()));
            let jitter = jitter % u64::try_from(RECONCILE_JITTER.as_millis()).unwrap_or(1);
            let wait = RECONCILE_EVERY + Duration::from_millis(jitter);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.next_summary = now.after(wait);
            }
            if self.catalog.membership().is_member(&id) {
                self.send(id, &summary, now);
            }
        }
    }
}

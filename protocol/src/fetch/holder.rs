//! One holder as a session knows it: what it was asked for, how fast it answers, whether it lied.

use std::{collections::BTreeMap, time::Duration};

use super::{WANT_LINKS_MAX, progress::Meter};
use crate::{SealedId, Time, object::Link};

/// Bytes asked of a holder before anything is known of its speed.
const BUDGET_BYTES_START: u64 = 8 << 20;

/// Bytes asked of the slowest holder: some objects, so that its line is never idle.
const BUDGET_BYTES_MIN: u64 = 2 << 20;

/// Bytes asked of the fastest holder: 10 Gbit/s for 25 ms, 1 Gbit/s for 270 ms.
pub(super) const BUDGET_BYTES_MAX: u64 = 32 << 20;

/// A holder is asked for what it delivers in this time, so that a slow one does not sit on much.
const BUDGET_SECONDS: u64 = 2;

/// Objects asked of a holder, however small.
pub(super) const INFLIGHT_LINKS_MAX: usize = 4_096;

/// A holder that said nothing for so long while it was asked is given up.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// A holder that went silent so often is not used again in this session.
const SILENCES_MAX: u8 = 3;

/// Where in the waiting list an object stands: by depth, then as it came.
pub(super) type Turn = (u8, u64);

/// What may be expected of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Connected.
    Here,
    /// Not connected.
    Gone,
    /// It lied, or went silent too often: not used in this session, connected or not.
    Shunned,
}

/// One holder.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) standing: Standing,
    asked: BTreeMap<SealedId, u32>,
    asked_bytes: u64,
    meter: Meter,
    heard: Time,
    silences: u8,
    /// Everything that waits before this turn is absent here.
    pub(super) from: Turn,
}

impl Holder {
    pub(super) fn new(now: Time) -> Self {
        Self {
            standing: Standing::Here,
            asked: BTreeMap::new(),
            asked_bytes: 0,
            meter: Meter::default(),
            heard: now,
            silences: 0,
            from: (0, 0),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.standing == Standing::Here
    }

    /// Connected again: whatever waits is to be considered anew.
    pub(super) fn returns(&mut self, now: Time) {
        (self.standing, self.heard, self.from) = (Standing::Here, now, (0, 0));
    }

    /// Gone: returns what it had been asked for.
    pub(super) fn leaves(&mut self, standing: Standing) -> Vec<SealedId> {
        self.standing = standing;
        self.asked_bytes = 0;
        std::mem::take(&mut self.asked).into_keys().collect()
    }

    /// Gone because it went silent.
    pub(super) fn falls_silent(&mut self) -> Vec<SealedId> {
        self.silences = self.silences.saturating_add(1);
        let shunned = self.silences >= SILENCES_MAX;
        self.leaves(if shunned { Standing::Shunned } else { Standing::Gone })
    }

    pub(super) fn rate(&self) -> u64 {
        self.meter.rate()
    }

    fn budget(&self) -> u64 {
        match self.meter.rate() {
            0 => BUDGET_BYTES_START,
            rate => rate.saturating_mul(BUDGET_SECONDS).clamp(BUDGET_BYTES_MIN, BUDGET_BYTES_MAX),
        }
    }

    /// Worth asking now: a quarter of the budget is free. Asking for single objects as they arrive
    /// would make a frame of each.
    pub(super) fn wants_more(&self) -> bool {
        self.is_here()
            && self.asked_bytes <= self.budget() / 4 * 3
            && self.asked.len() + WANT_LINKS_MAX <= INFLIGHT_LINKS_MAX
    }

    /// Whether this may be asked within the budget; one object always may, however large.
    pub(super) fn has_room(&self, link: Link) -> bool {
        self.asked.len() < INFLIGHT_LINKS_MAX
            && (self.asked.is_empty() || self.asked_bytes + u64::from(link.bytes) <= self.budget())
    }

    pub(super) fn ask(&mut self, link: Link, now: Time) {
        if self.asked.is_empty() {
            self.heard = now;
            self.meter.start(now);
        }
        self.asked.insert(link.id, link.bytes);
        self.asked_bytes += u64::from(link.bytes);
    }

    /// It gave a sign of life.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now;
    }

    /// It answered for this object, with the object or without; says whether it was asked.
    pub(super) fn answered(&mut self, id: &SealedId, delivered: bool, now: Time) -> bool {
        self.heard = now;
        let Some(bytes) = self.asked.remove(id) else { return false };
        self.asked_bytes -= u64::from(bytes);
        if delivered {
            self.meter.add(u64::from(bytes), now);
        }
        true
    }

    /// When it will have been silent for too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        (self.is_here() && !self.asked.is_empty()).then(|| self.heard.after(ANSWER_WAIT))
    }
}

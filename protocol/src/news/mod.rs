//! The news of one start of a node: the last of it, numbered, for any number of readers.
//!
//! A reader is a *place*: the number of the last piece it has. What it missed is what has larger
//! numbers, as long as that is kept. Something that changes all the time (how far a run is, how
//! much of a transfer has gone) is *steady*: of it at most one piece in [`STEADY_EVERY`] is told,
//! the others are held back until [`Ring::flush`], and of those that were told only the newest is
//! kept. So numbers have gaps, and nothing is missing.
//!
//! When more than [`KEPT_MAX`] pieces were told the oldest are lost, and a reader who had not read
//! them is told so: it must look at everything anew.

mod steady;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use self::steady::{Steady, Subject};
use crate::{
    Time,
    control::{Happened, News},
};

/// Most pieces that are kept: some hundred bytes each, with failures a few thousand.
pub const KEPT_MAX: usize = 4_096;

/// How often something steady is told at most.
pub const STEADY_EVERY: Duration = Duration::from_millis(500);

/// Most steady things that are remembered. There are never so many open at once; the first to go
/// would only be told more often.
const STEADY_MAX: usize = 4_096;

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What comes next, oldest first, and the reader's place then.
    Next {
        /// The news; none when the reader has all.
        news: Vec<Arc<News>>,
        /// The reader's place after it.
        place: u64,
    },
    /// What comes next is not kept, or the place never was: look at everything anew, and read on
    /// from this place.
    Lost {
        /// The newest place.
        place: u64,
    },
}

/// The last news, in memory.
#[derive(Debug, Default)]
pub struct Ring {
    newest: u64,
    /// The newest number that was lost.
    lost: u64,
    kept: BTreeMap<u64, Arc<News>>,
    steady: BTreeMap<Subject, Told>,
}

/// The last that was told of something steady.
#[derive(Debug)]
struct Told {
    stage: u8,
    number: u64,
    at: Time,
    /// What was held back since.
    held: Option<Happened>,
}

impl Ring {
    /// The number of the newest piece; 0 before the first.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many pieces are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Something happened. Whether it was told at once; otherwise [`flush`](Self::flush) tells it.
    pub fn tell(&mut self, what: Happened, now: Time) -> bool {
        let what = what.bounded();
        match Steady::of(&what) {
            Steady::Not => drop(self.add(what, now)),
            Steady::Ends(subject) => {
                // What it was at while it went on tells nothing beside its end.
                if let Some(told) = self.steady.remove(&subject) {
                    self.kept.remove(&told.number);
                }
                self.add(what, now);
            }
            Steady::Goes(subject, stage) => return self.tell_steady(subject, stage, what, now),
        }
        true
    }

    fn tell_steady(&mut self, subject: Subject, stage: u8, what: Happened, now: Time) -> bool {
        if let Some(told) = self.steady.get_mut(&subject)
            && told.stage == stage
        {
            // A clock that went back makes it due.
            if told.at <= now && now.since(told.at) < STEADY_EVERY {
                told.held = Some(what);
                return false;
            }
            let old = told.number;
            self.kept.remove(&old);
        }
        let number = self.add(what, now);
        if self.steady.len() >= STEADY_MAX && !self.steady.contains_key(&subject) {
            self.steady.pop_first();
        }
        self.steady.insert(subject, Told { stage, number, at: now, held: None });
        true
    }

    /// Tells what was held back. Whether there was anything.
    pub fn flush(&mut self, now: Time) -> bool {
        let held: Vec<_> = self
            .steady
            .values_mut()
            .filter_map(|told| {
                let what = told.held.take()?;
                Some((told.number, what))
            })
            .collect();
        let any = !held.is_empty();
        for (number, what) in held {
            self.kept.remove(&number);
            let (subject, number) = (Steady::of(&what), self.add(what, now));
            if let Steady::Goes(subject, _) = subject
                && let Some(told) = self.steady.get_mut(&subject)
            {
                (told.number, told.at) = (number, now);
            }
        }
        any
    }

    /// So much happened at once that it is not told piece by piece: every reader is lost.
    pub fn lose(&mut self) {
        self.newest += 1;
        self.lost = self.newest;
        self.kept.clear();
    }

    /// What a reader at `place` has not read, at most so many pieces.
    #[must_use]
    pub fn after(&self, place: u64, count_max: usize) -> Part {
        if place < self.lost || place > self.newest {
            return Part::Lost { place: self.newest };
        }
        let next = self.kept.range(place + 1..).take(count_max);
        let news: Vec<_> = next.map(|(_, news)| Arc::clone(news)).collect();
        let place = match news.last() {
            Some(last) if news.len() >= count_max => last.number,
            _ => self.newest,
        };
        Part::Next { news, place }
    }

    fn add(&mut self, what: Happened, now: Time) -> u64 {
        self.newest += 1;
        let number = self.newest;
        self.kept.insert(number, Arc::new(News { number, at_ms: now, what }));
        while self.kept.len() > KEPT_MAX {
            if let Some((number, _)) = self.kept.pop_first() {
                self.lost = number;
            }
        }
        number
    }
}

#[cfg(test)]
mod tests;

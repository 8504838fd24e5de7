//! The moments that a schedule names, one after the other, with their delays.

use jiff::{Timestamp, tz::TimeZone};

use super::{Line, Schedule, local};
use crate::{JobId, Time};

/// What the delay's numbers are drawn from.
const DELAY_CONTEXT: &str = "backupmanager 2026 delay of a planned run v1";

/// One moment that a schedule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What the line says. It names the occurrence: once it was handled, only later ones count.
    pub planned: Time,
    /// When the run begins: planned, and the delay.
    pub starts: Time,
    /// How many before it were not handled either; told by [`due`](super::due()) only.
    pub missed: u32,
}

/// The occurrences of a schedule, soonest first. Planned times and starts grow strictly.
pub struct Occurrences {
    /// None when there are no more.
    line: Option<Line>,
    zone: TimeZone,
    job: JobId,
    delay_s: u32,
    after: Timestamp,
    /// What comes after `after`, when it was looked for already.
    following: Option<Timestamp>,
}

impl Occurrences {
    pub(super) fn new(schedule: &Schedule, job: JobId, after: Time, zone: &TimeZone) -> Self {
        let line = Line::parse(&schedule.cron).ok();
        let (zone, after) = (zone.clone(), local::timestamp(after));
        Self { line, zone, job, delay_s: schedule.delay_s, after, following: None }
    }

    fn upcoming(&self, after: Timestamp) -> Option<Timestamp> {
        local::next(self.line.as_ref()?, after, &self.zone)
    }

    /// Seconds after `planned` at which the run begins: before the next occurrence.
    fn delay_s(&mut self, planned: Timestamp) -> u64 {
        if self.delay_s == 0 {
            return 0;
        }
        self.following = self.upcoming(planned);
        let room = self.following.map(|next| next.as_second() - planned.as_second() - 1);
        let room = room.map_or(u64::MAX, |room| u64::try_from(room).unwrap_or(0));
        let mut hasher = blake3::Hasher::new_derive_key(DELAY_CONTEXT);
        hasher.update(&self.job.0).update(&planned.as_millisecond().to_le_bytes());
        let drawn =
            hasher.finalize().as_bytes().first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        drawn % (u64::from(self.delay_s).min(room) + 1)
    }
}

impl Iterator for Occurrences {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        let following = self.following.take().or_else(|| self.upcoming(self.after));
        let Some(planned) = following else {
            self.line = None;
            return None;
        };
        self.after = planned;
        let starts = Time(local::time(planned)?.0 + self.delay_s(planned) * 1_000);
        Some(Occurrence { planned: local::time(planned)?, starts, missed: 0 })
    }
}

//! When a job runs by itself: five fields as cron(8) reads them, a time zone, a random delay.
//!
//! An *occurrence* is one moment that the line names, its *planned* time; the run *starts* up to the
//! delay later, always before the next planned time. The delay is drawn from the job and the
//! planned time, so that it is the same however often it is asked for.
//!
//! On the night when the clock goes forward, a time that does not exist becomes the first moment
//! that does; when it goes back, the first of two equal times counts. So what is planned for a fixed
//! time happens once on either night. A line whose hour is `*` or has a step means "every so often":
//! it goes by real time, and happens in both of two equal hours.
//!
//! Nothing here knows what time it is, or the rules of any zone: both are arguments.

mod due;
mod field;
mod line;
mod local;
mod occurrence;

use serde::{Deserialize, Serialize};

pub use due::{CLOCK_BACK_MAX, MISSED_MAX, due, trusted};
pub use line::{LINE_BYTES_MAX, Line};
pub(crate) use local::timestamp;
pub use occurrence::{Occurrence, Occurrences};

use crate::{JobId, Time};

/// The longest random delay, seconds: a day.
pub const DELAY_SECONDS_MAX: u32 = 86_400;

/// The longest name of a time zone, bytes; the longest that exists has 32.
pub const ZONE_BYTES_MAX: usize = 64;

/// How much of a refused text an error repeats, characters.
const SHOWN_CHARS_MAX: usize = 80;

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::cron()), length(max = LINE_BYTES_MAX)))]
    pub cron: String,
    /// The IANA name of the time zone; the machine's own without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ZONE), length(max = ZONE_BYTES_MAX)))]
    pub zone: Option<String>,
    /// Each run begins up to so many seconds later, so that not all nodes begin at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(range(max = DELAY_SECONDS_MAX)))]
    pub delay_s: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Why a schedule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The line.
    #[error("{line:?} is no cron line: {why}")]
    Line {
        /// What was given, cut to a readable length.
        line: String,
        /// What is wrong with it.
        why: String,
    },
    /// The time zone.
    #[error("{zone:?} is no name of a time zone, as in Europe/Paris")]
    Zone {
        /// What was given, cut to a readable length.
        zone: String,
    },
    /// The delay.
    #[error("a delay of {delay_s} s is longer than a day")]
    Delay {
        /// What was given.
        delay_s: u32,
    },
}

impl Schedule {
    /// A line in the machine's time zone, without a delay.
    #[must_use]
    pub fn new(cron: impl Into<String>) -> Self {
        Self { cron: cron.into(), zone: None, delay_s: 0 }
    }

    /// Whether it can be used. Whether there is a zone of that name is for who has the database of
    /// zones to say.
    ///
    /// # Errors
    /// When it cannot, with the reason.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        Line::parse(&self.cron)?;
        if let Some(zone) = self.zone.as_ref().filter(|zone| !is_zone_name(zone)) {
            return Err(ScheduleError::Zone { zone: shown(zone) });
        }
        if self.delay_s > DELAY_SECONDS_MAX {
            return Err(ScheduleError::Delay { delay_s: self.delay_s });
        }
        Ok(())
    }

    /// The first moment after `after` at which a run starts, its delay included; none when there
    /// is none in the next fifty years, or the line is none.
    #[must_use]
    pub fn next_after(&self, job: &JobId, after: Time, zone: &jiff::tz::TimeZone) -> Option<Time> {
        let planned_after = Time(after.0.saturating_sub(u64::from(self.delay_s) * 1_000));
        let mut starts = self.occurrences(job, planned_after, zone).map(|one| one.starts);
        starts.find(|starts| *starts > after)
    }

    /// The occurrences that are planned after `after`, soonest first.
    #[must_use]
    pub fn occurrences(&self, job: &JobId, after: Time, zone: &jiff::tz::TimeZone) -> Occurrences {
        Occurrences::new(self, *job, after, zone)
    }
}

/// Whether it can be a name in the database of zones: parts of plain characters, never a way out
/// of the folder where zones lie.
fn is_zone_name(zone: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
    let part = |part: &str| !part.is_empty() && part.chars().all(plain);
    zone.len() <= ZONE_BYTES_MAX
        && zone.starts_with(|c: char| c.is_ascii_alphabetic())
        && zone.split('/').all(part)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;

//! Whether a job is to run now: once for all that was missed, never twice for the same occurrence.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{Occurrence, Schedule};
use crate::{JobId, Time};

/// How many missed occurrences are counted; more are told as so many.
pub const MISSED_MAX: u32 = 10_000;

/// How far the clock may go back and still be believed: what was handled is not done again until it
/// is past. From further in the future a job would wait for too long.
pub const CLOCK_BACK_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How far back the newest occurrence is looked for at first, ms; twice as far each time.
const LOOK_BACK_MS: u64 = 3_600_000;

/// The newest occurrence after `handled` that has started, with the number of those before it: to be
/// run now, once for all of them. Whoever runs it notes its planned time as handled, before it
/// runs. `handled` is the planned time of the last one; for a new or changed schedule, that
/// moment.
///
/// After the clock went back nothing is due before it has passed `handled` again; see [`trusted`].
#[must_use]
pub fn due(
    schedule: &Schedule,
    job: &JobId,
    handled: Time,
    now: Time,
    zone: &TimeZone,
) -> Option<Occurrence> {
    let newest = newest(schedule, job, handled, now, zone)?;
    let earlier = schedule.occurrences(job, handled, zone);
    let earlier = earlier.take_while(|one| one.planned < newest.planned);
    let missed = earlier.take(MISSED_MAX as usize).count();
    Some(Occurrence { missed: u32::try_from(missed).unwrap_or(MISSED_MAX), ..newest })
}

/// What to go on with when the clock says `now`: `handled`, or `now` when `handled` lies so far
/// ahead that the clock must have been wrong then. To be stored when it differs.
#[must_use]
pub fn trusted(handled: Time, now: Time) -> Time {
    if handled.since(now) > CLOCK_BACK_MAX { now } else { handled }
}

fn newest(
    schedule: &Schedule,
    job: &JobId,
    handled: Time,
    now: Time,
    zone: &TimeZone,
) -> Option<Occurrence> {
    let mut back = LOOK_BACK_MS;
    loop {
        let from = handled.max(Time(now.0.saturating_sub(back)));
        let started = schedule.occurrences(job, from, zone).take_while(|one| one.starts <= now);
        let found = started.last();
        if found.is_some() || from == handled || from >= now {
            return found;
        }
        back = back.saturating_mul(2);
    }
}

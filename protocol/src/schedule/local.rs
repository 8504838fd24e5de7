//! From the minutes that a line names to moments, in a zone whose clocks go forward and back.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

use super::Line;
use crate::Time;

/// Changes of the clock that a search goes over: four a year for fifty years.
const CHANGES_MAX: u32 = 200;

/// Local minutes that are tried and lie too early: a whole day that came twice.
const TRIED_MAX: u32 = 2 * 24 * 60;

/// A moment for the calendar; the last that it has for those after it.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    i64::try_from(time.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A moment from the calendar; none before 1970.
pub(super) fn time(timestamp: Timestamp) -> Option<Time> {
    u64::try_from(timestamp.as_millisecond()).ok().map(Time)
}

/// The first moment after `after` that the line names in the zone.
pub(super) fn next(line: &Line, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if line.is_by_real_time() {
        next_in_real_time(line, after, zone)
    } else {
        next_by_the_clock(line, after, zone)
    }
}

/// Between two changes of the clock local time is real time, only shifted.
fn next_in_real_time(line: &Line, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = after.checked_add(jiff::SignedDuration::from_millis(1)).ok()?;
    for _ in 0..CHANGES_MAX {
        let offset = zone.to_offset(from);
        let local = line.next(whole_minute(offset.to_datetime(from))?)?;
        let found = offset.to_timestamp(local).ok()?;
        match zone.following(from).next().map(|change| change.timestamp()) {
            Some(change) if change <= found => from = change,
            _ => return Some(found),
        }
    }
    None
}

/// Every local time has one moment, and they come in the same order. So nothing after `after` is
/// named by a local time before that of `after`.
fn next_by_the_clock(line: &Line, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = whole_minute(zone.to_offset(after).to_datetime(after))?;
    for _ in 0..TRIED_MAX {
        let local = line.next(from)?;
        let found = moment(local, zone)?;
        if found > after {
            return Some(found);
        }
        from = local.checked_add(jiff::SignedDuration::from_mins(1)).ok()?;
    }
    None
}

/// The moment of a local time: of two the first, and where there is none, the first after the gap.
fn moment(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { before, .. } => {
            // By the offset that held until the gap it lies behind the change of the clock.
            let behind = before.to_timestamp(local).ok()?;
            let behind = behind.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
            zone.preceding(behind).next().map(|change| change.timestamp())
        }
    }
}

/// The same minute when it has just begun, else the next.
fn whole_minute(local: DateTime) -> Option<DateTime> {
    let begun = local.date().at(local.hour(), local.minute(), 0, 0);
    if begun == local {
        return Some(begun);
    }
    begun.checked_add(jiff::SignedDuration::from_mins(1)).ok()
}

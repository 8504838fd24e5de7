//! Time zones by name, from the system's database or the one that the program carries.

use jiff::tz::TimeZone;
use protocol::{
    control::{Failure, FailureCode},
    schedule::Schedule,
};
use tracing::warn;

/// The zone of that name; the machine's own without one.
///
/// # Errors
/// When there is none; `what` is what could not be done then.
pub(super) fn named(name: Option<&str>, what: &str) -> Result<TimeZone, Failure> {
    let Some(name) = name else { return Ok(TimeZone::system()) };
    TimeZone::get(name).map_err(|_| {
        let hint = if jiff::tz::db().is_definitively_empty() {
            "this machine has no database of time zones: install tzdata"
        } else {
            "names are those of the IANA database, as in Europe/Paris or UTC"
        };
        Failure::new(FailureCode::Invalid, what, format!("there is no time zone {name:?}"))
            .hint(hint)
    })
}

/// The zone whose days and hours a job goes by: its schedule's. A zone that is gone from the
/// database since the job was stored gives way to the machine's own.
pub(super) fn of(schedule: Option<&Schedule>) -> TimeZone {
    let name = schedule.and_then(|schedule| schedule.zone.as_deref());
    named(name, "cannot use the time zone of a job").unwrap_or_else(|failure| {
        warn!(%failure, "the machine's own zone is used");
        TimeZone::system()
    })
}

#[cfg(test)]
mod tests {
    use protocol::{
        JobId, Time,
        schedule::{Occurrence, Schedule},
    };

    use super::*;

    #[test]
    fn a_zone_is_found_by_its_name_and_one_that_does_not_exist_is_refused() {
        let zone = named(Some("Europe/Paris"), "x").unwrap();
        assert_eq!(zone.iana_name(), Some("Europe/Paris"));
        let failure = named(Some("Europe/Pari"), "cannot add job docs").unwrap_err();
        assert_eq!((failure.code, failure.hint.is_some()), (FailureCode::Invalid, true));
        assert!(failure.to_string().contains("no time zone \"Europe/Pari\""), "{failure}");
    }

    /// The moments of a daily line from one on, in UTC.
    fn moments(zone: &str, line: &str, after: &str) -> Vec<String> {
        let zone = named(Some(zone), "x").unwrap();
        let after: jiff::Timestamp = after.parse().unwrap();
        let after = Time(after.as_millisecond().try_into().unwrap());
        let all = Schedule::new(line).occurrences(&JobId([1; 16]), after, &zone).take(3);
        let utc = |one: Occurrence| {
            jiff::Timestamp::from_millisecond(one.planned.0.try_into().unwrap()).unwrap()
        };
        all.map(|one| utc(one).to_string()).collect()
    }

    #[test]
    fn the_nights_of_real_zones_have_each_job_once() {
        for (zone, line, nights) in [
            (
                "Europe/Paris",
                "30 2 * * *",
                ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
            ),
            (
                "Europe/Paris",
                "30 2 * * *",
                ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
            ),
            (
                "America/New_York",
                "30 2 * * *",
                ["2026-03-07T07:30", "2026-03-08T07:00", "2026-03-09T06:30"],
            ),
            (
                "America/New_York",
                "30 1 * * *",
                ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"],
            ),
            (
                "Australia/Lord_Howe",
                "15 2 * * *",
                ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"],
            ),
            (
                "Australia/Lord_Howe",
                "45 1 * * *",
                ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"],
            ),
            // Midnight itself was left out.
            (
                "America/Sao_Paulo",
                "0 0 * * *",
                ["2018-11-03T03:00", "2018-11-04T03:00", "2018-11-05T02:00"],
            ),
            // A whole day was left out: its run comes at its end.
            (
                "Pacific/Apia",
                "0 3 * * *",
                ["2011-12-29T13:00", "2011-12-30T10:00", "2011-12-30T13:00"],
            ),
            (
                "Asia/Kathmandu",
                "0 3 * * *",
                ["2026-03-28T21:15", "2026-03-29T21:15", "2026-03-30T21:15"],
            ),
        ] {
            let before: jiff::Timestamp = format!("{}:00Z", nights[0]).parse().unwrap();
            let before = before - jiff::SignedDuration::from_secs(1);
            let wanted = nights.map(|night| format!("{night}:00Z"));
            assert_eq!(moments(zone, line, &before.to_string()), wanted, "{line} in {zone}");
        }
    }
}

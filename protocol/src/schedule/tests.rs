mod clock;
mod naive;
mod nights;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::*;

const JOB: JobId = JobId([7; 16]);

fn utc() -> TimeZone {
    TimeZone::UTC
}

fn paris() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn new_york() -> TimeZone {
    TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()
}

/// Half an hour each way.
fn lord_howe() -> TimeZone {
    TimeZone::posix("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0").unwrap()
}

fn kolkata() -> TimeZone {
    TimeZone::posix("IST-5:30").unwrap()
}

/// A moment, as `2026-03-29T01:30:00Z`.
fn at(text: &str) -> Time {
    let timestamp: Timestamp = text.parse().unwrap();
    Time(timestamp.as_millisecond().try_into().unwrap())
}

fn stamp(time: Time) -> String {
    local::timestamp(time).to_string()
}

/// The first moments of a line after one, in UTC.
fn moments(line: &str, after: &str, zone: &TimeZone, count: usize) -> Vec<String> {
    let all = Schedule::new(line).occurrences(&JOB, at(after), zone);
    all.take(count).map(|one| stamp(one.planned)).collect()
}

fn refusal(line: &str) -> String {
    Schedule::new(line).validate().unwrap_err().to_string()
}

fn matches(line: &str, local: &str) -> bool {
    let local: DateTime = local.parse().unwrap();
    Line::parse(line).unwrap().matches(local)
}

#[test]
fn lines_mean_what_cron_means_by_them() {
    // 2026-11-22 is a Sunday, the 23rd a Monday.
    for (line, yes, no) in [
        ("0 3 * * 1", "2026-11-23T03:00", "2026-11-22T03:00"),
        ("0 3 * * 0", "2026-11-22T03:00", "2026-11-23T03:00"),
        ("0 3 * * 7", "2026-11-22T03:00", "2026-11-21T03:00"),
        ("0 3 * * sun", "2026-11-22T03:00", "2026-11-21T03:00"),
        ("0 3 * * 1-5", "2026-11-27T03:00", "2026-11-28T03:00"),
        ("0 3 * * Mon-Fri", "2026-11-23T03:00", "2026-11-22T03:00"),
        ("0 3 * * 5-7", "2026-11-22T03:00", "2026-11-26T03:00"),
        ("0 3 * * sat-sun", "2026-11-22T03:00", "2026-11-23T03:00"),
        ("0 3 * * sun-tue", "2026-11-22T03:00", "2026-11-25T03:00"),
        ("*/15 * * * *", "2026-11-22T03:45", "2026-11-22T03:46"),
        ("5-59/15 * * * *", "2026-11-22T03:20", "2026-11-22T03:15"),
        ("0,30 8-18/2 * * *", "2026-11-22T10:30", "2026-11-22T11:30"),
        ("00 03 * * *", "2026-11-22T03:00", "2026-11-22T03:01"),
        ("*,5 * * * *", "2026-11-22T03:46", "2026-11-22T03:46:00"),
        ("0 0 1 jan,JUL *", "2026-07-01T00:00", "2026-06-01T00:00"),
        ("0 0 */10 * *", "2026-07-31T00:00", "2026-07-10T00:00"),
        ("59 23 31 12 *", "2026-12-31T23:59", "2026-12-31T23:58"),
        // Both day fields restricted: either is enough.
        ("0 3 1 * 1", "2026-11-23T03:00", "2026-11-24T03:00"),
        ("0 3 1 * 1", "2026-11-01T03:00", "2026-11-02T02:00"),
        ("0 3 13 * fri", "2026-11-13T03:00", "2026-11-14T03:00"),
        // One begins with a star: both must match.
        ("0 3 */2 * 1", "2026-11-23T03:00", "2026-11-30T03:00"),
        ("0 3 1-7 * */7", "2026-11-01T03:00", "2026-11-02T03:00"),
    ] {
        assert!(matches(line, yes), "{line:?} does not name {yes}");
        assert!(!matches(line, no) || yes[..16] == no[..16], "{line:?} names {no}");
    }
}

#[test]
fn short_forms_are_the_lines_that_cron_lists() {
    for (short, long) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        (" @Annually\t", "0 0 1 1 *"),
    ] {
        assert_eq!(Line::parse(short), Line::parse(long), "{short}");
        let three = moments(short, "2026-11-20T11:59:30Z", &utc(), 3);
        assert_eq!(three, moments(long, "2026-11-20T11:59:30Z", &utc(), 3));
    }
}

#[test]
fn what_is_no_line_is_refused_with_the_field_and_the_reason() {
    for (line, why) in [
        ("", "it has 0 fields, not five"),
        ("3 * * *", "it has 4 fields"),
        ("0 0 3 * * 1", "it has 6 fields, not five: minute, hour, day of the month"),
        ("0 3 * * 1 2026 x", "it has 7 fields"),
        ("@reboot", "no time that can be planned"),
        ("@daly", "known are @hourly, @daily"),
        ("@daily 3", "known are"),
        ("60 3 * * *", "the minute: 60 is not within 0 to 59"),
        ("0 24 * * *", "the hour: 24 is not within 0 to 23"),
        ("0 3 0 * *", "the day of the month: 0 is not within 1 to 31"),
        ("0 3 * 13 *", "the month: 13"),
        ("0 3 * * 8", "the day of the week: 8 is not within 0 to 7"),
        ("0 3 * * 99999999999", "is not within 0 to 7"),
        ("0 3 * * monday", "the day of the week: \"monday\" is neither"),
        ("mon 3 * * *", "the minute: \"mon\" is neither"),
        ("1mon 3 * * *", "the minute"),
        ("0 3 L * *", "the day of the month: \"L\""),
        ("0 3 15W * *", "the day of the month"),
        ("0 3 * * 1#2", "the day of the week"),
        ("0 3 ? * *", "the day of the month"),
        ("0 3 * * +1", "the day of the week"),
        ("1,,2 3 * * *", "the minute: \"\" is neither"),
        (", 3 * * *", "the minute"),
        ("-5 3 * * *", "the minute"),
        ("5- 3 * * *", "the minute"),
        ("1-2-3 3 * * *", "the minute"),
        ("30-10 3 * * *", "the minute: \"30-10\" ends before it begins"),
        ("0 3 * * fri-mon", "ends before it begins"),
        ("*/0 3 * * *", "has a step that is not within 1 to 59"),
        ("*/-1 3 * * *", "has a step"),
        ("*/ 3 * * *", "has a step"),
        ("*/2/2 3 * * *", "has a step"),
        ("/5 3 * * *", "the minute"),
        ("5/15 3 * * *", "steps from where to where? 5-59/15"),
        ("**  3 * * *", "the minute"),
        ("0 3\n* * * *", "is no cron line"),
        ("0 \u{663} * * *", "the hour"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains(why), "{line:?}: {refusal}");
    }
    let long = format!("{} 3 * * *", "1,".repeat(300));
    assert!(refusal(&long).len() < 200, "{}", refusal(&long));
}

#[test]
fn a_line_that_no_date_matches_is_refused() {
    for never in ["0 3 30 2 *", "0 3 31 2,4,6,9,11 *", "0 3 31 4 */2", "0 3 30-31 feb *"] {
        assert!(refusal(never).contains("no month that it names has such a day"), "{never}");
    }
    for sometimes in ["0 3 29 2 *", "0 3 30 2 1", "0 3 31 1,2 *", "0 3 30 */2 *"] {
        assert_eq!(Schedule::new(sometimes).validate(), Ok(()), "{sometimes}");
    }
}

#[test]
fn zones_and_delays_out_of_bounds_are_refused() {
    let with = |zone: &str| Schedule { zone: Some(zone.to_owned()), ..Schedule::new("@daily") };
    for zone in ["Europe/Paris", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+1"] {
        assert_eq!(with(zone).validate(), Ok(()), "{zone}");
    }
    let long = "a".repeat(ZONE_BYTES_MAX + 1);
    for zone in ["", "/etc/passwd", "../x", "Europe/../x", "Europe/", "a b", "Paris\n", "é", &long]
    {
        assert!(matches!(with(zone).validate(), Err(ScheduleError::Zone { .. })), "{zone:?}");
    }
    let with = |delay_s| Schedule { delay_s, ..Schedule::new("@daily") };
    assert_eq!(with(DELAY_SECONDS_MAX).validate(), Ok(()));
    assert_eq!(with(86_401).validate(), Err(ScheduleError::Delay { delay_s: 86_401 }));
}

#[test]
fn leap_days_months_and_centuries_are_jumped() {
    let next = |line, after| moments(line, after, &utc(), 2);
    assert_eq!(
        next("30 4 29 2 *", "2026-11-20T00:00:00Z"),
        ["2028-02-29T04:30:00Z", "2032-02-29T04:30:00Z"]
    );
    // 2100 has no 29 February: the next that is a Sunday comes forty years after the last.
    assert_eq!(
        next("0 0 29 2 */7", "2088-02-29T00:00:00Z"),
        ["2128-02-29T00:00:00Z", "2156-02-29T00:00:00Z"]
    );
    assert_eq!(
        next("0 3 31 * *", "2027-01-31T03:00:00Z"),
        ["2027-03-31T03:00:00Z", "2027-05-31T03:00:00Z"]
    );
    assert_eq!(
        next("@yearly", "2026-12-31T23:59:59.999Z"),
        ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]
    );
}

#[test]
fn a_moment_is_after_itself_by_nothing() {
    let daily = Schedule::new("0 3 * * *");
    let next = |after: &str| stamp(daily.next_after(&JOB, at(after), &utc()).unwrap());
    assert_eq!(next("2026-11-20T02:59:59.999Z"), "2026-11-20T03:00:00Z");
    assert_eq!(next("2026-11-20T03:00:00Z"), "2026-11-21T03:00:00Z");
    assert_eq!(next("2026-11-20T03:00:00.001Z"), "2026-11-21T03:00:00Z");
}

#[test]
fn times_beyond_the_calendar_have_no_next_run_and_nothing_breaks() {
    let daily = Schedule::new("@daily");
    for after in [u64::MAX, u64::MAX / 2, 253_402_207_200_000] {
        for zone in [utc(), paris(), lord_howe()] {
            assert_eq!(daily.next_after(&JOB, Time(after), &zone), None, "{after}");
        }
    }
    assert_eq!(Schedule::new("no line").next_after(&JOB, Time(0), &utc()), None);
    assert_eq!(stamp(daily.next_after(&JOB, Time(0), &utc()).unwrap()), "1970-01-02T00:00:00Z");
}

#[test]
fn delays_are_drawn_from_job_and_time_and_end_before_the_next_occurrence() {
    let schedule = Schedule { delay_s: 3_600, ..Schedule::new("0 3 * * *") };
    let delays = |job: u8| -> Vec<u64> {
        let all = schedule.occurrences(&JobId([job; 16]), at("2026-01-01T00:00:00Z"), &utc());
        all.take(200).map(|one| one.starts.0 - one.planned.0).collect()
    };
    let first = delays(1);
    assert_eq!(first, delays(1), "the same however often it is asked for");
    assert!(first.iter().all(|delay| *delay <= 3_600_000 && delay % 1_000 == 0));
    let early = first.iter().filter(|delay| **delay < 1_800_000).count();
    assert!((60..140).contains(&early), "{early} of 200 in the first half");
    assert_ne!(first, delays(2));

    let crowded = Schedule { delay_s: DELAY_SECONDS_MAX, ..Schedule::new("*/10 * * * *") };
    let from = at("2026-01-01T00:00:00Z");
    let all: Vec<_> = crowded.occurrences(&JOB, from, &utc()).take(300).collect();
    assert!(all.windows(2).all(|two| two[0].starts < two[1].planned));
    let starts: Vec<_> = all.iter().map(|one| one.starts).collect();
    let mut asked = vec![crowded.next_after(&JOB, starts[0], &utc()).unwrap()];
    while asked.len() < 200 {
        asked.push(crowded.next_after(&JOB, asked[asked.len() - 1], &utc()).unwrap());
    }
    assert_eq!(asked, starts[1..=200], "asking for one after the other leaves none out");
}

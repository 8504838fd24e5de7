//! The nights when the clock goes forward or back.

use super::*;

/// What a line names on one night, in UTC.
fn night(line: &str, zone: &TimeZone, from: &str, to: &str) -> Vec<String> {
    let all = Schedule::new(line).occurrences(&JOB, Time(at(from).0 - 1), zone);
    all.map(|one| one.planned).take_while(|planned| *planned < at(to)).map(stamp).collect()
}

/// 29 March 2026, 02:00 to 03:00.
fn forward_in_paris(line: &str) -> Vec<String> {
    night(line, &paris(), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")
}

/// 25 October 2026, 03:00 to 02:00.
fn back_in_paris(line: &str) -> Vec<String> {
    night(line, &paris(), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")
}

#[test]
fn a_time_that_does_not_exist_is_the_first_that_does() {
    for line in ["30 2 * * *", "0 2 * * *", "59 2 * * *", "0,30 2 * * *", "*/5 2 * * *"] {
        assert_eq!(forward_in_paris(line), ["2026-03-29T01:00:00Z"], "{line}");
    }
    assert_eq!(forward_in_paris("59 1 * * *"), ["2026-03-29T00:59:00Z"]);
    assert_eq!(forward_in_paris("0 3 * * *"), ["2026-03-29T01:00:00Z"]);
    assert_eq!(forward_in_paris("30 2,3 * * *"), ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
    assert_eq!(
        forward_in_paris("0 2-3 * * *"),
        ["2026-03-29T01:00:00Z"],
        "both are the same moment"
    );
    let new_york = |line| night(line, &new_york(), "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z");
    assert_eq!(new_york("30 2 * * *"), ["2026-03-08T07:00:00Z"]);
    let lord_howe =
        |line| night(line, &lord_howe(), "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z");
    assert_eq!(lord_howe("15 2 * * *"), ["2026-10-03T15:30:00Z"], "02:30 there");
    assert_eq!(lord_howe("45 2 * * *"), ["2026-10-03T15:45:00Z"]);
}

#[test]
fn of_two_equal_times_the_first_counts() {
    assert_eq!(back_in_paris("30 2 * * *"), ["2026-10-25T00:30:00Z"]);
    assert_eq!(back_in_paris("0 2 * * *"), ["2026-10-25T00:00:00Z"]);
    assert_eq!(back_in_paris("0 3 * * *"), ["2026-10-25T02:00:00Z"]);
    assert_eq!(back_in_paris("0,30 2 * * *"), ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"]);
    assert_eq!(back_in_paris("59 1 * * *"), ["2026-10-24T23:59:00Z"]);
    let new_york = |line| night(line, &new_york(), "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    assert_eq!(new_york("30 1 * * *"), ["2026-11-01T05:30:00Z"]);
    let lord_howe =
        |line| night(line, &lord_howe(), "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z");
    assert_eq!(lord_howe("45 1 * * *"), ["2026-04-04T14:45:00Z"]);
    assert_eq!(lord_howe("15 1 * * *"), ["2026-04-04T14:15:00Z"]);
}

#[test]
fn asked_in_the_second_of_two_equal_hours_the_first_is_past() {
    let daily = Schedule::new("30 2 * * *");
    for asked in ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:10:00Z"] {
        let next = daily.next_after(&JOB, at(asked), &paris()).unwrap();
        assert_eq!(stamp(next), "2026-10-26T01:30:00Z", "asked at {asked}");
    }
}

#[test]
fn every_so_often_goes_by_real_time_and_in_order() {
    let hours = |line, zone: &TimeZone, from, to| night(line, zone, from, to).len();
    let (spring, autumn) = (
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    );
    for (line, an_hour) in
        [("0 * * * *", 1), ("*/30 * * * *", 2), ("@hourly", 1), ("7 0-23 * * *", 1)]
    {
        assert_eq!(hours(line, &paris(), spring.0, spring.1), 23 * an_hour, "{line}");
        assert_eq!(hours(line, &paris(), autumn.0, autumn.1), 25 * an_hour, "{line}");
    }
    let overlap = night("*/30 * * * *", &paris(), "2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z");
    assert_eq!(
        overlap,
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z"
        ]
    );
    let lord_howe = lord_howe();
    // 02:00 becomes 01:30: half past one comes twice, half an hour apart.
    let overlap = night("30 * * * *", &lord_howe, "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z");
    assert_eq!(overlap, ["2026-04-04T14:30:00Z", "2026-04-04T15:00:00Z", "2026-04-04T16:00:00Z"]);
    // 02:00 becomes 02:30: there is no two o'clock.
    let gap = night("0 * * * *", &lord_howe, "2026-10-03T14:00:00Z", "2026-10-03T17:30:00Z");
    assert_eq!(gap, ["2026-10-03T14:30:00Z", "2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z"]);
}

#[test]
fn a_year_of_nights_runs_every_day_once_wherever_the_clock_goes() {
    for zone in [utc(), paris(), new_york(), lord_howe(), kolkata()] {
        for line in ["30 2 * * *", "0 2 * * *", "45 1 * * *", "0 0 * * *", "59 23 * * *"] {
            let all = Schedule::new(line).occurrences(&JOB, at("2026-01-01T12:00:00Z"), &zone);
            let dates: Vec<_> = all
                .take(365)
                .map(|one| {
                    let at = local::timestamp(one.planned);
                    zone.to_offset(at).to_datetime(at).date()
                })
                .collect();
            let days = dates.windows(2).all(|two| two[0].tomorrow().unwrap() == two[1]);
            assert!(days, "{line}: {dates:?}");
        }
    }
}

#[test]
fn half_hour_zones_have_their_own_hours() {
    let next = moments("0 3 * * *", "2026-06-01T00:00:00Z", &kolkata(), 2);
    assert_eq!(next, ["2026-06-01T21:30:00Z", "2026-06-02T21:30:00Z"]);
}

mod props;

use jiff::{civil::Date, tz::TimeZone};

use super::*;
use crate::{ArchiveId, Time};

const DAY_MS: u64 = 24 * 3_600_000;

fn at(text: &str) -> Time {
    let timestamp: jiff::Timestamp = text.parse().unwrap();
    Time(timestamp.as_millisecond().try_into().unwrap())
}

fn paris() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn item(number: u8, created: &str) -> Item {
    Item {
        id: ArchiveId([number; 16]),
        created: at(created),
        good: true,
        pinned: false,
        safety: false,
        foreign: false,
    }
}

/// Verdicts as `+1 reason` and `-2 reason`, newest first.
fn told(policy: Retention, items: &[Item], now: &str) -> Vec<String> {
    let verdicts = plan(policy, items, at(now), &paris());
    let line = |v: Verdict| format!("{}{} {}", if v.keep { '+' } else { '-' }, v.id.0[0], v.reason);
    verdicts.into_iter().map(line).collect()
}

#[test]
fn policies_are_written_as_they_are_read_and_refused_out_of_bounds() {
    for text in ["all", "count:1", "daily:10000", "gfs:7,4,3", "gfs:0,0,1"] {
        assert_eq!(text.parse::<Retention>().unwrap().to_string(), text);
    }
    assert_eq!("gfs".parse(), Ok(Retention::GFS));
    for text in ["", "All", "count", "count:", "count:+1", "count:x", "daily:-1", "gfs:7,4"] {
        let refused = text.parse::<Retention>();
        assert!(matches!(refused, Err(RetentionError::Text { .. })), "{text:?}: {refused:?}");
    }
    for (text, why) in [
        ("count:0", "count is 0, it must be between 1 and 10000"),
        ("daily:10001", "daily is 10001"),
        ("gfs:0,0,0", "daily is 0, it must be between 1 and 10000"),
        ("gfs:7,10001,3", "weekly is 10001, it must be between 0"),
        ("gfs:7,4,99999", "monthly is 99999"),
    ] {
        assert!(text.parse::<Retention>().unwrap_err().to_string().contains(why), "{text}");
    }
    assert!(Retention::Gfs { daily: 0, weekly: 0, monthly: 0 }.validate().is_err());
    assert!("count:99999999999".parse::<Retention>().is_err());
}

#[test]
fn a_count_keeps_the_newest_good_ones() {
    let failed = Item { good: false, ..item(4, "2026-05-07T03:00:00Z") };
    let items = [
        item(1, "2026-05-04T03:00:00Z"),
        item(2, "2026-05-05T03:00:00Z"),
        Item { good: false, ..item(3, "2026-05-05T04:00:00Z") },
        failed,
        item(5, "2026-05-08T03:00:00Z"),
        Item { good: false, ..item(6, "2026-05-01T03:00:00Z") },
    ];
    assert_eq!(
        told(Retention::Count(2), &items, "2026-05-08T12:00:00Z"),
        [
            "+5 among the newest 2",
            "+4 not whole: it counts for nothing, and stays until it is too old",
            "+3 not whole: it counts for nothing, and stays until it is too old",
            "+2 among the newest 2",
            "-1 older than the newest 2 archives that are kept",
            "-6 older than the newest 2 archives that are kept",
        ]
    );
}

#[test]
fn a_day_keeps_its_newest_by_the_local_date() {
    // 23:30 in UTC is half past one of the next day in Paris.
    let items = [
        item(1, "2026-05-01T21:59:59Z"),
        item(2, "2026-05-01T22:00:00Z"),
        item(3, "2026-05-02T21:59:00Z"),
        item(4, "2026-05-07T23:30:00Z"),
        item(5, "2026-05-08T10:00:00Z"),
    ];
    assert_eq!(
        told(Retention::Daily(7), &items, "2026-05-08T12:00:00Z"),
        [
            "+5 the newest of 2026-05-08",
            "-4 not the newest of 2026-05-08",
            "+3 the newest of 2026-05-02",
            "-2 not the newest of 2026-05-02",
            "-1 older than the 7 days that are kept",
        ]
    );
    let next_day = told(Retention::Daily(7), &items, "2026-05-08T22:00:00Z");
    assert_eq!(next_day[2], "-3 older than the 7 days that are kept", "midnight has passed");
}

#[test]
fn grandfathers_are_kept_by_week_and_month() {
    let items = [
        item(1, "2026-01-31T12:00:00Z"),
        item(2, "2026-03-01T12:00:00Z"),
        item(3, "2026-03-31T12:00:00Z"),
        item(4, "2026-04-12T12:00:00Z"),
        item(5, "2026-04-19T12:00:00Z"),
        item(6, "2026-04-20T12:00:00Z"),
        item(7, "2026-05-03T12:00:00Z"),
        item(8, "2026-05-08T12:00:00Z"),
    ];
    assert_eq!(
        told(Retention::Gfs { daily: 2, weekly: 3, monthly: 3 }, &items, "2026-05-08T13:00:00Z"),
        [
            "+8 the newest of 2026-05-08",
            "+7 the newest of week 2026-W18",
            "+6 the newest of week 2026-W17",
            "-5 not the newest of 2026-04",
            "-4 not the newest of 2026-04",
            "+3 the newest of 2026-03",
            "-2 not the newest of 2026-03",
            "-1 older than the 2 days, 3 weeks, 3 months that are kept",
        ]
    );
}

#[test]
fn weeks_belong_to_the_year_that_most_of_their_days_have() {
    let items = [item(1, "2026-12-31T12:00:00Z"), item(2, "2027-01-03T12:00:00Z")];
    let weekly = Retention::Gfs { daily: 0, weekly: 5, monthly: 0 };
    let told = told(weekly, &items, "2027-01-04T12:00:00Z");
    assert_eq!(told, ["+2 the newest of week 2026-W53", "-1 not the newest of week 2026-W53"]);
}

#[test]
fn the_last_good_archive_stays_however_long_runs_have_failed() {
    let failed = |n| Item { good: false, ..item(n, &format!("2026-05-{n:02}T03:00:00Z")) };
    let mut items = vec![item(1, "2025-01-01T03:00:00Z"), item(2, "2025-01-02T03:00:00Z")];
    items.extend((3..=8).map(failed));
    for policy in [Retention::Daily(3), Retention::Gfs { daily: 1, weekly: 0, monthly: 0 }] {
        let told = told(policy, &items, "2026-05-08T12:00:00Z");
        assert!(told.contains(&"+2 the last good archive of this job".to_owned()), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("-1 older than")), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("-3 older than")), "{told:?}");
    }
}

#[test]
fn pinned_and_foreign_archives_stay_and_take_no_place_from_others() {
    let items = [
        Item { pinned: true, ..item(1, "2020-01-01T03:00:00Z") },
        Item { foreign: true, ..item(2, "2020-01-02T03:00:00Z") },
        Item { foreign: true, ..item(3, "2026-05-08T10:00:00Z") },
        Item { pinned: true, good: false, ..item(4, "2020-01-03T03:00:00Z") },
        item(5, "2026-05-08T03:00:00Z"),
        item(6, "2026-05-07T03:00:00Z"),
    ];
    assert_eq!(
        told(Retention::Count(1), &items, "2026-05-08T12:00:00Z"),
        [
            "+3 foreign: no job made it",
            "+5 among the newest 1",
            "-6 older than the newest 1 archive that are kept",
            "+4 pinned",
            "+2 foreign: no job made it",
            "+1 pinned",
        ]
    );
}

#[test]
fn what_a_restore_made_stays_for_a_month_and_takes_no_place() {
    let safety = |n, created| Item { safety: true, ..item(n, created) };
    let items = [
        safety(1, "2026-04-08T11:59:59Z"),
        safety(2, "2026-04-08T12:00:00Z"),
        safety(3, "2026-05-08T11:00:00Z"),
        item(4, "2026-05-08T10:00:00Z"),
    ];
    assert_eq!(
        told(Retention::Daily(1), &items, "2026-05-08T12:00:00Z"),
        [
            "+3 made by a restore: kept for 30 days",
            "+4 the newest of 2026-05-08",
            "+2 made by a restore: kept for 30 days",
            "-1 made by a restore more than 30 days ago",
        ]
    );
    let alone = told(Retention::Daily(1), &items[..1], "2026-05-08T12:00:00Z");
    assert_eq!(alone, ["+1 the last good archive of this job"]);
    // It may hold one file of many: it is not what the job's last archive is.
    let restored = [item(1, "2026-04-20T12:00:00Z"), safety(2, "2026-05-08T11:00:00Z")];
    let told = told(Retention::Daily(7), &restored, "2026-05-08T12:00:00Z");
    assert_eq!(told[1], "+1 the last good archive of this job");
}

#[test]
fn archives_dated_after_now_stay_and_do_not_push_others_out() {
    let items = [
        item(1, "2026-05-07T03:00:00Z"),
        item(2, "2026-05-08T03:00:00Z"),
        item(3, "2031-01-01T03:00:00Z"),
        item(4, "2031-01-02T03:00:00Z"),
    ];
    let told = told(Retention::Count(1), &items, "2026-05-08T12:00:00Z");
    assert_eq!(
        told[..2],
        ["+4 dated after now: a clock was moved", "+3 dated after now: a clock was moved"]
    );
    assert_eq!(told[2], "+2 among the newest 1");
    assert!(told[3].starts_with("-1"));
}

#[test]
fn everything_is_kept_when_nothing_else_is_said() {
    let items =
        [item(1, "1999-01-01T03:00:00Z"), Item { safety: true, ..item(2, "1999-01-02T00:00:00Z") }];
    assert!(
        plan(Retention::default(), &items, at("2026-05-08T12:00:00Z"), &paris())
            .iter()
            .all(|verdict| verdict.keep)
    );
}

/// What a person would cross on a calendar: the newest of each of the days, weeks and months.
fn crossed(
    newest: Date,
    dates: &[Date],
    (daily, weekly, monthly): (usize, usize, usize),
) -> Vec<Date> {
    let mut kept: Vec<Date> = Vec::new();
    let back =
        |n: usize| newest.checked_sub(jiff::Span::new().days(i64::try_from(n).unwrap())).unwrap();
    kept.extend((0..daily).map(back));
    for weeks in 0..weekly {
        let sunday = back(7 * weeks + newest.weekday().to_monday_zero_offset() as usize)
            .checked_add(jiff::Span::new().days(6))
            .unwrap();
        kept.push(sunday.min(newest));
    }
    let mut month = newest.first_of_month();
    for _ in 0..monthly {
        kept.push(month.last_of_month().min(newest));
        month = month.yesterday().unwrap().first_of_month();
    }
    kept.retain(|date| dates.contains(date));
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[test]
fn fourteen_months_of_nights_leave_seven_days_four_weeks_and_three_months() {
    let mut kept: Vec<(Date, Item)> = Vec::new();
    let mut date = Date::constant(2026, 1, 1);
    let mut dates = Vec::new();
    for night in 0..425_u64 {
        let created = Time(at("2026-01-01T02:30:00Z").0 + night * DAY_MS);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&night.to_be_bytes());
        kept.push((date, Item { id: ArchiveId(id), created, ..item(0, "2026-01-01T00:00:00Z") }));
        dates.push(date);
        let items: Vec<_> = kept.iter().map(|(_, item)| *item).collect();
        let verdicts = plan(Retention::GFS, &items, Time(created.0 + 3_600_000), &paris());
        let stays = |id: &ArchiveId| verdicts.iter().any(|v| v.id == *id && v.keep);
        kept.retain(|(_, item)| stays(&item.id));
        let found: Vec<_> = kept.iter().map(|(date, _)| *date).collect();
        assert_eq!(found, crossed(date, &dates, (7, 4, 3)), "on {date}");
        date = date.tomorrow().unwrap();
    }
    assert!((10..=12).contains(&kept.len()), "{}", kept.len());
}

//! What is due, when nodes sleep and clocks are moved.

use super::*;

fn due_at(line: &str, handled: &str, now: &str) -> Option<(String, u32)> {
    let due = due(&Schedule::new(line), &JOB, at(handled), at(now), &paris());
    due.map(|one| (stamp(one.planned), one.missed))
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let daily = "0 3 * * *";
    assert_eq!(due_at(daily, "2026-06-01T01:00:00Z", "2026-06-02T00:59:59Z"), None);
    let on_time = due_at(daily, "2026-06-01T01:00:00Z", "2026-06-02T01:00:00Z");
    assert_eq!(on_time, Some(("2026-06-02T01:00:00Z".to_owned(), 0)));
    // Ten days off: the last of ten is due, and once it is handled, nothing.
    let late = due_at(daily, "2026-06-01T01:00:00Z", "2026-06-11T20:00:00Z");
    assert_eq!(late, Some(("2026-06-11T01:00:00Z".to_owned(), 9)));
    assert_eq!(due_at(daily, "2026-06-11T01:00:00Z", "2026-06-11T20:00:00Z"), None);
}

#[test]
fn what_was_missed_for_years_is_counted_up_to_a_bound() {
    let minutely = due_at("* * * * *", "2010-06-01T01:00:00Z", "2026-06-11T20:00:30Z");
    assert_eq!(minutely, Some(("2026-06-11T20:00:00Z".to_owned(), MISSED_MAX)));
    let rare = due_at("0 0 29 2 *", "1999-06-01T01:00:00Z", "2026-06-11T20:00:00Z");
    assert_eq!(rare, Some(("2024-02-28T23:00:00Z".to_owned(), 6)));
    let never_handled =
        due(&Schedule::new("@monthly"), &JOB, Time(0), at("2026-06-11T20:00:00Z"), &utc());
    assert_eq!(never_handled.unwrap().planned, at("2026-06-01T00:00:00Z"));
}

#[test]
fn a_clock_that_went_back_does_not_run_an_occurrence_again() {
    // It ran at 03:00; then the clock is put back to half past two, and passes three again.
    for now in ["2026-06-02T00:30:00Z", "2026-06-02T01:00:00Z", "2026-06-02T22:00:00Z"] {
        assert_eq!(due_at("0 3 * * *", "2026-06-02T01:00:00Z", now), None, "{now}");
    }
    let next = due_at("0 3 * * *", "2026-06-02T01:00:00Z", "2026-06-03T01:00:00Z");
    assert_eq!(next, Some(("2026-06-03T01:00:00Z".to_owned(), 0)));
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_a_job_for_years() {
    let (ahead, now) = (at("2061-01-01T02:00:00Z"), at("2026-06-02T12:00:00Z"));
    let daily = Schedule::new("0 3 * * *");
    assert_eq!(due(&daily, &JOB, ahead, now, &utc()), None);
    let handled = trusted(ahead, now);
    assert_eq!(handled, now, "nothing that may have been done is done again");
    assert_eq!(due(&daily, &JOB, handled, now, &utc()), None);
    let tomorrow = at("2026-06-03T03:00:00Z");
    assert_eq!(due(&daily, &JOB, handled, tomorrow, &utc()).unwrap().planned, tomorrow);
    for near in ["2026-06-02T11:00:00Z", "2026-06-02T12:00:00Z", "2026-06-03T12:00:00Z"] {
        assert_eq!(trusted(at(near), now), at(near));
    }
}

#[test]
fn both_nights_are_due_once_however_often_one_looks() {
    for (from, to) in [
        ("2026-03-28T22:00:00Z", "2026-03-29T12:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T12:00:00Z"),
    ] {
        let daily = Schedule::new("30 2 * * *");
        let (mut handled, mut ran) = (at(from), Vec::new());
        for minute in 0..(at(to).0 - at(from).0) / 60_000 {
            let now = Time(at(from).0 + minute * 60_000);
            if let Some(one) = due(&daily, &JOB, handled, now, &paris()) {
                handled = one.planned;
                ran.push(stamp(now));
            }
        }
        assert_eq!(ran.len(), 1, "{ran:?}");
    }
}

#[test]
fn a_delayed_run_is_not_due_before_its_delay_and_an_older_one_does_not_wait_for_it() {
    let daily = Schedule { delay_s: 7_200, ..Schedule::new("0 3 * * *") };
    let from = at("2026-06-01T00:00:00Z");
    let two: Vec<_> = daily.occurrences(&JOB, from, &utc()).take(2).collect();
    let due_at = |handled, now| due(&daily, &JOB, handled, Time(now), &utc());
    assert_eq!(due_at(from, two[0].starts.0 - 1), None);
    assert_eq!(due_at(from, two[0].starts.0), Some(two[0]));
    assert_eq!(due_at(from, two[1].starts.0 - 1), Some(two[0]), "the second has not begun");
    assert_eq!(due_at(from, two[1].starts.0).unwrap().missed, 1);
    assert_eq!(due_at(two[0].planned, two[1].starts.0), Some(two[1]));
}

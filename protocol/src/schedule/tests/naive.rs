//! Random lines against the plainest reading of cron(8): look at every minute.

use proptest::prelude::*;

use super::*;

/// One item of a field, and what it is made of.
#[derive(Clone, Debug)]
enum Item {
    Star,
    Step(i8),
    One(i8),
    Range(i8, i8, i8),
}

#[derive(Clone, Debug)]
struct Field(Vec<Item>);

impl Field {
    fn text(&self) -> String {
        let item = |item: &Item| match item {
            Item::Star => "*".to_owned(),
            Item::Step(step) => format!("*/{step}"),
            Item::One(one) => one.to_string(),
            Item::Range(first, last, 1) => format!("{first}-{last}"),
            Item::Range(first, last, step) => format!("{first}-{last}/{step}"),
        };
        self.0.iter().map(item).collect::<Vec<_>>().join(",")
    }

    fn has(&self, value: i8, min: i8) -> bool {
        self.0.iter().any(|item| match *item {
            Item::Star => true,
            Item::Step(step) => (value - min) % step == 0,
            Item::One(one) => value == one,
            Item::Range(first, last, step) => {
                (first..=last).contains(&value) && (value - first) % step == 0
            }
        })
    }

    fn starts_with_star(&self) -> bool {
        matches!(self.0[0], Item::Star | Item::Step(_))
    }

    fn goes_by_real_time(&self) -> bool {
        let steps = |item: &Item| match item {
            Item::Star | Item::Step(_) => true,
            Item::One(_) => false,
            Item::Range(_, _, step) => *step != 1,
        };
        self.0.iter().any(steps) || (0..24).all(|hour| self.has(hour, 0))
    }
}

fn field(min: i8, max: i8) -> impl Strategy<Value = Field> {
    let item = prop_oneof![
        2 => Just(Item::Star),
        1 => (1..=max).prop_map(Item::Step),
        3 => (min..=max).prop_map(Item::One),
        2 => (min..=max, min..=max, 1_i8..4)
            .prop_map(|(a, b, step)| Item::Range(a.min(b), a.max(b), step)),
    ];
    prop::collection::vec(item, 1..3).prop_map(Field)
}

#[derive(Clone, Debug)]
struct Fields {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Fields {
    fn text(&self) -> String {
        let fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        fields.map(Field::text).join(" ")
    }

    /// As the manual puts it.
    fn matches(&self, local: DateTime) -> bool {
        let weekday = local.date().weekday().to_sunday_zero_offset();
        let on_weekday = self.weekday.has(weekday, 0) || weekday == 0 && self.weekday.has(7, 0);
        let on_day = self.day.has(local.day(), 1);
        let either = !self.day.starts_with_star() && !self.weekday.starts_with_star();
        self.minute.has(local.minute(), 0)
            && self.hour.has(local.hour(), 0)
            && self.month.has(local.month(), 1)
            && if either { on_day || on_weekday } else { on_day && on_weekday }
    }
}

prop_compose! {
    fn fields()(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 31),
        month in field(1, 12),
        weekday in field(0, 7),
    ) -> Fields {
        Fields { minute, hour, day, month, weekday }
    }
}

const MINUTE_MS: u64 = 60_000;

/// Every minute's moment of some days, with its local time, and a while before and behind.
fn minutes(from: Time, zone: &TimeZone) -> Vec<(Time, DateTime)> {
    (0..4 * 24 * 60)
        .map(|minute| {
            let time = Time(from.0 + minute * MINUTE_MS);
            let at = local::timestamp(time);
            (time, zone.to_offset(at).to_datetime(at))
        })
        .collect()
}

/// A time that the clock shows happens when the clock first shows it, or more.
fn naive(fields: &Fields, minutes: &[(Time, DateTime)]) -> Vec<Time> {
    if fields.hour.goes_by_real_time() {
        return minutes.iter().filter(|(_, l)| fields.matches(*l)).map(|(t, _)| *t).collect();
    }
    let (mut shown, last) = (minutes[0].1, minutes[minutes.len() - 1].1);
    let mut found = Vec::new();
    while shown <= last {
        if fields.matches(shown) {
            let first = minutes.iter().find(|(_, local)| *local >= shown);
            found.extend(first.map(|(time, _)| *time));
        }
        shown = shown.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
    }
    found.dedup();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_days_around_a_change_of_the_clock_are_as_a_look_at_every_minute_has_them(
        fields in fields(),
        which in 0_usize..7,
        shift in 0_u64..24 * 60,
    ) {
        let (zone, night) = [
            (paris(), "2026-03-28T01:00:00Z"),
            (paris(), "2026-10-24T01:00:00Z"),
            (new_york(), "2026-03-07T07:00:00Z"),
            (new_york(), "2026-10-31T06:00:00Z"),
            (lord_howe(), "2026-10-02T15:30:00Z"),
            (lord_howe(), "2026-04-03T15:00:00Z"),
            (kolkata(), "2028-02-28T00:00:00Z"),
        ][which].clone();
        let from = Time(at(night).0 - shift * MINUTE_MS);
        let Ok(line) = Line::parse(&fields.text()) else {
            prop_assert!(refusal(&fields.text()).contains("no month"), "{}", fields.text());
            return Ok(());
        };
        let minutes = minutes(from, &zone);
        let until = Time(from.0 + 3 * 24 * 60 * MINUTE_MS);
        let wanted: Vec<_> =
            naive(&fields, &minutes).into_iter().filter(|t| *t > from && *t < until).collect();
        let found: Vec<_> = Schedule::new(fields.text())
            .occurrences(&JOB, from, &zone)
            .map(|one| one.planned)
            .take_while(|planned| *planned < until)
            .collect();
        prop_assert_eq!(&found, &wanted, "{}", fields.text());
        prop_assert!(minutes.iter().all(|(_, l)| line.matches(*l) == fields.matches(*l)));
    }

    #[test]
    fn occurrences_grow_strictly_and_each_is_what_is_next_after_the_one_before(
        fields in fields(),
        from in 0_u64..4_000_000_000_000,
        delay_s in prop_oneof![Just(0_u32), 1..=DELAY_SECONDS_MAX],
        which in 0_usize..4,
    ) {
        let zone = [utc(), paris(), new_york(), lord_howe()][which].clone();
        let schedule = Schedule { delay_s, ..Schedule::new(fields.text()) };
        prop_assume!(schedule.validate().is_ok());
        let all: Vec<_> = schedule.occurrences(&JOB, Time(from), &zone).take(12).collect();
        prop_assert_eq!(all.len(), 12);
        prop_assert!(all[0].planned > Time(from));
        for two in all.windows(2) {
            prop_assert!(two[0].starts < two[1].planned && two[1].planned <= two[1].starts);
            let next = schedule.next_after(&JOB, two[0].starts, &zone);
            prop_assert_eq!(next, Some(two[1].starts));
            let due = due(&schedule, &JOB, two[0].planned, two[1].starts, &zone).unwrap();
            prop_assert_eq!((due.planned, due.missed), (two[1].planned, 0));
        }
        let due = due(&schedule, &JOB, Time(from), all[11].starts, &zone).unwrap();
        prop_assert_eq!((due.planned, due.missed), (all[11].planned, 11));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[-0-9a-z*/,@ ]{0,40}|\\PC{0,40}") {
        let _ = Line::parse(&text);
    }
}

//! A cron line: which minutes of the calendar it names.
//!
//! As cron(8) of Debian reads it, with two things less: `@reboot` has no time, and a sixth field is
//! the mark of another dialect (seconds, or the user of /etc/crontab) and would be misread.

use jiff::civil::{Date, DateTime};

use super::{
    ScheduleError,
    field::{DAY, Field, HOUR, MINUTE, MONTH, Set, WEEKDAY},
    shown,
};

/// The longest line, bytes: every minute of the hour written out, and more.
pub const LINE_BYTES_MAX: usize = 512;

/// Steps of a search, a day or a month each. 29 February on a given weekday comes after 40 years
/// at most: 480 months, of which 40 have to be looked through day by day.
const STEPS_MAX: u32 = 50 * 366;

/// What the short forms stand for.
const SHORT: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Days of the longest of each month.
const MONTH_DAYS: [i8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A line that can be used: some day matches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Both day fields are restricted, so that either is enough. A field that begins with a star
    /// is not restricted, also `*/2`.
    either_day: bool,
    by_real_time: bool,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none, or names no day that exists.
    pub fn parse(line: &str) -> Result<Self, ScheduleError> {
        let refuse = |why: String| ScheduleError::Line { line: shown(line), why };
        if line.len() > LINE_BYTES_MAX {
            return Err(refuse(format!("it has more than {LINE_BYTES_MAX} bytes")));
        }
        let fields = long_form(line).map_err(refuse)?;
        let [minute, hour, day, month, weekday] = fields;
        let set = |field: &Field, text: &str| {
            field.parse(text).map_err(|why| refuse(format!("the {}: {why}", field.name)))
        };
        let hours = set(&HOUR, hour)?;
        let parsed = Self {
            minutes: set(&MINUTE, minute)?,
            hours,
            days: set(&DAY, day)?,
            months: set(&MONTH, month)?,
            weekdays: set(&WEEKDAY, weekday)?,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            by_real_time: hour.contains(['*', '/']) || hours.is_full(&HOUR),
        };
        if !parsed.names_a_day() {
            return Err(refuse("no month that it names has such a day".to_owned()));
        }
        Ok(parsed)
    }

    /// Whether it goes by real time: the hour is `*` or has a step.
    #[must_use]
    pub fn is_by_real_time(&self) -> bool {
        self.by_real_time
    }

    /// Whether it names the minute of a calendar and a clock.
    #[must_use]
    pub fn matches(&self, local: DateTime) -> bool {
        self.has_day(local.date())
            && self.hours.has(local.hour())
            && self.minutes.has(local.minute())
    }

    /// The first minute it names that is not before `from`, of which only the minute counts.
    pub(super) fn next(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        if self.has_day(date)
            && let Some((hour, minute)) = self.time_from(from.hour(), from.minute())
        {
            return Some(date.at(hour, minute, 0, 0));
        }
        let (hour, minute) = self.time_from(0, 0)?;
        for _ in 0..STEPS_MAX {
            let whole_month = !self.months.has(date.month());
            date = if whole_month { date.last_of_month() } else { date }.tomorrow().ok()?;
            if self.has_day(date) {
                return Some(date.at(hour, minute, 0, 0));
            }
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        let both = if self.either_day { day || weekday } else { day && weekday };
        both && self.months.has(date.month())
    }

    /// The first time of a day that is not before this one.
    fn time_from(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let now = self.hours.has(hour).then(|| self.minutes.at_or_after(minute)).flatten();
        let later = || Some((self.hours.at_or_after(hour + 1)?, self.minutes.at_or_after(0)?));
        now.map(|minute| (hour, minute)).or_else(later)
    }

    /// Whether any date fits. Every date of the calendar, 29 February too, falls on every day of
    /// the week sooner or later, so only days and months can exclude each other.
    fn names_a_day(&self) -> bool {
        let fits = |(month, days): (i8, i8)| {
            self.months.has(month) && self.days.at_or_after(1).is_some_and(|first| first <= days)
        };
        self.either_day || (1..).zip(MONTH_DAYS).any(fits)
    }
}

/// The five fields of a line, or of what its short form stands for.
fn long_form(line: &str) -> Result<[&str; 5], String> {
    let line = line.trim_matches([' ', '\t']);
    if line.starts_with('@') {
        let known = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(line));
        let (_, long) = known.ok_or_else(|| match line.to_ascii_lowercase().as_str() {
            "@reboot" => "a start of the machine is no time that can be planned".to_owned(),
            _ => format!("known are {}", SHORT.map(|(short, _)| short).join(", ")),
        })?;
        return long_form(long);
    }
    let fields: Vec<_> = line.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    <[&str; 5]>::try_from(fields).map_err(|fields| {
        let count = fields.len();
        let fields = if count == 1 { "field" } else { "fields" };
        format!(
            "it has {count} {fields}, not five: minute, hour, day of the month, month, day of the \
             week"
        )
    })
}

//! The day, week and month of an archive, as numbers that can be counted back from today's.

use jiff::{civil::Date, tz::TimeZone};

use crate::{Time, schedule};

const DAY_SECONDS: i64 = 86_400;

/// A local date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day(Date);

/// What one archive is kept of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Week,
    Month,
}

impl Day {
    /// The date of a moment in a zone.
    pub(super) fn of(time: Time, zone: &TimeZone) -> Self {
        let at = schedule::timestamp(time);
        Self(zone.to_offset(at).to_datetime(at).date())
    }

    /// The number of the period it lies in; that of the period before is one less.
    pub(super) fn number(self, period: Period) -> i64 {
        let days = self.0.duration_since(Date::constant(1970, 1, 1)).as_secs() / DAY_SECONDS;
        match period {
            Period::Day => days,
            // The day before the 1970s began was a Wednesday.
            Period::Week => (days - i64::from(self.0.weekday().to_monday_zero_offset()) + 3) / 7,
            Period::Month => i64::from(self.0.year()) * 12 + i64::from(self.0.month()),
        }
    }

    /// The period it lies in, for people.
    pub(super) fn name(self, period: Period) -> String {
        match period {
            Period::Day => self.0.to_string(),
            Period::Week => {
                let week = self.0.iso_week_date();
                format!("week {}-W{:02}", week.year(), week.week())
            }
            Period::Month => format!("{}-{:02}", self.0.year(), self.0.month()),
        }
    }
}

//! Which archives of a job stay, and why.
//!
//! The *policy* is a person's; [`plan`](plan()) applies it to the archives of one job and gives a verdict
//! with a reason on each. Whatever the policy says, these stay: the last good archive of the job,
//! pinned and foreign ones, those that are dated after now (a clock was moved, and nobody can tell
//! how old they are), and for a month those that a restore made to be able to go back.
//!
//! Days, weeks (Monday to Sunday) and months are those of a given time zone. The windows end
//! today: `daily:7` is today and the six days before it, whether or not there were archives.

mod calendar;
mod plan;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use plan::{Item, SAFETY_KEPT, Verdict, plan};

/// The most of anything that a policy may keep.
pub const KEEP_MAX: u32 = 10_000;

/// How much of a refused text an error repeats, characters.
const SHOWN_CHARS_MAX: usize = 80;

/// What stays of a job's archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::keeps_something)
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Retention {
    /// Everything.
    #[default]
    All,
    /// The newest so many.
    Count(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = KEEP_MAX)))] u32),
    /// One of each of the last so many days.
    Daily(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = KEEP_MAX)))] u32),
    /// Grandfather, father, son.
    Gfs {
        /// One of each of the last so many days.
        #[cfg_attr(feature = "schema", schemars(range(max = KEEP_MAX)))]
        daily: u32,
        /// One of each of the last so many weeks.
        #[cfg_attr(feature = "schema", schemars(range(max = KEEP_MAX)))]
        weekly: u32,
        /// One of each of the last so many months.
        #[cfg_attr(feature = "schema", schemars(range(max = KEEP_MAX)))]
        monthly: u32,
    },
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// It keeps nothing, or far too much.
    #[error("{what} is {value}, it must be between {min} and {KEEP_MAX}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What was given.
        value: u32,
        /// The least.
        min: u32,
    },
    /// A text that is no policy.
    #[error("{text:?} is no retention: all, count:N, daily:N or gfs:DAILY,WEEKLY,MONTHLY")]
    Text {
        /// What was given, cut to a readable length.
        text: String,
    },
}

impl Retention {
    /// Seven days, four weeks, three months.
    pub const GFS: Self = Self::Gfs { daily: 7, weekly: 4, monthly: 3 };

    /// Whether it keeps something, and not too much.
    ///
    /// # Errors
    /// The number that is out of its range.
    pub fn validate(&self) -> Result<(), RetentionError> {
        let check = |what, value, min| {
            if (min..=KEEP_MAX).contains(&value) {
                Ok(())
            } else {
                Err(RetentionError::Range { what, value, min })
            }
        };
        match *self {
            Self::All => Ok(()),
            Self::Count(count) => check("count", count, 1),
            Self::Daily(daily) => check("daily", daily, 1),
            Self::Gfs { daily, weekly, monthly } => {
                check("daily", daily, u32::from(weekly == 0 && monthly == 0))?;
                check("weekly", weekly, 0)?;
                check("monthly", monthly, 0)
            }
        }
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    /// Reads `all`, `count:7`, `daily:7`, `gfs:7,4,3`; `gfs` alone is [`Retention::GFS`].
    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let refuse = || RetentionError::Text { text: text.chars().take(SHOWN_CHARS_MAX).collect() };
        let number = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or_else(refuse)
        };
        let policy = match text.split_once(':') {
            None if text == "all" => Self::All,
            None if text == "gfs" => Self::GFS,
            Some(("count", count)) => Self::Count(number(count)?),
            Some(("daily", daily)) => Self::Daily(number(daily)?),
            Some(("gfs", numbers)) => {
                let numbers: Vec<_> = numbers.split(',').collect();
                let [daily, weekly, monthly] = numbers[..] else { return Err(refuse()) };
                let (daily, weekly) = (number(daily)?, number(weekly)?);
                Self::Gfs { daily, weekly, monthly: number(monthly)? }
            }
            _ => return Err(refuse()),
        };
        policy.validate().map(|()| policy)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "count:{count}"),
            Self::Daily(daily) => write!(f, "daily:{daily}"),
            Self::Gfs { daily, weekly, monthly } => write!(f, "gfs:{daily},{weekly},{monthly}"),
        }
    }
}

#[cfg(test)]
mod tests;

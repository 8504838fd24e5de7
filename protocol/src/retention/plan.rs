//! Verdicts on the archives of one job.

use std::{collections::BTreeSet, time::Duration};

use jiff::tz::TimeZone;

use super::{
    Retention,
    calendar::{Day, Period},
};
use crate::{ArchiveId, Time};

/// How long an archive that a restore made is kept, whatever the policy says.
pub const SAFETY_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// An archive, as far as a retention looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub id: ArchiveId,
    /// When it was made.
    pub created: Time,
    /// Whether it can be restored from: not made with a failure, and whole.
    pub good: bool,
    /// Whether a person pinned it.
    pub pinned: bool,
    /// Whether a restore made it.
    pub safety: bool,
    /// Whether no job of this node made it.
    pub foreign: bool,
}

/// What becomes of one archive, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub id: ArchiveId,
    /// Whether it stays.
    pub keep: bool,
    /// Why, for people.
    pub reason: String,
}

/// What a policy says of the archives of one job, newest first. Dropping what it drops and asking
/// again at the same moment drops nothing more.
#[must_use]
pub fn plan(policy: Retention, items: &[Item], now: Time, zone: &TimeZone) -> Vec<Verdict> {
    let mut newest_first = items.to_vec();
    newest_first.sort_by_key(|item| std::cmp::Reverse((item.created, item.id)));
    let last_good = LastGood::of(&newest_first, now);
    let mut slots = Slots::new(policy, Day::of(now, zone));
    let verdict = |item: &Item| {
        let by_policy = if item.foreign || item.created > now {
            Err(String::new())
        } else if item.safety {
            safety(policy, item, now)
        } else if item.good {
            slots.take(Day::of(item.created, zone))
        } else {
            slots.reach(Day::of(item.created, zone))
        };
        let (keep, reason) = match (protection(item, now), by_policy) {
            (Some(reason), _) => (true, reason.to_owned()),
            (None, Ok(reason)) => (true, reason),
            (None, Err(_)) if last_good.is(item.id) => {
                (true, "the last good archive of this job".to_owned())
            }
            (None, Err(reason)) => (false, reason),
        };
        Verdict { id: item.id, keep, reason }
    };
    newest_first.iter().map(verdict).collect()
}

/// What holds whatever the policy says.
fn protection(item: &Item, now: Time) -> Option<&'static str> {
    if item.foreign {
        Some("foreign: no job made it")
    } else if item.pinned {
        Some("pinned")
    } else if item.created > now {
        Some("dated after now: a clock was moved")
    } else {
        None
    }
}

fn safety(policy: Retention, item: &Item, now: Time) -> Result<String, String> {
    if policy == Retention::All {
        return Ok("everything is kept".to_owned());
    }
    let days = SAFETY_KEPT.as_secs() / (24 * 3_600);
    if now.since(item.created) <= SAFETY_KEPT {
        Ok(format!("made by a restore: kept for {days} days"))
    } else {
        Err(format!("made by a restore more than {days} days ago"))
    }
}

/// The newest good archives: of all, and of those that are not dated after now.
struct LastGood([Option<ArchiveId>; 2]);

impl LastGood {
    fn of(newest_first: &[Item], now: Time) -> Self {
        // A safety archive may hold one file of the job's many: it counts where there is no other.
        let regular = newest_first.iter().any(|item| is_good(item) && !item.safety);
        let good = || newest_first.iter().filter(|i| is_good(i) && (!i.safety || !regular));
        let past = good().find(|item| item.created <= now);
        Self([good().next(), past].map(|item| item.map(|item| item.id)))
    }

    fn is(&self, id: ArchiveId) -> bool {
        self.0.contains(&Some(id))
    }
}

fn is_good(item: &Item) -> bool {
    item.good && !item.foreign
}

/// What a policy still has room for, going from the newest archive to the oldest.
struct Slots {
    policy: Retention,
    today: Day,
    counted: u32,
    /// Periods that have their archive, by the place of their window in the policy.
    taken: BTreeSet<(usize, i64)>,
}

impl Slots {
    fn new(policy: Retention, today: Day) -> Self {
        Self { policy, today, counted: 0, taken: BTreeSet::new() }
    }

    /// Gives a good archive its place, or says why there is none.
    fn take(&mut self, day: Day) -> Result<String, String> {
        let mut of = Vec::new();
        match self.policy {
            Retention::All => return Ok("everything is kept".to_owned()),
            Retention::Count(count) if self.counted < count => {
                self.counted += 1;
                return Ok(format!("among the newest {count}"));
            }
            Retention::Count(_) => return Err(self.too_old()),
            Retention::Daily(_) | Retention::Gfs { .. } => {}
        }
        for (at, (period, count)) in self.windows().into_iter().enumerate() {
            let number = day.number(period);
            if self.within(day, period, count) && self.taken.insert((at, number)) {
                of.push(day.name(period));
            }
        }
        if let Some(first) = of.first() {
            return Ok(format!("the newest of {first}"));
        }
        let shortest = self.windows().into_iter().find(|(p, count)| self.within(day, *p, *count));
        Err(shortest.map_or_else(
            || self.too_old(),
            |(period, _)| format!("not the newest of {}", day.name(period)),
        ))
    }

    /// Whether the policy still reaches to an archive that is not good: it has no place, and goes
    /// when a good one of its age would.
    fn reach(&self, day: Day) -> Result<String, String> {
        let reaches = match self.policy {
            Retention::All => return Ok("everything is kept".to_owned()),
            Retention::Count(count) => self.counted < count,
            Retention::Daily(_) | Retention::Gfs { .. } => {
                self.windows().into_iter().any(|(period, count)| self.within(day, period, count))
            }
        };
        let kept = "not whole: it counts for nothing, and stays until it is too old".to_owned();
        if reaches { Ok(kept) } else { Err(self.too_old()) }
    }

    /// The windows of the policy that keep anything, shortest first.
    fn windows(&self) -> Vec<(Period, u32)> {
        let all = match self.policy {
            Retention::All | Retention::Count(_) => Vec::new(),
            Retention::Daily(daily) => vec![(Period::Day, daily)],
            Retention::Gfs { daily, weekly, monthly } => {
                vec![(Period::Day, daily), (Period::Week, weekly), (Period::Month, monthly)]
            }
        };
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn within(&self, day: Day, period: Period, count: u32) -> bool {
        self.today.number(period) - day.number(period) < i64::from(count)
    }

    fn too_old(&self) -> String {
        let many = |count: u32, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        if let Retention::Count(count) = self.policy {
            return format!("older than the newest {} that are kept", many(count, "archive"));
        }
        let windows = self.windows().into_iter().map(|(period, count)| match period {
            Period::Day => many(count, "day"),
            Period::Week => many(count, "week"),
            Period::Month => many(count, "month"),
        });
        format!("older than the {} that are kept", windows.collect::<Vec<_>>().join(", "))
    }
}

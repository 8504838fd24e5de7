//! What is due: a pure function of the jobs, of what was handled, of the clock and of the zones.
//!
//! Of each job it is known up to where its schedule was *handled*: run, skipped, or never meant. A
//! job that is new, has another schedule, or is enabled again begins with the moment of that change,
//! so that it does not run for times before it. What was missed is caught up once: the newest time
//! runs, those before it are counted. After the clock went back nothing happens twice: no time at or
//! before the handled one runs; only when that lies so far ahead that the clock must have been wrong
//! before, the schedule begins anew.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use protocol::{
    JobId, Time,
    control::Trigger,
    job::{Job, Name},
    schedule::{self, Schedule},
};

use crate::db::Handled;

/// No clock says an earlier time, 2020-01-01, and is right: this program was not written then. A
/// machine without a battery starts with 1970, until the network tells it better.
const CLOCK_MIN: Time = Time(1_577_836_800_000);

/// A run that starts so much later than it was due is caught up.
const LATE_AFTER: Duration = Duration::from_secs(60);

/// How far each schedule was handled, and when it is due next.
#[derive(Debug, Default)]
pub(super) struct Agenda(BTreeMap<JobId, Row>);

#[derive(Debug)]
struct Row {
    handled: Handled,
    /// When it starts next, by which zone; worked out when one of them is another than before.
    next: Option<(TimeZone, Option<Time>)>,
}

/// What a look decided.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// To be noted before anything of it is started.
    pub(super) handled: Vec<(JobId, Handled)>,
    /// To be started now, in the order in which it was due.
    pub(super) due: Vec<Due>,
    /// What starts next, and when.
    pub(super) next: Option<(Time, Arc<Job>)>,
    /// Jobs whose schedule begins anew, because the clock went back by so much.
    pub(super) distrusted: Vec<(Name, Duration)>,
}

/// A run that is due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    /// Of which job.
    pub(super) job: Arc<Job>,
    /// The time that its line names.
    pub(super) planned: Time,
    /// Times before it that were not run either.
    pub(super) missed: u32,
    starts: Time,
    /// When it was found to be due.
    now: Time,
}

impl Due {
    /// Whether it should have run long ago.
    pub(super) fn is_late(&self) -> bool {
        self.now.since(self.starts) > LATE_AFTER
    }

    /// Why the run begins.
    pub(super) fn trigger(&self) -> Trigger {
        if self.is_late() { Trigger::CatchUp } else { Trigger::Schedule }
    }
}

impl Agenda {
    /// An agenda that goes on from what was noted.
    pub(super) fn new(handled: Vec<(JobId, Handled)>) -> Self {
        let rows = handled.into_iter().map(|(job, handled)| (job, Row { handled, next: None }));
        Self(rows.collect())
    }

    /// Decides what is to run now.
    pub(super) fn look(
        &mut self,
        jobs: &[Arc<Job>],
        now: Time,
        zone_of: &dyn Fn(&Schedule) -> TimeZone,
    ) -> Plan {
        let mut plan = Plan::default();
        if now < CLOCK_MIN {
            return plan;
        }
        for job in jobs {
            self.look_at(job, now, zone_of, &mut plan);
        }
        plan.due.sort_by_key(|due| due.starts);
        plan
    }

    fn look_at(
        &mut self,
        job: &Arc<Job>,
        now: Time,
        zone_of: &dyn Fn(&Schedule) -> TimeZone,
        plan: &mut Plan,
    ) {
        let wanted = job.spec.schedule.as_ref().filter(|_| job.spec.enabled);
        let old = self.0.remove(&job.id);
        let was = old.as_ref().map(|row| &row.handled);
        let mut until = handled_until(job, was, wanted, now);
        let back = was.map_or(Duration::ZERO, |was| was.until.since(now));
        if back > schedule::CLOCK_BACK_MAX {
            plan.distrusted.push((job.spec.name.clone(), back));
        }
        let same = was.is_some_and(|was| was.until == until && was.schedule.as_ref() == wanted);
        let mut next = old.and_then(|old| old.next).filter(|_| same);
        let mut fresh = same;
        if let Some(schedule) = wanted {
            let zone = zone_of(schedule);
            let mut starts = starting(next, schedule, job, until, &zone);
            if starts.is_some_and(|starts| starts <= now)
                && let Some(one) = schedule::due(schedule, &job.id, until, now, &zone)
            {
                let (job, planned, missed) = (Arc::clone(job), one.planned, one.missed);
                plan.due.push(Due {
                    job: Arc::clone(&job),
                    planned,
                    missed,
                    starts: one.starts,
                    now,
                });
                (until, fresh) = (planned, false);
                starts = starting(None, schedule, &job, until, &zone);
            }
            if let Some(starts) = starts
                && plan.next.as_ref().is_none_or(|(soonest, _)| starts < *soonest)
            {
                plan.next = Some((starts, Arc::clone(job)));
            }
            next = Some((zone, starts));
        }
        let handled = Handled { until, schedule: wanted.cloned() };
        if !fresh {
            plan.handled.push((job.id, handled.clone()));
        }
        self.0.insert(job.id, Row { handled, next });
    }
}

/// Up to where a schedule counts as handled, before it is asked what is due.
fn handled_until(job: &Job, was: Option<&Handled>, wanted: Option<&Schedule>, now: Time) -> Time {
    // The clock may have gone back since.
    let changed = job.updated_ms.min(now);
    let until = match was {
        None => changed,
        Some(was) if was.schedule.as_ref() != wanted => was.until.max(changed),
        Some(was) => was.until,
    };
    schedule::trusted(until, now)
}

/// When the first time after the handled one starts; `known` when it was worked out before.
fn starting(
    known: Option<(TimeZone, Option<Time>)>,
    schedule: &Schedule,
    job: &Job,
    until: Time,
    zone: &TimeZone,
) -> Option<Time> {
    match known {
        Some((by, starts)) if by == *zone => starts,
        _ => schedule.occurrences(&job.id, until, zone).next().map(|one| one.starts),
    }
}

#[cfg(test)]
mod tests;

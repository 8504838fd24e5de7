//! When a job runs by itself.

use clap::Args;
use protocol::{job::JobSpec, schedule::Schedule};

use super::super::{Stop, value};

/// The word for the machine's own time zone.
const ZONE_OF_THE_MACHINE: &str = "local";

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "When it runs")]
pub(super) struct Timing {
    /// Minute, hour, day, month, weekday (0 and 7 are Sunday), or @hourly, @daily, @weekly,
    /// @monthly, @yearly [default when adding: only when asked]
    #[arg(long, value_name = "LINE")]
    cron: Option<String>,
    /// The time zone of --cron, as in Europe/Paris; `local` for the machine's own
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Begin each run up to so much later, at most 24h, so that not all nodes begin at once
    #[arg(long, value_name = "TIME", value_parser = value::seconds)]
    random_delay: Option<u32>,
}

impl Timing {
    pub(super) fn apply(self, spec: &mut JobSpec) -> Result<(), Stop> {
        if self == Self::default() {
            return Ok(());
        }
        let mut schedule = match (self.cron, spec.schedule.take()) {
            (Some(cron), Some(before)) => Schedule { cron, ..before },
            (Some(cron), None) => Schedule::new(cron),
            (None, Some(before)) => before,
            (None, None) => {
                let why = "a time zone or a delay is named, and the job has no schedule";
                let hint = "say when it runs too, as in --cron '0 3 * * *'";
                return Err(Stop::usage("cannot set the schedule", why, hint));
            }
        };
        if let Some(zone) = self.time_zone {
            schedule.zone = (zone != ZONE_OF_THE_MACHINE).then_some(zone);
        }
        schedule.delay_s = self.random_delay.unwrap_or(schedule.delay_s);
        spec.schedule = Some(schedule);
        Ok(())
    }
}

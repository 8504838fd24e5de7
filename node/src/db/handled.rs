//! How far each job's schedule was handled, so that no time of it is run twice.

use protocol::{JobId, Time, cbor, schedule::Schedule};
use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::{Db, DbError, during, tables::HANDLED};

/// The largest row: a cron line and the name of a time zone.
const HANDLED_BYTES_MAX: usize = 64 << 10;

/// Up to where the times of a schedule were run, skipped, or never meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// No time at or before this one is run any more.
    pub until: Time,
    /// The schedule that this was said of; none while the job did not run by itself.
    pub schedule: Option<Schedule>,
}

impl Db {
    /// Of every job that was ever looked at.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn handled(&self) -> Result<Vec<(JobId, Handled)>, DbError> {
        const WHAT: &str = "read how far schedules were handled";
        let rows = self.read(WHAT, HANDLED, |table| {
            let mut rows = Vec::new();
            for row in table.iter().map_err(during(WHAT))? {
                let (job, handled) = row.map_err(during(WHAT))?;
                // A row that cannot be read is as none: the job is looked at anew.
                let handled = cbor::decode("handled", handled.value(), HANDLED_BYTES_MAX);
                rows.extend(handled.ok().map(|handled| (JobId(*job.value()), handled)));
            }
            Ok(rows)
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Notes how far the schedules of some jobs were handled, all or none of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_handled(&self, rows: &[(JobId, Handled)]) -> Result<(), DbError> {
        const WHAT: &str = "note how far schedules were handled";
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(HANDLED).map_err(during(WHAT))?;
            for (job, handled) in rows {
                let bytes = cbor::encode(handled);
                table.insert(&job.0, bytes.as_slice()).map_err(during(WHAT))?;
            }
            Ok(())
        })
    }

    /// Forgets a job that was removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_handled(&self, job: &JobId) -> Result<(), DbError> {
        const WHAT: &str = "forget how far a schedule was handled";
        self.write(WHAT, |tx| {
            tx.open_table(HANDLED).map_err(during(WHAT))?.remove(&job.0).map_err(during(WHAT))?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handled_is_there_after_reopening_until_its_job_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let (one, two) = (JobId([1; 16]), JobId([2; 16]));
        let on = Handled { until: Time(7), schedule: Some(Schedule::new("0 3 * * *")) };
        let off = Handled { until: Time(9), schedule: None };
        {
            let db = Db::open(&path).unwrap();
            assert!(db.handled().unwrap().is_empty());
            db.set_handled(&[(one, off.clone()), (two, off.clone())]).unwrap();
            db.set_handled(&[(one, on.clone())]).unwrap();
        }
        let db = Db::open(&path).unwrap();
        assert_eq!(db.handled().unwrap(), [(one, on), (two, off.clone())]);
        db.forget_handled(&one).unwrap();
        assert_eq!(db.handled().unwrap(), [(two, off)]);
    }
}

//! The number of each job that there ever was, for clients whose ids are numbers.

use protocol::JobId;
use redb::ReadableTable as _;

use super::{Db, DbError, during, tables::JOB_NUMBERS};

impl Db {
    /// Every job that has a number, those that are no more included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn job_numbers(&self) -> Result<Vec<(u64, JobId)>, DbError> {
        const WHAT: &str = "read the numbers of jobs";
        let rows = self.read(WHAT, JOB_NUMBERS, |table| {
            let rows = table.iter().map_err(during(WHAT))?;
            let number = |row: Result<(redb::AccessGuard<'_, u64>, _), _>| {
                let (number, job): (_, redb::AccessGuard<'_, &[u8; 16]>) =
                    row.map_err(during(WHAT))?;
                Ok((number.value(), JobId(*job.value())))
            };
            rows.map(number).collect()
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// Gives jobs that have none their numbers, in this order, all or none of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn number_jobs(&self, jobs: &[JobId]) -> Result<Vec<(u64, JobId)>, DbError> {
        const WHAT: &str = "number a job";
        let mut given = Vec::with_capacity(jobs.len());
        self.write(WHAT, |tx| {
            let mut table = tx.open_table(JOB_NUMBERS).map_err(during(WHAT))?;
            let last = table.last().map_err(during(WHAT))?.map_or(0, |(last, _)| last.value());
            for (number, job) in (last + 1..).zip(jobs) {
                table.insert(number, &job.0).map_err(during(WHAT))?;
                given.push((number, *job));
            }
            Ok(())
        })?;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_from_one_and_go_on_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.redb");
        let [one, two, three] = [1, 2, 3].map(|n| JobId([n; 16]));
        {
            let db = Db::open(&path).unwrap();
            assert!(db.job_numbers().unwrap().is_empty());
            assert_eq!(db.number_jobs(&[two, one]).unwrap(), [(1, two), (2, one)]);
        }
        let db = Db::open(&path).unwrap();
        assert_eq!(db.number_jobs(&[three]).unwrap(), [(3, three)]);
        assert_eq!(db.job_numbers().unwrap(), [(1, two), (2, one), (3, three)]);
    }
}

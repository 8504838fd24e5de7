//! Numbers of jobs: a job is known by its id everywhere, and on its own node by a number too, for
//! clients that take nothing else.
//!
//! A job gets the next number when it is first seen, older jobs before younger ones. It keeps it
//! over renaming and restarts, and no other job gets it when it is removed: runs of old still say
//! which job they were of.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use protocol::{
    JobId,
    control::{Reply, RunReport},
    job::Job,
};
use tracing::warn;

use crate::db::{Db, DbError};

/// The numbers of all jobs, in memory and in the state file.
pub struct Numbers {
    db: Arc<Db>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    jobs: BTreeMap<u64, JobId>,
    numbers: BTreeMap<JobId, u64>,
}

impl Known {
    fn add(&mut self, rows: Vec<(u64, JobId)>) {
        for (number, job) in rows {
            self.jobs.insert(number, job);
            self.numbers.insert(job, number);
        }
    }
}

impl Numbers {
    /// Reads them.
    ///
    /// # Errors
    /// When the state file cannot be read.
    pub fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let mut known = Known::default();
        known.add(db.job_numbers()?);
        Ok(Self { db, known: Mutex::new(known) })
    }

    /// The job of a number, also one that was removed.
    #[must_use]
    pub fn job(&self, number: u64) -> Option<JobId> {
        self.lock().jobs.get(&number).copied()
    }

    /// The number of a job; none for one that this node never had.
    #[must_use]
    pub fn of(&self, job: &JobId) -> Option<u64> {
        self.lock().numbers.get(job).copied()
    }

    /// Gives those of these jobs that have no number one. Only then it blocks on the disk; when
    /// that refuses they get theirs when they are next seen.
    pub(super) fn see<'a>(&self, jobs: impl Iterator<Item = &'a Job>) {
        let mut known = self.lock();
        let mut new: Vec<_> = jobs.filter(|job| !known.numbers.contains_key(&job.id)).collect();
        if new.is_empty() {
            return;
        }
        new.sort_by_key(|job| (job.created_ms, job.id));
        let ids: Vec<_> = new.iter().map(|job| job.id).collect();
        match self.db.number_jobs(&ids) {
            Ok(rows) => known.add(rows),
            Err(error) => warn!(%error, jobs = ids.len(), "new jobs have no number yet"),
        }
    }

    /// Fills the numbers of jobs into the runs of an answer.
    pub(super) fn fill(&self, reply: &mut Reply) {
        let fill = |run: &mut RunReport| {
            run.job_number = run.job_id.and_then(|job| self.of(&job));
        };
        match reply {
            Reply::RunStarted(run) | Reply::RunEnded(run) => fill(run),
            Reply::Run(detail) => fill(&mut detail.run),
            Reply::Runs(runs) => runs.iter_mut().for_each(fill),
            Reply::Job(job) => job.last_run.iter_mut().for_each(fill),
            Reply::Jobs(jobs) => {
                jobs.jobs.iter_mut().filter_map(|job| job.last_run.as_mut()).for_each(fill);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The last runs of each job, kept in memory: lists of jobs and the node's health ask for them all
//! the time, and reading them from the state file costs more than the rest of the answer.
//!
//! A job gets in when it is first asked about, and follows what begins and ends from then on. Both
//! happen under the lock of what is at work, so nothing can change between reading and keeping.

use std::collections::HashMap;

use protocol::{
    JobId,
    control::{RunKind, RunReport},
};

use super::is_open;

/// Jobs that are kept, about 10 MB of them. Beyond, it begins anew.
const JOBS_MAX: usize = 16_384;

/// What is known of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Known {
    /// Its newest run, as it was when it began or ended.
    pub(super) last: Option<RunReport>,
    /// Its newest backup that has ended, of the runs that were looked through.
    pub(super) backup: Option<RunReport>,
}

/// The last runs of the jobs that were asked about.
#[derive(Debug, Default)]
pub(super) struct Latest(HashMap<JobId, Known>);

impl Latest {
    pub(super) fn get(&self, job: &JobId) -> Option<&Known> {
        self.0.get(job)
    }

    pub(super) fn put(&mut self, job: JobId, known: Known) {
        if self.0.len() >= JOBS_MAX && !self.0.contains_key(&job) {
            self.0.clear();
        }
        self.0.insert(job, known);
    }

    /// A run began or ended, and stands so in the state file.
    pub(super) fn is(&mut self, run: &RunReport) {
        let Some(known) = run.job_id.as_ref().and_then(|job| self.0.get_mut(job)) else { return };
        if known.last.as_ref().is_none_or(|last| last.run <= run.run) {
            known.last = Some(run.clone());
        }
        let newer = known.backup.as_ref().is_none_or(|backup| backup.run <= run.run);
        if newer && run.kind == RunKind::Backup && !is_open(run.state) {
            known.backup = Some(run.clone());
        }
    }

    /// What the state file says of a run is not known.
    pub(super) fn forget(&mut self, run: &RunReport) {
        if let Some(job) = &run.job_id {
            self.0.remove(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Time, control::RunState};

    use super::*;

    const JOB: JobId = JobId([1; 16]);

    fn run(id: u64, kind: RunKind, state: RunState) -> RunReport {
        let mut run = RunReport::new(id, "docs", state, Time(id));
        (run.job_id, run.kind) = (Some(JOB), kind);
        run
    }

    #[test]
    fn a_job_is_followed_from_when_it_was_asked_about() {
        let mut latest = Latest::default();
        latest.is(&run(1, RunKind::Backup, RunState::Success));
        assert_eq!(latest.get(&JOB), None, "nobody asked");
        latest.put(JOB, Known::default());
        let backup = run(2, RunKind::Backup, RunState::Success);
        let restore = run(3, RunKind::Restore, RunState::Success);
        let open = run(4, RunKind::Backup, RunState::Running);
        for (run, backup_of) in [(&backup, 2), (&restore, 2), (&open, 2)] {
            latest.is(run);
            let known = latest.get(&JOB).unwrap();
            assert_eq!(known.last.as_ref().unwrap().run, run.run);
            assert_eq!(known.backup.as_ref().unwrap().run, backup_of);
        }
        latest.is(&backup);
        assert_eq!(
            latest.get(&JOB).unwrap().last.as_ref().unwrap().run,
            4,
            "an old one is told late"
        );
        latest.forget(&open);
        assert_eq!(latest.get(&JOB), None);
    }

    #[test]
    fn more_jobs_than_there_is_room_for_begin_anew() {
        let mut latest = Latest::default();
        for number in 0..=JOBS_MAX as u128 {
            latest.put(JobId(number.to_be_bytes()), Known::default());
        }
        assert_eq!(latest.0.len(), 1);
    }
}

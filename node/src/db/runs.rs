//! The history of runs in the state file.
//!
//! A run's report and its transcript are two rows, so that a list reads reports alone. Two indexes
//! lead from a job to its runs: by its id, and by the name it had when it ran, for jobs that are no
//! more. What grows is bounded: the oldest runs go, and transcripts long before them.

use protocol::{
    JobId, cbor,
    control::{RunReport, TranscriptLine},
};
use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};

use super::{
    Db, DbError, during,
    tables::{RUNS, RUNS_1, RUNS_NAMED, RUNS_OF_JOB, RUNS_OPEN, TRANSCRIPTS},
};

/// Runs that are kept: a hundred jobs, hourly, for two years.
const RUNS_KEPT_MAX: u64 = 2_000_000;

/// Transcripts that are kept. Most are some lines long; at their longest they are 4 MiB.
const TRANSCRIPTS_KEPT_MAX: u64 = 20_000;

/// The largest stored report: numbers, a name, and why it failed.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// The largest stored transcript.
const TRANSCRIPT_BYTES_MAX: usize = 8 << 20;

/// Which runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOf<'a> {
    /// All.
    All,
    /// Of a job, whatever it was called.
    Job(&'a JobId),
    /// Of whatever job was called so.
    Named(&'a str),
}

impl Db {
    /// The number of the newest run; 0 when there was none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_run(&self) -> Result<u64, DbError> {
        const WHAT: &str = "read runs";
        let newest = self.read(WHAT, RUNS, |table| {
            let last = table.last().map_err(during(WHAT))?;
            Ok(last.map_or(0, |(id, _)| id.value()))
        })?;
        Ok(newest.unwrap_or_default())
    }

    /// Puts a run that has begun.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_run(&self, run: &RunReport) -> Result<(), DbError> {
        self.begin_runs(std::slice::from_ref(run), RUNS_KEPT_MAX)
    }

    fn begin_runs(&self, runs: &[RunReport], kept_max: u64) -> Result<(), DbError> {
        const WHAT: &str = "write a run";
        self.write(WHAT, |tx| {
            let mut open = tx.open_table(RUNS_OPEN).map_err(during(WHAT))?;
            let mut table = tx.open_table(RUNS).map_err(during(WHAT))?;
            let mut of_job = tx.open_table(RUNS_OF_JOB).map_err(during(WHAT))?;
            let mut named = tx.open_table(RUNS_NAMED).map_err(during(WHAT))?;
            for run in runs {
                open.insert(run.run, ()).map_err(during(WHAT))?;
                let bytes = cbor::encode(run);
                table.insert(run.run, bytes.as_slice()).map_err(during(WHAT))?;
                if let Some(job) = &run.job_id {
                    of_job.insert((&job.0, run.run), ()).map_err(during(WHAT))?;
                }
                named.insert((run.job.as_str(), run.run), ()).map_err(during(WHAT))?;
            }
            while table.len().map_err(during(WHAT))? > kept_max {
                let Some((id, bytes)) = table.pop_first().map_err(during(WHAT))? else { break };
                let Some(old) = report(bytes.value()) else { continue };
                named.remove((old.job.as_str(), id.value())).map_err(during(WHAT))?;
                if let Some(job) = &old.job_id {
                    of_job.remove((&job.0, id.value())).map_err(during(WHAT))?;
                }
            }
            Ok(())
        })
    }

    /// Puts how a run ended, with what it said.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end_run(&self, run: &RunReport, said: &[TranscriptLine]) -> Result<(), DbError> {
        self.end_runs(&[(run, said)], TRANSCRIPTS_KEPT_MAX)
    }

    fn end_runs(
        &self,
        runs: &[(&RunReport, &[TranscriptLine])],
        kept_max: u64,
    ) -> Result<(), DbError> {
        const WHAT: &str = "write a run";
        self.write(WHAT, |tx| {
            let mut open = tx.open_table(RUNS_OPEN).map_err(during(WHAT))?;
            let mut table = tx.open_table(RUNS).map_err(during(WHAT))?;
            let mut transcripts = tx.open_table(TRANSCRIPTS).map_err(during(WHAT))?;
            for (run, said) in runs {
                open.remove(run.run).map_err(during(WHAT))?;
                let bytes = cbor::encode(run);
                table.insert(run.run, bytes.as_slice()).map_err(during(WHAT))?;
                if !said.is_empty() {
                    let bytes = cbor::encode(said);
                    transcripts.insert(run.run, bytes.as_slice()).map_err(during(WHAT))?;
                }
            }
            while transcripts.len().map_err(during(WHAT))? > kept_max {
                transcripts.pop_first().map_err(during(WHAT))?;
            }
            Ok(())
        })
    }

    /// Runs that have begun and not ended, as they were written then.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_runs(&self) -> Result<Vec<RunReport>, DbError> {
        const WHAT: &str = "read runs";
        let open = self.read(WHAT, RUNS_OPEN, |table| {
            let rows = table.iter().map_err(during(WHAT))?;
            rows.map(|row| Ok(row.map_err(during(WHAT))?.0.value())).collect::<Result<Vec<_>, _>>()
        })?;
        self.reports(&open.unwrap_or_default())
    }

    /// One run.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn run(&self, id: u64) -> Result<Option<RunReport>, DbError> {
        Ok(self.reports(&[id])?.pop())
    }

    /// What a run said; nothing when it said nothing or that was too long ago.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn transcript(&self, id: u64) -> Result<Vec<TranscriptLine>, DbError> {
        const WHAT: &str = "read what a run said";
        let said = self.read(WHAT, TRANSCRIPTS, |table| {
            let row = table.get(id).map_err(during(WHAT))?;
            let decode = |bytes: &[u8]| cbor::decode("transcript", bytes, TRANSCRIPT_BYTES_MAX);
            Ok(row.and_then(|row| decode(row.value()).ok()))
        })?;
        Ok(said.flatten().unwrap_or_default())
    }

    /// The newest runs first, at most `limit`, older than `before`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs(
        &self,
        of: RunsOf<'_>,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RunReport>, DbError> {
        const WHAT: &str = "read runs";
        let ids: Option<Vec<u64>> = match of {
            RunsOf::All => return self.all_runs(before, limit),
            RunsOf::Job(job) => self.read(WHAT, RUNS_OF_JOB, |table| {
                let rows = table.range((&job.0, 0)..(&job.0, before)).map_err(during(WHAT))?;
                rows.rev()
                    .take(limit)
                    .map(|row| Ok(row.map_err(during(WHAT))?.0.value().1))
                    .collect()
            })?,
            RunsOf::Named(name) => self.read(WHAT, RUNS_NAMED, |table| {
                let rows = table.range((name, 0)..(name, before)).map_err(during(WHAT))?;
                rows.rev()
                    .take(limit)
                    .map(|row| Ok(row.map_err(during(WHAT))?.0.value().1))
                    .collect()
            })?,
        };
        self.reports(&ids.unwrap_or_default())
    }

    fn all_runs(&self, before: u64, limit: usize) -> Result<Vec<RunReport>, DbError> {
        const WHAT: &str = "read runs";
        let runs = self.read(WHAT, RUNS, |table| {
            let mut runs = Vec::new();
            for row in table.range(..before).map_err(during(WHAT))?.rev().take(limit) {
                runs.extend(report(row.map_err(during(WHAT))?.1.value()));
            }
            Ok(runs)
        })?;
        Ok(runs.unwrap_or_default())
    }

    /// Those of these runs that are there.
    fn reports(&self, ids: &[u64]) -> Result<Vec<RunReport>, DbError> {
        const WHAT: &str = "read runs";
        let runs = self.read(WHAT, RUNS, |table| {
            let mut runs = Vec::with_capacity(ids.len());
            for id in ids {
                let row = table.get(id).map_err(during(WHAT))?;
                runs.extend(row.and_then(|row| report(row.value())));
            }
            Ok(runs)
        })?;
        Ok(runs.unwrap_or_default())
    }

    /// Frees the room of a history in the shape it had before any release.
    pub(super) fn drop_old_runs(&self) -> Result<(), DbError> {
        const WHAT: &str = "drop runs of an older version";
        let tx = self.redb.begin_read().map_err(during(WHAT))?;
        match tx.open_table(RUNS_1) {
            Ok(_) => self.write(WHAT, |tx| {
                tx.delete_table(RUNS_1).map_err(during(WHAT))?;
                Ok(())
            }),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(()),
            Err(source) => Err(during(WHAT)(source)),
        }
    }
}

fn report(bytes: &[u8]) -> Option<RunReport> {
    cbor::decode("run", bytes, REPORT_BYTES_MAX).ok()
}

#[cfg(test)]
mod tests;

//! An archive of what a restore is about to replace.
//!
//! It is made like any archive, by the same execution, of a job that is not stored anywhere: the
//! archive's own job where it is of this node, with the smallest source that holds all that will be
//! replaced. Of an app or the system, `YunoHost` makes a tar for it, which goes once it is taken in.

use std::{path::Path, sync::Arc};

use protocol::{
    Entropy as _, JobId,
    control::{Failure, FailureCode},
    job::{CustomDir, Databases, Job, JobConfig, JobSpec, Name, YnhApp, YnhSystem},
};

use super::known::Known;
use crate::{
    daemon::{execute::Execution, node::Node},
    ingest::Progress,
    socket::EventSink,
    sys::{self, OsEntropy},
    tasks::{database::Engine, yunohost::Selection},
};

/// What a safety archive's job is called: the job, cut so that the whole is a name.
const STEM_BYTES_MAX: usize = 40;

/// The run that a safety archive is made in.
pub(super) struct Within<'a> {
    pub(super) run: u64,
    pub(super) events: &'a EventSink,
    /// Its counters; a restore that is stopped stops it through them.
    pub(super) halt: Arc<Progress>,
}

/// Makes a safety archive, and says what it is called.
///
/// # Errors
/// When it is not made: then nothing may be replaced.
pub(super) fn make(node: &Node, job: &Job, within: &Within<'_>) -> Result<String, Failure> {
    let (run, events) = (within.run, within.events);
    let progress = Arc::clone(&within.halt);
    let execution = Execution { node, job, run, events, progress, safety: true };
    let made = execution.execute().map_err(|failure| {
        let hint = "nothing was changed; --no-safety restores without a safety archive";
        Failure { hint: Some(hint.to_owned()), ..failure }
    })?;
    Ok(made.name)
}

/// A job for the files that will be replaced.
pub(super) fn job_of_files(
    known: &Known,
    local: Option<&Job>,
    lost: &Path,
) -> Result<Job, Failure> {
    // A path that is no text has a part of it that is; what lies there includes it.
    let path = lost.ancestors().find_map(Path::to_str).unwrap_or("/");
    // Without the excludes of the job: the archive may be older than they are, and what it replaces
    // is saved whatever it is called.
    job(known, local, JobConfig::CustomDir(CustomDir::new(path)))
}

/// A job for databases that will be replaced.
pub(super) fn job_of_databases(
    known: &Known,
    local: Option<&Job>,
    names: &[String],
) -> Result<Job, Failure> {
    let of_job = match local.map(|job| &job.spec.config) {
        Some(JobConfig::Mysql(of_job) | JobConfig::Postgresql(of_job)) => of_job.clone(),
        _ => Databases::default(),
    };
    let databases = Databases {
        database: None,
        databases: names.iter().cloned().collect(),
        all: false,
        excludes: std::collections::BTreeSet::new(),
        ..of_job
    };
    match known.kind.engine() {
        Some(Engine::Mysql) => job(known, local, JobConfig::Mysql(databases)),
        _ => job(known, local, JobConfig::Postgresql(databases)),
    }
}

/// A job for an app, or parts of the system, that will be replaced.
pub(super) fn job_of_yunohost(
    known: &Known,
    local: Option<&Job>,
    what: &Selection,
) -> Result<Job, Failure> {
    let config = match what {
        Selection::App(id) => JobConfig::YnhApp(YnhApp { app_id: id.clone(), core_only: false }),
        Selection::System(parts) => JobConfig::YnhSystem(YnhSystem { parts: parts.clone() }),
    };
    job(known, local, config)
}

/// The job is that of the archive, where it is this node's: its retention knows what to do with
/// safety archives. It has no commands and no copies; it is only to go back.
fn job(known: &Known, local: Option<&Job>, config: JobConfig) -> Result<Job, Failure> {
    let stem = local.map_or(known.title.as_str(), |job| job.spec.name.as_str());
    let stem: String = stem.chars().take(STEM_BYTES_MAX).collect();
    let name = stem.trim_end_matches('.').parse::<Name>();
    let name = name.map_err(|error| {
        Failure::caused(FailureCode::Internal, "cannot name the safety archive", &error)
    })?;
    let mut spec = JobSpec::new(name, config);
    if let Some(job) = local {
        (spec.seal, spec.level) = (job.spec.seal, job.spec.level);
    }
    let now = sys::now();
    let id = local.map_or_else(|| JobId(OsEntropy.array()), |job| job.id);
    Ok(Job { id, spec, created_ms: now, updated_ms: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::rebuild::{known::Kind, tests::known};

    #[test]
    fn what_a_job_leaves_out_is_saved_all_the_same() {
        let mut dir = CustomDir::new("/opt/hermes");
        dir.excludes = vec!["cache".to_owned()];
        let spec = JobSpec::new("hermes".parse().unwrap(), JobConfig::CustomDir(dir));
        let (id, now) = (JobId([4; 16]), protocol::Time(1));
        let of_archive = Job { id, spec, created_ms: now, updated_ms: now };
        let lost = Path::new("/opt/hermes");
        let job = job_of_files(&known(Kind::Files), Some(&of_archive), lost).unwrap();
        assert_eq!(job.id, id);
        assert_eq!(job.spec.config, JobConfig::CustomDir(CustomDir::new("/opt/hermes")));
        assert!(CustomDir::new("/").excludes.is_empty());
    }
}

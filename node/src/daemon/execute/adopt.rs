//! Taking in a plain tar that no job made: its members become an archive of this node, and the file
//! is that archive's plain view from then on. The file stays where it is, whatever becomes of the
//! archive, and the archive is pinned: what was foreign goes only when somebody says so.

use protocol::{
    Entropy as _, JobId,
    control::{Failure, FailureCode, ForeignArchive},
    job::{Job, JobConfig, JobSpec, Name, YnhApp, YnhSystem},
    key::KeyUse,
};

use super::{Execution, Made};
use crate::{
    agent::ArchiveFileName,
    daemon::choices::task_failure,
    ingest::TarSpec,
    sys::{self, OsEntropy},
};

/// A job that exists only to take one archive in: it belongs to none of the node's jobs, so no
/// retention touches what it makes.
pub(in crate::daemon) fn job_for(foreign: &ForeignArchive, name: Name) -> Job {
    let config = match foreign.contains.as_slice() {
        [app] if !is_part(app) => {
            JobConfig::YnhApp(YnhApp { app_id: app.clone(), core_only: false })
        }
        _ => JobConfig::YnhSystem(YnhSystem::default()),
    };
    let now = sys::now();
    Job {
        id: JobId(OsEntropy.array()),
        spec: JobSpec::new(name, config),
        created_ms: now,
        updated_ms: now,
    }
}

/// Parts of the system are called after what they hold; apps never are.
fn is_part(name: &str) -> bool {
    ["data_", "conf_"].iter().any(|begin| name.starts_with(begin))
}

impl Execution<'_> {
    /// Takes the archive in under the name and the time it has.
    ///
    /// # Errors
    /// When an archive of that name exists, or the tar is damaged; then nothing is changed.
    pub(in crate::daemon) fn adopt(&self, foreign: &ForeignArchive) -> Result<Made, Failure> {
        let what = format!("cannot take {} in", foreign.name);
        if !matches!(self.job.spec.config, JobConfig::YnhApp(_) | JobConfig::YnhSystem(_)) {
            let why = format!("{} is no job of YunoHost's apps or system", self.job.spec.name);
            return Err(Failure::new(FailureCode::Conflict, what, why)
                .hint("leave --job out: it then belongs to none"));
        }
        let me = self.node.id();
        if self.node.archive_list().iter().any(|a| a.origin == me && a.title() == foreign.name) {
            return Err(Failure::new(
                FailureCode::Exists,
                what,
                "there is an archive of that name",
            )
            .hint("`archive show` tells more about it"));
        }
        let file = ArchiveFileName::new(foreign.file.clone())
            .map_err(|error| Failure::caused(FailureCode::Invalid, &what, &error))?;
        let open = self.node.agent.open_archive(&file);
        let open = open.map_err(|error| task_failure(&what, &error))?;
        let mut plan = self.plan(self.job.spec.config.subject().as_bytes());
        plan.name.name.clone_from(&foreign.name);
        plan.created = Some(foreign.created_ms.min(sys::now()));
        let spec = TarSpec {
            groups_key: *self.node.key.derive(KeyUse::Reuse),
            backup_info: None,
            created_seconds: plan.now.timestamp().as_second(),
        };
        let made =
            self.make(&plan, foreign.bytes, |fed| self.read_tar(open, &spec, fed).map(drop))?;
        self.node.tars.adopt(&self.node.db, plan.archive, &foreign.name)?;
        Ok(made)
    }
}

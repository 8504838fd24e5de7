//! `ynh_app` and `ynh_system`: the `yunohost` command makes the tar, which is then taken in.
//!
//! The tar in the archives folder is the archive's plain view from the start: noted in the ledger
//! before it is made, so that a crash leaves nothing that looks foreign, completed with our
//! `backup_info.json` when it is kept, removed when it is not.

use std::fs::File;

use protocol::{
    control::{Failure, FailureCode},
    job::JobConfig,
    key::KeyUse,
};
use tracing::warn;

use super::{Execution, Made, Plan, feed::Fed};
use crate::{
    agent::AgentError,
    daemon::{choices::task_failure, tars},
    ingest::{TarReport, TarSpec, read_tar},
    source::{SourceSink as _, SourceWarning},
    tasks::{
        Answer, Task,
        yunohost::{self, Selection, TargetState, YunohostTask},
    },
};

impl Execution<'_> {
    pub(super) fn yunohost(&self) -> Result<Made, Failure> {
        let plan = self.plan(self.job.spec.config.subject().as_bytes());
        let (tars, db) = (&self.node.tars, &self.node.db);
        let (id, name) = (plan.archive, plan.name.name.clone());
        tars.begin(db, id, &name)?;
        // The agent takes away what a creation that failed left, and nothing of anybody else.
        let notes = self.create(&plan).inspect_err(|_| {
            tars.forget(db, id).unwrap_or_else(|failure| warn!(%failure, "a name stays taken"));
        })?;
        let made = self.take_in(&plan, notes);
        let keeps = !self.safety && tars::kept_by(self.job, true) > 0;
        let noted = match &made {
            Ok(_) if keeps => tars.settle(db, id, &name),
            _ => tars::remove_files(self.node, &name).and_then(|()| tars.forget(db, id)),
        };
        noted.unwrap_or_else(|failure| warn!(%failure, "a plain tar is not as it should be"));
        made
    }

    /// Has the tar made; what there is to say about its targets.
    fn create(&self, plan: &Plan<'_>) -> Result<Vec<String>, Failure> {
        let (what, core_only) = match &self.job.spec.config {
            JobConfig::YnhApp(app) => (Selection::App(app.app_id.clone()), app.core_only),
            JobConfig::YnhSystem(system) => (Selection::System(system.parts.clone()), false),
            _ => return Err(self.unexpected()),
        };
        let task = Task::Yunohost(YunohostTask::Create {
            name: plan.name.name.clone(),
            description: format!("BackupManager: {}", self.job.spec.name),
            what,
            core_only,
        });
        let Answer::Yunohost(yunohost::Answer::Created { targets, .. }) =
            self.perform(&task, None)?
        else {
            return Err(self.unexpected());
        };
        let failed: Vec<_> = targets
            .iter()
            .filter(|(_, state)| !matches!(state, TargetState::Success | TargetState::Warning))
            .map(|(target, state)| format!("{target}: {state:?}"))
            .collect();
        if targets.is_empty() || !failed.is_empty() {
            let why = format!("YunoHost did not back everything up ({})", failed.join(", "));
            return Err(Failure::new(FailureCode::Internal, self.what(), why)
                .hint("the transcript of the run has its words"));
        }
        let warned = targets.iter().filter(|(_, state)| **state == TargetState::Warning);
        Ok(warned.map(|(target, _)| format!("{target}: YunoHost made it with a warning")).collect())
    }

    fn take_in(&self, plan: &Plan<'_>, notes: Vec<String>) -> Result<Made, Failure> {
        let [tar, _] = tars::file_names(&plan.name.name)?;
        let agent = &self.node.agent;
        let failed = |error: AgentError| task_failure(&self.what(), &error);
        let file = agent.open_archive(&tar).map_err(failed)?;
        let bytes = file.metadata().map_or(0, |data| data.len());
        let spec = TarSpec {
            groups_key: *self.node.key.derive(KeyUse::Reuse),
            backup_info: Some(self.backup_info(plan)),
            created_seconds: plan.now.timestamp().as_second(),
        };
        let mut report = None;
        let mut made = self.make(plan, bytes, |fed| {
            for note in notes {
                fed.warning(SourceWarning { path: "yunohost".into(), what: note });
            }
            report = Some(self.read_tar(file, &spec, fed)?);
            Ok(())
        })?;
        // The view shall be the same bytes as the archive; a compressed one stays as it is.
        if let Some(report) = report
            .filter(|report| !self.safety && !report.compressed && !report.appended.is_empty())
        {
            let extended = agent.extend_archive(&tar, report.bytes, &report.appended);
            if let Err(error) = extended.map_err(failed) {
                // The archive is made; only its view lacks our description.
                self.line(format!("{tar} lacks backup_info.json: {error}"));
                made.warnings += 1;
            }
        }
        Ok(made)
    }

    /// Feeds a tar, with our description behind its members.
    pub(super) fn read_tar(
        &self,
        file: File,
        spec: &TarSpec,
        fed: &mut Fed<'_, '_>,
    ) -> Result<TarReport, Failure> {
        read_tar(file, spec, fed).map_err(|error| {
            Failure::caused(FailureCode::Damaged, self.what(), &error)
                .hint("the tar in the archives folder cannot be read to its end")
        })
    }
}

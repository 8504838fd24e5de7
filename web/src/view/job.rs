//! Jobs.

use protocol::{
    control::{JobReport, PruneVerdict},
    job::{JobConfig, JobSpec},
    retention::Retention,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Iso, RunView, iso};
use crate::Access;

/// A job as 000's table `jobs` has it, and what it did not have.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobShort")]
pub(crate) struct JobView {
    id: u64,
    name: String,
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["ynh_app", "ynh_system", "custom_dir", "mysql", "postgresql"]))]
    kind: &'static str,
    /// As 000 has it, by `type`.
    config: Map<String, Value>,
    /// Null without a schedule.
    cron_expr: Option<String>,
    #[schemars(extend("enum" = ["all", "count", "daily", "gfs"]))]
    retention_mode: &'static str,
    /// The number of the mode; of `gfs` that of the days, of `all` 0.
    retention_value: u32,
    enabled: bool,
    core_only: bool,
    created_at: Iso,
    updated_at: Iso,
    /// Without its transcript.
    last_run: Option<RunView>,
    next_run_at: Option<Iso>,
    next_runs: Vec<Iso>,
    time_zone: Option<String>,
    retention: Retention,
    /// How many it has.
    archives: u64,
    /// How many it wants on other nodes.
    copies: u8,
    /// What an edit says that it was based on.
    revision: u64,
}

impl From<JobReport> for JobView {
    fn from(report: JobReport) -> Self {
        let (number, job) = (report.number, report.job);
        let spec = job.spec;
        let (retention_mode, retention_value) = retention(spec.retention);
        let schedule = spec.schedule;
        let next_runs: Vec<_> = report.next_runs.into_iter().map(iso).collect();
        Self {
            id: number,
            name: spec.name.into(),
            kind: spec.config.kind(),
            core_only: matches!(&spec.config, JobConfig::YnhApp(app) if app.core_only),
            config: config(&spec.config),
            cron_expr: schedule.as_ref().map(|schedule| schedule.cron.clone()),
            time_zone: schedule.and_then(|schedule| schedule.zone),
            retention_mode,
            retention_value,
            enabled: spec.enabled,
            created_at: iso(job.created_ms),
            updated_at: iso(job.updated_ms),
            revision: job.updated_ms.0,
            last_run: report.last_run.map(RunView::from),
            next_run_at: next_runs.first().cloned(),
            next_runs,
            retention: spec.retention,
            archives: report.archives,
            copies: spec.copies,
        }
    }
}

/// The JSON of 000: what is beside `type`.
fn config(config: &JobConfig) -> Map<String, Value> {
    let Ok(Value::Object(mut keys)) = serde_json::to_value(config) else { return Map::new() };
    keys.remove("type");
    keys
}

/// 000's mode and its one number: of three, that of the days; of everything, none.
fn retention(retention: Retention) -> (&'static str, u32) {
    match retention {
        Retention::All => ("all", 0),
        Retention::Count(count) => ("count", count),
        Retention::Daily(daily) => ("daily", daily),
        Retention::Gfs { daily, .. } => ("gfs", daily),
    }
}

/// A job as a key may see it: one that may only look does not see the variables of commands.
pub(crate) fn shown_to(access: &Access, mut spec: JobSpec) -> JobSpec {
    if access.read_only {
        spec.hide_variables();
    }
    spec
}

/// What the retention says of one archive.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Verdict")]
pub(crate) struct VerdictView {
    archive_name: String,
    created_at: Iso,
    /// Whether it stays.
    keep: bool,
    reason: String,
}

impl From<PruneVerdict> for VerdictView {
    fn from(verdict: PruneVerdict) -> Self {
        Self {
            archive_name: verdict.archive,
            created_at: iso(verdict.created_ms),
            keep: verdict.keep,
            reason: verdict.reason,
        }
    }
}

//! Restores: what one would do, and what one did.

use protocol::{
    NodeId,
    control::{
        Component, Issues, RawPath, RestorePlan, RestoreStep, Restored, StepReport, StepState,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// What a restore would do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RestorePlan")]
pub(crate) struct PlanView {
    archive_name: String,
    /// The node that made it.
    instance_name: String,
    node_id: NodeId,
    /// It is of another node, and nobody has said that it may be trusted.
    hostile: bool,
    /// What the archive can bring back.
    components: Vec<Component>,
    /// The folder it would restore under; `/` for in place.
    destination: RawPath,
    /// Members that would be restored.
    entries: u64,
    size_bytes: u64,
    /// Of the members, those that are not there now.
    creates: u64,
    /// Those that are there and would be replaced.
    replaces: u64,
    /// Those that are there and would be left alone.
    keeps: u64,
    /// Bytes that would be fetched from other nodes.
    fetch_bytes: u64,
    fetch_from: Vec<String>,
    /// What would be done, in order.
    steps: Vec<StepView>,
    /// What stands in the way: while there is any, nothing is begun.
    conflicts: Issues,
    /// What will not be as it was.
    concerns: Issues,
    /// Sent back in a restore: what this plan shows, or nothing.
    consent: String,
}

/// One step of a restore.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(crate) struct StepView {
    /// What it belongs to; null for a step around them.
    component: Option<Component>,
    /// What is done, for people.
    what: String,
    /// More about it, one line each.
    detail: Vec<String>,
}

/// What a restore did.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Restored")]
pub(crate) struct ReportView {
    archive_name: String,
    destination: RawPath,
    /// Members restored.
    entries: u64,
    size_bytes: u64,
    /// Members that were left alone because of what was there.
    kept: u64,
    fetched_bytes: u64,
    /// Whether all was read again and compared.
    compared: bool,
    /// What differs from the archive after all.
    differs: Issues,
    /// What could not be set.
    not_set: Issues,
    steps: Vec<DoneStepView>,
    /// The archive that was made first, to be able to go back.
    safety_archive: Option<String>,
    run_id: Option<u64>,
    duration_ms: u64,
}

/// A step that was carried out, or not.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoneStep")]
pub(crate) struct DoneStepView {
    #[serde(flatten)]
    step: StepView,
    state: StepState,
    /// What there is to say about it.
    said: Vec<String>,
}

impl From<RestorePlan> for PlanView {
    fn from(plan: RestorePlan) -> Self {
        Self {
            archive_name: plan.archive,
            instance_name: plan.origin.name,
            node_id: plan.origin.id,
            hostile: plan.hostile,
            components: plan.components,
            destination: plan.destination,
            entries: plan.entries,
            size_bytes: plan.bytes,
            creates: plan.creates,
            replaces: plan.replaces,
            keeps: plan.keeps,
            fetch_bytes: plan.fetch_bytes,
            fetch_from: plan.fetch_from.into_iter().map(|node| node.name).collect(),
            steps: plan.steps.into_iter().map(StepView::from).collect(),
            conflicts: plan.conflicts,
            concerns: plan.concerns,
            consent: plan.consent,
        }
    }
}

impl From<Restored> for ReportView {
    fn from(done: Restored) -> Self {
        Self {
            archive_name: done.archive,
            destination: done.destination,
            entries: done.entries,
            size_bytes: done.bytes,
            kept: done.kept,
            fetched_bytes: done.fetched_bytes,
            compared: done.compared,
            differs: done.differs,
            not_set: done.not_set,
            steps: done.steps.into_iter().map(DoneStepView::from).collect(),
            safety_archive: done.safety,
            run_id: done.run,
            duration_ms: done.duration_ms,
        }
    }
}

impl From<RestoreStep> for StepView {
    fn from(step: RestoreStep) -> Self {
        Self { component: step.component, what: step.what, detail: step.detail }
    }
}

impl From<StepReport> for DoneStepView {
    fn from(done: StepReport) -> Self {
        Self { step: done.step.into(), state: done.state, said: done.said }
    }
}

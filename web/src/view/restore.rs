//! Restores: what one would do, and what one did.

use protocol::control::{RestorePlan, RestoreStep, Restored, StepReport};
use serde_json::{Value, json};

/// What a restore would do.
pub(crate) fn plan(plan: &RestorePlan) -> Value {
    json!({
        "archive_name": plan.archive,
        "instance_name": plan.origin.name,
        "node_id": plan.origin.id,
        "hostile": plan.hostile,
        "components": plan.components,
        "destination": plan.destination,
        "entries": plan.entries,
        "size_bytes": plan.bytes,
        "creates": plan.creates,
        "replaces": plan.replaces,
        "keeps": plan.keeps,
        "fetch_bytes": plan.fetch_bytes,
        "fetch_from": plan.fetch_from.iter().map(|node| &node.name).collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "conflicts": plan.conflicts,
        "concerns": plan.concerns,
        "consent": plan.consent,
    })
}

/// What a restore did.
pub(crate) fn report(done: &Restored) -> Value {
    json!({
        "archive_name": done.archive,
        "destination": done.destination,
        "entries": done.entries,
        "size_bytes": done.bytes,
        "kept": done.kept,
        "fetched_bytes": done.fetched_bytes,
        "compared": done.compared,
        "differs": done.differs,
        "not_set": done.not_set,
        "steps": done.steps.iter().map(done_step).collect::<Vec<_>>(),
        "safety_archive": done.safety,
        "run_id": done.run,
        "duration_ms": done.duration_ms,
    })
}

fn step(step: &RestoreStep) -> Value {
    json!({ "component": step.component, "what": step.what, "detail": step.detail })
}

fn done_step(done: &StepReport) -> Value {
    let mut value = step(&done.step);
    value["state"] = json!(done.state);
    value["said"] = json!(done.said);
    value
}

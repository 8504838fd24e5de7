//! Getting archives back.

use protocol::control::{Exported, RestorePlan, Restored};

use super::issues;
use crate::cli::format::{Facts, bytes, clean, duration};

pub(super) fn exported(exported: &Exported) -> String {
    format!(
        "{}\n{}\n{} in {}, SHA-256 {}\n",
        exported.tar,
        exported.info,
        bytes(exported.bytes),
        duration(exported.duration_ms),
        clean(&exported.sha256)
    )
}

pub(super) fn plan(plan: &RestorePlan) -> String {
    let from: Vec<_> = plan.fetch_from.iter().map(|node| node.name.as_str()).collect();
    let fetch = match plan.fetch_bytes {
        0 => "nothing, all of it is here".to_owned(),
        amount => format!("{} from {}", bytes(amount), from.join(", ")),
    };
    let mut facts = Facts::default();
    facts
        .add("archive", format!("{} of {}", plan.archive, plan.origin.name))
        .add("destination", plan.destination.to_string())
        .add("restores", format!("{} members, {}", plan.entries, bytes(plan.bytes)))
        .add("creates", plan.creates.to_string())
        .add("replaces", plan.replaces.to_string())
        .add("leaves alone", plan.keeps.to_string())
        .add("fetches", fetch);
    let steps = plan.steps.iter().enumerate();
    let steps: String = steps.map(|(n, step)| format!("  {}. {}\n", n + 1, clean(step))).collect();
    let concerns = issues("Concerns", &plan.concerns);
    format!("{}{steps}{concerns}Nothing was changed.\n", facts.text())
}

pub(super) fn restored(restored: &Restored) -> String {
    let mut out = format!(
        "{}: {} members, {} restored to {} in {}\n",
        clean(&restored.archive),
        restored.entries,
        bytes(restored.bytes),
        restored.destination,
        duration(restored.duration_ms)
    );
    if restored.kept > 0 {
        out += &format!("{} were there already and left alone\n", restored.kept);
    }
    if restored.fetched_bytes > 0 {
        out += &format!("{} fetched from other nodes\n", bytes(restored.fetched_bytes));
    }
    if restored.compared && restored.differs.total == 0 {
        out += "read again and compared: all as in the archive\n";
    }
    out += &issues("Differs from the archive", &restored.differs);
    out + &issues("Could not be set", &restored.not_set)
}

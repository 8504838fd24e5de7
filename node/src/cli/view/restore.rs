//! Getting archives back.

use protocol::control::{Exported, RestorePlan, RestoreStep, Restored, StepReport};

use super::{issues, word};
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
    let (shown, consent) = (planned(plan), clean(&plan.consent));
    format!(
        "{shown}\nNothing was changed. To restore this and nothing else, say\n--consent {consent}\n"
    )
}

/// What would be done, without saying whether it will be.
pub(in crate::cli) fn planned(plan: &RestorePlan) -> String {
    let from: Vec<_> = plan.fetch_from.iter().map(|node| node.name.as_str()).collect();
    let fetch = match plan.fetch_bytes {
        0 => "nothing, all of it is here".to_owned(),
        amount => format!("{} from {}", bytes(amount), from.join(", ")),
    };
    let components: Vec<String> = plan.components.iter().map(word).collect();
    let mut facts = Facts::default();
    facts
        .add("archive", format!("{} of {}", plan.archive, plan.origin.name))
        .maybe("has", (!components.is_empty()).then(|| components.join(", ")))
        .add("destination", plan.destination.to_string())
        .add("restores", format!("{} members, {}", plan.entries, bytes(plan.bytes)))
        .add("creates", plan.creates.to_string())
        .add("replaces", plan.replaces.to_string())
        .add("leaves alone", plan.keeps.to_string())
        .add("fetches", fetch);
    let mut out = facts.text();
    if plan.hostile {
        out += &hostile(plan);
    }
    if !plan.steps.is_empty() {
        out += "\nSteps:\n";
        out += &plan.steps.iter().enumerate().map(step).collect::<String>();
    }
    out += &issues("Stands in the way", &plan.conflicts);
    out + &issues("Concerns", &plan.concerns)
}

fn hostile(plan: &RestorePlan) -> String {
    format!(
        "\nWARNING: this archive was made by {}, and nobody here has said that it can be trusted.\n\
         Accounts, units and commands that come with it could take this machine over. Read the\n\
         steps; --trust and --confirm-commands let them happen.\n",
        clean(&plan.origin.name)
    )
}

fn step((n, step): (usize, &RestoreStep)) -> String {
    let detail = step.detail.iter().map(|line| format!("       {}\n", clean(line)));
    format!("  {:>2}. {}\n{}", n + 1, clean(&step.what), detail.collect::<String>())
}

fn step_report(report: &StepReport) -> String {
    let said = report.said.iter().map(|line| format!("             {}\n", clean(line)));
    let state = word(report.state);
    format!("  {state:<10} {}\n{}", clean(&report.step.what), said.collect::<String>())
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
    if !restored.steps.is_empty() {
        out += "\nSteps:\n";
        out += &restored.steps.iter().map(step_report).collect::<String>();
    }
    out += &issues("Differs from the archive", &restored.differs);
    out += &issues("Could not be set", &restored.not_set);
    if let Some(safety) = &restored.safety {
        let name = clean(safety);
        out += &format!(
            "\nWhat was there before is in {name}; `backupmanager archive restore {name}` brings \
             it back\n"
        );
    }
    out
}

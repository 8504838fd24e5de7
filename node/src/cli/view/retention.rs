//! What retentions keep and drop.

use protocol::control::Pruned;

use super::more;
use crate::cli::format::{Style, Table, bytes};

pub(super) fn pruned(pruned: &Pruned, style: &Style) -> String {
    let mut table = Table::new(&["ARCHIVE", "JOB", "CREATED", "VERDICT", "REASON"]);
    for verdict in &pruned.verdicts {
        table.row([
            verdict.archive.clone(),
            verdict.job.clone(),
            style.time(verdict.created_ms),
            if verdict.keep { "keep" } else { "DROP" }.to_owned(),
            verdict.reason.clone(),
        ]);
    }
    let all = pruned.kept.saturating_add(pruned.dropped);
    let listed = table.or("no archives that a retention is about");
    format!("{listed}{}{}", more(all, pruned.verdicts.len()), sum(pruned))
}

fn sum(pruned: &Pruned) -> String {
    let (kept, dropped, freed) = (pruned.kept, pruned.dropped, bytes(pruned.freed_bytes));
    match (pruned.dry_run, dropped) {
        (_, 0) => format!("{kept} kept, nothing to drop\n"),
        (true, _) => format!(
            "{kept} kept, {dropped} would be dropped: {freed} are needed by nothing else\n\
             Nothing was changed.\n"
        ),
        (false, _) => {
            format!("{kept} kept, {dropped} dropped; the next `store gc` frees {freed}\n")
        }
    }
}

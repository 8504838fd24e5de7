//! Transfers to instances.

use protocol::control::{TransferReport, TransferState};

use super::word;
use crate::cli::format::{Facts, Style, Table, bytes, dash};

pub(super) fn transfers(transfers: &[TransferReport], style: &Style) -> String {
    let mut table = Table::new(&[">ID", "ARCHIVE", "TO", "BY", "STATE", ">DONE", "BEGUN", "WHY"]);
    for transfer in transfers {
        table.row([
            transfer.id.to_string(),
            transfer.archive.clone(),
            transfer.instance.to_string(),
            word(transfer.way),
            word(transfer.state),
            done(transfer),
            style.time(transfer.started_ms),
            transfer.failure.as_ref().map_or_else(dash, |failure| failure.why.clone()),
        ]);
    }
    table
        .or("no transfers; `backupmanager archive transfer NAME --to-instance INSTANCE` begins one")
}

pub(super) fn transfer(transfer: &TransferReport, style: &Style) -> String {
    let mut facts = Facts::default();
    let (sent, total) = (bytes(transfer.bytes_done), bytes(transfer.bytes_total));
    let failures = Some(transfer.failures).filter(|failures| *failures > 0);
    facts
        .add("transfer", transfer.id.to_string())
        .add("archive", transfer.archive.clone())
        .add("to", transfer.instance.as_str())
        .add("by", word(transfer.way))
        .add("state", word(transfer.state))
        .add("done", format!("{} ({sent} of {total})", done(transfer)))
        .maybe("sha256", transfer.sha256.clone())
        .add("begun", style.time(transfer.started_ms))
        .maybe("next try", transfer.next_ms.map(|at| style.time(at)))
        .maybe("ended", transfer.ended_ms.map(|at| style.time(at)))
        .maybe("failures", failures.map(|failures| failures.to_string()));
    if let Some(failure) = &transfer.failure {
        facts.add("why", failure.why.clone()).maybe("hint", failure.hint.clone());
    }
    facts.text()
}

/// In parts of a hundred; a hundred only when it is there.
fn done(transfer: &TransferReport) -> String {
    let part = u128::from(transfer.bytes_done) * 100 / u128::from(transfer.bytes_total.max(1));
    let most = if transfer.state == TransferState::Done { 100 } else { 99 };
    format!("{} %", part.min(most))
}

//! Keys of the HTTP interface.

use protocol::control::{KeyCreated, KeyReport};

use crate::cli::format::{Style, Table};

/// The text alone, so that it can go into a file.
pub(super) fn created(created: &KeyCreated) -> String {
    format!("{}\n", created.key.reveal())
}

pub(super) fn keys(keys: &[KeyReport], style: &Style) -> String {
    let mut table = Table::new(&["ID", "NAME", "MAY", "MADE", "LAST CHECKED"]);
    for key in keys {
        table.row([
            key.id.clone(),
            key.name.to_string(),
            may(key).to_owned(),
            style.time(key.created_ms),
            style.time_or_dash(key.used_ms),
        ]);
    }
    table.or("no keys; `backupmanager key create NAME` makes one")
}

fn may(key: &KeyReport) -> &'static str {
    match (key.metrics_only, key.read_only) {
        (true, _) => "metrics",
        (false, true) => "look",
        (false, false) => "everything",
    }
}

//! Archives: found, looked at, proven, moved and dropped.

use protocol::{
    SealedId,
    control::{ArchiveReport, ForeignArchive, Holder, HolderState, Removed, Transferred, Verified},
};

use super::{more, word};
use crate::cli::format::{Facts, Style, Table, bytes, bytes_or_dash, clean, dash, duration};

pub(super) fn archives(archives: &[ArchiveReport], style: &Style) -> String {
    let head = ["NAME", "ORIGIN", "CREATED", ">SIZE", ">SEALED", "COPIES", "HELD BY"];
    let mut table = Table::new(&head);
    for archive in archives {
        let whole = archive.holders.iter().filter(|holder| holder.state == HolderState::Whole);
        let names: Vec<_> = whole.map(|holder| holder.node.name.as_str()).collect();
        table.row([
            archive.name.clone().unwrap_or_else(|| archive.id.short()),
            archive.origin.name.clone(),
            style.time(archive.created_ms),
            bytes_or_dash(archive.stream_bytes),
            bytes(archive.sealed_bytes),
            copies(archive),
            names.join(" "),
        ]);
    }
    table.or("no archives yet; `backupmanager job run NAME` makes one")
}

/// Whole copies on other nodes than the origin, of those wanted.
fn copies(archive: &ArchiveReport) -> String {
    let elsewhere = |holder: &&Holder| {
        holder.state == HolderState::Whole && holder.node.id != archive.origin.id
    };
    let whole = archive.holders.iter().filter(elsewhere).count();
    format!("{whole} of {}", archive.copies_wanted)
}

pub(super) fn archive(archive: &ArchiveReport, style: &Style) -> String {
    let mut facts = Facts::default();
    let sealed = || "sealed from this node".to_owned();
    facts
        .add("name", archive.name.clone().unwrap_or_else(sealed))
        .add("id", archive.id.to_string())
        .add("origin", archive.origin.name.as_str())
        .maybe("job", archive.job.clone())
        .add("created", style.time(archive.created_ms))
        .maybe("size", archive.stream_bytes.map(bytes))
        .maybe("members", archive.entries.map(|count| count.to_string()))
        .add("sealed", bytes(archive.sealed_bytes))
        .maybe("sha-256", archive.sha256.clone())
        .add("copies", copies(archive))
        .maybe("pinned", archive.pinned.then(|| "yes, no retention drops it".to_owned()))
        .maybe("plain tar", archive.tar.as_ref().map(ToString::to_string));
    for note in &archive.notes {
        facts.add("note", note.as_str());
    }
    format!("{}\n{}", facts.text(), holders(&archive.holders, style))
}

fn holders(holders: &[Holder], style: &Style) -> String {
    let mut table = Table::new(&["HOLDER", "STATE", ">HAS", "LOCKED UNTIL"]);
    for holder in holders {
        table.row([
            holder.node.name.clone(),
            word(holder.state),
            bytes(holder.have_bytes),
            style.time_or_dash(holder.locked_until_ms),
        ]);
    }
    table.or("nobody holds it")
}

pub(super) fn verified(verified: &Verified) -> String {
    let mut out = format!(
        "{}: {} objects, {} read in {}\n",
        clean(&verified.archive),
        verified.objects,
        bytes(verified.bytes),
        duration(verified.duration_ms)
    );
    out += &objects("missing", verified.missing_total, &verified.missing);
    out += &objects("damaged", verified.damaged_total, &verified.damaged);
    match verified.sha256_matches {
        Some(true) => out += "the tar stream has the SHA-256 of its record\n",
        Some(false) => out += "the tar stream does NOT have the SHA-256 of its record\n",
        None => {}
    }
    out + if verified.whole() { "whole\n" } else { "NOT whole: see `backupmanager archive show`\n" }
}

fn objects(what: &str, total: u64, first: &[SealedId]) -> String {
    if total == 0 {
        return String::new();
    }
    let lines = first.iter().map(|id| format!("  {id}\n"));
    format!("{total} {what}:\n{}{}", lines.collect::<String>(), more(total, first.len()))
}

pub(super) fn removed(removed: &Removed, style: &Style) -> String {
    let verb = if removed.dry_run { "would be dropped" } else { "is dropped" };
    let mut out = format!(
        "{} {verb}; {} are needed by nothing else, `store gc` frees them\n",
        clean(&removed.archive),
        bytes(removed.freed_bytes)
    );
    for replica in &removed.replicas {
        out += &format!(
            "  {} keeps its copy until {}\n",
            clean(&replica.node.name),
            replica.locked_until_ms.map_or_else(dash, |at| style.time(at))
        );
    }
    out
}

pub(super) fn transferred(transferred: &Transferred) -> String {
    format!(
        "{} holds {} whole: {} sent of {}, in {}\n",
        clean(&transferred.to.name),
        clean(&transferred.archive),
        bytes(transferred.sent_bytes),
        bytes(transferred.sealed_bytes),
        duration(transferred.duration_ms)
    )
}

pub(super) fn foreign(archives: &[ForeignArchive], style: &Style) -> String {
    let mut table = Table::new(&["NAME", "CREATED", ">SIZE", "MADE", "CONTAINS", "DESCRIPTION"]);
    for archive in archives {
        table.row([
            archive.name.clone(),
            style.time(archive.created_ms),
            bytes(archive.bytes),
            if archive.pre_upgrade { "before an upgrade" } else { "by hand" }.to_owned(),
            archive.contains.join(" "),
            archive.description.clone(),
        ]);
    }
    table.or("no tars in the archives folder but those of this node")
}

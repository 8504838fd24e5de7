//! Beginning a transfer: what, to whom, and which way.

use std::sync::Arc;

use protocol::{
    control::{
        Failure, FailureCode, Happened, InstanceReport, NodeRef, TRANSFERS_OPEN_MAX, TransferMode,
        TransferReport, TransferStart, TransferState,
    },
    job::Name,
};

use super::{State, row::Row};
use crate::{
    daemon::{
        node::{Node, blocking},
        view::{self, Archive},
    },
    db::Numbered,
    sys,
};

/// Notes a transfer; the worker does the rest.
///
/// # Errors
/// When there is no such archive or instance, the way does not lead there, or it is on its way.
pub(in crate::daemon) async fn start(
    node: Arc<Node>,
    start: TransferStart,
) -> Result<TransferReport, Failure> {
    let archive = node.find_archive(&start.archive)?;
    let what = format!("cannot transfer archive {}", archive.title());
    let instance = node.instances.find(&start.instance).ok();
    let reach = Reach {
        instance: instance.is_some(),
        ssh: instance.as_ref().is_some_and(|instance| instance.ssh.is_some()),
        member: is_member(&node, &start.instance),
    };
    let bytes = archive.meta.as_ref().map_or(0, |meta| meta.stream_bytes);
    let way = choose(start.mode, reach, bytes).map_err(|why| refused(&what, &start, why))?;
    if way != TransferMode::Mesh {
        // Who cannot open it cannot make a tar of it.
        node.key_of(&archive)?;
    }
    let reached = instance.filter(|_| way != TransferMode::Mesh);
    blocking(move || note(&node, &archive, &start, reached.as_ref(), way, &what)).await
}

fn is_member(node: &Node, name: &Name) -> bool {
    let wanted = name.as_str().parse::<NodeRef>();
    wanted.is_ok_and(|wanted| node.mesh.look(|catalog| view::find_node(catalog, &wanted).is_ok()))
}

fn refused(what: &str, start: &TransferStart, why: &'static str) -> Failure {
    let why = format!("{} {why}", start.instance);
    Failure::new(FailureCode::NotFound, what, why)
        .hint("`backupmanager instance list` and `backupmanager mesh list` show who there is")
}

/// From so many bytes on an archive goes by ssh, where there is an account: as 000 has it.
const SSH_FROM_BYTES: u64 = 2_000_000_000;

/// Which ways there are to who has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    instance: bool,
    ssh: bool,
    member: bool,
}

/// Which of them is taken.
fn choose(mode: TransferMode, reach: Reach, bytes: u64) -> Result<TransferMode, &'static str> {
    match mode {
        TransferMode::Auto if reach.ssh && bytes >= SSH_FROM_BYTES => Ok(TransferMode::Ssh),
        TransferMode::Auto if reach.instance => Ok(TransferMode::Http),
        TransferMode::Auto if reach.member => Ok(TransferMode::Mesh),
        TransferMode::Auto => Err("is neither an instance nor a node of the mesh"),
        TransferMode::Mesh if reach.member => Ok(TransferMode::Mesh),
        TransferMode::Mesh => Err("is not a node of the mesh"),
        TransferMode::Http if reach.instance => Ok(TransferMode::Http),
        TransferMode::Ssh if reach.ssh => Ok(TransferMode::Ssh),
        TransferMode::Ssh if reach.instance => Err("has no ssh account"),
        TransferMode::Http | TransferMode::Ssh => Err("is not an instance that this node knows"),
    }
}

fn note(
    node: &Node,
    archive: &Archive,
    start: &TransferStart,
    instance: Option<&InstanceReport>,
    way: TransferMode,
    what: &str,
) -> Result<TransferReport, Failure> {
    let name = instance.map_or_else(|| start.instance.clone(), |instance| instance.name.clone());
    let mut state = node.transfers.lock();
    check(&state, archive, &name, what)?;
    let id = state.rows.last_key_value().map_or(1, |(id, _)| id + 1);
    let meta = archive.meta.as_ref();
    let report = TransferReport {
        id,
        archive: archive.title(),
        instance: name,
        mode: start.mode,
        way,
        state: TransferState::Waiting,
        bytes_done: 0,
        bytes_total: meta.map_or(archive.facts.sealed_bytes, |meta| meta.stream_bytes),
        sha256: None,
        failures: 0,
        failure: None,
        next_ms: None,
        started_ms: sys::now(),
        ended_ms: None,
    };
    let row = Row {
        report: report.clone(),
        origin: archive.origin,
        archive: archive.id,
        instance: instance.map(|instance| instance.number),
        upload: None,
        begun: 0,
    };
    let written = node.transfers.db.put_row(Numbered::Transfers, id, &row);
    written.map_err(|error| crate::daemon::failure::db_failure(what, &error))?;
    state.rows.insert(id, row);
    node.transfers.news.tell(Happened::Transfer(Box::new(report.clone())));
    state.readings.insert(id, node.keeping.reading(archive));
    drop(state);
    node.transfers.changed.notify_one();
    Ok(report)
}

fn check(state: &State, archive: &Archive, to: &Name, what: &str) -> Result<(), Failure> {
    let open = || state.rows.values().filter(|row| row.is_open());
    let same = |row: &&Row| {
        row.archive == archive.id && row.origin == archive.origin && row.report.instance == *to
    };
    if let Some(row) = open().find(same) {
        let why = format!("it is on its way to {to} already");
        let hint = format!("`backupmanager transfer show {}` says how far it is", row.report.id);
        return Err(Failure::new(FailureCode::Exists, what, why).hint(hint));
    }
    if open().count() >= TRANSFERS_OPEN_MAX {
        let why = format!("{TRANSFERS_OPEN_MAX} transfers are open");
        return Err(Failure::new(FailureCode::Busy, what, why).hint("wait, or cancel some"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_the_one_that_was_asked_for_or_the_one_that_there_is() {
        use TransferMode::{Auto, Http, Mesh, Ssh};
        const SMALL: u64 = SSH_FROM_BYTES - 1;
        let reach = |ways: &str| Reach {
            instance: ways.contains('i'),
            ssh: ways.contains('s'),
            member: ways.contains('m'),
        };
        for (mode, ways, bytes, way) in [
            (Auto, "im", SMALL, Some(Http)),
            (Auto, "i", SSH_FROM_BYTES, Some(Http)),
            (Auto, "is", SMALL, Some(Http)),
            (Auto, "ism", SSH_FROM_BYTES, Some(Ssh)),
            (Auto, "m", SMALL, Some(Mesh)),
            (Auto, "", SMALL, None),
            (Mesh, "im", SMALL, Some(Mesh)),
            (Mesh, "is", SMALL, None),
            (Http, "is", SSH_FROM_BYTES, Some(Http)),
            (Http, "m", SMALL, None),
            (Ssh, "is", SMALL, Some(Ssh)),
            (Ssh, "i", SSH_FROM_BYTES, None),
            (Ssh, "m", SMALL, None),
        ] {
            assert_eq!(choose(mode, reach(ways), bytes).ok(), way, "{mode:?} {ways} {bytes}");
        }
    }
}

//! Archives: listing, looking into them, proving them, writing them out, dropping them.

mod contents;
mod info;

use std::{os::unix::ffi::OsStrExt as _, path::PathBuf, sync::Arc};

use protocol::{
    catalog::Catalog,
    control::{
        ArchiveExport, ArchiveList, ArchiveRef, ArchiveRemove, ArchiveReport, ArchiveTransfer,
        Archives, Exported, Failure, FailureCode, Holder, HolderState, RawPath, Removed,
        Transferred, Verified,
    },
    job::Name,
    record::Place,
};

use tracing::warn;

pub(super) use self::{contents::contents, info::info};

use crate::{
    archive::{ArchiveError, ArchiveReader},
    daemon::{
        export, freed, keeping,
        node::{Node, blocking},
        objects::{ArchiveObjects, FetchedBytes},
        verify,
        view::{self, Archive},
        workers::Meter,
    },
    restore::Selection,
    socket::EventSink,
};

pub(super) fn list(node: &Node, list: &ArchiveList) -> Result<Archives, Failure> {
    let listing = node.listing();
    node.mesh.look(|catalog| {
        let of = list.node_of.as_ref().map(|n| view::find_node(catalog, n)).transpose()?;
        let job = list.job.as_ref().map(Name::as_str);
        let all = listing.archives().iter().filter(|archive| {
            let job_name = archive.meta.as_ref().map(|meta| meta.job_name.as_str());
            of.is_none_or(|of| archive.origin == of) && (job.is_none() || job_name == job)
        });
        let from = usize::try_from(list.page.from).unwrap_or(usize::MAX);
        let limit = list.page.limit as usize;
        let mut page: Vec<_> = all.skip(from).take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let archives = page.iter().map(|archive| report(catalog, node, archive)).collect();
        Ok(Archives { archives, next: more.then_some((from + limit) as u64) })
    })
}

pub(super) fn show(node: &Node, wanted: &ArchiveRef) -> Result<ArchiveReport, Failure> {
    let archive = node.find_archive(wanted)?;
    Ok(node.mesh.look(|catalog| report(catalog, node, &archive)))
}

/// An archive with who has it.
pub(super) fn report(catalog: &Catalog, node: &Node, archive: &Archive) -> ArchiveReport {
    let (me, meta) = (node.id(), archive.meta.as_ref());
    let tar = (archive.origin == me).then(|| node.tars.file_of(&archive.id)).flatten();
    let mut notes = Vec::new();
    if meta.is_some_and(|meta| meta.in_clear) {
        notes.push("sealed with none: holders can read it".to_owned());
    }
    if meta.is_some_and(|meta| meta.warnings > 0) {
        notes.push("made with warnings".to_owned());
    }
    if meta.is_some_and(|meta| meta.safety) {
        notes.push("made by a restore, to be able to go back".to_owned());
    }
    if archive.origin == me && node.tars.was_deleted(&archive.id) {
        notes.push("somebody deleted its plain tar; the archive itself is whole".to_owned());
    }
    if meta.is_none() && archive.origin != me {
        notes.push("sealed: this node cannot open it".to_owned());
    }
    ArchiveReport {
        pinned: meta.is_some_and(|meta| meta.pinned),
        tar: tar.map(|file| RawPath(file.into_bytes())),
        id: archive.id,
        origin: view::node_name(catalog, archive.origin),
        name: meta.map(|meta| meta.name.clone()),
        job: meta.map(|meta| meta.job_name.clone()),
        kind: meta.map(|meta| meta.kind.clone()),
        source: meta.map(|meta| RawPath(meta.source.clone())),
        created_ms: archive.facts.created,
        stream_bytes: meta.map(|meta| meta.stream_bytes),
        entries: meta.map(|meta| meta.members),
        sha256: meta.and_then(|meta| meta.sha256).map(|hash| hex(&hash)),
        sealed_bytes: archive.facts.sealed_bytes,
        copies_wanted: archive.facts.copies,
        holders: holders(catalog, archive),
        notes,
    }
}

fn holders(catalog: &Catalog, archive: &Archive) -> Vec<Holder> {
    let origin = Holder {
        node: view::node_name(catalog, archive.origin),
        state: HolderState::Whole,
        have_bytes: archive.facts.sealed_bytes,
        locked_until_ms: None,
    };
    let membership = catalog.membership();
    let others = catalog.holders(archive.origin, archive.id);
    let others = others
        .filter(|(holder, hold)| membership.is_member(holder) && hold.root == archive.facts.root)
        .map(|(holder, hold)| Holder {
            node: view::node_name(catalog, *holder),
            state: HolderState::Whole,
            have_bytes: hold.bytes,
            locked_until_ms: Some(hold.locked_until),
        });
    std::iter::once(origin).chain(others).collect()
}

/// An archive opened for reading, from here and from whoever holds it.
pub(in crate::daemon) struct Opened {
    pub(in crate::daemon) archive: Archive,
    pub(in crate::daemon) reader: ArchiveReader,
    pub(in crate::daemon) fetched: FetchedBytes,
}

/// Finds and opens an archive. Reading its root blocks, so it is done on another thread.
pub(in crate::daemon) async fn open(
    node: &Arc<Node>,
    wanted: &ArchiveRef,
) -> Result<Opened, Failure> {
    let (node, wanted) = (Arc::clone(node), wanted.clone());
    blocking(move || open_here(&node, &wanted)).await
}

/// The same, on this thread.
pub(in crate::daemon) fn open_here(node: &Node, wanted: &ArchiveRef) -> Result<Opened, Failure> {
    let archive = node.find_archive(wanted)?;
    let key = node.key_of(&archive)?;
    let Some(root) = archive.root() else {
        let what = format!("cannot open archive {}", archive.title());
        return Err(Failure::new(FailureCode::Damaged, what, "its private part does not open"));
    };
    let (holders, reading) = (in_reach(node, &archive), node.keeping.reading(&archive));
    let objects = ArchiveObjects::with_holders(&node.store, &node.mesh, holders, reading);
    let fetched = objects.fetched();
    let reader = ArchiveReader::open(Arc::new(objects), &key, &root)
        .map_err(|error| unreadable(&archive, &error))?;
    Ok(Opened { archive, reader, fetched })
}

/// Connected members that have an archive: its origin and its holders.
fn in_reach(node: &Node, archive: &Archive) -> Vec<protocol::NodeId> {
    let connected = node.mesh.connected();
    node.mesh.look(|catalog| {
        let holders = catalog.holders(archive.origin, archive.id);
        let holders = holders.filter(|(_, hold)| hold.root == archive.facts.root);
        std::iter::once(archive.origin)
            .chain(holders.map(|(holder, _)| *holder))
            .filter(|holder| connected.contains_key(holder))
            .collect()
    })
}

/// What to tell of an archive that cannot be read.
pub(in crate::daemon) fn unreadable(archive: &Archive, error: &ArchiveError) -> Failure {
    let code = match error {
        ArchiveError::Missing(_) => FailureCode::Unreachable,
        _ => FailureCode::Damaged,
    };
    Failure::caused(code, format!("cannot read archive {}", archive.title()), error)
        .hint("`archive show` says who has it; connect to a holder, then try again")
}

/// The members that patterns select; all without any.
pub(in crate::daemon) fn selection(
    archive: &Archive,
    patterns: &[String],
) -> Result<Option<Selection>, Failure> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let strip = crate::ingest::PAYLOAD_PREFIX.as_bytes();
    Selection::new(patterns, strip).map(Some).map_err(|error| {
        let what = format!("cannot look into archive {}", archive.title());
        Failure::caused(FailureCode::Invalid, what, &error)
    })
}

pub(super) async fn verify(
    node: Arc<Node>,
    wanted: ArchiveRef,
    events: EventSink,
) -> Result<Verified, Failure> {
    let (keys, archive) = (node.keys(), node.find_archive(&wanted)?);
    let key = keys.of(&archive.origin).cloned();
    let reading = node.keeping.reading(&archive);
    blocking(move || {
        let _reading = reading;
        let verified = verify::verify(&node.store, key.as_ref(), &archive, &events)?;
        if verified.missing_total + verified.damaged_total > 0 {
            node.hurt.note(archive.origin, archive.id, archive.facts.root);
        } else if verified.sha256_matches != Some(false) {
            node.hurt.forget(archive.origin, archive.id);
        }
        Ok(verified)
    })
    .await
}

pub(super) async fn export(
    node: Arc<Node>,
    request: ArchiveExport,
    events: EventSink,
) -> Result<Exported, Failure> {
    let opened = open(&node, &request.archive).await?;
    let to = PathBuf::from(std::ffi::OsStr::from_bytes(&request.to.0));
    let archive = opened.archive.clone();
    let exported = blocking({
        let node = Arc::clone(&node);
        move || export::export(&node, &opened, &to, request.overwrite, &events)
    })
    .await?;
    if let Some(sha256) = exported.note {
        let what = format!("cannot note the SHA-256 of archive {}", archive.title());
        let noted = keeping::amend(&node, &archive, &what, |_, meta| meta.sha256 = Some(sha256));
        if let Err(failure) = noted.await {
            // The tar is written all the same; the archive may have been removed meanwhile.
            warn!(%failure, "the next export computes it again");
        }
    }
    Ok(exported.reply)
}

pub(super) async fn remove(node: &Arc<Node>, remove: ArchiveRemove) -> Result<Removed, Failure> {
    let find = || {
        let archive = node.find_archive(&remove.archive)?;
        let replicas = node.mesh.look(|catalog| holders(catalog, &archive).split_off(1));
        Ok::<_, Failure>((archive, replicas))
    };
    let (archive, replicas) = find()?;
    let what = format!("cannot remove archive {}", archive.title());
    let hint = "remove it on its origin; replicas are dropped when their lock has ended";
    keeping::own(node, &archive, &what, hint)?;
    may_go(node, &archive, &what)?;
    let freed_bytes = blocking({
        let (node, only, what) = (Arc::clone(node), [archive.id].into(), what.clone());
        move || freed::bytes_only_in(&node, &only, &what)
    })
    .await?;
    if !remove.dry_run {
        let _deciding = node.keeping.decide().await;
        // Somebody may have pinned it, or begun to read it, while the store was read.
        may_go(node, &find()?.0, &what)?;
        keeping::drop_archives(node, &[archive.id]).await?;
    }
    let archive = archive.title();
    Ok(Removed { archive, dry_run: remove.dry_run, freed_bytes, replicas })
}

/// Refuses to remove what somebody wants to keep, or reads: an export, a restore, a transfer.
fn may_go(node: &Node, archive: &Archive, what: &str) -> Result<(), Failure> {
    if archive.meta.as_ref().is_some_and(|meta| meta.pinned) {
        let refused = Failure::new(FailureCode::Conflict, what, "it is pinned");
        return Err(refused.hint("unpin it first"));
    }
    if node.keeping.is_read(archive) {
        let why = "it is in use: somebody reads, restores or transfers it";
        return Err(Failure::new(FailureCode::Busy, what, why).hint("try again when that is done"));
    }
    Ok(())
}

pub(in crate::daemon) async fn transfer(
    node: Arc<Node>,
    transfer: ArchiveTransfer,
    events: EventSink,
) -> Result<Transferred, Failure> {
    let archive = node.find_archive(&transfer.archive)?;
    let to = node.mesh.look(|catalog| view::find_node(catalog, &transfer.to))?;
    let what = format!("cannot transfer archive {}", archive.title());
    if archive.origin != node.id() {
        let why = "only its origin decides where its copies lie";
        return Err(Failure::new(FailureCode::Refused, what, why));
    }
    if to == node.id() {
        return Err(Failure::new(FailureCode::Invalid, what, "it is on this node already"));
    }
    let meter = Meter::new(0);
    let mut changes = node.mesh.changes();
    let _reading = node.keeping.reading(&archive);
    let placed = widened(&node, &archive, to);
    keeping::amend(&node, &archive, &what, |facts, _| {
        (facts.copies, facts.place) = (placed.copies, placed.place);
    })
    .await?;
    loop {
        changes.mark_unchanged();
        let held = node.mesh.look(|catalog| {
            let mut holders = catalog.holders(archive.origin, archive.id);
            holders.any(|(holder, hold)| *holder == to && hold.root == archive.facts.root)
        });
        if held {
            break;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            () = events.cancel().wait() => {
                let why = "nobody waits for it any more; the other node still fetches it";
                return Err(Failure::new(FailureCode::Cancelled, what, why));
            }
        }
    }
    let sealed_bytes = archive.facts.sealed_bytes;
    Ok(Transferred {
        archive: archive.title(),
        to: node.mesh.look(|catalog| view::node_name(catalog, to)),
        sent_bytes: sealed_bytes,
        sealed_bytes,
        duration_ms: meter.elapsed_ms(),
    })
}

/// The archive's facts with one more node named as a holder.
fn widened(node: &Node, archive: &Archive, to: protocol::NodeId) -> protocol::record::ArchiveFacts {
    let mut facts = archive.facts.clone();
    let mut named = match facts.place {
        Place::Named(named) => named,
        Place::Any => node.mesh.look(|catalog| {
            let holders = catalog.holders(archive.origin, archive.id);
            holders.map(|(holder, _)| *holder).collect()
        }),
    };
    if !named.contains(&to) {
        named.push(to);
    }
    facts.copies = facts.copies.max(u8::try_from(named.len()).unwrap_or(u8::MAX));
    facts.place = Place::Named(named);
    facts
}

/// Lower-case hex.
pub(in crate::daemon) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Putting an archive back: planned first, then streamed through the agent, then compared.

use std::{
    ffi::OsStr,
    fs::Metadata,
    io::{self, Read},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::{
    contents::Entry,
    control::{
        ArchiveRestore, Failure, FailureCode, Issue, Issues, Overwrite, RawPath, Reply,
        RestorePlan, Restored,
    },
    tar::MemberKind,
};

use super::archive::{Opened, open, selection, unreadable};
use crate::{
    agent::{AgentError, FailureKind},
    archive::Span,
    daemon::{
        node::{Node, blocking},
        picked::Picked,
        view,
        workers::Meter,
    },
    ingest::PAYLOAD_PREFIX,
    restore::{self, RestoreReport, RestoreSpec},
    socket::EventSink,
};

/// Chunks whose presence is looked up at once.
const LOOKED_MAX: usize = 4_096;

pub(super) async fn restore(
    node: Arc<Node>,
    request: ArchiveRestore,
    events: EventSink,
) -> Result<Reply, Failure> {
    let opened = open(&node, &request.archive).await?;
    let selection = selection(&opened.archive, &request.patterns)?;
    blocking(move || {
        let destination = match &request.to {
            Some(to) => PathBuf::from(OsStr::from_bytes(&to.0)),
            None => PathBuf::from("/"),
        };
        let mut targets = Targets::new(&destination, request.overwrite);
        let picked = Picked::pick(&opened.reader, selection.as_ref(), |entry| {
            if request.plan {
                targets.see(entry);
            }
        })
        .map_err(|error| unreadable(&opened.archive, &error))?;
        if picked.members == 0 {
            let what = format!("cannot restore {}", opened.archive.title());
            return Err(Failure::new(FailureCode::NotFound, what, "nothing matches the patterns")
                .hint("`archive contents` shows the members and their paths"));
        }
        if request.plan {
            return plan(&node, &opened, &picked, &targets).map(Reply::RestorePlan);
        }
        carry_out(&node, opened, picked, &request, &destination, &events).map(Reply::Restored)
    })
    .await
}

fn spec(opened: &Opened, request: &ArchiveRestore, destination: &Path) -> RestoreSpec {
    let mut spec = RestoreSpec::new(destination);
    spec.strip = PAYLOAD_PREFIX.as_bytes().to_vec();
    spec.patterns.clone_from(&request.patterns);
    if let Some(meta) = &opened.archive.meta {
        spec.source = [PAYLOAD_PREFIX.as_bytes(), &meta.source].concat();
    }
    spec.overwrite = match request.overwrite {
        Overwrite::Changed => restore::Overwrite::Changed,
        Overwrite::Always => restore::Overwrite::Replace,
        Overwrite::Never => restore::Overwrite::Refuse,
    };
    spec.check = restore::Check::Content;
    spec
}

fn carry_out(
    node: &Node,
    opened: Opened,
    picked: Picked,
    request: &ArchiveRestore,
    destination: &Path,
    events: &EventSink,
) -> Result<Restored, Failure> {
    let spec = spec(&opened, request, destination);
    let Opened { archive, reader, fetched } = opened;
    let total = picked.bytes.max(1);
    let mut stream =
        Told { stream: picked.stream(reader), meter: Meter::new(0), bytes: 0, total, events };
    let report = node
        .agent
        .restore(&spec, &mut stream)
        .map_err(|error| agent_failure(&archive.title(), &error, events))?;
    let duration_ms = stream.meter.elapsed_ms();
    let (differs, not_set) = issues(&report);
    Ok(Restored {
        archive: archive.title(),
        destination: RawPath(destination.as_os_str().as_bytes().to_vec()),
        entries: report.files
            + report.directories
            + report.symlinks
            + report.hard_links
            + report.specials,
        bytes: report.data_bytes,
        kept: report.kept.count + report.present,
        fetched_bytes: fetched.get(),
        compared: true,
        differs,
        not_set,
        duration_ms,
    })
}

fn issues(report: &RestoreReport) -> (Issues, Issues) {
    let mut differs = Issues::default();
    let notes = report.failed.first.iter().map(|note| (note, "not restored"));
    let notes = notes.chain(report.different.first.iter().map(|note| (note, "differs")));
    for (note, what) in notes {
        let path = RawPath(note.path.clone());
        differs.push(Issue { path, what: what.to_owned(), why: note.what.clone() });
    }
    differs.total = report.failed.count + report.different.count;
    let mut not_set = Issues::default();
    for note in &report.not_set.first {
        let (path, what) = (RawPath(note.path.clone()), format!("{:?}", note.what).to_lowercase());
        not_set.push(Issue { path, what, why: note.why.clone() });
    }
    not_set.total = report.not_set.count;
    (differs, not_set)
}

fn agent_failure(title: &str, error: &AgentError, events: &EventSink) -> Failure {
    let what = format!("cannot restore {title}");
    if events.cancel().is_set() {
        return Failure::new(FailureCode::Cancelled, what, "somebody stopped it");
    }
    let (code, hint) = match error.kind() {
        FailureKind::DiskFull => (FailureCode::NoSpace, "free space there, then run it again"),
        _ => (FailureCode::Internal, "run it again: what is complete already is found as it is"),
    };
    Failure::caused(code, what, error).hint(hint)
}

/// A stream that tells how far it is, and ends when somebody stops it.
struct Told<'a, R> {
    stream: R,
    meter: Meter,
    bytes: u64,
    total: u64,
    events: &'a EventSink,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.events.cancel().is_set() {
            return Err(io::Error::other("somebody stopped it"));
        }
        let read = self.stream.read(out)?;
        self.bytes += read as u64;
        let total = self.total.max(self.bytes);
        self.events.progress(self.meter.progress("restoring", self.bytes, Some(total)));
        Ok(read)
    }
}

/// What would happen to the places where members go.
struct Targets<'a> {
    destination: &'a Path,
    overwrite: Overwrite,
    creates: u64,
    replaces: u64,
    keeps: u64,
}

impl<'a> Targets<'a> {
    fn new(destination: &'a Path, overwrite: Overwrite) -> Self {
        Self { destination, overwrite, creates: 0, replaces: 0, keeps: 0 }
    }

    fn see(&mut self, entry: &Entry) {
        let Some(path) = entry.path.strip_prefix(PAYLOAD_PREFIX.as_bytes()) else { return };
        let below = Path::new(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)));
        match self.destination.join(below).symlink_metadata() {
            Err(_) => self.creates += 1,
            Ok(there) if there.is_dir() && entry.kind == MemberKind::Directory => self.keeps += 1,
            Ok(_) if self.overwrite == Overwrite::Never => self.keeps += 1,
            Ok(there) if self.overwrite == Overwrite::Changed && is_unchanged(entry, &there) => {
                self.keeps += 1;
            }
            Ok(_) => self.replaces += 1,
        }
    }
}

/// Whether the restore will find a file as it is, by what it looks at itself.
fn is_unchanged(entry: &Entry, there: &Metadata) -> bool {
    let mtime = (entry.mtime.seconds, i64::from(entry.mtime.nanos));
    entry.kind == MemberKind::File
        && there.is_file()
        && there.len() == entry.real_bytes
        && there.mode() & 0o7777 == entry.mode & 0o7777
        && (there.uid(), there.gid()) == (entry.uid, entry.gid)
        && (there.mtime(), there.mtime_nsec()) == mtime
}

fn plan(
    node: &Node,
    opened: &Opened,
    picked: &Picked,
    targets: &Targets<'_>,
) -> Result<RestorePlan, Failure> {
    let fetch_bytes = missing_bytes(node, opened, &picked.spans())?;
    let connected = node.mesh.connected();
    let archive = &opened.archive;
    let (origin, fetch_from) = node.mesh.look(|catalog| {
        let holders = catalog.holders(archive.origin, archive.id).map(|(holder, _)| *holder);
        let all = std::iter::once(archive.origin).chain(holders);
        let from = all.filter(|holder| fetch_bytes > 0 && connected.contains_key(holder));
        let from = from.map(|holder| view::node_name(catalog, holder)).collect();
        (view::node_name(catalog, archive.origin), from)
    });
    let destination = targets.destination.display();
    let mut steps = Vec::new();
    if fetch_bytes > 0 {
        steps.push(format!("fetch {fetch_bytes} sealed bytes from other nodes as they are needed"));
    }
    steps.push(format!("write {} members under {destination}", picked.members));
    steps.push("set owners, modes, times, attributes and ACLs, then compare".to_owned());
    Ok(RestorePlan {
        archive: archive.title(),
        origin,
        destination: RawPath(targets.destination.as_os_str().as_bytes().to_vec()),
        entries: picked.members,
        bytes: picked.bytes,
        creates: targets.creates,
        replaces: targets.replaces,
        keeps: targets.keeps,
        fetch_bytes,
        fetch_from,
        steps,
        concerns: concerns(targets.destination, picked.bytes),
    })
}

fn concerns(destination: &Path, bytes: u64) -> Issues {
    let mut concerns = Issues::default();
    let existing = destination.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let free = crate::sys::free_bytes(existing);
    if free < bytes {
        concerns.push(Issue {
            path: RawPath(existing.as_os_str().as_bytes().to_vec()),
            what: "not enough room".to_owned(),
            why: format!("{bytes} bytes are needed, {free} are free"),
        });
    }
    concerns
}

/// Sealed bytes of the wanted chunks that are not in this node's store.
fn missing_bytes(node: &Node, opened: &Opened, spans: &[Span]) -> Result<u64, Failure> {
    let (mut at, mut missing, mut batch) = (0_u64, 0_u64, Vec::new());
    let mut failed = None;
    let mut look = |batch: &mut Vec<protocol::object::Link>| {
        let ids: Vec<_> = batch.iter().map(|link| link.id).collect();
        match node.store.has_all(&ids) {
            Ok(here) => {
                let absent = batch.iter().zip(here).filter(|(_, here)| !here);
                missing += absent.map(|(link, _)| u64::from(link.bytes)).sum::<u64>();
            }
            Err(error) => failed = Some(error),
        }
        batch.clear();
    };
    let walked = opened.reader.chunks(|chunk| {
        let begins = at;
        at += u64::from(chunk.plain_bytes);
        let after = spans.partition_point(|span| span.to <= begins);
        if spans.get(after).is_some_and(|span| span.from < at) {
            batch.push(chunk.link());
        }
        if batch.len() == LOOKED_MAX {
            look(&mut batch);
        }
        true
    });
    look(&mut batch);
    walked.map_err(|error| unreadable(&opened.archive, &error))?;
    match failed {
        Some(error) => {
            Err(crate::daemon::failure::store_failure("cannot plan the restore", &error))
        }
        None => Ok(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_what_is_unchanged_unless_all_is_to_be_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "same").expect("a file");
        let there = path.symlink_metadata().expect("there");
        let mtime = protocol::tar::FileTime {
            seconds: there.mtime(),
            nanos: u32::try_from(there.mtime_nsec()).expect("below a second"),
        };
        let same = Entry {
            path: format!("{PAYLOAD_PREFIX}/a").into_bytes(),
            kind: MemberKind::File,
            link: Vec::new(),
            mode: there.mode() & 0o7777,
            uid: there.uid(),
            gid: there.gid(),
            real_bytes: there.len(),
            mtime,
            offset: 0,
            span: 1024,
        };
        let mut others = vec![same.clone(); 5];
        others[0].real_bytes += 1;
        others[1].mtime.nanos ^= 1;
        others[2].mode ^= 0o100;
        others[3].uid += 1;
        others[4].kind = MemberKind::Fifo;
        let counts = |overwrite| {
            let mut targets = Targets::new(folder.path(), overwrite);
            targets.see(&same);
            others.iter().for_each(|entry| targets.see(entry));
            (targets.creates, targets.replaces, targets.keeps)
        };
        assert_eq!(counts(Overwrite::Changed), (0, 5, 1));
        assert_eq!(counts(Overwrite::Always), (0, 6, 0));
        assert_eq!(counts(Overwrite::Never), (0, 0, 6));
    }
}

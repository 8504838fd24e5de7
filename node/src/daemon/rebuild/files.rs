//! The files of a restore: which, what is where they go, and how they get there.

use std::{
    fs::Metadata,
    io::{self, Read},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use protocol::{
    contents::Entry,
    control::{ArchiveRestore, Failure, FailureCode, Issue, Issues, Overwrite, RawPath},
    tar::{Event, Limits, MemberKind, Parser, TarError},
};

use super::{
    conflicts::below,
    databases,
    known::{Counts, Kind},
    plan::destination,
    teller::Teller,
};
use crate::{
    archive::{ArchiveStream, Span},
    daemon::{
        failure::store_failure,
        handle::archive::{Opened, unreadable},
        node::Node,
        picked::Picked,
        workers::Meter,
    },
    ingest::PAYLOAD_PREFIX,
    restore::{self, RestoreReport, RestoreSpec, Selection},
};

/// Chunks whose presence is looked up at once.
const LOOKED_MAX: usize = 4_096;

/// The files that were chosen.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) picked: Picked,
    pub(super) counts: Counts,
}

impl Chosen {
    /// Goes through the contents and looks at each place where a member goes.
    pub(super) fn choose(
        opened: &Opened,
        request: &ArchiveRestore,
        kind: &Kind,
    ) -> Result<Self, Failure> {
        let strip = strip(kind);
        let selection = selection(opened, &request.patterns, strip)?;
        let destination = destination(request);
        let mut targets = Targets::new(&destination, strip, request.overwrite);
        let picked = Picked::pick(&opened.reader, selection.as_ref(), |entry| targets.see(entry))
            .map_err(|error| unreadable(&opened.archive, &error))?;
        let mut counts = targets.counts;
        (counts.members, counts.bytes) = (picked.members, picked.bytes);
        Ok(Self { picked, counts })
    }
}

/// The front of member paths that is no part of the original path.
pub(super) fn strip(kind: &Kind) -> &'static str {
    match kind {
        Kind::Files => PAYLOAD_PREFIX,
        Kind::Databases(server) => databases::folder_of(server.engine),
        Kind::App(_) | Kind::System(_) | Kind::Unknown(_) => "",
    }
}

/// The members that patterns select; all without any.
pub(super) fn selection(
    opened: &Opened,
    patterns: &[String],
    strip: &str,
) -> Result<Option<Selection>, Failure> {
    if patterns.is_empty() {
        return Ok(None);
    }
    Selection::new(patterns, strip.as_bytes()).map(Some).map_err(|error| {
        let what = format!("cannot look into archive {}", opened.archive.title());
        Failure::caused(FailureCode::Invalid, what, &error)
    })
}

/// What the extractor is told.
pub(super) fn spec(opened: &Opened, request: &ArchiveRestore, kind: &Kind) -> RestoreSpec {
    let mut spec = RestoreSpec::new(destination(request));
    spec.strip = strip(kind).as_bytes().to_vec();
    spec.patterns.clone_from(&request.patterns);
    if let (Some(meta), Kind::Files) = (&opened.archive.meta, kind) {
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

/// What differs, and what could not be set.
pub(super) fn issues(report: &RestoreReport) -> (Issues, Issues) {
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

/// A stream that tells how far it is, and ends when somebody stops it.
pub(super) struct Told<'a, R> {
    stream: R,
    meter: Meter,
    bytes: u64,
    total: u64,
    what: &'static str,
    teller: &'a Teller<'a>,
}

impl<'a, R: Read> Told<'a, R> {
    pub(super) fn new(stream: R, total: u64, what: &'static str, teller: &'a Teller<'a>) -> Self {
        Self { stream, meter: Meter::new(0), bytes: 0, total: total.max(1), what, teller }
    }
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.teller.stopped() {
            return Err(io::Error::other("somebody stopped it"));
        }
        let read = self.stream.read(out)?;
        self.bytes += read as u64;
        let total = self.total.max(self.bytes);
        self.teller.progress(self.meter.progress(self.what, self.bytes, Some(total)));
        Ok(read)
    }
}

/// The data of one member, out of the span of the tar that it lies in.
pub(super) struct MemberData {
    stream: ArchiveStream,
    parser: Parser,
    ready: Vec<u8>,
    at: usize,
}

impl MemberData {
    pub(super) fn new(stream: ArchiveStream) -> Self {
        Self { stream, parser: Parser::new(Limits::default()), ready: Vec::new(), at: 0 }
    }
}

impl Read for MemberData {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            let piece = self.stream.next_piece()?;
            if piece.is_empty() {
                return Ok(0);
            }
            self.ready.clear();
            self.at = 0;
            let ready = &mut self.ready;
            let read: Result<(), TarError> = self.parser.push(piece, &mut |event| {
                if let Event::Data(data) = event {
                    ready.extend(data);
                }
                Ok(())
            });
            read.map_err(io::Error::other)?;
        }
        let taken = out.len().min(self.ready.len() - self.at);
        out[..taken].copy_from_slice(&self.ready[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

/// What would happen to the places where members go.
struct Targets<'a> {
    destination: &'a Path,
    strip: &'a [u8],
    overwrite: Overwrite,
    counts: Counts,
}

impl<'a> Targets<'a> {
    fn new(destination: &'a Path, strip: &'a str, overwrite: Overwrite) -> Self {
        Self { destination, strip: strip.as_bytes(), overwrite, counts: Counts::default() }
    }

    fn see(&mut self, entry: &Entry) {
        let Some(path) = entry.path.strip_prefix(self.strip) else { return };
        let path = below(self.destination, Path::new(std::ffi::OsStr::from_bytes(path)));
        // Of a sparse file only what is stored takes room.
        let bytes = entry.real_bytes.min(entry.span);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.counts.creates += 1;
                self.counts.needed_bytes += bytes;
            }
            // This process may not look there: something can be lost, and it cannot be told how much
            // room it takes now.
            Err(_) => self.replace(&path, 0, 0),
            Ok(there) if there.is_dir() && entry.kind == MemberKind::Directory => {
                self.counts.keeps += 1;
            }
            Ok(_) if self.overwrite == Overwrite::Never => self.counts.keeps += 1,
            Ok(there) if self.overwrite == Overwrite::Changed && is_unchanged(entry, &there) => {
                self.counts.keeps += 1;
            }
            Ok(there) => self.replace(&path, bytes, there.blocks().saturating_mul(512)),
        }
    }

    fn replace(&mut self, path: &Path, bytes: u64, freed_bytes: u64) {
        self.counts.replaces += 1;
        self.counts.needed_bytes += bytes.saturating_sub(freed_bytes);
        let lost = self.counts.lost.take();
        self.counts.lost = Some(lost.map_or_else(|| path.to_owned(), |lost| common(&lost, path)));
    }
}

/// The deepest path that both lie at or under.
fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
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

/// Sealed bytes of the wanted chunks that are not in this node's store.
pub(super) fn missing_bytes(node: &Node, opened: &Opened, spans: &[Span]) -> Result<u64, Failure> {
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
        Some(error) => Err(store_failure("cannot plan the restore", &error)),
        None => Ok(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, there: &Metadata) -> Entry {
        let mtime = protocol::tar::FileTime {
            seconds: there.mtime(),
            nanos: u32::try_from(there.mtime_nsec()).expect("below a second"),
        };
        Entry {
            path: format!("{PAYLOAD_PREFIX}/{path}").into_bytes(),
            kind: MemberKind::File,
            link: Vec::new(),
            mode: there.mode() & 0o7777,
            uid: there.uid(),
            gid: there.gid(),
            real_bytes: there.len(),
            mtime,
            offset: 0,
            span: 1024,
        }
    }

    #[test]
    fn a_plan_keeps_what_is_unchanged_unless_all_is_to_be_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "same").expect("a file");
        let same = entry("a", &path.symlink_metadata().expect("there"));
        let mut others = vec![same.clone(); 5];
        others[0].real_bytes += 1;
        others[1].mtime.nanos ^= 1;
        others[2].mode ^= 0o100;
        others[3].uid += 1;
        others[4].kind = MemberKind::Fifo;
        let counts = |overwrite| {
            let mut targets = Targets::new(folder.path(), PAYLOAD_PREFIX, overwrite);
            targets.see(&same);
            others.iter().for_each(|entry| targets.see(entry));
            (targets.counts.creates, targets.counts.replaces, targets.counts.keeps)
        };
        assert_eq!(counts(Overwrite::Changed), (0, 5, 1));
        assert_eq!(counts(Overwrite::Always), (0, 6, 0));
        assert_eq!(counts(Overwrite::Never), (0, 0, 6));
    }

    #[test]
    fn what_is_lost_is_the_smallest_folder_that_holds_all_that_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        for dir in ["x/y", "x/z", "w"] {
            std::fs::create_dir_all(folder.path().join(dir)).expect("a folder");
            std::fs::write(folder.path().join(dir).join("a"), "old").expect("a file");
        }
        let data = folder.path().join("w/a").symlink_metadata().expect("there");
        let mut targets = Targets::new(folder.path(), PAYLOAD_PREFIX, Overwrite::Always);
        targets.see(&entry("x/new", &data));
        assert_eq!(targets.counts.lost, None);
        targets.see(&entry("x/y/a", &data));
        assert_eq!(targets.counts.lost, Some(folder.path().join("x/y/a")));
        targets.see(&entry("x/z/a", &data));
        assert_eq!(targets.counts.lost, Some(folder.path().join("x")));
        targets.see(&entry("w/a", &data));
        assert_eq!(targets.counts.lost.as_deref(), Some(folder.path()));
    }
}

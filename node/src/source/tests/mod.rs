//! Real trees with awkward files, read, parsed again and given to real tar.

mod changes;
mod programs;
mod reuse;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use protocol::contents::Entry;
use protocol::limits::CHUNK_BYTES_MAX;
use protocol::tar::{END, Event, Limits, Member, MemberKind, Parser, TarError};

use super::read::read_with;
use super::segment::MemberGroups;
use super::*;

/// A segment begins at every name that ends with a 7.
#[derive(Debug, Default)]
struct Sevens;

impl MemberGroups for Sevens {
    fn begins_new(&mut self, path: &[u8], _: u64) -> bool {
        path.ends_with(b"7")
    }

    fn reset(&mut self) {}
}

/// What the sink does at a moment of the reading.
type Hook<'a> = Box<dyn FnMut(Moment) + Send + 'a>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Head(SegmentKind),
    Data(SegmentKind),
}

/// One segment as the sink saw it.
#[derive(Clone, Debug)]
struct SeenSegment {
    head: SegmentHead,
    chunks: Vec<Vec<u8>>,
    entries: Vec<Entry>,
    stable: bool,
    was_reused: bool,
}

/// A sink that keeps everything, and reuses what an earlier one kept.
#[derive(Default)]
struct Kept<'a> {
    segments: Vec<SeenSegment>,
    warnings: Vec<SourceWarning>,
    earlier: BTreeMap<Fingerprint, SeenSegment>,
    hook: Option<Hook<'a>>,
}

impl Kept<'_> {
    fn stream(&self) -> Vec<u8> {
        let chunks = self.segments.iter().flat_map(|segment| &segment.chunks);
        chunks.flatten().copied().chain(END).collect()
    }

    fn stable(&self) -> BTreeMap<Fingerprint, SeenSegment> {
        let stable = self.segments.iter().filter(|segment| segment.stable);
        stable.map(|segment| (segment.head.fingerprint.unwrap(), segment.clone())).collect()
    }

    fn warnings(&self) -> Vec<(String, &str)> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        self.warnings.iter().map(|warning| (name(&warning.path), &warning.what[..])).collect()
    }

    fn call(&mut self, moment: Moment) {
        if let Some(hook) = &mut self.hook {
            hook(moment);
        }
    }
}

impl SourceSink for Kept<'_> {
    fn segment(&mut self, head: SegmentHead) -> std::io::Result<Verdict> {
        self.call(Moment::Head(head.kind));
        let known = self.earlier.get(&head.fingerprint.unwrap());
        let was_reused = known.is_some();
        let chunks = known.map(|known| known.chunks.clone()).unwrap_or_default();
        let (entries, stable) = (Vec::new(), false);
        self.segments.push(SeenSegment { head, chunks, entries, stable, was_reused });
        Ok(if was_reused { Verdict::Reused } else { Verdict::Read })
    }

    fn data(&mut self, bytes: Vec<u8>) -> std::io::Result<()> {
        assert!(!bytes.is_empty() && bytes.len() <= CHUNK_BYTES_MAX);
        let segment = self.segments.last_mut().unwrap();
        assert!(!segment.was_reused);
        segment.chunks.push(bytes);
        let kind = segment.head.kind;
        self.call(Moment::Data(kind));
        Ok(())
    }

    fn end(&mut self, mut end: SegmentEnd) -> std::io::Result<()> {
        let segment = self.segments.last_mut().unwrap();
        if segment.was_reused {
            let known = &self.earlier[&segment.head.fingerprint.unwrap()];
            assert!(place(&mut end.entries, &spans(&known.entries)));
            assert_eq!(end.entries, known.entries);
        }
        let bytes: usize = segment.chunks.iter().map(Vec::len).sum();
        if segment.head.kind == SegmentKind::FileData {
            assert_eq!(bytes as u64, segment.head.bytes);
        }
        (segment.entries, segment.stable) = (end.entries, end.stable);
        Ok(())
    }

    fn warning(&mut self, warning: SourceWarning) {
        self.warnings.push(warning);
    }
}

fn spec(path: &Path) -> SourceSpec {
    SourceSpec::new(path, "data/custom", [7; 32])
}

/// Reads with a clock that is far enough ahead for every file to be settled.
fn run<'a>(spec: &SourceSpec, mut sink: Kept<'a>) -> (Kept<'a>, SourceReport) {
    let now = || rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec + 10;
    let report = read_with(spec, &mut Sevens, &now, &mut sink).unwrap();
    assert_eq!(report.warnings, sink.warnings.len() as u64);
    (sink, report)
}

fn read_all(spec: &SourceSpec) -> Kept<'static> {
    run(spec, Kept::default()).0
}

/// The members of a stream with their data, by path; checks what the sink was told of them.
fn members(kept: &Kept<'_>) -> BTreeMap<Vec<u8>, (Member, Vec<u8>)> {
    let mut parser = Parser::new(Limits::default());
    let (mut all, mut offsets) = (Vec::<(Member, Vec<u8>)>::new(), Vec::new());
    let stream = kept.stream();
    parser
        .push(&stream, &mut |event| {
            match event {
                Event::Member(member, offset) => {
                    offsets.push((member.path.clone(), offset));
                    all.push((member, Vec::new()));
                }
                Event::Data(bytes) => all.last_mut().unwrap().1.extend_from_slice(bytes),
                Event::MemberEnd | Event::End => {}
            }
            Ok::<(), TarError>(())
        })
        .unwrap();
    assert!(parser.has_ended());
    assert_eq!(offsets, told_offsets(kept));
    let count = all.len();
    let all: BTreeMap<_, _> =
        all.into_iter().map(|(member, data)| (member.path.clone(), (member, data))).collect();
    assert_eq!(all.len(), count, "no path twice");
    all
}

/// Where the entries say that members begin.
fn told_offsets(kept: &Kept<'_>) -> Vec<(Vec<u8>, u64)> {
    let (mut offsets, mut begin, mut end) = (Vec::new(), 0, 0);
    for segment in &kept.segments {
        for entry in &segment.entries {
            assert_eq!(begin + entry.offset, end, "members follow each other");
            offsets.push((entry.path.clone(), end));
            end += entry.span;
        }
        begin += segment.chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
    }
    assert_eq!(begin, end, "the spans are the stream");
    offsets
}

/// A tree in a temporary folder, and the path of its members in the tar.
struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        // No name by chance that begins a segment.
        let folder = tempfile::Builder::new().suffix("-tree").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        Self { folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("src")
    }

    fn spec(&self) -> SourceSpec {
        spec(&self.root())
    }

    fn file(&self, name: &str, data: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, data).unwrap();
        path
    }

    /// The path of a file in the tar.
    fn member(&self, name: &str) -> Vec<u8> {
        let path = self.root().join(name);
        [b"data/custom", path.to_str().unwrap().trim_end_matches('/').as_bytes()].concat()
    }
}

fn names(kept: &Kept<'_>, tree: &Tree) -> Vec<String> {
    let root = tree.member("");
    let members = members(kept);
    let below = members.keys().filter_map(|path| path.strip_prefix(&root[..])?.strip_prefix(b"/"));
    below.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// The bytes of the source itself: the directories above it belong to the machine.
fn body(kept: &Kept<'_>) -> blake3::Hash {
    let above: u64 = kept.segments[0].entries.iter().map(|entry| entry.span).sum();
    blake3::hash(&kept.stream()[above as usize..])
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

//! What a source is told, and what it tells its sink.

use std::path::PathBuf;

use protocol::{contents::Entry, tar::Member};

/// What to read.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Absolute path of the directory (or single file) to read. Symbolic links in it are followed,
    /// those below it are not.
    pub path: PathBuf,
    /// Where it lies in the tar: `data/custom`, so that `/opt/app` becomes `data/custom/opt/app`.
    pub prefix: Vec<u8>,
    /// Patterns as in a .gitignore, relative to `path`.
    pub excludes: Vec<String>,
    /// Leave out what lies on other file systems (their mount points stay, as empty directories).
    pub one_file_system: bool,
    /// Directories never to read or mention, wherever they lie: the daemon's own data.
    pub never: Vec<PathBuf>,
    /// Key of the fingerprints and of where segments begin (`KeyUse::Reuse`), so that neither tells
    /// anything.
    pub fingerprint_key: [u8; 32],
}

impl SourceSpec {
    /// All of a directory, across file systems.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, prefix: impl Into<Vec<u8>>, key: [u8; 32]) -> Self {
        Self {
            path: path.into(),
            prefix: prefix.into(),
            excludes: Vec::new(),
            one_file_system: false,
            never: Vec::new(),
            fingerprint_key: key,
        }
    }
}

/// The keyed hash of all that would show a change in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// What a segment will be, before anything of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// Absent when it must be read in any case.
    pub fingerprint: Option<Fingerprint>,
    /// How many bytes of the stream it is: exactly for `FileData`; for `Members` about, since
    /// attributes are not counted and files may have vanished.
    pub bytes: u64,
    /// Data of one large file (to be cut by content) or whole small members.
    pub kind: SegmentKind,
}

/// How a segment is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Whole members; what one call of `data` brings is one chunk.
    Members,
    /// The data of one large file: cut by content.
    FileData,
    /// Members that this program adds around what is backed up, and the end of the stream: cut as
    /// `Members`, and not counted as something new that was found.
    Frame,
}

/// What the sink wants after a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the bytes with `data`, then `end`.
    Read,
    /// The last archive has it: no bytes, only `end`.
    Reused,
}

/// What a segment was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// The members that begin in it, offsets relative to its first byte; empty for `FileData`. A
    /// large file's span covers the data segment that follows. After [`Verdict::Reused`] offsets
    /// and spans are 0, see [`place`].
    pub entries: Vec<Entry>,
    /// False when something of it changed while it was read, or so recently that a change could
    /// have gone unseen, or could not be read: it must not be reused next time. True when reused.
    pub stable: bool,
}

/// Something that went wrong with one file and did not stop the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceWarning {
    /// The file, as it lies on this machine.
    pub path: PathBuf,
    /// What happened: `changed while it was read`, `vanished`, `permission denied`, …
    pub what: String,
}

/// The receiver of a source's segments: ingest, or a stream to it.
pub trait SourceSink: Send {
    /// A segment begins.
    ///
    /// # Errors
    /// When the sink cannot go on; the source stops and passes the error through.
    fn segment(&mut self, head: SegmentHead) -> std::io::Result<Verdict>;

    /// The next bytes of the segment, never none and at most `CHUNK_BYTES_MAX`: whole members, one
    /// chunk, for `Members` and `Frame`; pieces for `FileData` and for a streamed member.
    ///
    /// # Errors
    /// As for [`SourceSink::segment`].
    fn data(&mut self, bytes: Vec<u8>) -> std::io::Result<()>;

    /// The segment is complete, whether read or reused.
    ///
    /// # Errors
    /// As for [`SourceSink::segment`].
    fn end(&mut self, end: SegmentEnd) -> std::io::Result<()>;

    /// A member begins whose size nobody knows before its end, such as a dump; its
    /// `data_bytes` are ignored. Its data comes with `data`, then [`SourceSink::end_streamed`].
    /// Use [`super::StreamedMember`], which keeps to that.
    ///
    /// # Errors
    /// As for [`SourceSink::segment`]; always where the sink cannot leave room for the header.
    fn begin_streamed(&mut self, member: Member) -> std::io::Result<()> {
        let _ = member;
        Err(not_streamed())
    }

    /// The streamed member is complete.
    ///
    /// # Errors
    /// As for [`SourceSink::begin_streamed`].
    fn end_streamed(&mut self) -> std::io::Result<()> {
        Err(not_streamed())
    }

    /// Something went wrong with one file; the archive goes on.
    fn warning(&mut self, warning: SourceWarning);
}

fn not_streamed() -> std::io::Error {
    let why = "a member of unknown size cannot be written here";
    std::io::Error::new(std::io::ErrorKind::Unsupported, why)
}

/// The spans of a segment's members, to be kept for the day it is reused.
#[must_use]
pub fn spans(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.span).collect()
}

/// Gives the members of a reused segment their offsets and spans back. False, and nothing done,
/// when the spans are not theirs.
#[must_use]
pub fn place(entries: &mut [Entry], spans: &[u64]) -> bool {
    if entries.len() != spans.len() {
        return false;
    }
    let mut offset = 0;
    for (entry, span) in entries.iter_mut().zip(spans) {
        (entry.offset, entry.span) = (offset, *span);
        offset += span;
    }
    true
}

//! Writing an archive out as the plain tar that it is, with its `info.json` beside it.
//!
//! Both are written under a temporary name, made durable, then renamed, so that nobody takes half a
//! tar for a whole one. What lies in `info.json` comes from the tar itself.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use protocol::{
    control::{Exported, Failure, FailureCode, RawPath},
    tar::{Event, Limits, Parser, TarError},
};
use sha2::{Digest as _, Sha256};

use super::{
    handle::archive::{Opened, hex},
    node::Node,
    verify::check_cancel,
    workers::Meter,
};
use crate::{socket::EventSink, sys};

/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// The largest `info.json` that is taken out of a tar.
const INFO_BYTES_MAX: usize = 1 << 20;

/// What an export did, and what the mesh should hear of it.
pub(super) struct Export {
    pub(super) reply: Exported,
    /// The SHA-256, when the archive's record does not have it.
    pub(super) note: Option<[u8; 32]>,
}

/// Writes the tar and its info.
///
/// # Errors
/// When something is in the way, the disk is full, or an object is missing; then nothing is left.
pub(super) fn export(
    node: &Node,
    opened: &Opened,
    to: &Path,
    overwrite: bool,
    events: &EventSink,
) -> Result<Export, Failure> {
    let title = opened.archive.title();
    let what = format!("cannot export archive {title}");
    let tar = if to.is_dir() { to.join(format!("{title}.tar")) } else { to.to_owned() };
    let info = tar.with_extension("info.json");
    for path in [&tar, &info] {
        if !overwrite && path.symlink_metadata().is_ok() {
            let why = format!("{} exists", path.display());
            return Err(Failure::new(FailureCode::Exists, what, why)
                .hint("give another place, or --overwrite"));
        }
    }
    let mut meter = Meter::new(0);
    let part = Part::create(&tar).map_err(|error| disk_failure(&what, &tar, &error))?;
    let copied = copy(opened, &part.file, &mut meter, events, &what)?;
    let info_part = Part::create(&info).map_err(|error| disk_failure(&what, &info, &error))?;
    (&info_part.file)
        .write_all(&copied.info)
        .and_then(|()| info_part.publish())
        .and_then(|()| part.publish())
        .map_err(|error| disk_failure(&what, &tar, &error))?;
    let path = |path: &Path| RawPath(path.as_os_str().as_bytes().to_vec());
    let reply = Exported {
        archive: title,
        tar: path(&tar),
        info: path(&info),
        bytes: copied.bytes,
        sha256: hex(&copied.sha256),
        fetched_bytes: opened.fetched.get(),
        duration_ms: meter.elapsed_ms(),
    };
    Ok(Export { reply, note: note(node, opened, copied.sha256) })
}

/// What was written.
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
    /// The `info.json` that lies in the tar.
    pub(super) info: Vec<u8>,
}

/// Writes the tar into a file.
///
/// # Errors
/// When the disk is full, an object is missing, or what came is not what the record says.
pub(super) fn copy_to(
    opened: &Opened,
    file: &File,
    events: &EventSink,
    what: &str,
) -> Result<Copied, Failure> {
    copy(opened, file, &mut Meter::new(0), events, what)
}

fn copy(
    opened: &Opened,
    mut file: &File,
    meter: &mut Meter,
    events: &EventSink,
    what: &str,
) -> Result<Copied, Failure> {
    let total = opened.reader.stream_bytes();
    let mut stream = opened.reader.whole(sys::threads());
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; WRITE_BYTES], 0_u64);
    let mut info = InfoFinder::default();
    loop {
        let read = stream
            .read(&mut buffer)
            .map_err(|error| Failure::caused(FailureCode::Unreachable, what, &error))?;
        if read == 0 {
            break;
        }
        let piece = &buffer[..read];
        hash.update(piece);
        info.look(piece);
        file.write_all(piece).map_err(|error| disk_failure(what, Path::new("the tar"), &error))?;
        bytes += read as u64;
        events.progress(meter.progress("writing", bytes, Some(total)));
        check_cancel(events, what)?;
    }
    let sha256: [u8; 32] = hash.finalize().into();
    let known = opened.archive.meta.as_ref().and_then(|meta| meta.sha256);
    if bytes != total || known.is_some_and(|known| known != sha256) {
        let why = "what was written is not what the archive's record says";
        return Err(Failure::new(FailureCode::Damaged, what, why));
    }
    Ok(Copied { bytes, sha256, info: info.found.unwrap_or_default() })
}

/// Takes the first `info.json` out of a tar that passes by.
pub(super) struct InfoFinder {
    parser: Option<Parser>,
    inside: bool,
    bytes: Vec<u8>,
    pub(super) found: Option<Vec<u8>>,
}

impl Default for InfoFinder {
    fn default() -> Self {
        let parser = Some(Parser::new(Limits::default()));
        Self { parser, inside: false, bytes: Vec::new(), found: None }
    }
}

impl InfoFinder {
    pub(super) fn look(&mut self, piece: &[u8]) {
        let Some(mut parser) = self.parser.take() else { return };
        let read: Result<(), TarError> = parser.push(piece, &mut |event| {
            match event {
                Event::Member(member, _) => self.inside = member.path == b"info.json",
                Event::Data(data) if self.inside && self.found.is_none() => {
                    let room = INFO_BYTES_MAX.saturating_sub(self.bytes.len());
                    self.bytes.extend(&data[..data.len().min(room)]);
                }
                Event::MemberEnd if self.inside && self.found.is_none() => {
                    self.found = Some(std::mem::take(&mut self.bytes));
                }
                _ => {}
            }
            Ok(())
        });
        if read.is_ok() && self.found.is_none() {
            self.parser = Some(parser);
        }
    }
}

/// What the record lacks, when this node made the archive.
pub(super) fn note(node: &Node, opened: &Opened, sha256: [u8; 32]) -> Option<[u8; 32]> {
    let meta = opened.archive.meta.as_ref()?;
    (opened.archive.origin == node.id() && meta.sha256.is_none()).then_some(sha256)
}

/// A file that appears under its name only when it is whole.
struct Part {
    file: File,
    path: PathBuf,
    part: PathBuf,
}

impl Part {
    fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0));
        let file = options.open(&part)?;
        Ok(Self { file, path: path.to_owned(), part })
    }

    fn publish(&self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `publish` it is gone already.
        let _ = fs::remove_file(&self.part);
    }
}

fn disk_failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let code = if full { FailureCode::NoSpace } else { FailureCode::Internal };
    Failure::new(code, what, format!("{}: {error}", path.display()))
        .hint("the daemon's user must be able to write there, and the disk must have room")
}

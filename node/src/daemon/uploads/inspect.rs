//! Looking at what came as at something hostile, before anything of it is stored.
//!
//! One pass over the file: its SHA-256, the shape of the tar, and each member. A wrong checksum
//! counts before anything else: what such bytes say means nothing. Then a tar is refused when it is
//! damaged, cut off or empty, when a member's path or the target of a hard link leads out of where
//! it is put, and when it would grow beyond bounds: by compression, or by files that are nearly all
//! holes. Symbolic links may point anywhere, as they do on the machine that was backed up; a restore
//! never follows them.

mod said;

use std::io::{self, Read};

use protocol::{
    Time,
    contents::Entry,
    tar::{MemberKind, PathError, safe_path},
    upload::TOTAL_BYTES_MAX,
};
use sha2::{Digest as _, Sha256};

use self::said::Said;
use crate::{
    ingest::{TarReport, TarSourceError, TarSpec, read_tar},
    source::{SegmentEnd, SegmentHead, SourceSink, SourceWarning, Verdict},
};

/// How many times its size a compressed tar may have: text compresses to a twentieth, zeros to a
/// thousandth.
const GROWS_MAX: u64 = 200;

/// What any tar may have, however small it is compressed.
const GROWS_TO: u64 = 1 << 30;

/// Bytes of a path that are told.
const PATH_TOLD_BYTES: usize = 200;

/// How large what is in a tar may become.
#[derive(Clone, Copy, Debug)]
pub(in crate::daemon) struct Bounds {
    /// The tar without compression, bytes.
    pub(super) stream_bytes: u64,
    /// All files with their holes, bytes.
    pub(super) real_bytes: u64,
}

impl Bounds {
    /// For a file of this size.
    pub(in crate::daemon) fn of(bytes: u64) -> Self {
        let stream_bytes = bytes.saturating_mul(GROWS_MAX).clamp(GROWS_TO, TOTAL_BYTES_MAX);
        Self { stream_bytes, real_bytes: TOTAL_BYTES_MAX }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Inspected {
    /// The kind of job that makes such archives; `tar` where it does not say.
    pub(in crate::daemon) kind: &'static str,
    /// What was backed up, as far as it says.
    pub(in crate::daemon) source: Vec<u8>,
    /// When, where it says that and it is not in the future.
    pub(in crate::daemon) created: Option<Time>,
    /// Members.
    pub(in crate::daemon) members: u64,
}

/// Bytes that do not become an archive.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum InspectError {
    /// The disk.
    #[error("the bytes that came cannot be read")]
    Read(#[source] io::Error),
    /// Somebody asked.
    #[error("somebody stopped it")]
    Stopped,
    /// Something else came.
    #[error("its SHA-256 is {found}, it was said to be {wanted}")]
    Checksum {
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// No tar, a damaged one, or half of one.
    #[error("it is no whole tar")]
    Tar(#[source] TarSourceError),
    /// A tar of nothing.
    #[error("the tar has no members")]
    Empty,
    /// A member that leads elsewhere.
    #[error("the member {path} cannot be taken")]
    Path {
        /// The beginning of its path.
        path: String,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// A hard link that leads elsewhere.
    #[error("the hard link {path} cannot be taken: what it points to leads out of the archive")]
    HardLink {
        /// The beginning of its path.
        path: String,
        /// Why not.
        #[source]
        source: PathError,
    },
    /// Compressed so well that it can only be meant to fill a disk.
    #[error("unpacked it would have more than {max} bytes")]
    Grows {
        /// The bound.
        max: u64,
    },
    /// Holes without end.
    #[error("its files would have more than {max} bytes, nearly all of it holes")]
    Holes {
        /// The bound.
        max: u64,
    },
}

/// Reads all of it. `at` hears how many bytes were read, and says whether to go on.
///
/// # Errors
/// When it is not what was said, or cannot be taken in.
pub(in crate::daemon) fn inspect(
    file: impl Read + Send,
    sha256: &[u8; 32],
    bounds: &Bounds,
    now: Time,
    at: &mut (dyn FnMut(u64) -> bool + Send),
) -> Result<Inspected, InspectError> {
    let mut hashed = Hashed { file, hash: Sha256::new(), bytes: 0, at, failed: None };
    let mut look = Look { bounds, stream_bytes: 0, real_bytes: 0, said: Said::default(), no: None };
    // The groups are thrown away, so their key does not matter.
    let spec = TarSpec { groups_key: [0; 32], backup_info: None, created_seconds: 0 };
    let read = read_tar(&mut hashed, &spec, &mut look);
    let drained = io::copy(&mut hashed, &mut io::sink());
    if let Some(error) = hashed.failed {
        return Err(error);
    }
    drained.map_err(InspectError::Read)?;
    let found: [u8; 32] = hashed.hash.finalize().into();
    if found != *sha256 {
        let [found, wanted] = [found, *sha256].map(|sum| super::hex(&sum));
        return Err(InspectError::Checksum { found, wanted });
    }
    if let Some(no) = look.no {
        return Err(no);
    }
    let report: TarReport = read.map_err(InspectError::Tar)?;
    if report.members == 0 {
        return Err(InspectError::Empty);
    }
    let members = report.members;
    let (kind, source, created) = look.said.conclude(&report, now);
    Ok(Inspected { kind, source, created, members })
}

/// The file, hashed as it is read.
struct Hashed<'a, R> {
    file: R,
    hash: Sha256,
    bytes: u64,
    at: &'a mut (dyn FnMut(u64) -> bool + Send),
    failed: Option<InspectError>,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Err(io::ErrorKind::Other.into());
        }
        if !(self.at)(self.bytes) {
            self.failed = Some(InspectError::Stopped);
            return Err(io::ErrorKind::Other.into());
        }
        match self.file.read(buffer) {
            Ok(got) => {
                self.hash.update(&buffer[..got]);
                self.bytes += got as u64;
                Ok(got)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(InspectError::Read(error));
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

/// A sink that keeps nothing but what it is looking for.
struct Look<'a> {
    bounds: &'a Bounds,
    stream_bytes: u64,
    real_bytes: u64,
    said: Said,
    no: Option<InspectError>,
}

impl Look<'_> {
    fn member(&mut self, entry: &Entry) -> Result<(), InspectError> {
        let told = || {
            let end = entry.path.len().min(PATH_TOLD_BYTES);
            entry.path[..end].escape_ascii().to_string()
        };
        let led = |source| InspectError::Path { path: told(), source };
        safe_path(&entry.path).map_err(led)?;
        if entry.kind == MemberKind::HardLink {
            let led = |source| InspectError::HardLink { path: told(), source };
            safe_path(&entry.link).map_err(led)?;
        }
        self.real_bytes = self.real_bytes.saturating_add(entry.real_bytes);
        let max = self.bounds.real_bytes;
        if self.real_bytes > max {
            return Err(InspectError::Holes { max });
        }
        self.said.member(&entry.path);
        Ok(())
    }

    fn refuse(&mut self, no: InspectError) -> io::Error {
        self.no.get_or_insert(no);
        io::Error::other("the tar is refused")
    }
}

impl SourceSink for Look<'_> {
    fn segment(&mut self, _: SegmentHead) -> io::Result<Verdict> {
        Ok(Verdict::Read)
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.stream_bytes = self.stream_bytes.saturating_add(bytes.len() as u64);
        let max = self.bounds.stream_bytes;
        if self.stream_bytes > max {
            return Err(self.refuse(InspectError::Grows { max }));
        }
        Ok(())
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        for entry in &end.entries {
            self.member(entry).map_err(|no| self.refuse(no))?;
        }
        Ok(())
    }

    fn warning(&mut self, _: SourceWarning) {}
}

#[cfg(test)]
mod tests;

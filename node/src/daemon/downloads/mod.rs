//! Bytes of archives for clients of the HTTP interface: the whole tar, one file, a folder.
//!
//! [`find`] looks for what is wanted; nothing of the stream is read until the answer is opened, at
//! the place where it begins. Then one thread reads, checks and hands pieces over, a few ahead of
//! the client, so memory does not depend on sizes. Nothing is written to the disk. An archive that
//! is read is in use: nobody removes it meanwhile.
//!
//! A chunk that is damaged or out of reach ends the body before its end, which a client sees; what
//! this node should have is noted, to be made whole again.

mod folder;
mod member;
mod names;
mod pour;
mod tar;
#[cfg(test)]
pub(super) mod tests;
mod zip;

use std::sync::Arc;

use protocol::{
    contents::Entry,
    control::{Failure, FailureCode, RawPath},
    tar::{MemberKind, TarError},
};
use web::{Download, DownloadPart, Downloaded, FolderFormat};

use self::{folder::Folder, pour::Pouring};
use super::{
    handle::archive::{self, Opened, hex, unreadable},
    node::{Node, blocking},
};
use crate::{
    archive::{ArchiveError, ArchiveReader, Span},
    sys,
};

/// Downloads at work at once. Each has some threads, and chunks opened ahead of its client.
pub(super) const DOWNLOADS_MAX: usize = 8;

/// Threads that open chunks for one of them.
const THREADS_MAX: usize = 4;

/// Bytes of the root's name that make a tag.
const TAG_BYTES: usize = 16;

/// A download that cannot go on.
#[derive(Debug, thiserror::Error)]
enum DownloadError {
    /// Nobody reads it any more.
    #[error("the client has left")]
    Gone,
    /// A page or a chunk is damaged, or nobody in reach has it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What lies there is no tar.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// The stream ended early.
    #[error("{found} bytes came instead of {wanted}")]
    Short {
        /// How many should have come.
        wanted: u64,
        /// How many came.
        found: u64,
    },
    /// The contents and the stream disagree.
    #[error("the contents have {path} at a place where the tar has something else")]
    Elsewhere {
        /// The member.
        path: RawPath,
    },
    /// A hard link without the file.
    #[error("{path} is another name of {link}, which is no file of the archive")]
    Dangling {
        /// The link.
        path: RawPath,
        /// Where it points.
        link: RawPath,
    },
    /// A part of a file could not be packed.
    #[error("a file cannot be packed")]
    Packing(#[source] flate2::CompressError),
}

impl DownloadError {
    /// Whether bytes of the archive are missing or wrong.
    fn is_damage(&self) -> bool {
        matches!(self, Self::Archive(error) if !matches!(error, ArchiveError::ThreadLost))
    }
}

fn threads() -> usize {
    sys::threads().min(THREADS_MAX)
}

/// Finds what is wanted. `place` is given back when the download has ended, or was never begun.
///
/// # Errors
/// When there is no such archive or member, it is of another kind, or pages of it are out of reach.
pub(super) async fn find(
    node: Arc<Node>,
    download: Download,
    place: impl Send + 'static,
) -> Result<Downloaded, Failure> {
    let opened = archive::open(&node, &download.archive).await?;
    let pouring = Pouring::new(node, &opened, place);
    match download.part {
        DownloadPart::Tar => Ok(whole(&opened, pouring)),
        DownloadPart::File(path) => blocking(move || file(&opened, pouring, path)).await,
        DownloadPart::Folder(path, format) => {
            blocking(move || folder(&opened, pouring, path, format)).await
        }
    }
}

fn whole(opened: &Opened, pouring: Pouring) -> Downloaded {
    let reader = opened.reader.clone();
    Downloaded {
        name: RawPath(format!("{}.tar", opened.archive.title()).into_bytes()),
        bytes: Some(reader.stream_bytes()),
        tag: Some(tag(opened)),
        open: Box::new(move |part| {
            let span = Span { from: part.start, to: part.end };
            pouring.pour(move |out| copy(&reader, vec![span], |bytes| out.put(bytes)))
        }),
    }
}

fn file(opened: &Opened, pouring: Pouring, path: RawPath) -> Result<Downloaded, Failure> {
    let what = format!("cannot download {path} of archive {}", opened.archive.title());
    let reader = opened.reader.clone();
    let failed = |error: DownloadError| match error {
        DownloadError::Archive(error) => unreadable(&opened.archive, &error),
        error => Failure::caused(FailureCode::Damaged, &*what, &error),
    };
    let named = member::last_named(&reader, &path.0, u64::MAX);
    let Some(named) = named.map_err(|error| failed(error.into()))? else {
        return Err(nothing(&what));
    };
    let found = match named.kind {
        MemberKind::HardLink => member::file_of(&reader, &named).map_err(failed)?,
        MemberKind::File => named,
        kind => return Err(no_file(&what, kind)),
    };
    let data = member::locate(&reader, &found).map_err(failed)?;
    let last = path.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Ok(Downloaded {
        name: RawPath(last.to_vec()),
        bytes: Some(found.real_bytes),
        tag: Some(format!("{}-{:x}", tag(opened), found.offset)),
        open: Box::new(move |part| {
            pouring.pour(move |out| data.read(&reader, part, &mut |bytes| out.put(bytes)))
        }),
    })
}

fn folder(
    opened: &Opened,
    pouring: Pouring,
    path: RawPath,
    format: FolderFormat,
) -> Result<Downloaded, Failure> {
    let title = opened.archive.title();
    let what = format!("cannot download {path} of archive {title}");
    let (folder, reader) = (Folder::new(&path.0), opened.reader.clone());
    let looked = look(&reader, &folder, format).map_err(|e| unreadable(&opened.archive, &e))?;
    match looked {
        Looked::Nothing => return Err(nothing(&what)),
        Looked::File(kind) => {
            let why = format!("it is {}", word(kind));
            let hint = "/file gives one file; a folder is a directory and what lies below it";
            return Err(Failure::new(FailureCode::Invalid, what, why).hint(hint));
        }
        Looked::TooMany => {
            let why = "it has more members than a zip is made of here";
            let hint = "take it as a tar, or a folder below it";
            return Err(Failure::new(FailureCode::Invalid, what, why).hint(hint));
        }
        Looked::Folder => {}
    }
    let name = folder.last().map_or_else(|| title.into_bytes(), <[u8]>::to_vec);
    let ending = match format {
        FolderFormat::Tar => &b".tar"[..],
        FolderFormat::Zip => b".zip",
    };
    Ok(Downloaded {
        name: RawPath([&name, ending].concat()),
        bytes: None,
        tag: None,
        open: Box::new(move |_| {
            pouring.pour(move |out| match format {
                FolderFormat::Tar => tar::write(&reader, &folder, out),
                FolderFormat::Zip => zip::write(&reader, &folder, out),
            })
        }),
    })
}

/// What is called so.
enum Looked {
    Nothing,
    Folder,
    File(MemberKind),
    TooMany,
}

/// Looks what a folder is, and for a zip whether its directory fits into the memory that it gets.
fn look(
    reader: &ArchiveReader,
    folder: &Folder,
    format: FolderFormat,
) -> Result<Looked, ArchiveError> {
    let (mut found, mut directory_bytes) = (Looked::Nothing, 0);
    for page in reader.contents_pages().iter().filter(|page| folder.may_be_in(page)) {
        for entry in reader.entries_of(page)?.iter().filter(|entry| folder.holds(&entry.path)) {
            match found {
                Looked::Nothing | Looked::File(_) => found = what_is(folder, entry),
                Looked::Folder | Looked::TooMany => {}
            }
            directory_bytes += zip::directory_bytes(entry);
        }
        if format == FolderFormat::Zip && directory_bytes > zip::DIRECTORY_BYTES_MAX {
            return Ok(Looked::TooMany);
        }
        if format == FolderFormat::Tar && matches!(found, Looked::Folder) {
            return Ok(found);
        }
    }
    Ok(found)
}

/// What one member says of a folder: anything below it makes it one.
fn what_is(folder: &Folder, entry: &Entry) -> Looked {
    if entry.kind == MemberKind::Directory || !folder.is(&entry.path) {
        Looked::Folder
    } else {
        Looked::File(entry.kind)
    }
}

/// Hands over all bytes of some spans.
fn copy(
    reader: &ArchiveReader,
    spans: Vec<Span>,
    mut put: impl FnMut(bytes::Bytes) -> Result<(), DownloadError>,
) -> Result<(), DownloadError> {
    let wanted = spans.iter().map(|span| span.to - span.from).sum();
    let (mut stream, mut found) = (reader.stream(spans, threads()), 0);
    loop {
        let bytes = stream.next_bytes()?;
        if bytes.is_empty() {
            break;
        }
        found += bytes.len() as u64;
        put(bytes)?;
    }
    if found == wanted { Ok(()) } else { Err(DownloadError::Short { wanted, found }) }
}

/// What says that it is the same archive: its root has a hash of all of it.
fn tag(opened: &Opened) -> String {
    hex(&opened.archive.facts.root.id.0[..TAG_BYTES])
}

fn nothing(what: &str) -> Failure {
    Failure::new(FailureCode::NotFound, what, "the archive has no such member")
        .hint("give the path as /contents shows it, with \\xNN for other bytes")
}

fn no_file(what: &str, kind: MemberKind) -> Failure {
    let why = format!("it is {}", word(kind));
    let hint = match kind {
        MemberKind::Directory => "/folder gives a folder as a tar or a zip",
        MemberKind::Symlink => "/contents says where it points: ask for that",
        _ => "it has no content: take the tar of the folder in which it lies",
    };
    Failure::new(FailureCode::Invalid, what, why).hint(hint)
}

fn word(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::File => "a file",
        MemberKind::HardLink => "another name of a file",
        MemberKind::Symlink => "a symbolic link",
        MemberKind::Directory => "a directory",
        MemberKind::Fifo => "a named pipe",
        MemberKind::CharDevice | MemberKind::BlockDevice => "a device",
    }
}

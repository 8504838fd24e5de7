//! What the HTTP interface needs of the daemon: the one door between this crate and the node.

use std::{fmt, io, ops::Range, pin::Pin, sync::Arc};

use bytes::Bytes;
use futures_core::Stream;
use protocol::{
    control::{
        ApiKey, ArchiveRef, Event, Failure, NodeRef, RawPath, Reply, Request, RunReport,
        TranscriptLine, UploadReport,
    },
    news::Part,
};
use tokio::sync::watch;

/// Something that will be there.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a request tells what it is at. It must not block.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// The bytes of one part as they come. Its errors are the client's or the network's.
pub type PartBody = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The bytes of a download as they are read. An error in it, or an end before all promised bytes
/// came, cuts the connection: a client never takes it for the whole.
pub type DownloadBody = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What somebody wants to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Of which archive.
    pub archive: ArchiveRef,
    /// What of it.
    pub part: DownloadPart,
}

/// What of an archive. Paths are those of members, as the contents show them: relative, without
/// `..`; a folder may be `.` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadPart {
    /// All of it: the plain tar.
    Tar,
    /// The content of one file.
    File(RawPath),
    /// A folder and what lies below it.
    Folder(RawPath, FolderFormat),
}

/// How a folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFormat {
    /// A tar of its own.
    Tar,
    /// A zip.
    Zip,
}

/// A download that was found and not begun.
pub struct Downloaded {
    /// What to call the file.
    pub name: RawPath,
    /// Its size, where that is known. Only then can ranges of it be had.
    pub bytes: Option<u64>,
    /// Other bytes have another one, in ASCII without quotes. None when ranges cannot be had.
    pub tag: Option<String>,
    /// Reads a range of it; all, whatever the range, when the size is not known.
    pub open: Box<dyn FnOnce(Range<u64>) -> DownloadBody + Send>,
}

impl fmt::Debug for Downloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, bytes, tag, .. } = self;
        f.debug_struct("Downloaded")
            .field("name", name)
            .field("bytes", bytes)
            .field("tag", tag)
            .finish_non_exhaustive()
    }
}

/// Whose key it was. Everything asked for a client carries it; the node decides what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The key's first digits, for logs.
    pub key: Arc<str>,
    /// It may look and change nothing.
    pub read_only: bool,
}

/// A part of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its lines with their numbers, which count from 1 and grow; some may be left out.
    pub lines: Vec<(u64, TranscriptLine)>,
    /// The run, when it has ended and these are the last lines.
    pub ended: Option<RunReport>,
}

/// The daemon.
pub trait Backend: Send + Sync + 'static {
    /// Carries a request out, which has been validated. It goes on when the future is dropped,
    /// unless the request [ends with its caller](Request::ends_with_its_caller).
    fn ask(
        &self,
        access: Access,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>>;

    /// Whose key this is; none for a key that is not taken. Slow on purpose, also for wrong ones.
    fn key(&self, key: ApiKey) -> Later<Option<Access>>;

    /// Changes whenever keys were made or revoked: what was remembered of them is void then.
    fn keys_epoch(&self) -> u64;

    /// Takes one part of an upload. `bytes` is how many the client says it has.
    fn put_part(
        &self,
        access: Access,
        upload: String,
        number: u32,
        bytes: Option<u64>,
        body: PartBody,
    ) -> Later<Result<UploadReport, Failure>>;

    /// Finds what a client wants to have; its bytes are read when it is opened. Asked for keys that
    /// may only look, too.
    fn read(&self, access: Access, download: Download) -> Later<Result<Downloaded, Failure>>;

    /// Whose key this is, those included that may read the metrics and nothing else. As slow as
    /// [`key`](Self::key).
    fn metrics_key(&self, key: ApiKey) -> Later<Option<Access>>;

    /// Which start of the node this is: places in the news of another one mean nothing.
    fn news_start(&self) -> u64;

    /// What happened after a place, at most so many pieces. At once, without the disk.
    fn news(&self, place: u64, count_max: usize) -> Part;

    /// The place of the newest piece of news.
    fn newest(&self) -> u64;

    /// Changes with every piece of news, and when keys were made or revoked.
    fn clock(&self) -> watch::Receiver<u64>;

    /// What a run said after a line of its transcript; none when there is no such run.
    fn said(&self, run: u64, line: u64) -> Later<Result<Option<Said>, Failure>>;

    /// Changes when a run says something or ends.
    fn said_clock(&self) -> watch::Receiver<u64>;

    /// A request was answered with this status. At once.
    fn answered(&self, status: u16);

    /// As [`Backend::ask`], of another member of the mesh.
    fn ask_of(
        &self,
        access: Access,
        node: NodeRef,
        request: Request,
        tell: Option<Tell>,
    ) -> Later<Result<Reply, Failure>>;
}

//! The seam between what faces the network and what needs the rights of root.
//!
//! The daemon runs as a user of its own. Reading any directory, restoring owners and the archives
//! folder of YunoHost need more, so all of it goes through [`Agent`]: [`LocalAgent`] does it in this
//! process, with the rights it has; [`RemoteAgent`] asks a second process, that runs [`serve`] as
//! root on a Unix socket, and gets the same answers.
//!
//! The socket: one request per connection. A *frame* is the length of its head and of its payload
//! (both `u32`, big-endian), the head as CBOR, the payload raw. The source stream crosses once, the
//! stream to restore crosses once, and archive files come as open descriptors (`SCM_RIGHTS`), so that
//! their bytes do not cross at all. A task's lines and bytes cross as they come, both ways at once. Requests are typed: there is no shell and no command line. The
//! caller's user is asked of the kernel (`SO_PEERCRED`); nobody but the daemon's user and root is
//! answered. Who may ask can have any file restored anywhere: the socket is as good as root.

mod archives;
mod connection;
pub(crate) mod decoders;
mod error;
mod local;
mod perform;
mod remote;
mod serve;
#[cfg(test)]
mod tests;
mod user;
mod wire;

use std::{fs::File, io::Read};

pub use archives::{
    ARCHIVE_FILE_NAME_BYTES_MAX, ArchiveFile, ArchiveFileName, ArchivesError, EXTENSION_BYTES_MAX,
};
pub use error::{AgentError, Failure, FailureKind};
pub use local::LocalAgent;
pub use remote::RemoteAgent;
pub use serve::{bind, serve};
pub use user::user_id;

use crate::{
    restore::{RestoreReport, RestoreSpec},
    source::{SourceReport, SourceSink, SourceSpec, Totals},
    tasks::{Answer, Task, TaskIo},
};

/// Everything that needs rights. Calls block; they may come from several threads at once.
pub trait Agent: Send + Sync {
    /// Counts what a source has, without opening a file.
    ///
    /// # Errors
    /// When the source cannot be read at all.
    fn measure(&self, spec: &SourceSpec) -> Result<Totals, AgentError>;

    /// Reads a source into a sink, as segments.
    ///
    /// # Errors
    /// When the source cannot be read at all, or the sink gives up.
    fn read(
        &self,
        spec: &SourceSpec,
        sink: &mut dyn SourceSink,
    ) -> Result<SourceReport, AgentError>;

    /// Restores what a tar stream holds.
    ///
    /// # Errors
    /// When the destination, the stream or the disk does not allow to go on.
    fn restore(
        &self,
        spec: &RestoreSpec,
        stream: &mut dyn Read,
    ) -> Result<RestoreReport, AgentError>;

    /// Does what only programs do: YunoHost's command, dumps, accounts, units, commands of jobs.
    ///
    /// # Errors
    /// When it cannot be done, was stopped, or took too long.
    fn perform(&self, task: &Task, io: TaskIo<'_>) -> Result<Answer, AgentError>;

    /// The archives that lie in the archives folder, and their descriptions. YunoHost's links are
    /// followed where that is safe; a link and the file of the folder that it means are one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list_archives(&self) -> Result<Vec<ArchiveFile>, AgentError>;

    /// A new file in the archives folder, which is made when it is missing, open for writing. It has no name there until it is
    /// published; what is never published is used again by the next call for the same name.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else is writing it.
    fn create_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError>;

    /// Puts a created file on the disk and gives it its name.
    ///
    /// # Errors
    /// When the name is taken: an archive is never overwritten.
    fn publish_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError>;

    /// Adds members to a plain tar: `bytes` are whole members, at most [`EXTENSION_BYTES_MAX`], and
    /// go where its end begins, `at`. The new end is written too. Whatever happens, the tar ends
    /// with the old members or with the new ones.
    ///
    /// # Errors
    /// When it is no plain tar that ends there, is a link, or is being written.
    fn extend_archive(
        &self,
        name: &ArchiveFileName,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), AgentError>;

    /// Removes a created file that will not be published.
    ///
    /// # Errors
    /// When there is none.
    fn discard_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError>;

    /// An archive, open for reading. Of a link, the file behind it: it may be compressed.
    ///
    /// # Errors
    /// When there is none.
    fn open_archive(&self, name: &ArchiveFileName) -> Result<File, AgentError>;

    /// Removes an archive: of a file and the link to it in the folder, both.
    ///
    /// # Errors
    /// When there is none.
    fn remove_archive(&self, name: &ArchiveFileName) -> Result<(), AgentError>;
}

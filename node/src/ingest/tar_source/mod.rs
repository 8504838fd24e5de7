//! A tar that YunoHost made, as a source: plain, or compressed with gzip.
//!
//! Every byte of its members goes into the archive as it is: extended headers, long names of GNU
//! tar, maps of sparse files, padding. Small members are put together in groups that do not depend
//! on where they lie, data of large files is cut by content, so that the archives of two nights share
//! what did not change. Only the end is replaced: our `backup_info.json` comes before it, unless the
//! tar has one.
//!
//! Limits: what is in memory is one group and the headers of one member, which the parser bounds (attributes of a megabyte, a map of a million stretches). A tar without its end
//! is refused, because YunoHost leaves half-written ones behind; what follows the end is not looked
//! at. Global pax headers stay in the stream, but not with each member they are meant for.

mod input;
mod walk;

use std::io::{self, Read};

use protocol::tar::TarError;

use self::{input::Input, walk::Walk};
use super::{BackupInfo, Described, InfoError, Layout, describe, layout::Frame};
use crate::source::SourceSink;

/// What to do with the tar.
#[derive(Clone, Debug)]
pub struct TarSpec {
    /// Key of where groups begin (`KeyUse::Reuse`), so that they tell nothing.
    pub groups_key: [u8; 32],
    /// What is added as `backup_info.json`.
    pub backup_info: Option<BackupInfo>,
    /// Time of that member, seconds since 1970.
    pub created_seconds: i64,
}

/// What a tar was.
#[derive(Debug, Default)]
pub struct TarReport {
    /// Its members, those added here left out.
    pub members: u64,
    /// Bytes of its members.
    pub bytes: u64,
    /// Its `info.json`: what lies beside it. A tar without one cannot be restored by YunoHost.
    pub info_json: Option<Vec<u8>>,
    /// Its `backup_info.json`, unless that is empty or too large.
    pub backup_info: Option<Vec<u8>>,
    /// Whether it had a `backup_info.json`, which stays the only one.
    pub had_backup_info: bool,
    /// Whether the file is compressed.
    pub compressed: bool,
    /// What was added behind its members, without the end; nothing when it had one.
    pub appended: Vec<u8>,
}

impl TarReport {
    /// What its `info.json` says; none when there is none.
    ///
    /// # Errors
    /// When YunoHost could not use it.
    pub fn described(&self) -> Result<Option<Described>, InfoError> {
        self.info_json.as_deref().map(describe).transpose()
    }
}

/// A tar that did not become an archive.
#[derive(Debug, thiserror::Error)]
pub enum TarSourceError {
    /// The file cannot be read, or its compression is damaged.
    #[error("cannot read the tar at byte {at}")]
    Read {
        /// Where, in the tar without compression.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no tar, or a damaged one.
    #[error("the tar is damaged at byte {at}")]
    Damaged {
        /// Where, in the tar without compression.
        at: u64,
        /// What is wrong there.
        #[source]
        source: TarError,
    },
    /// It ends before its end.
    #[error("the tar is cut off at byte {at}")]
    CutOff {
        /// Where, in the tar without compression.
        at: u64,
    },
    /// The archive is not being written any more.
    #[error("the archive cannot be written on")]
    Sink(#[source] io::Error),
}

/// Reads a tar into a sink, whole: what it has, what is added, the end.
///
/// # Errors
/// When it cannot be read, is no whole tar, or the sink gives up.
pub fn read_tar(
    file: impl Read + Send,
    spec: &TarSpec,
    sink: &mut dyn SourceSink,
) -> Result<TarReport, TarSourceError> {
    let mut input = Input::open(file)?;
    let mut walk = Walk::new(&spec.groups_key, sink);
    while walk.step(&mut input)? {}
    input.drain()?;
    let mut report = walk.report;
    report.compressed = input.is_compressed();
    if let Some(info) = spec.backup_info.as_ref().filter(|_| !report.had_backup_info) {
        let mut frame = Frame::new(spec.created_seconds);
        frame.file(BACKUP_INFO, 0o644, &info.bytes());
        report.appended = frame.bytes().to_vec();
        frame.feed(sink).map_err(TarSourceError::Sink)?;
    }
    Layout::end(sink).map_err(TarSourceError::Sink)?;
    Ok(report)
}

/// The largest description that is looked at.
const INFO_BYTES_MAX: u64 = 1 << 20;

const INFO: &str = "info.json";
const BACKUP_INFO: &str = "backup_info.json";

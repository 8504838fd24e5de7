//! The members that make our tar an archive for YunoHost.
//!
//! Small members come first, so that a reader finds them without scanning: `backup.csv` (where each
//! tree or dump came from), `info.json` (what `yunohost backup list|info|restore` needs, all seven
//! keys), `backup_info.json` (what 000 says of an archive) and the hook that lets the webadmin put
//! files or databases back. The payload follows, and two zero blocks end the stream.
//!
//! YunoHost sees an archive as a *part* of a system: `data_custom` is unpacked from `data/custom`,
//! `data_mysql` from `data/mysql`, `data_postgresql` from `data/postgresql`. A tar that YunoHost made
//! itself keeps its own members, and only `backup_info.json` is added to it.

mod dump;
mod info;

use std::{io, path::PathBuf};

use protocol::{
    contents::Entry,
    job::DumpFormat,
    tar::{self, FileTime, Member, MemberKind},
};
use serde_json::{Value, json};

pub use dump::{database_of, dump_path};
pub use info::{BackupInfo, Described, InfoError, describe, sidecar};

use crate::{
    source::{SegmentEnd, SegmentHead, SegmentKind, SourceSink, StreamedMember, Verdict},
    tasks::database::Engine,
};

/// Where a directory lies in the tar: YunoHost unpacks the part `data_custom` from here.
pub const PAYLOAD_PREFIX: &str = "data/custom";

/// Version that is stated where no YunoHost is installed; restore refuses an archive without one.
const YUNOHOST_VERSION_ASSUMED: &str = "12.1.0";

/// What is backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The kind `custom_dir`: one directory, or one file.
    Directory(PathBuf),
    /// The kinds `mysql` and `postgresql`: a dump of each database.
    Databases {
        /// Which sort of server.
        engine: Engine,
        /// How dumps are compressed.
        format: DumpFormat,
        /// Their names.
        databases: Vec<String>,
    },
}

/// A part of a "system" as YunoHost sees it.
struct Part {
    name: &'static str,
    /// Name of the hook, as YunoHost orders and finds it.
    hook: &'static str,
    /// Run by YunoHost as root with the folder it unpacked. It stays installed there and serves
    /// later archives too, so it knows nothing of this one.
    script: &'static str,
    /// Folders that are in the tar alone, with their modes.
    folders: &'static [(&'static str, u32)],
}

/// The source brings its own folders.
const CUSTOM: Part = Part {
    name: "data_custom",
    hook: "70-data_custom",
    script: include_str!("hooks/70-data_custom"),
    folders: &[],
};

const MYSQL: Part = Part {
    name: "data_mysql",
    hook: "71-data_mysql",
    script: include_str!("hooks/71-data_mysql"),
    folders: &[("data", 0o755), ("data/mysql", 0o700)],
};

const POSTGRESQL: Part = Part {
    name: "data_postgresql",
    hook: "72-data_postgresql",
    script: include_str!("hooks/72-data_postgresql"),
    folders: &[("data", 0o755), ("data/postgresql", 0o700)],
};

/// What the first members of an archive say.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What `backup_info.json` says, its databases excepted.
    pub info: BackupInfo,
    /// Name of the job.
    pub job: String,
    /// What is backed up.
    pub payload: Payload,
    /// When the run began, seconds since 1970.
    pub created_seconds: i64,
    /// Bytes of the files, as they were counted before the run; for dumps about how large the
    /// databases are.
    pub bytes: u64,
}

impl Layout {
    /// Feeds the leading members.
    ///
    /// # Errors
    /// When the sink cannot go on, or a database has a name that no file can have.
    pub fn begin(&self, sink: &mut dyn SourceSink) -> io::Result<()> {
        let mut frame = Frame::new(self.created_seconds);
        let part = self.part();
        frame.file("backup.csv", 0o644, self.csv()?.as_bytes());
        frame.file("info.json", 0o644, &info::pretty(&self.info()));
        frame.file("backup_info.json", 0o644, &self.backup_info()?.bytes());
        frame.file(&format!("hooks/restore/{}", part.hook), 0o755, part.script.as_bytes());
        for (path, mode) in part.folders {
            frame.folder(path, *mode);
        }
        frame.feed(sink)
    }

    /// Begins the dump of one database: write it, then finish it.
    ///
    /// # Errors
    /// When the sink cannot go on, the name is too long for a file, or this is no archive of
    /// databases.
    pub fn dump<'a>(
        &self,
        sink: &'a mut dyn SourceSink,
        database: &str,
    ) -> io::Result<StreamedMember<'a>> {
        let Payload::Databases { engine, format, .. } = &self.payload else {
            return Err(io::Error::other("a dump in an archive of files"));
        };
        let path = path_of_dump(*engine, database, *format)?;
        let mut member = Member::new(MemberKind::File, path);
        member.mode = 0o600;
        member.mtime = FileTime { seconds: self.created_seconds, nanos: 0 };
        StreamedMember::begin(sink, member)
    }

    /// Feeds the end of the stream.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub fn end(sink: &mut dyn SourceSink) -> io::Result<()> {
        feed(sink, tar::END.to_vec(), Vec::new())
    }

    /// YunoHost's own description, also written beside an exported tar.
    #[must_use]
    pub fn info(&self) -> Value {
        let part = self.part();
        json!({
            "description": format!("BackupManager: {} {}", self.info.kind, self.info.app),
            "created_at": self.created_seconds,
            "size": self.bytes,
            "size_details": { "system": { part.name: self.bytes }, "apps": {} },
            "apps": {},
            "system": { part.name: [format!("/etc/yunohost/hooks.d/backup/{}", part.hook)] },
            "from_yunohost_version": self.info.yunohost(),
        })
    }

    fn backup_info(&self) -> io::Result<BackupInfo> {
        let mut info = self.info.clone();
        info.databases = self.dumps()?;
        Ok(info)
    }

    /// Each database, and where its dump lies.
    fn dumps(&self) -> io::Result<Vec<(String, String)>> {
        let Payload::Databases { engine, format, databases } = &self.payload else {
            return Ok(Vec::new());
        };
        let dump = |name: &String| Ok((name.clone(), path_of_dump(*engine, name, *format)?));
        databases.iter().map(dump).collect()
    }

    fn csv(&self) -> io::Result<String> {
        Ok(match &self.payload {
            Payload::Directory(source) => {
                let source = source.to_string_lossy();
                let inside = source.trim_start_matches('/');
                csv_line(&source, &format!("{PAYLOAD_PREFIX}/{inside}"))
            }
            Payload::Databases { .. } => {
                let line = |(name, path): &(String, String)| {
                    csv_line(&format!("{}:{name}", self.info.kind), path)
                };
                self.dumps()?.iter().map(line).collect()
            }
        })
    }

    fn part(&self) -> &'static Part {
        match &self.payload {
            Payload::Directory(_) => &CUSTOM,
            Payload::Databases { engine: Engine::Mysql, .. } => &MYSQL,
            Payload::Databases { engine: Engine::Postgresql, .. } => &POSTGRESQL,
        }
    }
}

fn path_of_dump(engine: Engine, database: &str, format: DumpFormat) -> io::Result<String> {
    dump_path(engine, database, format).ok_or_else(|| {
        let why = format!("the name of the database {database:?} is too long for a file");
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}

/// Two quoted columns, quotes doubled, CRLF, as Python's csv writes it.
fn csv_line(source: &str, dest: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    format!("{},{}\r\n", quoted(source), quoted(dest))
}

/// Members of ours in the making.
pub(super) struct Frame {
    seconds: i64,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Frame {
    pub(super) fn new(seconds: i64) -> Self {
        Self { seconds, bytes: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.member(MemberKind::File, path, mode, content);
    }

    fn folder(&mut self, path: &str, mode: u32) {
        self.member(MemberKind::Directory, path, mode, &[]);
    }

    fn member(&mut self, kind: MemberKind, path: &str, mode: u32, content: &[u8]) {
        let mut member = Member::new(kind, path);
        member.mode = mode;
        member.mtime = FileTime { seconds: self.seconds, nanos: 0 };
        member.data_bytes = content.len() as u64;
        let offset = self.bytes.len() as u64;
        self.bytes.extend(tar::encode(&member));
        self.bytes.extend(content);
        let padding = tar::padding(member.data_bytes);
        self.bytes.resize(self.bytes.len() + usize::try_from(padding).unwrap_or(0), 0);
        self.entries.push(Entry::of(&member, offset, self.bytes.len() as u64 - offset));
    }

    /// The members so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Feeds them as one segment.
    pub(super) fn feed(self, sink: &mut dyn SourceSink) -> io::Result<()> {
        feed(sink, self.bytes, self.entries)
    }
}

fn feed(sink: &mut dyn SourceSink, bytes: Vec<u8>, entries: Vec<Entry>) -> io::Result<()> {
    let kind = SegmentKind::Frame;
    let head = SegmentHead { fingerprint: None, bytes: bytes.len() as u64, kind };
    if sink.segment(head)? == Verdict::Read {
        for chunk in bytes.chunks(protocol::limits::CHUNK_BYTES_MAX) {
            sink.data(chunk.to_vec())?;
        }
        sink.end(SegmentEnd { entries, stable: false })?;
    }
    Ok(())
}

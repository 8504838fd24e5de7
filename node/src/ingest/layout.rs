//! The members that make our tar an archive for YunoHost.
//!
//! Small members come first, so that a reader finds them without scanning: `info.json` (what
//! `yunohost backup list|info|restore` needs, all seven keys), `backup.csv` (where each tree came
//! from), `backup_info.json` (what 000 says of an archive) and the hook that lets the webadmin put
//! the files back. The payload follows under [`PAYLOAD_PREFIX`], and two zero blocks end it.

use std::{io, path::PathBuf};

use protocol::{
    contents::Entry,
    tar::{self, FileTime, Member, MemberKind},
};
use serde_json::{Value, json};

use crate::source::{SegmentEnd, SegmentHead, SegmentKind, SourceSink, Verdict};

/// Where a directory lies in the tar: YunoHost unpacks the part `data_custom` from here.
pub const PAYLOAD_PREFIX: &str = "data/custom";

/// The part of a "system" that YunoHost sees in a `custom_dir` archive.
const PART: &str = "data_custom";

/// Name of the hook, as YunoHost orders and finds it.
const HOOK: &str = "70-data_custom";

/// Version that is stated where no YunoHost is installed; restore refuses an archive without one.
const YUNOHOST_VERSION_ASSUMED: &str = "12.1.0";

/// Run by YunoHost as root with the folder it unpacked. It stays installed there and serves later
/// archives too, so it knows nothing of this one.
const HOOK_SCRIPT: &str = r#"#!/bin/bash
# Puts the directories of a BackupManager archive back where they were (files only).
set -eu
unpacked="${1:?the folder of the unpacked archive is missing}"
if [ ! -d "$unpacked/data/custom" ]; then
    echo "this archive has nothing under data/custom" >&2
    exit 1
fi
cp --archive "$unpacked/data/custom/." /
"#;

/// What the first members of an archive say.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Name of the node.
    pub instance: String,
    /// Name of the job.
    pub job: String,
    /// The directory that is backed up.
    pub source: PathBuf,
    /// When the run began, seconds since 1970.
    pub created_seconds: i64,
    /// The same in the node's local time, ISO 8601 without an offset, as 000 writes it.
    pub created_local: String,
    /// Bytes of the files, as they were counted before the run.
    pub bytes: u64,
    /// Version of the YunoHost that runs here.
    pub yunohost_version: Option<String>,
    /// The job's `restore` block, verbatim.
    pub restore: Option<Value>,
}

impl Layout {
    /// Feeds the leading members.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub fn begin(&self, sink: &mut dyn SourceSink) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut entries = Vec::new();
        for (path, content, mode) in self.members() {
            let mut member = Member::new(MemberKind::File, path);
            member.mode = mode;
            member.mtime = FileTime { seconds: self.created_seconds, nanos: 0 };
            member.data_bytes = content.len() as u64;
            let offset = bytes.len() as u64;
            bytes.extend(tar::encode(&member));
            bytes.extend(&content);
            let padding = tar::padding(member.data_bytes);
            bytes.resize(bytes.len() + usize::try_from(padding).unwrap_or(0), 0);
            entries.push(Entry::of(&member, offset, bytes.len() as u64 - offset));
        }
        feed(sink, bytes, entries)
    }

    /// Feeds the end of the stream.
    ///
    /// # Errors
    /// When the sink cannot go on.
    pub fn end(sink: &mut dyn SourceSink) -> io::Result<()> {
        feed(sink, tar::END.to_vec(), Vec::new())
    }

    fn members(&self) -> [(String, Vec<u8>, u32); 4] {
        let pretty = |value: Value| format!("{value:#}\n").into_bytes();
        [
            ("info.json".to_owned(), pretty(self.info()), 0o644),
            ("backup.csv".to_owned(), self.csv().into_bytes(), 0o644),
            ("backup_info.json".to_owned(), pretty(self.backup_info()), 0o644),
            (format!("hooks/restore/{HOOK}"), HOOK_SCRIPT.as_bytes().to_vec(), 0o755),
        ]
    }

    /// YunoHost's own description, also written beside an exported tar.
    #[must_use]
    pub fn info(&self) -> Value {
        json!({
            "description": format!("BackupManager: custom_dir {}", self.job),
            "created_at": self.created_seconds,
            "size": self.bytes,
            "size_details": { "system": { PART: self.bytes }, "apps": {} },
            "apps": {},
            "system": { PART: [format!("/etc/yunohost/hooks.d/backup/{HOOK}")] },
            "from_yunohost_version": self.yunohost(),
        })
    }

    fn backup_info(&self) -> Value {
        let mut info = json!({
            "instance_name": self.instance,
            "app": self.job,
            "type": "custom_dir",
            "created_at": self.created_local,
            "backupmanager_version": env!("CARGO_PKG_VERSION"),
            "yunohost_version": self.yunohost(),
        });
        if let Some(restore) = &self.restore {
            info["restore"] = restore.clone();
        }
        info
    }

    /// Two quoted columns, quotes doubled, CRLF, as Python's csv writes it.
    fn csv(&self) -> String {
        let source = self.source.to_string_lossy();
        let inside = source.trim_start_matches('/');
        let dest = format!("{PAYLOAD_PREFIX}/{inside}");
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        format!("{},{}\r\n", quoted(&source), quoted(&dest))
    }

    fn yunohost(&self) -> &str {
        self.yunohost_version.as_deref().unwrap_or(YUNOHOST_VERSION_ASSUMED)
    }
}

fn feed(sink: &mut dyn SourceSink, bytes: Vec<u8>, entries: Vec<Entry>) -> io::Result<()> {
    let kind = SegmentKind::Members;
    let head = SegmentHead { fingerprint: None, bytes: bytes.len() as u64, kind };
    if sink.segment(head)? == Verdict::Read {
        sink.data(bytes)?;
        sink.end(SegmentEnd { entries, stable: false })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(source: &str) -> Layout {
        Layout {
            instance: "jerry".to_owned(),
            job: "hermes-agent".to_owned(),
            source: source.into(),
            created_seconds: 1_778_209_200,
            created_local: "2026-05-08T03:00:00".to_owned(),
            bytes: 16,
            yunohost_version: Some("12.1.25".to_owned()),
            restore: None,
        }
    }

    #[test]
    fn info_has_the_seven_keys_that_yunohost_asks_for() {
        let info = layout("/opt/hermes-agent").info();
        for key in [
            "description",
            "created_at",
            "size",
            "size_details",
            "apps",
            "system",
            "from_yunohost_version",
        ] {
            assert!(info.get(key).is_some(), "{key}");
        }
        assert!(info["created_at"].is_number());
        assert_eq!(info["system"][PART][0], "/etc/yunohost/hooks.d/backup/70-data_custom");
    }

    #[test]
    fn the_csv_is_quoted_as_python_reads_it() {
        assert_eq!(layout("/opt/a").csv(), "\"/opt/a\",\"data/custom/opt/a\"\r\n");
        assert_eq!(layout("/a\"b").csv(), "\"/a\"\"b\",\"data/custom/a\"\"b\"\r\n");
    }
}

//! Tars that others made, and what they say of themselves.

use std::io::{self, Read, Write as _};

use flate2::{Compression, write::GzEncoder};
use node::{
    agent::{ArchiveFile, ArchiveFileName},
    decoders::{embedded_block, foreign_told, listed_names},
    ingest::{BackupInfo, TarReport, TarSpec, describe, read_tar, sidecar},
    source::{SegmentEnd, SegmentHead, SegmentKind, SourceSink, SourceWarning, Verdict},
};
use protocol::{
    limits::CHUNK_BYTES_MAX,
    tar::{END, Event, FileTime, Limits, Member, MemberKind, Parser, TarError, encode},
};
use serde_json::{Value, json};

use super::fixture;

/// What a sink was given, put together.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    stream: Vec<u8>,
    /// Path and place of each member.
    entries: Vec<(Vec<u8>, u64)>,
    /// Where the segment begins, and what it is.
    segment: Option<(u64, u64, bool)>,
}

impl SourceSink for Kept {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        let is_file_data = head.kind == SegmentKind::FileData;
        let open = self.segment.replace((self.stream.len() as u64, head.bytes, is_file_data));
        assert_eq!(open, None, "one after the other");
        Ok(Verdict::Read)
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        assert!((1..=CHUNK_BYTES_MAX).contains(&bytes.len()) && self.segment.is_some());
        self.stream.extend(bytes);
        Ok(())
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        let (begin, bytes, is_file_data) = self.segment.take().expect("it is open");
        let came = self.stream.len() as u64 - begin;
        assert!(came == bytes, "a segment of {bytes} bytes has {came}");
        assert!(!is_file_data || end.entries.is_empty());
        for entry in end.entries {
            assert!(entry.offset < came, "it begins in its segment");
            self.entries.push((entry.path, begin + entry.offset));
        }
        Ok(())
    }

    fn warning(&mut self, warning: SourceWarning) {
        panic!("nothing can go wrong with a file: {warning:?}");
    }
}

/// Gives a few bytes at once.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        self.0.read(&mut buffer[..most])
    }
}

type Taken = (Kept, Result<(u64, u64, Option<Vec<u8>>, Vec<u8>), String>);

fn take(file: &[u8], at_once: usize, is_gzip: bool) -> Taken {
    let info = BackupInfo { app: "dummyapp".to_owned(), ..BackupInfo::default() };
    let spec = TarSpec { groups_key: [3; 32], backup_info: Some(info), created_seconds: 9 };
    let mut kept = Kept::default();
    let report = read_tar(Trickle(file, at_once), &spec, &mut kept);
    let report = report.map_err(|error| format!("{error}: {error:?}"));
    let told = report.map(|report| {
        assert_eq!(report.compressed, is_gzip);
        let _ = report.described();
        let TarReport { members, bytes, info_json, appended, .. } = report;
        (members, bytes, info_json, appended)
    });
    (kept, told)
}

/// A tar as it is, however it comes, and compressed.
pub(super) fn tar(bytes: &[u8]) {
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let whole = take(bytes, usize::MAX, is_gzip);
    assert_eq!(take(bytes, 1, is_gzip), whole, "byte by byte");
    if let Ok((members, its_bytes, _, appended)) = &whole.1 {
        let its_bytes = usize::try_from(*its_bytes).expect("it is in memory");
        assert!(is_gzip || whole.0.stream.starts_with(&bytes[..its_bytes]), "no byte is changed");
        let members = members + u64::from(!appended.is_empty());
        assert_eq!(&whole.0.stream[its_bytes..], [&appended[..], &END].concat());
        check(&whole.0, members);
    }
    if is_gzip {
        return;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).expect("into memory");
    let packed = packed.finish().expect("into memory");
    assert_eq!(take(&packed, usize::MAX, true), whole, "compressed");
    assert!(take(&packed[..packed.len() - 1], 100, true).1.is_err(), "its checksum is cut off");
}

/// What goes into the archive is a tar with these members at these places.
fn check(kept: &Kept, members: u64) {
    let mut found = Vec::new();
    let mut on = |event: Event<'_>| {
        if let Event::Member(member, offset) = event {
            found.push((member.path, offset));
        }
        Ok::<(), TarError>(())
    };
    let mut parser = Parser::new(Limits::default());
    parser.push(&kept.stream, &mut on).expect("it is a tar");
    parser.finish().expect("with an end");
    assert_eq!(found.len() as u64, members);
    assert_eq!(found, kept.entries);
}

pub(super) fn tar_seeds() -> Vec<Vec<u8>> {
    let file = |path: &str, data: &[u8]| {
        let member = Member {
            data_bytes: data.len() as u64,
            ..Member::new(MemberKind::File, path.as_bytes().to_vec())
        };
        let mut out = encode(&member);
        out.extend(data);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    };
    let info = fixture!("archives/jerry_dummyapp_20260508.info.json");
    let small = [
        file("backup.csv", b"\"a\",\"b\"\r\n"),
        file("info.json", info),
        file(&"apps/".repeat(60), b""),
        file("apps/dummyapp/settings.yml", b"id: dummyapp\n"),
        file("info.json", b"{}"),
        END.to_vec(),
    ];
    let large = [file("data/large", &[7; 70_000]), file("backup_info.json", b"{}"), END.to_vec()];
    vec![
        small.concat(),
        large.concat(),
        fixture!("hermes-agent.tar").to_vec(),
        fixture!("archives/jerry_mysql_mabase_20260508.tar").to_vec(),
        fixture!("archives/jerry_dummyapp-gz_20260508.tar.gz").to_vec(),
    ]
}

/// The `info.json` or `backup_info.json` of an archive.
pub(super) fn json(bytes: &[u8]) {
    let (apps, parts) = listed_names(bytes);
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    for name in apps.iter().chain(&parts) {
        assert!((1..=80).contains(&name.len()) && !name.starts_with('-'), "{name:?}");
        assert!(name.chars().all(word), "{name:?}");
    }
    if let Ok(described) = describe(bytes) {
        assert!(apps.iter().all(|app| described.apps.contains(app)));
        assert!(parts.iter().all(|part| described.parts.contains(part)));
        assert_eq!(sidecar(bytes).expect("it can be described"), bytes);
    }
    if let Ok(Some(block)) = embedded_block(bytes) {
        let again = json!({ "restore": block }).to_string();
        assert_eq!(
            embedded_block(again.as_bytes()),
            Ok(Some(block)),
            "what is written can be read"
        );
    }
    let name = ArchiveFileName::new("a.tar").expect("a name");
    let modified = FileTime { seconds: -1, nanos: 0 };
    let file = ArchiveFile { name, bytes: 9, modified, is_link: false, is_gzip: false };
    let told = foreign_told(bytes, "a", &file);
    assert!(told.contains.len() <= 200 && told.created_ms.0 <= 100_000_000_000_000);
    for text in told.contains.iter().chain([&told.description]) {
        assert!(text.chars().count() <= 500 && !text.contains(char::is_control));
    }
}

pub(super) fn json_seeds() -> Vec<Vec<u8>> {
    let restore: Value = json!({
        "system_user": {"name": "hermes", "home": "/opt/hermes-agent", "shell": "/bin/false"},
        "systemd_service": {"name": "hermes", "service_file": "/opt/hermes/hermes.service"},
        "permissions": {"owner": "hermes:hermes", "mode": "0750"},
        "firewall_ports": [{"port": 8443}, {"port": 53, "protocol": "udp"}],
        "post_restore_commands": ["systemctl restart hermes"],
    });
    let ours = json!({"instance_name": "jerry", "type": "custom_dir", "restore": restore});
    let odd = json!({
        "description": "a\u{1b}[2J\n", "created_at": 1e300, "size": -1,
        "apps": {"../a": {}, "-b": {}, "c": []}, "system": {"": 1, "conf_ldap": null},
    });
    let mut seeds: Vec<_> = [ours, odd].iter().map(|json| json.to_string().into_bytes()).collect();
    seeds.extend(
        [
            fixture!("archives/jerry_dummyapp_20260508.info.json"),
            fixture!("archives/jerry_dummyapp-gz_20260508.info.json"),
            fixture!("archives/jerry_system_20260508.info.json"),
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

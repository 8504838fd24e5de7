use std::{fmt::Write as _, io::Write as _, process::Command};

use protocol::{
    job::DumpFormat,
    tar::{Member, MemberKind, STREAMED_HEADER_BYTES},
};

use super::*;
use crate::{
    source::{SegmentHead, SegmentKind, StreamedMember},
    tasks::database::Engine,
};

fn layout(databases: &[&str]) -> Layout {
    let info = BackupInfo {
        instance: "jerry".to_owned(),
        app: "mabase".to_owned(),
        kind: "mysql".to_owned(),
        created_local: "2026-05-08T03:00:00".to_owned(),
        ..BackupInfo::default()
    };
    let databases = databases.iter().map(ToString::to_string).collect();
    let (engine, format) = (Engine::Mysql, DumpFormat::None);
    let payload = Payload::Databases { engine, format, databases };
    Layout { info, job: "nightly".to_owned(), payload, created_seconds: 1_778_209_200, bytes: 40 }
}

/// Feeds whole archives of dumps, written in pieces of an odd length.
fn feed(dumps: &[(&str, Vec<u8>)]) -> impl FnOnce(&mut dyn SourceSink) -> Result<(), IngestError> {
    let dumps: Vec<_> = dumps.iter().map(|(name, dump)| (name.to_string(), dump.clone())).collect();
    move |sink| {
        let names: Vec<_> = dumps.iter().map(|(name, _)| name.as_str()).collect();
        let layout = layout(&names);
        layout.begin(sink).map_err(failed)?;
        for (name, dump) in &dumps {
            let mut member = layout.dump(sink, name).map_err(failed)?;
            for piece in dump.chunks(65_521) {
                member.write_all(piece).map_err(failed)?;
            }
            assert_eq!(member.finish().map_err(failed)?, dump.len() as u64);
        }
        Layout::end(sink).map_err(failed)
    }
}

/// A dump of a table; every row in `changed` has another value in it.
fn sql(rows: u64, changed: impl Fn(u64) -> bool) -> Vec<u8> {
    let mut out = String::from("-- a dump\nCREATE TABLE t (id int, a text, b text);\n");
    for row in 0..rows {
        let version = u64::from(changed(row));
        let hash = blake3::hash(&[row.to_le_bytes(), version.to_le_bytes()].concat()).to_hex();
        writeln!(out, "INSERT INTO t VALUES ({row},'{hash}','customer {row} of the shop');")
            .unwrap();
    }
    out.into_bytes()
}

#[test]
fn dumps_of_any_length_lie_in_the_tar_and_its_contents_as_they_were_written() {
    let lengths = [0, 1, 511, 512, 513, 70_000, 3 << 20];
    let dumps: Vec<_> = (0..).zip(lengths).map(|(n, bytes)| noise(n, bytes)).collect();
    let names = ["empty", "b", "é", "d d", "e/f", "g", "large"];
    let dumps: Vec<_> = names.into_iter().zip(dumps).collect();
    let mut bench = Bench::new();
    let made = bench.put(feed(&dumps)).unwrap();
    assert_eq!(made.sha256, None);
    let members = check_contents(&bench, &made);
    let found: Vec<_> = members
        .iter()
        .filter_map(|(entry, data)| {
            let (engine, name, _) = database_of(&entry.path)?;
            assert_eq!(
                (engine, entry.mode, entry.mtime.seconds),
                (Engine::Mysql, 0o600, 1_778_209_200)
            );
            Some((name, data.clone()))
        })
        .collect();
    let wanted: Vec<_> =
        dumps.iter().map(|(name, dump)| (name.to_string(), dump.clone())).collect();
    assert!(found == wanted);
}

#[test]
fn gnu_tar_reads_an_archive_of_dumps() {
    let mut bench = Bench::new();
    let dump = sql(3_000, |_| false);
    let made = bench.put(feed(&[("mabase", dump.clone()), ("other", Vec::new())])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.tar");
    std::fs::write(&file, bench.tar(&made)).unwrap();
    let tar = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(dir.path()).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    assert!(std::fs::read(dir.path().join("data/mysql/mabase.sql")).unwrap() == dump);
    assert_eq!(std::fs::read(dir.path().join("data/mysql/other.sql")).unwrap(), b"");
}

#[test]
fn a_dump_that_did_not_change_is_nothing_new() {
    let mut bench = Bench::new();
    let dumps = [("a", sql(20_000, |_| false)), ("b", noise(1, 300_000))];
    let first = bench.put(feed(&dumps)).unwrap();
    let payload: u64 = dumps.iter().map(|(_, dump)| dump.len().next_multiple_of(512) as u64).sum();
    assert_eq!(first.payload_new_bytes, payload);
    assert!(first.new_bytes > payload, "our own members are new too");
    let second = bench.put(feed(&dumps)).unwrap();
    assert_eq!((second.payload_new_bytes, second.new_bytes), (0, 0));
    assert_eq!(second.stream_bytes, first.stream_bytes);
}

#[test]
fn a_dump_in_which_three_rows_of_a_hundred_changed_is_stored_as_differences() {
    let mut bench = Bench::new();
    let first = bench.put(feed(&[("shop", sql(60_000, |_| false))])).unwrap();
    let spread = |row: u64| row.wrapping_mul(2_654_435_761) % 100 < 3;
    let changed = sql(60_000, spread);
    let second = bench.put(feed(&[("shop", changed.clone())])).unwrap();
    let share = second.stored_bytes * 100 / first.stored_bytes;
    assert!(share < 20, "{share} % of the first: {} bytes", second.stored_bytes);
    assert!(second.payload_new_bytes > 0);
    assert!(check_contents(&bench, &second).iter().any(|(_, data)| *data == changed));
    let third = bench.put(feed(&[("shop", changed)])).unwrap();
    assert_eq!(third.payload_new_bytes, 0, "a difference is known again");
}

#[test]
fn a_chunk_that_repeats_counts_once() {
    let mut bench = Bench::new();
    let made = bench.put(feed(&[("zeros", vec![0; 64 << 20])])).unwrap();
    assert!(made.chunks > 60, "{} chunks", made.chunks);
    assert!(made.objects < 20, "{} objects", made.objects);
    assert!(made.payload_new_bytes < 3 << 20, "{} new", made.payload_new_bytes);
}

#[test]
fn a_dump_that_breaks_off_leaves_no_archive() {
    let mut bench = Bench::new();
    let broken = bench.put(|sink| {
        let layout = layout(&["a"]);
        layout.begin(sink).map_err(failed)?;
        let mut member = layout.dump(sink, "a").map_err(failed)?;
        member.write_all(&noise(1, 700_000)).map_err(failed)?;
        Err(failed("mysqldump was killed"))
    });
    assert!(matches!(broken, Err(IngestError::Source { .. })));
}

#[test]
fn a_dump_that_was_dropped_cannot_be_followed_by_anything() {
    let begin = |sink: &mut dyn SourceSink| {
        let layout = layout(&["a"]);
        layout.begin(sink).unwrap();
        layout.dump(sink, "a").unwrap().write_all(b"half").unwrap();
    };
    let mut bench = Bench::new();
    let ended = bench.put(|sink| {
        begin(sink);
        Layout::end(sink).map_err(failed)
    });
    assert!(matches!(ended, Err(IngestError::Source { .. })), "{ended:?}");
    let another = bench.put(|sink| {
        begin(sink);
        layout(&["b"]).dump(sink, "b").map(drop).map_err(failed)
    });
    assert!(matches!(another, Err(IngestError::Source { .. })), "{another:?}");
    let nothing = bench.put(|sink| {
        begin(sink);
        Ok(())
    });
    assert!(matches!(nothing, Err(IngestError::Manifest(_))), "{nothing:?}");
}

#[test]
fn a_member_that_cannot_have_such_a_header_is_refused_before_anything_is_written() {
    let mut bench = Bench::new();
    let refused = bench.put(|sink| {
        for member in [
            Member::new(MemberKind::File, "x/".repeat(400)),
            Member::new(MemberKind::Directory, "data"),
        ] {
            assert!(StreamedMember::begin(sink, member).is_err());
        }
        let head = SegmentHead { fingerprint: None, bytes: 1, kind: SegmentKind::Members };
        sink.segment(head).unwrap();
        let inside = Member::new(MemberKind::File, "in a segment");
        assert!(StreamedMember::begin(sink, inside).is_err());
        Err(failed("enough"))
    });
    assert!(refused.is_err());
}

#[test]
fn a_dump_stops_soon_after_somebody_asked_to() {
    let bench = Bench::new();
    let progress = Arc::new(Progress::default());
    let ingest = Ingest {
        store: &bench.store,
        hold: bench.store.hold(),
        db: &bench.db,
        key: &bench.key,
        options: IngestOptions { seal: SealChoice::Auto, level: 1, workers: 1 },
        archive: ArchiveId([1; 16]),
        previous: None,
        progress: Arc::clone(&progress),
    };
    let mut written = 0_u64;
    let stopped = super::super::ingest(ingest, |sink| {
        let layout = layout(&["endless"]);
        layout.begin(sink).map_err(failed)?;
        let mut member = layout.dump(sink, "endless").map_err(failed)?;
        loop {
            member.write_all(&noise(written, 100_000)).map_err(failed)?;
            written += 100_000;
            if written == 2_000_000 {
                progress.cancel();
            }
        }
        #[allow(unreachable_code)]
        Ok(())
    });
    assert!(matches!(stopped, Err(IngestError::Cancelled)));
    assert!(written < 3_000_000, "{written}");
}

#[test]
fn a_header_that_comes_last_lies_first() {
    let mut bench = Bench::new();
    let made = bench.put(feed(&[("a", vec![b'x'; 5])])).unwrap();
    let entries = bench.entries(&made);
    let dump = entries.last().unwrap();
    assert_eq!(dump.span, STREAMED_HEADER_BYTES as u64 + 512);
    let tar = bench.tar(&made);
    let data = (dump.offset + STREAMED_HEADER_BYTES as u64) as usize;
    assert_eq!(&tar[data..data + 6], b"xxxxx\0");
}

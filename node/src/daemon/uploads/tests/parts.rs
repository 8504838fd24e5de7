use std::{fs, os::unix::fs::PermissionsExt as _};

use futures::SinkExt as _;

use super::*;

#[tokio::test]
async fn parts_in_any_order_and_twice_become_an_archive_with_the_same_members() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let file = archive(300_000);
    let client = Client::start(&node, "tom_docs_20260508.tar", file.clone()).await.unwrap();
    let begun = client.show().await;
    assert_eq!((begun.parts, begun.received, begun.state), (5, 0, UploadState::Pending));
    assert_eq!(begun.missing, [0, 1, 2, 3, 4]);
    let mode = fs::metadata(client.spool()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (number, received) in [(4, 1), (2, 2), (0, 3), (2, 3), (3, 4), (4, 4)] {
        let report = client.put(number).await.unwrap();
        assert_eq!((report.received, report.state), (received, UploadState::InProgress));
    }
    assert_eq!(client.show().await.missing, [1]);
    let early = client.finish().await.unwrap_err();
    assert_eq!(early.code, FailureCode::Conflict);
    assert_eq!(early.why, "1 of 5 parts have not come, the first is 1");
    client.put(1).await.unwrap();
    assert_eq!(fs::read(client.spool()).unwrap(), file);
    let done = client.finish().await.unwrap();
    assert_eq!(done.state, UploadState::Complete);
    assert_eq!(done.archive.as_deref(), Some("tom_docs_20260508"));
    assert_eq!(files(&node), 0);

    let made = show_archive(&node, "tom_docs_20260508").await.unwrap();
    assert!(made.pinned && made.tar.is_none());
    assert_eq!(made.kind.as_deref(), Some("custom_dir"));
    assert_eq!(made.source.unwrap().0, b"/opt/x");
    assert_eq!(made.entries, Some(2));
    let to = dir.path().join("out.tar");
    let export = protocol::control::ArchiveExport {
        archive: named_archive("tom_docs_20260508"),
        to: protocol::control::RawPath(to.to_str().unwrap().as_bytes().to_vec()),
        overwrite: false,
    };
    ask(&node, Request::ArchiveExport(export)).await.unwrap();
    let members = file.len() - END.len();
    assert!(fs::read(to).unwrap()[..members] == file[..members]);

    let [run] = runs(&node).try_into().unwrap();
    assert_eq!((run.kind, run.state), (RunKind::Upload, RunState::Success));
    assert_eq!(run.archive.as_deref(), Some("tom_docs_20260508"));
    let said = node.runs.show(run.run).unwrap().unwrap().transcript;
    assert_eq!(said[0].text, format!("checking {} bytes", file.len()));
    // No job, so nothing is kept for a next run of it.
    assert_eq!(fs::read_dir(dir.path().join("reuse")).unwrap().count(), 0);
    assert!(node.jobs().is_empty());
}

#[tokio::test]
async fn a_part_that_is_short_long_broken_or_lies_is_as_missing_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let client = Client::start(&node, "a.tar", archive(100_000)).await.unwrap();
    let first = client.part(0);
    let all = || Ok(first.clone());
    let one = || Ok(Bytes::from_static(b"x"));
    let broken = || Err(io::Error::other("reset by peer"));
    for (what, number, said, pieces) in [
        ("short", 0, None, vec![Ok(first.slice(1..))]),
        ("empty", 0, None, vec![]),
        ("long", 0, None, vec![all(), one()]),
        ("endless", 0, None, vec![all(), all(), all()]),
        ("broken", 0, None, vec![Ok(first.slice(..9_000)), broken()]),
        ("broken at its end", 0, None, vec![all(), broken()]),
        ("said to be short", 0, Some(PART - 1), vec![all()]),
        ("said to be long", 0, Some(u64::MAX), vec![all()]),
        ("a last one as long as others", 1, None, vec![all()]),
        ("no such part", 2, None, vec![all()]),
        ("no such part at all", u32::MAX, None, vec![all()]),
    ] {
        let failure = client.put_body(number, said, body(pieces)).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Invalid, "{what}: {failure}");
        assert_eq!(client.show().await.received, 0, "{what}");
        assert_eq!(reopened(&node).report(&client.id()).unwrap().received, 0, "{what}");
    }
    client.put_all().await;
    // The same for one that is here: it is looked at, and stays.
    let again = client.put_body(0, None, body(vec![Ok(first.slice(1..))])).await.unwrap_err();
    assert_eq!(again.code, FailureCode::Invalid);
    let other = Bytes::from(vec![0; first.len()]);
    client.put_body(0, None, body(vec![Ok(other)])).await.unwrap();
    assert_eq!(client.finish().await.unwrap().state, UploadState::Complete);
    let late = client.put(0).await.unwrap_err();
    assert_eq!(late.code, FailureCode::Conflict);
}

#[tokio::test]
async fn a_part_is_written_by_one_at_a_time_and_a_sender_that_goes_lets_it_go() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let client = Client::start(&node, "a.tar", archive(100_000)).await.unwrap();
    let (mut send, slow) = futures::channel::mpsc::channel(1);
    let first = client.put_body(0, None, Box::pin(slow));
    tokio::pin!(first);
    assert!(futures::poll!(&mut first).is_pending());
    let busy = client.put(0).await.unwrap_err();
    assert_eq!(busy.code, FailureCode::Busy);
    assert_eq!(busy.why, "part 0 is being written by another request");
    client.put(1).await.unwrap();
    send.send(Ok(client.part(0))).await.unwrap();
    drop(send);
    assert_eq!(first.await.unwrap().received, 2);

    let other = Client::start(&node, "b.tar", archive(100_000)).await.unwrap();
    let (_send, never) = futures::channel::mpsc::channel(1);
    {
        let gone = other.put_body(0, None, Box::pin(never));
        tokio::pin!(gone);
        assert!(futures::poll!(&mut gone).is_pending());
    }
    // What it had begun on the disk may still be on its way; then the part is free.
    while let Err(failure) = other.put(0).await {
        assert_eq!(failure.code, FailureCode::Busy);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_and_a_torn_part_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(&dir, "jerry").await;
    let file = archive(300_000);
    let mut client = Client::start(&node, "a.tar", file.clone()).await.unwrap();
    let parts = client.show().await.parts;
    for number in (0..parts).rev() {
        // Half of the next part comes, and then the node is no more.
        let half = client.part(number).slice(..1_000);
        let broken = vec![Ok(half), Err(io::Error::other("killed"))];
        client.put_body(number, None, body(broken)).await.unwrap_err();
        let before = client.show().await;
        fs::write(node.data.uploads().join("leftover"), "x").unwrap();
        let lost = UploadId([9; 16]);
        fs::write(node.data.uploads().join(lost.to_string()), "x").unwrap();
        let uploads = reopened(&node);
        drop(client);
        Arc::get_mut(&mut node).unwrap().uploads = uploads;
        client = Client { node: Arc::clone(&node), file: file.clone(), id: before.id.clone() };
        assert_eq!(client.show().await, before);
        assert_eq!(files(&node), 1);
        assert_eq!(client.put(number).await.unwrap().received, before.received + 1);
    }
    assert_eq!(client.finish().await.unwrap().state, UploadState::Complete);
    let after = reopened(&node);
    assert_eq!(after.report(&client.id()).unwrap().state, UploadState::Complete);
}

#[tokio::test]
async fn an_upload_whose_bytes_are_gone_is_forgotten_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let client = Client::start(&node, "a.tar", archive(100_000)).await.unwrap();
    client.put(0).await.unwrap();
    fs::remove_file(client.spool()).unwrap();
    let failure = client.put(1).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal);
    assert!(reopened(&node).reports().is_empty());
    assert!(node.db.uploads().unwrap().is_empty());
}

#[tokio::test]
async fn a_large_part_is_never_in_memory_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let bytes = protocol::upload::PART_BYTES_MAX;
    let start = UploadStart {
        filename: "a.tar".to_owned(),
        total_bytes: bytes,
        part_bytes: bytes,
        sha256: "0".repeat(64),
    };
    let begun = super::super::start(Arc::clone(&node), start).await.unwrap();
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    let before = peak();
    let piece = Bytes::from(vec![7; 256 << 10]);
    let pieces = (0..bytes / piece.len() as u64).map(move |_| Ok(piece.clone()));
    let body: web::PartBody = Box::pin(futures::stream::iter(pieces));
    let report = put_part(Arc::clone(&node), begun.id, 0, Some(bytes), body, ()).await.unwrap();
    assert_eq!(report.received, 1);
    let grown = peak() - before;
    assert!(grown < bytes / 4, "{grown} bytes more than before");
}

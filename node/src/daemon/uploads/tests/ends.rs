use protocol::control::Trigger;

use super::*;
use crate::{
    daemon::{keeping, runs::NewRun},
    socket::CancelSwitch,
};

async fn sent(node: &Arc<Node>, name: &str, file: Vec<u8>) -> Client {
    let client = Client::start(node, name, file).await.unwrap();
    client.put_all().await;
    client
}

/// As many runs as may be at work at once, so that others wait.
fn busy(node: &Node) -> Vec<u64> {
    let begin = |id: u8| {
        let job_id = Some(protocol::JobId([id; 16]));
        let new = NewRun { job: "other", job_id, kind: RunKind::Backup, trigger: Trigger::Hand };
        node.runs.begin(new, CancelSwitch::new().0).unwrap().run
    };
    vec![begin(1), begin(2)]
}

#[tokio::test]
async fn bytes_of_another_checksum_end_the_upload_and_publish_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let wrong = "0".repeat(64);
    let client = Client::start_with(&node, "a.tar", archive(100_000), wrong).await.unwrap();
    client.put_all().await;
    let failure = client.finish().await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Mismatch);
    assert!(failure.why.contains("SHA-256") && failure.hint.is_some(), "{failure}");
    assert!(show_archive(&node, "a").await.is_none() && files(&node) == 0);
    let report = client.show().await;
    assert_eq!((report.state, report.failure.as_ref()), (UploadState::Error, Some(&failure)));
    // Asked again it says the same, also in another life.
    assert_eq!(client.finish().await.unwrap_err(), failure);
    assert_eq!(reopened(&node).report(&client.id()).unwrap(), report);
    assert_eq!(client.put(0).await.unwrap_err().code, FailureCode::Conflict);
    let [run] = runs(&node).try_into().unwrap();
    assert_eq!((run.kind, run.state), (RunKind::Upload, RunState::Failed));
    client.cancel().await.unwrap();
    let gone = show(Arc::clone(&node), client.id.clone()).await.unwrap_err();
    assert_eq!(gone.code, FailureCode::NotFound);
}

#[tokio::test]
async fn hostile_archives_are_refused_with_a_reason_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let good = archive(100_000);
    let stored = node.store.stats().unwrap().pack_bytes;
    for (file, reason) in [
        (tar(&[("a", b"x"), ("../../etc/cron.d/evil", b"x")]), "`..`"),
        (tar(&[("/etc/passwd", b"x")]), "absolute"),
        (good[..70_000].to_vec(), "cut off"),
        (vec![b'x'; 5_000], "no whole tar"),
        (vec![0x1f, 0x8b, 8, 0, 0, 0], "no whole tar"),
        (vec![0; 1_024], "no members"),
    ] {
        let client = sent(&node, "evil.tar", file).await;
        let failure = client.finish().await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Mismatch, "{failure}");
        assert!(failure.why.contains(reason), "{failure}");
        assert_eq!(client.show().await.state, UploadState::Error);
        assert!(show_archive(&node, "evil").await.is_none());
    }
    assert_eq!((files(&node), node.store.stats().unwrap().pack_bytes), (0, stored));
    // None of them took the name.
    let client = sent(&node, "evil.tar", good).await;
    assert_eq!(client.finish().await.unwrap().archive.as_deref(), Some("evil"));
}

#[tokio::test]
async fn a_name_that_is_taken_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let first = sent(&node, "a.tar", archive(100_000)).await;
    let second = sent(&node, "a.tar", archive(90_000)).await;
    first.finish().await.unwrap();
    for _ in 0..2 {
        let failure = second.finish().await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Exists, "{failure}");
    }
    let report = second.show().await;
    assert_eq!((report.state, report.missing.len()), (UploadState::InProgress, 0));
    // Who begins now hears it before sending anything.
    let refused = Client::start(&node, "a.tar", archive(1)).await.err().unwrap();
    assert_eq!(refused.code, FailureCode::Exists);
    keeping::drop_archives(&node, &[first.id().archive()]).await.unwrap();
    assert_eq!(second.finish().await.unwrap().state, UploadState::Complete);
    let made = show_archive(&node, "a").await.unwrap();
    assert_eq!(made.id, second.id().archive());
    // A plain tar in the archives folder has its name, too.
    std::fs::create_dir_all(dir.path().join("archives")).unwrap();
    std::fs::write(dir.path().join("archives/b.tar"), archive(1)).unwrap();
    let third = sent(&node, "b.tar", archive(90_000)).await;
    assert_eq!(third.finish().await.unwrap_err().code, FailureCode::Exists);
}

#[tokio::test]
async fn finishing_twice_at_once_makes_one_archive_and_both_hear_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let client = sent(&node, "a.tar.gz", {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut zip, &archive(200_000)).unwrap();
        zip.finish().unwrap()
    })
    .await;
    let (one, two) = tokio::join!(client.finish(), client.finish());
    assert_eq!(one.unwrap(), two.unwrap());
    let done = client.finish().await.unwrap();
    assert_eq!((done.state, done.archive.as_deref()), (UploadState::Complete, Some("a")));
    assert_eq!((runs(&node).len(), node.archive_list().len()), (1, 1));
}

#[tokio::test]
async fn a_node_killed_while_finishing_finishes_it_in_its_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let client = sent(&node, "a.tar", archive(100_000)).await;
    let others = busy(&node);
    let finish = client.finish();
    tokio::pin!(finish);
    assert!(futures::poll!(&mut finish).is_pending());
    assert_eq!(client.show().await.state, UploadState::Finishing);
    let again = reopened(&node).report(&client.id()).unwrap();
    assert_eq!((again.state, again.missing.len()), (UploadState::InProgress, 0));
    for run in others {
        node.runs.end(run, |run| run.state = RunState::Success).unwrap();
    }
    finish.await.unwrap();
}

#[tokio::test]
async fn an_archive_that_was_published_before_the_kill_is_not_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let file = archive(100_000);
    let client = sent(&node, "a.tar", file.clone()).await;
    let id = client.id();
    let before = node.uploads.look(&id, |entry| entry.session.clone()).unwrap();
    client.finish().await.unwrap();
    // As the state file and the folder were before the end was noted.
    std::fs::write(client.spool(), &file).unwrap();
    let undo = |session: &mut Session| {
        *session = before;
        Ok(())
    };
    node.uploads.change(&node.db, &id, undo).unwrap();
    assert_eq!(client.show().await.state, UploadState::InProgress);
    let done = client.finish().await.unwrap();
    assert_eq!((done.state, done.archive.as_deref()), (UploadState::Complete, Some("a")));
    assert_eq!((runs(&node).len(), node.archive_list().len(), files(&node)), (1, 1, 0));
}

#[tokio::test]
async fn an_upload_can_be_dropped_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let open = Client::start(&node, "a.tar", archive(100_000)).await.unwrap();
    open.put(0).await.unwrap();
    open.cancel().await.unwrap();
    let finishing = sent(&node, "b.tar", archive(100_000)).await;
    let others = busy(&node);
    let finish = finishing.finish();
    tokio::pin!(finish);
    while runs(&node).len() == others.len() {
        assert!(futures::poll!(&mut finish).is_pending());
        tokio::task::yield_now().await;
    }
    finishing.cancel().await.unwrap();
    assert_eq!(finish.await.unwrap_err().code, FailureCode::Cancelled);
    for client in [&open, &finishing] {
        let gone = FailureCode::NotFound;
        assert_eq!(client.put(0).await.unwrap_err().code, gone);
        assert_eq!(client.finish().await.unwrap_err().code, gone);
        assert_eq!(client.cancel().await.unwrap_err().code, gone);
    }
    assert_eq!((files(&node), reopened(&node).reports().len()), (0, 0));
    assert!(show_archive(&node, "b").await.is_none());
}

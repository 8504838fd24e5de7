use std::{path::Path, process::Command};

use protocol::upload::EXPIRES_AFTER;

use super::*;
use crate::{daemon::uploads::worker::expire, db::Db};

/// A file system of its own, which is taken away at the end.
struct Mounted(TempDir);

impl Mounted {
    fn tmpfs(mib: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(dir.path());
        let done = mount.status().expect("the program mount runs");
        assert!(done.success(), "this test mounts a tmpfs, so it needs root");
        Self(dir)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn session(bytes: u64) -> Session {
    Session::new(
        Spec::new("a.tar", bytes, bytes.min(1 << 20), &"0".repeat(64)).unwrap(),
        sys::now(),
    )
}

fn uploads(db: &Db, folder: &Path, reserve_bytes: u64) -> Uploads {
    let mut uploads = Uploads::open(db, &folder.join("uploads")).unwrap();
    uploads.reserve_bytes = reserve_bytes;
    uploads
}

#[test]
fn what_is_promised_counts_before_it_is_written() {
    let (disk, dir) = (Mounted::tmpfs(64), tempfile::tempdir().unwrap());
    let db = Db::open(&dir.path().join("state.redb")).unwrap();
    let uploads = uploads(&db, disk.0.path(), 8 << 20);
    let begin = |id: u8, mib: u64| uploads.begin(&db, UploadId([id; 16]), session(mib << 20));
    begin(1, 30).unwrap();
    let full = begin(2, 30).unwrap_err();
    assert_eq!(full.code, FailureCode::NoSpace);
    for number in [30_u64 << 20, 8 << 20] {
        assert!(full.why.contains(&number.to_string()), "{full}");
    }
    begin(3, 20).unwrap();
    assert_eq!(begin(4, 10).unwrap_err().code, FailureCode::NoSpace);
    // What has come is on the disk, and not promised any more.
    let first = UploadId([1; 16]);
    std::fs::write(uploads.path(&first), vec![0; 30 << 20]).unwrap();
    let all = |session: &mut Session| {
        (0..30).for_each(|number| session.receive(number, sys::now()).unwrap());
        Ok(())
    };
    uploads.change(&db, &first, all).unwrap();
    begin(5, 4).unwrap();
    assert_eq!(begin(6, 10).unwrap_err().code, FailureCode::NoSpace);
    uploads.forget(&db, &[first]).unwrap();
    begin(7, 10).unwrap();
}

#[test]
fn a_disk_without_room_for_another_file_refuses_and_notes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("state.redb")).unwrap();
    let uploads = uploads(&db, dir.path(), u64::MAX);
    let full = uploads.begin(&db, UploadId([1; 16]), session(1)).unwrap_err();
    assert_eq!(full.code, FailureCode::NoSpace);
    assert!(db.uploads().unwrap().is_empty() && uploads.reports().is_empty());
    assert_eq!(std::fs::read_dir(dir.path().join("uploads")).unwrap().count(), 0);
}

#[test]
fn so_many_are_open_at_once_and_so_many_ends_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("state.redb")).unwrap();
    let uploads = uploads(&db, dir.path(), 0);
    let id = |number: usize| UploadId([u8::try_from(number).unwrap(); 16]);
    for number in 0..OPEN_MAX {
        uploads.begin(&db, id(number), session(1)).unwrap();
    }
    let full = uploads.begin(&db, id(200), session(1)).unwrap_err();
    assert_eq!((full.code, full.hint.is_some()), (FailureCode::Busy, true));
    for number in 0..ENDED_MAX + 20 {
        let refuse = |session: &mut Session| {
            session.refuse("no", protocol::Time(u64::MAX - 1_000 + number as u64));
            Ok(())
        };
        uploads.change(&db, &id(number), refuse).unwrap();
        uploads.begin(&db, id(number + OPEN_MAX), session(1)).unwrap();
    }
    assert_eq!(uploads.reports().len(), OPEN_MAX + ENDED_MAX - 1);
    assert_eq!(db.uploads().unwrap().len(), OPEN_MAX + ENDED_MAX - 1);
    // The oldest ends went first.
    assert!(uploads.report(&id(0)).is_err());
    assert!(uploads.report(&id(ENDED_MAX + 19)).is_ok());
}

#[tokio::test]
async fn a_disk_that_fills_up_meanwhile_takes_no_more_parts_and_keeps_those_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = node(&dir, "jerry").await;
    let file = archive(100_000);
    let client = Client::start(&node, "a.tar", file.clone()).await.unwrap();
    client.put(0).await.unwrap();
    let id = client.id.clone();
    drop(client);
    let reserve = |node: &mut Arc<Node>, bytes| {
        Arc::get_mut(node).unwrap().uploads.reserve_bytes = bytes;
    };
    reserve(&mut node, u64::MAX);
    let client = Client { node: Arc::clone(&node), file: file.clone(), id: id.clone() };
    let full = client.put(1).await.unwrap_err();
    assert_eq!((full.code, full.hint.is_some()), (FailureCode::NoSpace, true));
    // A repeat needs no room.
    assert_eq!(client.put(0).await.unwrap().missing, [1]);
    drop(client);
    reserve(&mut node, 0);
    let client = Client { node, file, id };
    client.put(1).await.unwrap();
    assert_eq!(client.finish().await.unwrap().state, UploadState::Complete);
}

#[tokio::test]
async fn what_nobody_continues_expires_and_what_is_being_written_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let left = Client::start(&node, "a.tar", archive(100_000)).await.unwrap();
    let written = Client::start(&node, "b.tar", archive(100_000)).await.unwrap();
    let (send, slow) = futures::channel::mpsc::channel(1);
    let part = written.put_body(0, None, Box::pin(slow));
    tokio::pin!(part);
    assert!(futures::poll!(&mut part).is_pending());
    assert_eq!(expire(&node, sys::now()).unwrap(), 0);
    let later = sys::now().after(EXPIRES_AFTER);
    assert_eq!(expire(&node, later).unwrap(), 1);
    assert_eq!(left.put(0).await.unwrap_err().code, FailureCode::NotFound);
    assert!(!left.spool().exists() && written.spool().exists());
    assert_eq!(list(Arc::clone(&node)).await.unwrap().len(), 1);
    drop(send);
    part.await.unwrap_err();
    assert_eq!(expire(&node, later).unwrap(), 1);
    assert_eq!((files(&node), reopened(&node).reports().len()), (0, 0));
}

#[tokio::test]
async fn names_sizes_and_ids_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    for name in ["../../etc/passwd", "a", "a.tar/..", "\0.tar", ".tar", &"n".repeat(300)] {
        let refused = Client::start(&node, name, archive(1)).await.err().unwrap();
        assert_eq!(refused.code, FailureCode::Invalid, "{name:?}");
    }
    let empty = Client::start(&node, "a.tar", Vec::new()).await.err().unwrap();
    assert_eq!(empty.code, FailureCode::Invalid);
    for id in ["", "..", "../state.redb", "0", &UploadId([1; 16]).to_string()] {
        let unknown = show(Arc::clone(&node), id.to_owned()).await.unwrap_err();
        assert_eq!(unknown.code, FailureCode::NotFound, "{id:?}");
    }
    assert_eq!(files(&node), 0);
}

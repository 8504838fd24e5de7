use protocol::{ArchiveId, ChunkId, control::FailureCode, record::Fact};

use super::*;
use crate::{
    daemon::{
        live::tests::{Sample, node},
        mesh::Change,
    },
    db::Known,
};

#[tokio::test]
async fn what_an_archive_needs_stays_and_the_rest_is_freed_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let (kept, gone) = (Sample::put(&node.store, 1), Sample::put(&node.store, 2));
    let known = |sealed| Known { sealed, sealed_bytes: 9 };
    let dead = gone.leaves[3].sealed;
    let chunks = [ChunkId([1; 32]), ChunkId([2; 32])];
    let both = [(chunks[0], known(kept.leaves[3].sealed)), (chunks[1], known(dead))];
    node.db.remember(&both).unwrap();
    let say = Fact::Archive(ArchiveId([1; 16]), kept.facts());
    node.mesh.publish(vec![Change::Say(say)]).await.unwrap();

    let plan = collect(Arc::clone(&node), true, EventSink::deaf()).await.unwrap();
    assert_eq!((plan.dry_run, plan.live_objects, plan.dead_objects), (true, 7, 3));
    assert!(node.store.has(&dead).unwrap());
    let done = collect(Arc::clone(&node), false, EventSink::deaf()).await.unwrap();
    assert_eq!((done.live_objects, done.dead_objects), (7, 3));
    let stats = stats(Arc::clone(&node)).await.unwrap();
    assert!(stats.objects >= 7 && stats.object_bytes > 0 && stats.free_bytes > 0);
    assert!(node.db.known(&chunks[0]).unwrap().is_some());
    assert_eq!(node.db.known(&chunks[1]).unwrap().is_some(), node.store.has(&dead).unwrap());
}

#[tokio::test]
async fn a_check_counts_what_archives_need_and_the_store_has_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let sample = Sample::put(&node.store, 1);
    let say = Fact::Archive(ArchiveId([1; 16]), sample.facts());
    node.mesh.publish(vec![Change::Say(say)]).await.unwrap();
    let checked = check(Arc::clone(&node), true, EventSink::deaf()).await.unwrap();
    assert!(checked.sound() && checked.read_data);
    assert_eq!((checked.objects, checked.missing_total), (7, 0));

    let mut nowhere = sample.facts();
    nowhere.root.id = SealedId([9; 32]);
    let say = Fact::Archive(ArchiveId([2; 16]), nowhere);
    node.mesh.publish(vec![Change::Say(say)]).await.unwrap();
    let checked = check(Arc::clone(&node), false, EventSink::deaf()).await.unwrap();
    assert_eq!((checked.missing_total, checked.sound()), (1, false));
    let failure = collect(Arc::clone(&node), false, EventSink::deaf()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Damaged);
    assert!(node.store.has(&sample.root.id).unwrap(), "{failure}");
}

#[tokio::test]
async fn a_rebuilt_index_finds_every_object_and_waits_for_nobody_that_stores() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    Sample::put(&node.store, 1);
    let rebuilt = rebuild(Arc::clone(&node), EventSink::deaf()).await.unwrap();
    assert_eq!((rebuilt.packs, rebuilt.objects), (1, 7));
}

use protocol::{ArchiveId, ChunkId, control::FailureCode, record::Fact};

use super::*;
use crate::{
    chunks::StoreOptions,
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
async fn what_two_archives_share_and_lack_is_noted_of_both_until_a_check_finds_it() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = node(&dir, "jerry").await;
    let options = StoreOptions { free_bytes_min: 0, ..StoreOptions::default() };
    let whole = ChunkStore::open(elsewhere.path(), options).unwrap().0;
    let samples = [1, 2].map(|seed| Sample::put(&whole, seed));
    let lost = samples[0].leaves[0].sealed;
    assert_eq!(samples[1].leaves[0].sealed, lost, "they share the page that names it");
    let ids = |sample: &Sample| {
        let objects = sample.leaves.iter().chain(&sample.pages).map(|object| object.sealed);
        objects.chain([sample.root.id]).collect::<Vec<_>>()
    };
    for id in samples.iter().flat_map(ids).filter(|id| *id != lost) {
        node.store.put(&id, &whole.get(&id).unwrap()).unwrap();
    }
    node.store.flush().unwrap();
    let archives = [ArchiveId([1; 16]), ArchiveId([2; 16])];
    for (id, sample) in archives.into_iter().zip(&samples) {
        let say = Change::Say(Fact::Archive(id, sample.facts()));
        node.mesh.publish(vec![say]).await.unwrap();
    }
    let noted = || archives.map(|id| node.hurt.is_noted(node.id(), id));
    assert_eq!(noted(), [false, false]);
    let checked = check(Arc::clone(&node), false, EventSink::deaf()).await.unwrap();
    assert_eq!((checked.missing_total, noted()), (1, [true, true]));

    node.store.put(&lost, &whole.get(&lost).unwrap()).unwrap();
    node.store.flush().unwrap();
    let checked = check(Arc::clone(&node), false, EventSink::deaf()).await.unwrap();
    assert_eq!((checked.missing_total, noted()), (0, [false, false]));
    assert!(node.db.hurt().unwrap().is_empty());
}

#[tokio::test]
async fn a_rebuilt_index_finds_every_object_and_waits_for_nobody_that_stores() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    Sample::put(&node.store, 1);
    let rebuilt = rebuild(Arc::clone(&node), EventSink::deaf()).await.unwrap();
    assert_eq!((rebuilt.packs, rebuilt.objects), (1, 7));
}

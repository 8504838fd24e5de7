use protocol::{
    ChunkId, Time,
    archive::ArchiveMeta,
    control::{FailureCode, Page},
    job::{CustomDir, JobConfig, JobSpec},
    record::{Fact, RecordKey},
};

use super::*;
use crate::{
    daemon::{
        handle::job,
        live::tests::{Sample, node},
        mesh::Change,
    },
    sys::OsEntropy,
};

fn spec(name: &str) -> JobSpec {
    JobSpec::new(name.parse().unwrap(), JobConfig::CustomDir(CustomDir::new("/srv/docs")))
}

fn archive(node: &Node, id: u8, job: JobId, created: u64) -> Change {
    let sample = Sample::put(&node.store, 1);
    let meta = ArchiveMeta {
        name: format!("jerry_docs_{id}"),
        job,
        job_name: "docs".to_owned(),
        kind: "custom_dir".to_owned(),
        source: b"/srv/docs".to_vec(),
        root: ChunkId([4; 32]),
        stream_bytes: 1,
        members: 1,
        sha256: None,
        warnings: 0,
        in_clear: false,
        pinned: false,
        safety: false,
    };
    let mut facts = sample.facts();
    facts.created = Time(created);
    facts.sealed = meta.seal(&node.key, &mut OsEntropy);
    Change::Say(Fact::Archive(ArchiveId([id; 16]), facts))
}

#[tokio::test]
async fn what_this_node_says_is_listed_at_once_and_nothing_is_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    assert!(node.listing().jobs().is_empty());
    let docs = job::add(&node, spec("docs")).await.unwrap().job;
    let before = node.listing();
    assert!(Arc::ptr_eq(&before, &node.listing()), "opened again without need");
    job::add(&node, spec("apps")).await.unwrap();
    let after = node.listing();
    let names: Vec<_> = after.jobs().iter().map(|listed| listed.job.spec.name.as_str()).collect();
    assert_eq!(names, ["apps", "docs"]);
    let find = |listing: &Listing| Arc::clone(&listing.job(&docs.spec.name).unwrap().job);
    assert!(Arc::ptr_eq(&find(&before), &find(&after)), "an unchanged job was opened again");
    job::remove(&node, &docs.spec.name).await.unwrap();
    assert!(node.listing().job(&docs.spec.name).is_none());
    assert_eq!(node.job(&docs.spec.name).unwrap_err().code, FailureCode::NotFound);
}

#[tokio::test]
async fn archives_are_counted_for_the_job_that_made_them_and_listed_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    let docs = job::add(&node, spec("docs")).await.unwrap().job;
    let mail = job::add(&node, spec("mail")).await.unwrap().job;
    let say = vec![
        archive(&node, 1, docs.id, 30),
        archive(&node, 2, docs.id, 10),
        archive(&node, 3, JobId([9; 16]), 20),
        // One whose private part does not open.
        Change::Say(Fact::Archive(ArchiveId([4; 16]), Sample::put(&node.store, 1).facts())),
    ];
    node.mesh.publish(say).await.unwrap();
    let listing = node.listing();
    let titles: Vec<_> = listing.archives().iter().map(|archive| archive.title()).collect();
    let expected = [&ArchiveId([4; 16]).short(), "jerry_docs_2", "jerry_docs_3", "jerry_docs_1"];
    assert_eq!(titles, expected);
    let count = |listing: &Listing, name| listing.job(name).unwrap().archives;
    assert_eq!(count(&listing, &docs.spec.name), 2);
    assert_eq!(count(&listing, &mail.spec.name), 0);
    let gone = Change::Unsay(RecordKey::Archive(ArchiveId([1; 16])));
    node.mesh.publish(vec![gone]).await.unwrap();
    assert_eq!(count(&node.listing(), &docs.spec.name), 1);
}

#[tokio::test]
async fn pages_of_jobs_follow_one_another_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    for name in ["c", "a", "e", "d", "b"] {
        job::add(&node, spec(name)).await.unwrap();
    }
    let (mut from, mut pages) = (Some(0), Vec::new());
    while let Some(at) = from {
        let page = job::list(&node, Page { from: at, limit: 2 }).unwrap();
        let names = page.jobs.iter().map(|report| report.job.spec.name.as_str());
        pages.push(names.collect::<Vec<_>>().concat());
        from = page.next;
    }
    assert_eq!(pages, ["ab", "cd", "e"]);
    let beyond = job::list(&node, Page { from: u64::MAX, limit: 2 }).unwrap();
    assert_eq!((beyond.jobs.len(), beyond.next), (0, None));
}

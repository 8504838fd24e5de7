use std::{sync::Arc, time::Duration};

use protocol::{
    Time,
    control::{Happened, News, Progress, RunKind, RunState, Trigger},
    job::{CustomDir, Job, JobConfig, JobSpec},
    news::Part,
    record::Fact,
};
use tokio::time::timeout;

use super::*;
use crate::{
    daemon::{
        handle::job,
        live::tests::{Sample, node},
        mesh::Change,
        node::Node,
        numbers::Numbers,
        runs::{NewRun, Runs},
    },
    db::Db,
    replicate::Cancel,
    socket::CancelSwitch,
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn read(bus: &Bus, place: u64) -> Vec<Arc<News>> {
    match bus.after(place, 1_000) {
        Part::Next { news, .. } => news,
        Part::Lost { .. } => panic!("it is lost"),
    }
}

fn kinds(bus: &Bus) -> Vec<&'static str> {
    read(bus, 0).iter().map(|one| one.what.kind()).collect()
}

/// Waits until something of a kind is told.
async fn until(bus: &Bus, kind: &str) -> Arc<News> {
    let mut clock = bus.clock();
    let found = async {
        loop {
            clock.borrow_and_update();
            if let Some(one) = read(bus, 0).into_iter().find(|one| one.what.kind() == kind) {
                return one;
            }
            clock.changed().await.unwrap();
        }
    };
    let found = timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("{kind} was not told: {:?}", kinds(bus)))
}

/// A node whose news are watched.
async fn watched(dir: &tempfile::TempDir) -> (Arc<Node>, Cancel) {
    let (node, stop) = (node(dir, "jerry").await, Cancel::default());
    tokio::spawn(run(Arc::clone(&node), stop.clone()));
    (node, stop)
}

#[tokio::test]
async fn jobs_and_archives_are_told_by_name_as_they_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _stop) = watched(&dir).await;
    let config = JobConfig::CustomDir(CustomDir::new(dir.path().to_str().unwrap()));
    // The worker's first look may come after any of these: then the change after it is told.
    let mut number = 0;
    let added = loop {
        number += 1;
        let name = format!("docs{number}").parse().unwrap();
        job::add(&node, JobSpec::new(name, config.clone())).await.unwrap();
        let told = timeout(Duration::from_secs(3), until(&node.news, "job.added")).await;
        match told {
            Ok(told) => break told,
            Err(_) => assert!(number < 10, "nothing is told"),
        }
    };
    let Happened::Job { number, name, .. } = &added.what else { panic!("{added:?}") };
    assert_eq!(*name, format!("docs{number}"));
    job::remove(&node, &name.parse().unwrap()).await.unwrap();
    until(&node.news, "job.removed").await;

    let (id, facts) = (protocol::ArchiveId([1; 16]), Sample::put(&node.store, 1).facts());
    node.mesh.publish(vec![Change::Say(Fact::Archive(id, facts.clone()))]).await.unwrap();
    let added = until(&node.news, "archive.added").await;
    let Happened::Archive { origin, id: told, name: None, .. } = &added.what else {
        panic!("{added:?}")
    };
    assert_eq!((origin.id, *told), (node.id(), id));
    node.hurt.note(node.id(), id, facts.root);
    node.news.look();
    until(&node.news, "archive.hurt").await;
    node.hurt.forget(node.id(), id);
    node.news.look();
    until(&node.news, "archive.whole").await;
    let gone = protocol::record::RecordKey::Archive(id);
    node.mesh.publish(vec![Change::Unsay(gone)]).await.unwrap();
    until(&node.news, "archive.removed").await;
}

#[tokio::test]
async fn a_change_of_the_health_is_told_with_its_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _stop) = watched(&dir).await;
    let _reader = node.news.clock();
    node.workers.failed("replicate", "no holder");
    let told = until(&node.news, "health.changed");
    tokio::pin!(told);
    // It is judged only now and then, so it is stirred until it was.
    let told = loop {
        tokio::select! {
            told = &mut told => break told,
            () = tokio::time::sleep(Duration::from_secs(1)) => node.news.look(),
        }
        let other = format!("no holder of {:?}", std::time::Instant::now());
        node.workers.failed("replicate", other);
    };
    let Happened::Health { reasons, .. } = &told.what else { panic!("{told:?}") };
    assert!(reasons.iter().any(|reason| reason.contains("no holder")), "{reasons:?}");
}

#[tokio::test]
async fn runs_are_told_with_the_number_of_their_job_and_those_that_waited_when_their_turn_comes() {
    let dir = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(&dir.path().join("state.redb")).unwrap());
    let (bus, numbers) = (Arc::<Bus>::default(), Arc::new(Numbers::open(Arc::clone(&db)).unwrap()));
    let runs = Runs::open(db, 1).unwrap().telling(&bus, &numbers);
    let config = JobConfig::CustomDir(CustomDir::new("/srv"));
    let jobs = [1, 2].map(|id| Job {
        id: protocol::JobId([id; 16]),
        spec: JobSpec::new("docs".parse().unwrap(), config.clone()),
        created_ms: Time(id.into()),
        updated_ms: Time(1),
    });
    numbers.see(jobs.iter());
    let begin = |job: &Job| {
        let (kind, trigger) = (RunKind::Backup, Trigger::Hand);
        let new = NewRun { job: "docs", job_id: Some(job.id), kind, trigger };
        runs.begin(new, CancelSwitch::new().0).unwrap().run
    };
    let (first, second) = (begin(&jobs[0]), begin(&jobs[1]));
    (0..100).for_each(|done| runs.progress(first, Progress { done, ..Progress::default() }));
    runs.line(first, "a line");
    runs.end(first, |run| run.state = RunState::Success).unwrap();
    bus.flush();
    assert_eq!(kinds(&bus), ["run.started", "run.started", "run.ended", "run.started"]);
    let told: Vec<_> = read(&bus, 0);
    let run = |at: usize| match &told[at].what {
        Happened::RunStarted(run) | Happened::RunEnded(run) => (run.run, run.job_number, run.state),
        other => panic!("{other:?}"),
    };
    assert_eq!(run(1), (second, Some(2), RunState::Queued));
    assert_eq!(run(2), (first, Some(1), RunState::Success));
    assert_eq!(run(3), (second, Some(2), RunState::Running));
    let (lines, ended) = runs.said_after(first, 0).unwrap().unwrap();
    assert_eq!((lines[0].0, lines[0].1.text.as_str()), (1, "a line"));
    assert_eq!(ended.unwrap().job_number, Some(1));
    assert_eq!(runs.said_after(second, 0).unwrap(), Some((vec![], None)));
    assert_eq!(runs.said_after(99, 0).unwrap(), None);
}

#[test]
fn two_starts_are_never_the_same_and_a_call_is_no_news() {
    let (one, other) = (Bus::default(), Bus::default());
    assert_ne!(one.start(), other.start());
    let clock = one.clock();
    one.call();
    assert!(clock.has_changed().unwrap());
    assert_eq!((one.newest(), one.readers()), (0, 1));
    drop(clock);
    assert_eq!(one.readers(), 0);
}

//! Who may ask what: decided by the node that is asked, for each request anew.

use protocol::{
    ArchiveId, MeshId, Time,
    catalog::Catalog,
    control::{ArchiveReport, CHANGE_JOBS, JobEdit, JobRun, NodeName, Page},
    job::{Command, CustomDir, JobConfig, JobSpec},
    key::{ExchangePublic, NodeSecret},
    record::{Fact, Grant, Invitation, Record, Version},
};

use super::*;
use crate::daemon::asking::{may::shows, veil::veil_archive};

fn spec(dir: &str) -> JobSpec {
    let config = JobConfig::CustomDir(CustomDir::new(dir));
    let mut spec = JobSpec::new("notes".parse().unwrap(), config);
    let mut command = Command::new("true");
    command.env.insert("PASSWORD".to_owned(), "hunter22".to_owned());
    spec.before = vec![command];
    spec
}

fn list() -> Request {
    Request::JobList(Page { from: 0, limit: 10 })
}

async fn listed(jerry: &Peer) -> String {
    let Ok(Reply::Jobs(jobs)) = jerry.ask("tom", list()).await else { panic!("no jobs") };
    assert_eq!(jobs.jobs.len(), 1);
    format!("{:?}", jobs.jobs[0].job.spec)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_does_at_another_node_what_that_node_lets_it_and_no_more() {
    let (tom, jerry, _switch) = answering(Role::Operator).await;
    let add = || Request::JobAdd(spec("/srv/notes"));
    let Ok(Reply::Job(added)) = jerry.ask("tom", add()).await else { panic!("not added") };
    assert!(listed(&jerry).await.contains("hunter22"), "it may change the job");
    let Reply::Jobs(own) = jerry.done(list()).await else { panic!() };
    assert!(own.jobs.is_empty(), "it was added here");

    for right in CHANGE_JOBS {
        tom.grant("jerry", &CHANGE_JOBS, &[right]).await;
        let edit = JobEdit {
            job: "notes".parse().unwrap(),
            spec: spec("/etc"),
            based_on_ms: added.job.updated_ms,
        };
        for request in [add(), Request::JobEdit(edit)] {
            let refused = jerry.refused("tom", request).await;
            assert_eq!(refused.code, FailureCode::Refused);
            let words = format!("tom does not allow jerry to {right}");
            assert_eq!(refused.why, words);
            assert!(refused.hint.unwrap().contains("mesh grant jerry --allow"));
        }
        if right != Right::See {
            let seen = listed(&jerry).await;
            assert!(!seen.contains("hunter22") && seen.contains("PASSWORD"), "{seen}");
        }
    }
    tom.grant("jerry", &CHANGE_JOBS, &[Right::Run]).await;
    let run = || Request::JobRun(JobRun { job: "notes".parse().unwrap(), wait: true });
    assert_eq!(jerry.refused("tom", run()).await.code, FailureCode::Refused);
    let Reply::Runs(runs) = tom.done(runs()).await else { panic!() };
    assert!(runs.is_empty(), "{runs:?}");
    assert!(jerry.ask("tom", Request::Status).await.is_ok());
}

fn runs() -> Request {
    Request::RunList(protocol::control::RunList { job: None, before: None, limit: 10 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_member_may_ask_nothing() {
    let (_tom, jerry, _switch) = answering(Role::Storage).await;
    for request in [Request::Status, list(), runs(), Request::MeshList] {
        let refused = jerry.refused("tom", request).await;
        assert_eq!(refused.code, FailureCode::Refused, "{refused}");
        assert!(refused.why.contains("may ask tom nothing"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_is_asked_decides_even_when_the_asker_does_not_ask_itself() {
    let (tom, jerry, _switch) = answering(Role::Operator).await;
    let expel = protocol::control::MeshExpel { node: "jerry".parse().unwrap(), dry_run: true };
    for request in [Request::KeyList, Request::StoreRebuild, Request::MeshExpel(expel)] {
        let stream = jerry.node.mesh.net().open_ask(tom.id()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let never = Cancel::never();
        let answer =
            crate::socket::put(&mut reader, &mut writer, request.into(), &never, &LISTENING, drop);
        let refused = soon(answer).await.unwrap().unwrap_err();
        assert_eq!(refused.code, FailureCode::Refused, "{refused}");
        assert!(refused.why.contains("on the server itself only"), "{refused}");
    }
}

/// Three operators: 0, who founded the mesh, 1 and 2; 0 says this besides.
fn catalog(more: &[Fact]) -> Catalog {
    let secret = |n: u8| NodeSecret::from_seed(&[n; 32]);
    let mesh = MeshId([9; 32]);
    let mut catalog = Catalog::new(mesh, secret(0).id());
    let invites = |who| {
        let (exchange, name) = (ExchangePublic([0; 32]), "n".to_owned());
        let role = Role::Operator;
        let time = Time(1);
        Fact::Member(who, Invitation { role, quota_bytes: None, name, exchange, time })
    };
    let facts = [invites(secret(1).id()), invites(secret(2).id())];
    for (seq, fact) in (1..).zip(facts.iter().chain(more)) {
        let record = Record {
            mesh,
            author: secret(0).id(),
            version: Version { epoch: 1, seq },
            previous: Version::default(),
            key: fact.key().to_string(),
            time: Time(seq),
            body: Some(fact.body()),
        };
        catalog.insert(&record.sign(&secret(0)).unwrap()).unwrap();
    }
    catalog
}

#[test]
fn an_archive_of_a_third_node_is_sealed_from_whom_that_node_does_not_let_open_it() {
    let id = |n: u8| NodeSecret::from_seed(&[n; 32]).id();
    let (origin, me, asker) = (id(0), id(1), id(2));
    let rights = [Right::See, Right::Run].into_iter().collect();
    let narrowed = catalog(&[Fact::Grant(asker, Grant { rights, quota_bytes: None })]);
    assert!(shows(&catalog(&[]), me, asker, origin));
    assert!(!shows(&narrowed, me, asker, origin));
    assert!(shows(&narrowed, me, asker, me) && shows(&narrowed, me, asker, asker));
    assert!(shows(&narrowed, me, origin, origin));

    let mut archive: ArchiveReport = serde_json::from_value(serde_json::json!({
        "id": ArchiveId([1; 16]), "origin": NodeName { id: origin, name: "ann".to_owned() },
        "name": "secret", "job": "secret", "kind": "secret", "source": "/secret",
        "created_ms": 1, "stream_bytes": 2, "entries": 3, "sha256": "secret",
        "sealed_bytes": 4, "pinned": true, "tar": "/secret", "copies_wanted": 1,
        "holders": [], "notes": ["secret"]
    }))
    .unwrap();
    let before = archive.clone();
    veil_archive(&catalog(&[]), me, asker, &mut archive);
    assert_eq!(archive, before);
    veil_archive(&narrowed, me, asker, &mut archive);
    assert!(!format!("{archive:?}").contains("secret"), "{archive:?}");
    assert_eq!((archive.id, archive.sealed_bytes), (before.id, 4));
}

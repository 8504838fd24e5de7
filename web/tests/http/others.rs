//! `/nodes/{name}/…`: the same of another member, and nothing by mistake of this one.

use protocol::control::{Failure, FailureCode, JobRun, NodeRef, Reply, Request};
use serde_json::json;

use crate::support::{Fake, GOOD, READ_ONLY, Server, ask, reply};

const TOM: &str = "/api/v1/nodes/tom";

fn tom() -> NodeRef {
    "b".repeat(64).parse().unwrap()
}

fn asked_of(server: &Server) -> Vec<NodeRef> {
    std::mem::take(&mut *server.fake.asked_of.lock().unwrap())
}

#[tokio::test]
async fn one_member_is_shown_by_name_and_by_id() {
    let server = Server::start(Fake::new()).await;
    let listed = server.ask("GET", "/api/v1/nodes").await.ok(200)["nodes"][0].clone();
    for name in ["tom", "t%6fm", &"b".repeat(64)] {
        let shown = server.ask("GET", &format!("/api/v1/nodes/{name}")).await.ok(200);
        assert_eq!(shown, listed, "{name}");
    }
    server.ask("GET", "/api/v1/nodes/nobody").await.refused(404, "not_found");
    server.ask("GET", "/api/v1/nodes/..").await.refused(400, "invalid");
    assert!(asked_of(&server).is_empty());
}

#[tokio::test]
async fn every_resource_of_a_member_is_asked_of_that_member_and_answered_as_it_would() {
    let server = Server::start(Fake::new()).await;
    let archive = "/archives/jerry_nextcloud_20260508";
    for path in [
        "/health".to_owned(),
        "/jobs".to_owned(),
        "/jobs/3".to_owned(),
        "/jobs/3/runs?limit=1".to_owned(),
        "/jobs/3/retention".to_owned(),
        "/runs/41".to_owned(),
        "/archives?limit=1".to_owned(),
        format!("{archive}/info"),
        format!("{archive}/contents?pattern=*.yml"),
        "/transfers".to_owned(),
        "/transfers/5".to_owned(),
        "/instances".to_owned(),
        "/nodes".to_owned(),
        "/nodes/tom".to_owned(),
        "/workers".to_owned(),
        "/store".to_owned(),
    ] {
        let here = server.ask("GET", &format!("/api/v1{path}")).await;
        assert!(asked_of(&server).is_empty(), "{path}");
        let there = server.ask("GET", &format!("{TOM}{path}")).await;
        assert_eq!(there.status, 200, "{path}: {there:?}");
        let of = asked_of(&server);
        assert!(!of.is_empty() && of.iter().all(|node| *node == tom()), "{path}: {of:?}");
        assert_eq!(there.header("etag").is_some(), here.header("etag").is_some(), "{path}");
        if !path.starts_with("/archives") {
            assert_eq!(there.json(), here.json(), "{path}");
        }
    }
    // What is local is seen from that member.
    let archives = server.ask("GET", &format!("{TOM}/archives")).await.ok(200);
    let at_tom = archives["archives"].as_array().unwrap().iter();
    let local: Vec<_> = at_tom.map(|one| &one["where"]["local"]).collect();
    assert_eq!(local, [&json!(false), &json!(true)], "{archives:#}");
}

#[tokio::test]
async fn what_is_made_at_a_member_lies_under_its_path() {
    let server = Server::start(Fake::new()).await;
    let job = r#"{"name":"www","config":{"type":"custom_dir","source_path":"/var/www"}}"#;
    let added = server.send("POST", &format!("{TOM}/jobs"), job).await;
    assert_eq!(added.status, 201);
    assert_eq!(added.header("location"), Some("/api/v1/nodes/tom/jobs/3"));
    let run = server.send("POST", &format!("{TOM}/jobs/3/run"), "").await;
    assert_eq!((run.status, run.header("location")), (202, Some("/api/v1/nodes/tom/runs/42")));
    assert_eq!(
        server.fake.last(),
        Request::JobRun(JobRun { job: "cloud".parse().unwrap(), wait: false })
    );
    let restore = format!("{TOM}/archives/jerry_nextcloud_20260508/restore");
    let begun = server.send("POST", &restore, r#"{"confirm":true}"#).await;
    let place = format!("{restore}/status");
    assert_eq!((begun.status, begun.header("location")), (202, Some(&*place)));
    assert_eq!(begun.json()["status_url"], place);
    assert!(asked_of(&server).iter().all(|node| *node == tom()));
    server.ask("GET", &place).await.ok(200);
    let here = "/api/v1/archives/jerry_nextcloud_20260508/restore/status";
    server.ask("GET", here).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_name_of_this_node_is_this_node() {
    let server = Server::start(Fake::new()).await;
    server.ask("GET", "/api/v1/nodes/jerry/jobs").await.ok(200);
    let run = server.send("POST", "/api/v1/nodes/jerry/jobs/3/run", "").await;
    assert_eq!((run.status, run.header("location")), (202, Some("/api/v1/nodes/jerry/runs/42")));
    assert!(asked_of(&server).is_empty());
}

#[tokio::test]
async fn what_cannot_go_over_the_mesh_is_refused_and_not_done_here() {
    let server = Server::start(Fake::new()).await;
    for (method, path) in [
        ("POST", "/archives/upload/start"),
        ("POST", "/archives/upload/u-1/chunk/0"),
        ("GET", "/archives/upload/u-1/x/y"),
        ("GET", "/archives/a/something/else"),
        ("GET", "/jobs/3/new"),
        ("GET", "/events"),
        ("GET", "/metrics"),
        ("GET", "/keys"),
        ("GET", "/nodes/ann/jobs"),
        ("GET", "/nodes/jerry/jobs"),
    ] {
        let refused = server.send(method, &format!("{TOM}{path}"), "{}").await;
        let told = refused.refused(501, "unsupported");
        assert!(told["hint"].is_string(), "{path}");
    }
    for path in ["", "/", "/nothing", "//jobs", "/tom/jobs"] {
        server.ask("GET", &format!("{TOM}{path}x")).await.refused(404, "not_found");
    }
    assert!(asked_of(&server).is_empty());
    let only = |request: &Request| matches!(request, Request::MeshShow { .. });
    assert!(server.fake.asked.lock().unwrap().iter().all(only));
}

#[tokio::test]
async fn who_cannot_be_named_or_reached_or_does_not_want_is_told_apart() {
    let server = Server::start(Fake::new()).await;
    server.ask("GET", "/api/v1/nodes/nobody/jobs").await.refused(404, "not_found");
    for wrong in ["..", "%2e%2e", "a%2fb", "%00", "%", &"a".repeat(300)] {
        let path = format!("/api/v1/nodes/{wrong}/jobs");
        server.ask("GET", &path).await.refused(400, "invalid");
    }
    for (code, status, word) in [
        (FailureCode::Unreachable, 502, "unreachable"),
        (FailureCode::Refused, 403, "refused"),
        (FailureCode::Conflict, 409, "conflict"),
    ] {
        let fake = Fake::saying(move |request| match request {
            Request::MeshShow { .. } => None,
            _ => {
                let failure = Failure::new(code, "cannot ask tom", "tom does not allow it");
                Some(Err(failure.hint("on tom, ask for more")))
            }
        });
        let server = Server::start(fake).await;
        let told = server.ask("GET", &format!("{TOM}/jobs")).await.refused(status, word);
        assert_eq!(told["message"], "cannot ask tom: tom does not allow it");
        assert_eq!(told["hint"], "on tom, ask for more");
    }
}

#[tokio::test]
async fn a_key_that_only_looks_changes_nothing_anywhere_and_no_key_is_no_key() {
    let server = Server::start(Fake::new()).await;
    let looks = ask(server.address, "GET", &format!("{TOM}/jobs/3"), Some(READ_ONLY)).await;
    assert!(!looks.body.contains("hunter22"), "{}", looks.body);
    looks.ok(200);
    for (method, path) in [("POST", "/jobs/3/run"), ("DELETE", "/jobs/3")] {
        let refused = ask(server.address, method, &format!("{TOM}{path}"), Some(READ_ONLY)).await;
        refused.refused(403, "refused");
    }
    let changes = |request: &Request| !request.only_looks();
    assert!(!server.fake.asked.lock().unwrap().iter().any(changes));
    asked_of(&server);
    let stranger = ask(server.address, "GET", &format!("{TOM}/jobs"), None).await;
    stranger.refused(401, "unauthorized");
    let full = ask(server.address, "GET", &format!("{TOM}/jobs/3"), Some(GOOD)).await;
    assert!(full.body.contains("hunter22"));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error_and_no_more() {
    let server = Server::start(Fake::saying(|request| match request {
        Request::MeshShow { .. } => None,
        Request::JobList(_) => Some(Ok(Reply::Done)),
        other => Some(reply(other)),
    }))
    .await;
    server.ask("GET", &format!("{TOM}/jobs")).await.refused(500, "internal");
}

//! Restores: planned, confirmed, followed.

use protocol::control::{ArchiveRestore, Component, Failure, FailureCode, Overwrite, Request};
use serde_json::{Value, json};

use crate::support::{Fake, GOOD, Server, ask};

const PATH: &str = "/api/v1/archives/jerry_nextcloud_20260508/restore";
const STATUS: &str = "/api/v1/archives/jerry_nextcloud_20260508/restore/status";

/// The status when the restore has ended.
async fn ended(server: &Server) -> Value {
    loop {
        let status = server.ask("GET", STATUS).await.ok(200);
        if status["state"] != "running" {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

fn restores(server: &Server) -> Vec<ArchiveRestore> {
    let asked = server.fake.asked.lock().unwrap().clone();
    let restore = |request| match request {
        Request::ArchiveRestore(restore) => Some(restore),
        _ => None,
    };
    asked.into_iter().filter_map(restore).collect()
}

#[tokio::test]
async fn a_plan_is_shown_and_changes_nothing() {
    let server = Server::start(Fake::new()).await;
    let plan = server.send("POST", PATH, r#"{"plan":true}"#).await.ok(200);
    assert_eq!(plan["steps"][0]["what"], "restore the app nextcloud");
    assert_eq!((&plan["creates"], &plan["hostile"]), (&json!(1000), &json!(false)));
    assert!(restores(&server)[0].plan);
    server.send("POST", PATH, r#"{"plan":true,"confirm":true}"#).await.ok(200);
    assert!(restores(&server)[1].plan, "a plan is a plan");
    server.ask("GET", STATUS).await.refused(404, "not_found");
}

#[tokio::test]
async fn without_a_confirmation_nothing_is_restored() {
    let server = Server::start(Fake::new()).await;
    for body in ["", "{}", r#"{"confirm":false}"#, r#"{"components":["app"]}"#] {
        server.send("POST", PATH, body).await.refused(400, "invalid");
    }
    assert_eq!(restores(&server), []);
}

#[tokio::test]
async fn what_a_restore_does_not_know_is_refused() {
    let server = Server::start(Fake::new()).await;
    for wrong in [
        r#"{"confirm":true,"path":["a"]}"#,
        r#"{"confirm":"yes"}"#,
        r#"{"confirm":1}"#,
        r#"{"confirm":true,"confirm":true}"#,
        r#"{"confirm":true,"components":["everything"]}"#,
        r#"{"confirm":true,"components":"app"}"#,
        r#"{"confirm":true,"destination":"here"}"#,
        r#"{"confirm":true,"destination":"/a\\q"}"#,
        r#"{"confirm":true,"paths":[""]}"#,
        r#"{"confirm":true,"wait":true}"#,
        r#"{"confirm":true"#,
        "[true]",
    ] {
        server.send("POST", PATH, wrong).await.refused(400, "invalid");
    }
    assert_eq!(restores(&server), []);
}

#[tokio::test]
async fn a_restore_goes_on_and_tells_how() {
    let server = Server::start(Fake::new().holding_work()).await;
    let answer = server.send("POST", PATH, r#"{"confirm":true}"#).await;
    assert_eq!(answer.header("location"), Some(STATUS));
    assert_eq!(answer.ok(202)["state"], "running");
    let status = server.ask("GET", STATUS).await.ok(200);
    assert_eq!((&status["state"], &status["report"]), (&json!("running"), &Value::Null));
    assert_eq!(status["step"], "make the account shop");
    assert_eq!(status["progress"]["percent"], 25);
    assert_eq!(status["warnings"], 1);
    assert_eq!(status["log_text"], "make the account shop\nwarning: a.txt: it has no owner\n");
    assert_eq!(status["finished_at"], Value::Null);
    server.fake.work_places.add_permits(1);
    let status = ended(&server).await;
    assert_eq!(status["state"], "success");
    assert_eq!(status["report"]["entries"], 1200);
    assert_eq!(status["report"]["safety_archive"], "jerry_nextcloud_20260508-2");
    assert!(status["finished_at"].is_string());
}

#[tokio::test]
async fn everything_that_is_asked_for_reaches_the_node() {
    let server = Server::start(Fake::new()).await;
    let body = json!({
        "confirm": true, "components": ["files", "databases"], "paths": ["*.txt"],
        "destination": "/srv/there", "overwrite": "never", "rename_databases": { "a": "b" },
        "no_safety": true, "trust": true, "confirm_commands": true,
    });
    let path = format!("{PATH}?node_of=tom");
    let answer = server.send("POST", &path, &body.to_string()).await;
    let place = format!("{STATUS}?node_of=tom");
    assert_eq!(answer.header("location"), Some(place.as_str()));
    server.ask("GET", &place).await.ok(200);
    server.ask("GET", STATUS).await.refused(404, "not_found");
    let asked = &restores(&server)[0];
    assert_eq!(asked.components, [Component::Files, Component::Databases].into());
    assert_eq!(
        (&asked.patterns[..], asked.overwrite),
        (&["*.txt".to_owned()][..], Overwrite::Never)
    );
    assert_eq!(asked.to.as_ref().unwrap().to_string(), "/srv/there");
    assert_eq!(asked.rename_databases["a"], "b");
    assert!(asked.no_safety && asked.trust && asked.confirm_commands && asked.wait);
    assert_eq!(asked.archive.node_of.as_ref().unwrap().to_string(), "tom");
}

#[tokio::test]
async fn a_restore_without_leave_has_none_of_it() {
    let server = Server::start(Fake::new()).await;
    server.send("POST", PATH, r#"{"confirm":true}"#).await.ok(202);
    let asked = &restores(&server)[0];
    assert!(!asked.no_safety && !asked.trust && !asked.confirm_commands && !asked.plan);
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_at_once_and_hides_no_other_restore() {
    let fake = Fake::saying(|request| match request {
        Request::ArchiveRestore(restore) if restore.no_safety => {
            Some(Err(Failure::new(FailureCode::Busy, "cannot restore it", "another restore runs")))
        }
        _ => None,
    });
    let server = Server::start(fake.holding_work()).await;
    let refused = r#"{"confirm":true,"no_safety":true}"#;
    server.send("POST", PATH, refused).await.refused(409, "busy");
    server.ask("GET", STATUS).await.refused(404, "not_found");
    server.send("POST", PATH, r#"{"confirm":true}"#).await.ok(202);
    server.send("POST", PATH, refused).await.refused(409, "busy");
    assert_eq!(server.ask("GET", STATUS).await.ok(200)["state"], "running");
}

#[tokio::test]
async fn a_restore_needs_a_key_also_for_its_status() {
    let server = Server::start(Fake::new()).await;
    server.send("POST", PATH, r#"{"confirm":true}"#).await.ok(202);
    ask(server.address, "GET", STATUS, None).await.refused(401, "unauthorized");
    ask(server.address, "GET", STATUS, Some(GOOD)).await.ok(200);
}

#[tokio::test]
async fn an_archive_that_is_not_there_is_not_restored() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/none/restore";
    server.send("POST", path, r#"{"confirm":true}"#).await.refused(404, "not_found");
    server.send("POST", path, r#"{"plan":true}"#).await.refused(404, "not_found");
}

//! Orders: what another node shall do.

use protocol::control::Request;
use serde_json::json;

use crate::support::{Fake, ORDER, Server};

const PATH: &str = "/api/v1/nodes/tom/orders";

#[tokio::test]
async fn an_order_is_issued_with_its_deadline_and_can_be_followed() {
    let server = Server::start(Fake::new()).await;
    let body = json!({ "request": { "job_run": { "job": "docs", "wait": true } }, "within_s": 60 });
    let answer = server.send("POST", PATH, &body.to_string()).await;
    assert_eq!(answer.header("location"), Some(&*format!("/api/v1/orders/{ORDER}")));
    let issued = answer.ok(202);
    assert_eq!((&issued["state"], &issued["request"]), (&json!("waiting"), &json!("job_run")));
    let Request::OrderIssue(asked) = server.fake.last() else { panic!("an order") };
    assert_eq!((asked.within_ms, asked.node.to_string()), (60_000, "tom".to_owned()));
    assert!(matches!(asked.request, Request::JobRun(_)));

    let path = format!("/api/v1/orders/{ORDER}");
    let refused = server.ask("GET", &path).await.ok(200);
    assert_eq!(refused["failure"]["error"], "refused");
    let list = server.ask("GET", "/api/v1/orders").await;
    assert!(list.header("etag").is_some());
    assert_eq!(list.ok(200)["orders"][0]["id"], ORDER);
    assert_eq!(server.ask("DELETE", &path).await.ok(200)["state"], "cancelled");
}

#[tokio::test]
async fn what_cannot_be_ordered_or_breaks_a_bound_is_refused_before_the_node_is_asked() {
    let server = Server::start(Fake::new()).await;
    let run = json!({ "job_run": { "job": "docs", "wait": true } });
    let nested = json!({ "order_issue": { "node": "tom", "request": run, "within_ms": 1 } });
    let restore = json!({ "archive_restore": { "archive": { "name": "a", "node_of": null } } });
    for request in [
        json!("status"),
        json!("store_rebuild"),
        json!("key_list"),
        json!({ "key_create": { "name": "x", "read_only": false } }),
        json!({ "mesh_invite": { "role": "operator", "quota_bytes": null, "expires_ms": 1 } }),
        json!({ "store_gc": { "dry_run": true } }),
        json!({ "job_run": { "job": "../x", "wait": true } }),
        json!({ "job_run": {} }),
        json!({ "dance": {} }),
        json!(null),
        nested,
        restore,
    ] {
        let body = json!({ "request": request }).to_string();
        server.send("POST", PATH, &body).await.refused(400, "invalid");
    }
    for within in [json!(0), json!(2_592_001), json!(-1), json!(u64::MAX), json!("1d")] {
        let body = json!({ "request": run, "within_s": within }).to_string();
        server.send("POST", PATH, &body).await.refused(400, "invalid");
    }
    for body in ["{}", "[]", r#"{"request":"status","node":"eve"}"#] {
        server.send("POST", PATH, body).await.refused(400, "invalid");
    }
    let deep = format!("{}1{}", r#"{"request":"#.repeat(500), "}".repeat(500));
    server.send("POST", PATH, &deep).await.refused(400, "invalid");
    let asked = server.fake.asked.lock().unwrap().iter().any(|asked| !asked.only_looks());
    assert!(!asked);
}

#[tokio::test]
async fn an_order_or_a_node_that_is_not_there_is_not_found() {
    let server = Server::start(Fake::new()).await;
    let body = json!({ "request": { "store_gc": { "dry_run": false } } }).to_string();
    server.send("POST", "/api/v1/nodes/eve/orders", &body).await.refused(404, "not_found");
    let other = format!("/api/v1/orders/{}", "0".repeat(32));
    server.ask("GET", &other).await.refused(404, "not_found");
    server.ask("DELETE", &other).await.refused(404, "not_found");
    for wrong in ["x", "%00", &"e".repeat(31), &"e".repeat(64)] {
        server.ask("GET", &format!("/api/v1/orders/{wrong}")).await.refused(400, "invalid");
    }
}

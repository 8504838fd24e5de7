//! Tickets, grants, expelling, and instances: what a full key may do, and nothing else.

use protocol::control::{GrantChange, MeshExpel, Request, Right, Role};
use serde_json::json;

use crate::support::{Fake, READ_ONLY, Server, TICKET, ask_with};

/// A key of another instance.
const OTHER_KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn changes(fake: &Fake) -> usize {
    fake.asked.lock().unwrap().iter().filter(|asked| !asked.only_looks()).count()
}

#[tokio::test]
async fn a_ticket_is_made_shown_once_and_withdrawn() {
    let server = Server::start(Fake::new()).await;
    let body = json!({ "role": "storage", "quota_bytes": 7, "expires_in_s": 3600 }).to_string();
    let answer = server.send("POST", "/api/v1/invites", &body).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("location"), Some(&*format!("/api/v1/invites/{TICKET}")));
    let made = answer.ok(201);
    assert_eq!(made["ticket"], "backupmanager-secret");
    let Request::MeshInvite(asked) = server.fake.last() else { panic!("an invitation") };
    assert_eq!((asked.role, asked.quota_bytes), (Role::Storage, Some(7)));
    assert_eq!(asked.expires_ms, 3_600_000);

    let list = server.ask("GET", "/api/v1/invites").await;
    assert!(!list.body.contains("backupmanager-"), "{}", list.body);
    assert_eq!(list.ok(200)["invites"][0]["used_by"]["name"], "tom");
    let gone = server.ask("DELETE", &format!("/api/v1/invites/{TICKET}")).await.ok(200);
    assert_eq!(gone, json!({ "id": TICKET }));
    let other = format!("/api/v1/invites/{}", "0".repeat(64));
    server.ask("DELETE", &other).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_invitation_that_makes_no_sense_is_refused_before_the_node_is_asked() {
    let server = Server::start(Fake::new()).await;
    for wrong in [
        "{}",
        "[]",
        r#"{"role":"admin"}"#,
        r#"{"role":"Operator"}"#,
        r#"{"role":"operator","expires_in_s":0}"#,
        r#"{"role":"operator","expires_in_s":2592001}"#,
        r#"{"role":"operator","expires_in_s":18446744073709551615}"#,
        r#"{"role":"operator","expires_in_s":-1}"#,
        r#"{"role":"operator","quota_bytes":-1}"#,
        r#"{"role":"operator","quota_bytes":"all"}"#,
        r#"{"role":"operator","qouta_bytes":1}"#,
        r#"{"role":"operator","role":"storage"}"#,
    ] {
        server.send("POST", "/api/v1/invites", wrong).await.refused(400, "invalid");
    }
    for wrong in ["x", "..%2f", &"d".repeat(63), &"g".repeat(64)] {
        let path = format!("/api/v1/invites/{wrong}");
        server.ask("DELETE", &path).await.refused(400, "invalid");
    }
    assert_eq!(changes(&server.fake), 0);
}

#[tokio::test]
async fn a_grant_is_all_that_a_member_may_do_and_not_what_is_added() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/nodes/tom/grants";
    assert_eq!(server.ask("GET", path).await.ok(200)["rights"], json!(["store"]));
    let body = json!({ "rights": ["see_status", "run_job"], "quota_bytes": 5 }).to_string();
    let granted = server.send("PUT", path, &body).await.ok(200);
    assert_eq!((&granted["name"], &granted["quota_bytes"]), (&json!("tom"), &json!(5)));
    let Request::MeshGrant(GrantChange { allow, deny, quota_bytes, unlimited, .. }) =
        server.fake.last()
    else {
        panic!("a grant")
    };
    assert_eq!(allow, [Right::See, Right::Run].into());
    assert_eq!(deny, [Right::Store, Right::Restore, Right::Delete, Right::Open].into());
    assert_eq!((quota_bytes, unlimited), (Some(5), false));
    server.send("PUT", path, r#"{"rights":[]}"#).await.ok(200);
    let Request::MeshGrant(change) = server.fake.last() else { panic!("a grant") };
    assert!(change.unlimited && change.allow.is_empty() && change.deny.len() == 6);

    let before = changes(&server.fake);
    for wrong in [
        "{}",
        r#"{"rights":"all"}"#,
        r#"{"rights":["root"]}"#,
        r#"{"rights":["run-job"]}"#,
        r#"{"rights":[],"quota_bytes":-1}"#,
        r#"{"rights":[],"role":"operator"}"#,
    ] {
        server.send("PUT", path, wrong).await.refused(400, "invalid");
    }
    assert_eq!(changes(&server.fake), before);
    server.ask("GET", "/api/v1/nodes/eve/grants").await.refused(404, "not_found");
    let body = r#"{"rights":["store"]}"#;
    server.send("PUT", "/api/v1/nodes/eve/grants", body).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_member_is_expelled_after_a_look_at_what_that_means() {
    let server = Server::start(Fake::new()).await;
    let tried = server.ask("DELETE", "/api/v1/nodes/tom?dry_run=1").await.ok(200);
    assert_eq!(tried["still_holds"][0]["archive_name"], "jerry_nextcloud_20260508");
    assert!(server.fake.last().only_looks());
    server.ask("DELETE", "/api/v1/nodes/tom").await.ok(200);
    let out = MeshExpel { node: "tom".parse().unwrap(), dry_run: false };
    assert_eq!(server.fake.last(), Request::MeshExpel(out));
    server.ask("DELETE", "/api/v1/nodes/eve").await.refused(404, "not_found");
    for wrong in ["tom?dry_run=yes", "tom?dryrun=1", "a%2fb", "..", "tom?dry_run=1&dry_run=0"] {
        let answer = server.ask("DELETE", &format!("/api/v1/nodes/{wrong}")).await;
        assert!([400, 404].contains(&answer.status), "{wrong}: {answer:?}");
    }
}

#[tokio::test]
async fn an_instance_is_added_shown_without_its_key_and_forgotten() {
    let server = Server::start(Fake::new()).await;
    let add = |name: &str| {
        json!({ "name": name, "url": "https://tom.example.org", "key": OTHER_KEY }).to_string()
    };
    let answer = server.send("POST", "/api/v1/instances", &add("tom")).await;
    assert_eq!(answer.header("location"), Some("/api/v1/instances/2"));
    assert!(!answer.body.contains(OTHER_KEY));
    assert_eq!(answer.ok(201)["name"], "tom");
    let Request::InstanceAdd(asked) = server.fake.last() else { panic!("an instance") };
    assert_eq!(asked.key.reveal(), OTHER_KEY);
    server.send("POST", "/api/v1/instances", &add("taken")).await.refused(409, "exists");
    for path in ["/api/v1/instances/2", "/api/v1/instances/tom"] {
        assert_eq!(server.ask("GET", path).await.ok(200)["id"], 2);
        let gone = server.ask("DELETE", path).await.ok(200);
        assert_eq!(gone, json!({ "id": 2, "name": "tom" }));
    }
    server.ask("GET", "/api/v1/instances/eve").await.refused(404, "not_found");
    server.ask("DELETE", "/api/v1/instances/eve").await.refused(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_an_instance_is_said_without_its_key() {
    let server = Server::start(Fake::new()).await;
    let good = || json!({ "name": "tom", "url": "https://tom.example.org", "key": OTHER_KEY });
    let with = |key: &str, value: serde_json::Value| {
        let mut body = good();
        body[key] = value;
        body.to_string()
    };
    for wrong in [
        with("name", json!("../x")),
        with("url", json!("ftp://x")),
        with("url", json!("https://user:pass@x")),
        with("key", json!(&OTHER_KEY[1..])),
        with("key", json!(format!("{OTHER_KEY}5a"))),
        with("pin", json!("zz")),
        with("colour", json!("red")),
        with(
            "ssh",
            json!({ "account": { "user": "-o", "host": "h", "port": 22, "path": "/x" },
                            "fingerprint": null }),
        ),
    ] {
        let answer = server.send("POST", "/api/v1/instances", &wrong).await;
        answer.refused(400, "invalid");
        assert!(!answer.body.contains("5a5a5a"), "{}", answer.body);
    }
    assert_eq!(changes(&server.fake), 0);
}

#[tokio::test]
async fn a_key_that_may_only_look_changes_none_of_it() {
    let server = Server::start(Fake::new()).await;
    let head = format!("X-BackupManager-Key: {READ_ONLY}\r\nContent-Type: application/json\r\n");
    let ask = async |method: &str, path: &str, body: &str| {
        ask_with(server.address, method, &format!("/api/v1{path}"), &head, body).await
    };
    let instance = json!({ "name": "tom", "url": "https://x.org", "key": OTHER_KEY }).to_string();
    let ticket = format!("/invites/{TICKET}");
    for (method, path, body) in [
        ("POST", "/invites", r#"{"role":"storage"}"#),
        ("DELETE", ticket.as_str(), ""),
        ("DELETE", "/nodes/tom", ""),
        ("PUT", "/nodes/tom/grants", r#"{"rights":[]}"#),
        ("POST", "/instances", instance.as_str()),
        ("DELETE", "/instances/tom", ""),
        ("POST", "/nodes/tom/orders", r#"{"request":{"store_gc":{"dry_run":false}}}"#),
        ("DELETE", "/orders/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", ""),
        ("POST", "/notices/9/read", ""),
        ("POST", "/notices/read", ""),
    ] {
        ask(method, path, body).await.refused(403, "refused");
    }
    for path in ["/invites", "/nodes/tom/grants", "/orders", "/notices", "/instances/tom"] {
        assert_eq!(ask("GET", path, "").await.status, 200, "{path}");
    }
    assert_eq!(ask("DELETE", "/nodes/tom?dry_run=1", "").await.status, 200);
    assert_eq!(changes(&server.fake), 0);
}

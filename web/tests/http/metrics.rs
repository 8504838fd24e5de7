//! Metrics, and who may read them.

use crate::support::{
    Answer, Fake, GOOD, METRICS, METRICS_TEXT, READ_ONLY, Server, ask, ask_with, exchange,
};

const PATHS: [&str; 2] = ["/metrics", "/api/v1/metrics"];

async fn with(server: &Server, path: &str, headers: &str) -> Answer {
    ask_with(server.address, "GET", path, headers, "").await
}

#[tokio::test]
async fn every_key_reads_them_also_as_a_bearer() {
    let server = Server::start(Fake::new()).await;
    for path in PATHS {
        for key in [GOOD, READ_ONLY, METRICS] {
            let own = ask(server.address, "GET", path, Some(key)).await;
            assert_eq!((own.status, own.body.as_str()), (200, METRICS_TEXT));
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            assert_eq!(own.header("content-type"), Some(kind));
            for scheme in ["Bearer", "bearer"] {
                let bearer = format!("Authorization: {scheme} {key}\r\n");
                assert_eq!(with(&server, path, &bearer).await.status, 200, "{path}");
            }
        }
        let refused = server.ask("POST", path).await;
        refused.refused(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn a_key_for_them_opens_nothing_else_and_a_bearer_nothing_but_them() {
    let server = Server::start(Fake::new()).await;
    let to = server.address;
    assert_eq!(ask(to, "GET", "/metrics", Some(METRICS)).await.status, 200, "it is remembered");
    for path in ["/api/v1/jobs", "/api/v1/events", "/api/v1/metrics/", "/api/v1/x/../metrics"] {
        ask(to, "GET", path, Some(METRICS)).await.refused(401, "unauthorized");
    }
    let bearer = format!("Authorization: Bearer {GOOD}\r\n");
    with(&server, "/api/v1/jobs", &bearer).await.refused(401, "unauthorized");
    assert_eq!(with(&server, "/metrics", &bearer).await.status, 200);
}

#[tokio::test]
async fn without_one_good_key_there_is_nothing() {
    for headers in [
        String::new(),
        format!("Authorization: Basic {GOOD}\r\n"),
        format!("Authorization: Bearer{GOOD}\r\n"),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \u{e9}\r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", &GOOD[1..]),
        format!("Authorization: Bearer {}\r\n", "0".repeat(64)),
        format!("Authorization: Bearer {GOOD}\r\nX-BackupManager-Key: {GOOD}\r\n"),
        format!("Authorization: Bearer {GOOD}\r\nAuthorization: Bearer {GOOD}\r\n"),
    ] {
        let server = Server::start(Fake::new()).await;
        for path in PATHS {
            with(&server, path, &headers).await.refused(401, "unauthorized");
        }
        assert!(server.fake.asked.lock().unwrap().is_empty(), "{headers}");
    }
}

#[tokio::test]
async fn every_answer_is_counted_with_its_status() {
    let server = Server::start(Fake::new()).await;
    server.ask("GET", "/api/v1/health").await.ok(200);
    ask(server.address, "GET", "/api/v1/health", None).await.refused(401, "unauthorized");
    ask(server.address, "GET", "/nowhere", None).await.refused(404, "not_found");
    exchange(server.address, b"nonsense\r\n\r\n").await;
    assert_eq!(*server.fake.answered.lock().unwrap(), [200, 401, 404]);
}

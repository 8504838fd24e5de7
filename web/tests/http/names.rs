//! Names in paths, methods, and what is not there.

use crate::support::{Answer, Fake, GOOD, Server, ask_with, exchange};

/// What nobody may call an archive, as it would stand in a path.
fn tricks() -> Vec<String> {
    let mut all: Vec<String> = [
        "..",
        "%2e%2e",
        ".",
        "%2e",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "a%2fb",
        "a%5cb",
        "%00",
        "a%00.tar",
        "%0d%0aX:%20y",
        "%ff%fe",
        "%c3%28",
        "%",
        "%zz",
        "a%20b",
        "%C3%A9",
        "é",
        "-%2e%2e",
        ".hidden",
        "a.",
        "%252e%252e",
        "*",
        "~",
        "$(id)",
        "a;b",
        "a'b",
        "<script>",
    ]
    .map(str::to_owned)
    .into();
    all.push("a".repeat(300));
    all.push("%61".repeat(300));
    all
}

#[tokio::test]
async fn no_name_in_a_path_leads_anywhere() {
    let server = Server::start(Fake::new()).await;
    for trick in tricks() {
        for (method, path) in [
            ("GET", format!("/api/v1/archives/{trick}/info")),
            ("GET", format!("/api/v1/archives/{trick}/contents")),
            ("GET", format!("/api/v1/archives/{trick}/restore/status")),
            ("DELETE", format!("/api/v1/archives/{trick}")),
            ("PUT", format!("/api/v1/archives/{trick}/pin")),
            ("POST", format!("/api/v1/archives/{trick}/restore")),
            ("POST", format!("/api/v1/jobs/{trick}/run")),
            ("GET", format!("/api/v1/runs/{trick}")),
        ] {
            let answer = server.ask(method, &path).await;
            assert!([400, 404].contains(&answer.status), "{method} {path}: {answer:?}");
            // What is no request at all, the parser refuses without a word.
            if !answer.body.is_empty() {
                let word = if answer.status == 400 { "invalid" } else { "not_found" };
                answer.refused(answer.status, word);
            }
        }
    }
    let asked = server.fake.asked.lock().unwrap().clone();
    let looked = |request: &&protocol::control::Request| format!("{request:?}").contains("Status");
    assert_eq!(asked.iter().filter(|request| !looked(request)).count(), 0, "{asked:?}");
}

#[tokio::test]
async fn a_name_is_decoded_once() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/jerry%5Fnextcloud%5f20260508/info";
    server.ask("GET", path).await.ok(200);
    let path = "/api/v1/archives/jerry%255Fnextcloud%5f20260508/info";
    server.ask("GET", path).await.refused(400, "invalid");
}

#[tokio::test]
async fn numbers_are_numbers() {
    let server = Server::start(Fake::new()).await;
    for wrong in ["-1", "x", "1.5", "0x3", "18446744073709551616", "3%20", "+"] {
        server.ask("GET", &format!("/api/v1/jobs/{wrong}/runs")).await.refused(400, "invalid");
        server.ask("GET", &format!("/api/v1/runs/{wrong}")).await.refused(400, "invalid");
    }
    for wrong in ["limit=x", "limit=-1", "limit=0", "limit=4097", "before=y", "log=2", "limt=3"] {
        let path = format!("/api/v1/jobs/3/runs?{wrong}");
        server.ask("GET", &path).await.refused(400, "invalid");
    }
    for wrong in ["limit=x", "offset=-1", "job=a%2fb", "node_of=", "job=a&job=b", "x=1"] {
        server.ask("GET", &format!("/api/v1/archives?{wrong}")).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let server = Server::start(Fake::new()).await;
    for (path, allow) in [
        ("/api/v1/health", "GET,HEAD,OPTIONS"),
        ("/api/v1/jobs", "GET,HEAD,POST,OPTIONS"),
        ("/api/v1/jobs/3", "GET,HEAD,PUT,DELETE,OPTIONS"),
        ("/api/v1/jobs/3/run", "POST,OPTIONS"),
        ("/api/v1/archives/x", "DELETE,OPTIONS"),
    ] {
        for method in ["PATCH", "TRACE", "BREW", "get"] {
            let answer = server.ask(method, path).await;
            answer.refused(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(allow), "{path}");
        }
        let options = server.ask("OPTIONS", path).await;
        assert_eq!((options.status, options.body.as_str()), (204, ""));
        assert_eq!(options.header("allow"), Some(allow));
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_there() {
    let server = Server::start(Fake::new()).await;
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/health",
        "/api/v1/health/",
        "/api/v1//health",
        "/api/v1/Health",
        "/api/v1/jobs/3/run/",
        "/api/v1/../v1/health",
        "/api/v1/health%2f",
        "/api/v1/archives/",
        "/api/v1/archives/a/b/c",
    ] {
        server.ask("GET", path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start(Fake::new()).await;
    let get = server.ask("GET", "/api/v1/jobs").await;
    let head = server.ask("HEAD", "/api/v1/jobs").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-length", "content-type", "etag"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let missing = server.ask("HEAD", "/api/v1/runs/99").await;
    assert_eq!((missing.status, missing.body.as_str()), (404, ""));
}

#[tokio::test]
async fn answers_are_closed_to_other_pages_and_to_caches() {
    let server = Server::start(Fake::new()).await;
    let origin = format!(
        "X-BackupManager-Key: {GOOD}\r\nOrigin: https://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n"
    );
    for (method, path) in [("GET", "health"), ("OPTIONS", "jobs"), ("GET", "no"), ("PUT", "jobs")] {
        let path = format!("/api/v1/{path}");
        let answer = ask_with(server.address, method, &path, &origin, "").await;
        let open = answer.headers.iter().any(|(name, _)| name.starts_with("access-control"));
        assert!(!open, "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(answer.header("server"), None);
    }
}

#[tokio::test]
async fn a_whole_address_in_the_first_line_is_the_same_request() {
    let server = Server::start(Fake::new()).await;
    let request = format!(
        "GET http://node/api/v1/health HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\
         X-BackupManager-Key: {GOOD}\r\n\r\n"
    );
    Answer::parse(&exchange(server.address, request.as_bytes()).await).ok(200);
}

//! Who may ask.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::Semaphore;

use crate::support::{Answer, Fake, GOOD, READ_ONLY, Server, ask, ask_with, exchange};

const PATHS: [&str; 7] = [
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/",
    "/api/v1/health",
    "/api/v1/nowhere",
    "/api/v1/archives/x/restore/status?a=%00",
];

fn wrong() -> Vec<String> {
    let unknown = "e".repeat(64);
    let mut all: Vec<_> =
        ["", "x", &unknown[1..], &format!("{unknown}0"), &"g".repeat(64), &unknown]
            .into_iter()
            .map(|key| format!("X-BackupManager-Key: {key}\r\n"))
            .collect();
    all.push(String::new());
    all.push(format!("X-BackupManager-Key: {GOOD}\r\nx-backupmanager-key: {GOOD}\r\n"));
    all.push(format!("X-BackupManager-Key: {GOOD}, {GOOD}\r\n"));
    all.push(format!("Authorization: Bearer {GOOD}\r\n"));
    all
}

#[tokio::test]
async fn every_wrong_key_is_refused_in_the_same_words() {
    for path in PATHS {
        let server = Server::start(Fake::new()).await;
        let mut bodies = std::collections::BTreeSet::new();
        for (number, headers) in wrong().iter().enumerate() {
            let headers = format!("X-Forwarded-For: 192.0.2.{number}\r\n{headers}");
            for method in ["GET", "POST", "OPTIONS", "BREW"] {
                let answer = ask_with(server.address, method, path, &headers, "").await;
                answer.refused(401, "unauthorized");
                assert!(answer.header("www-authenticate").is_some());
                assert_eq!(answer.header("allow"), None);
                bodies.insert(answer.body);
            }
        }
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert!(server.fake.asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_key() {
    let server = Server::start(Fake::new()).await;
    let request = b"GET /api/v1/health HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\
        X-BackupManager-Key: \xff\xfe\r\n\r\n";
    Answer::parse(&exchange(server.address, request).await).refused(401, "unauthorized");
}

#[tokio::test]
async fn outside_the_api_nothing_is_there_and_no_key_is_asked_for() {
    let server = Server::start(Fake::new()).await;
    for path in ["/", "/apiv1", "/%61pi/v1/health", "/api%2fv1/health", "//api/v1/health"] {
        ask(server.address, "GET", path, None).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_good_key_is_checked_once_however_it_is_written() {
    let server = Server::start(Fake::new()).await;
    for key in [GOOD.to_owned(), GOOD.to_uppercase()] {
        for _ in 0..20 {
            ask(server.address, "GET", "/api/v1/health", Some(&key)).await.ok(200);
        }
    }
    assert_eq!(server.fake.checks.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_next_request() {
    let server = Server::start(Fake::new()).await;
    server.ask("GET", "/api/v1/health").await.ok(200);
    server.fake.keys.lock().unwrap().remove(GOOD);
    server.fake.epoch.fetch_add(1, Ordering::SeqCst);
    server.ask("GET", "/api/v1/health").await.refused(401, "unauthorized");
    ask(server.address, "GET", "/api/v1/health", Some(READ_ONLY)).await.ok(200);
}

#[tokio::test]
async fn a_key_that_is_revoked_during_its_check_is_not_remembered() {
    let mut fake = Fake::new();
    fake.check_places = Arc::new(Semaphore::new(0));
    let server = Server::start(fake).await;
    let to = server.address;
    let asking = tokio::spawn(async move { ask(to, "GET", "/api/v1/health", Some(GOOD)).await });
    while server.fake.checks.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    server.fake.keys.lock().unwrap().remove(GOOD);
    server.fake.epoch.fetch_add(1, Ordering::SeqCst);
    server.fake.check_places.add_permits(10);
    asking.await.unwrap();
    server.ask("GET", "/api/v1/health").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn requests_with_the_same_new_key_share_one_check() {
    let mut fake = Fake::new();
    fake.check_places = Arc::new(Semaphore::new(0));
    let server = Server::start(fake).await;
    let to = server.address;
    let all: Vec<_> = (0..20)
        .map(|_| tokio::spawn(async move { ask(to, "GET", "/api/v1/health", Some(GOOD)).await }))
        .collect();
    while server.fake.checks.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    server.fake.check_places.add_permits(1);
    for one in all {
        one.await.unwrap().ok(200);
    }
    assert_eq!(server.fake.checks.load(Ordering::SeqCst), 1);
}

/// A key that nobody has.
fn unknown(number: usize) -> String {
    format!("{number:064x}")
}

#[tokio::test]
async fn after_ten_wrong_keys_an_address_waits_and_others_do_not() {
    let server = Server::start(Fake::new()).await;
    let from = |address: &'static str, key: String| {
        let headers =
            format!("X-Forwarded-For: 10.0.0.1, {address}\r\nX-BackupManager-Key: {key}\r\n");
        let to = server.address;
        async move { ask_with(to, "GET", "/api/v1/health", &headers, "").await }
    };
    from("192.0.2.1", GOOD.to_owned()).await.ok(200);
    for number in 0..10 {
        from("192.0.2.1", unknown(number)).await.refused(401, "unauthorized");
    }
    let limited = from("192.0.2.1", unknown(11)).await;
    limited.refused(429, "too_many_requests");
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&wait), "{wait}");
    from("192.0.2.1", READ_ONLY.to_owned()).await.refused(429, "too_many_requests");
    from("192.0.2.1", GOOD.to_owned()).await.ok(200);
    from("192.0.2.2", READ_ONLY.to_owned()).await.ok(200);
    from("192.0.2.1", READ_ONLY.to_owned()).await.ok(200);
    assert_eq!(server.fake.checks.load(Ordering::SeqCst), 12, "none was checked while limited");
}

#[tokio::test]
async fn who_polls_without_a_key_does_not_keep_a_good_one_out() {
    let server = Server::start(Fake::new()).await;
    for _ in 0..10 {
        ask(server.address, "GET", "/api/v1/health", None).await.refused(401, "unauthorized");
    }
    ask(server.address, "GET", "/api/v1/health", None).await.refused(429, "too_many_requests");
    server.ask("GET", "/api/v1/health").await.ok(200);
}

#[tokio::test]
async fn a_key_that_may_only_look_changes_nothing_and_sees_no_secret() {
    let server = Server::start(Fake::new()).await;
    let only = |method: &'static str, path: &'static str, body: &'static str| {
        let head =
            format!("X-BackupManager-Key: {READ_ONLY}\r\nContent-Type: application/json\r\n");
        let to = server.address;
        async move { ask_with(to, method, path, &head, body).await }
    };
    let archive = "/api/v1/archives/jerry_nextcloud_20260508";
    for (method, path, body) in [
        ("POST", "/api/v1/jobs/3/run", ""),
        ("DELETE", "/api/v1/jobs/3", ""),
        ("POST", "/api/v1/runs/41/cancel", ""),
        ("DELETE", archive, ""),
        ("PUT", "/api/v1/archives/jerry_nextcloud_20260508/pin", ""),
        ("POST", "/api/v1/archives/jerry_nextcloud_20260508/restore", "{\"confirm\":true}"),
    ] {
        only(method, path, body).await.refused(403, "refused");
    }
    let changed = server.fake.asked.lock().unwrap().iter().any(|asked| !asked.only_looks());
    assert!(!changed);
    only("POST", "/api/v1/archives/jerry_nextcloud_20260508/restore", "{\"plan\":true}")
        .await
        .ok(200);
    let seen = only("GET", "/api/v1/jobs/3", "").await;
    assert_eq!(seen.ok(200)["spec"]["before"][0]["env"]["PASSWORD"], "…");
    let seen = server.ask("GET", "/api/v1/jobs/3").await.ok(200);
    assert_eq!(seen["spec"]["before"][0]["env"]["PASSWORD"], "hunter22");
}

//! The page for people, and how a browser gets to it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Fake, GOOD, READ_ONLY, Server, ask, ask_with, key};

const DOCS: &str = "/api/v1/docs";

fn basic(text: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(text))
}

async fn with(server: &Server, method: &str, path: &str, headers: &str) -> Answer {
    ask_with(server.address, method, path, headers, "").await
}

#[tokio::test]
async fn the_page_says_every_operation_and_may_load_nothing_but_its_style() {
    let server = Server::start(Fake::new()).await;
    let page = server.ask("GET", DOCS).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (path, operations) in web::description()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let shown = format!("{}</b> {path}<", method.to_ascii_uppercase());
            assert!(page.body.contains(&shown), "{shown}");
        }
    }
    let style = page.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = STANDARD.encode(Sha256::digest(style));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
}

#[tokio::test]
async fn the_page_is_in_the_language_of_its_reader() {
    let server = Server::start(Fake::new()).await;
    let lang = async |query: &str, accept: &str| {
        let headers = format!("{}Accept-Language: {accept}\r\n", key(GOOD));
        let page = with(&server, "GET", &format!("{DOCS}{query}"), &headers).await;
        assert_eq!((page.status, page.header("vary")), (200, Some("accept-language")));
        page.body.split("<html lang=\"").nth(1).unwrap()[..2].to_owned()
    };
    assert_eq!(lang("", "fr-FR, en;q=0.7").await, "fr");
    assert_eq!(lang("", "de").await, "en");
    assert_eq!(lang("?lang=en", "fr").await, "en");
    assert_eq!(lang("?lang=fr", "en").await, "fr");
    for wrong in ["?lang=de", "?lang=", "?lang=fr&lang=en", "?language=fr", "?lang=%3Cb%3E"] {
        server.ask("GET", &format!("{DOCS}{wrong}")).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn a_browser_is_asked_for_the_key_and_sends_it_as_a_password() {
    let server = Server::start(Fake::new()).await;
    for path in [DOCS, "/api/v1/openapi.json", "/api/v1/docs?lang=fr"] {
        let asked = ask(server.address, "GET", path, None).await;
        asked.refused(401, "unauthorized");
        assert!(asked.header("www-authenticate").unwrap().starts_with("Basic realm="));
        for key in [GOOD, READ_ONLY] {
            for method in ["GET", "HEAD"] {
                let page = with(&server, method, path, &basic(&format!("anybody:{key}"))).await;
                assert_eq!(page.status, 200, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_typed_key_opens_nothing_else() {
    let server = Server::start(Fake::new()).await;
    let typed = basic(&format!("anybody:{GOOD}"));
    for (method, path) in [
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/jobs"),
        ("GET", "/api/v1/docs/"),
        ("GET", "/api/v1/docs/x"),
        ("GET", "/api/v1//docs"),
        ("GET", "/api/v1/%64ocs"),
        ("POST", "/api/v1/docs"),
        ("OPTIONS", "/api/v1/docs"),
        ("POST", "/api/v1/jobs/3/run"),
        ("DELETE", "/api/v1/archives/jerry_nextcloud_20260508"),
    ] {
        let refused = with(&server, method, path, &typed).await;
        refused.refused(401, "unauthorized");
        assert_eq!(refused.header("www-authenticate"), Some("X-BackupManager-Key"), "{path}");
    }
    assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
}

#[tokio::test]
async fn what_is_no_key_in_a_password_opens_nothing() {
    let server = Server::start(Fake::new()).await;
    let good = basic(&format!("x:{GOOD}"));
    let wrong = [
        basic(GOOD),
        basic(&format!("{GOOD}:")),
        basic("x:y"),
        basic(&format!("x:{}", "e".repeat(64))),
        good.replace("Basic", "Bearer"),
        good.replace("Basic ", "Basic"),
        "Authorization: Basic ====\r\n".to_owned(),
        format!("Authorization: Basic {}\r\n", "A".repeat(4_000)),
        format!("{good}{good}"),
        // A key in its own header is the one that counts.
        format!("{}{good}", key(&"e".repeat(64))),
    ];
    for headers in wrong {
        let refused = with(&server, "GET", DOCS, &headers).await;
        assert!([401, 429].contains(&refused.status), "{headers}: {refused:?}");
    }
}

#[tokio::test]
async fn typed_keys_that_are_wrong_are_counted_as_all_are() {
    let server = Server::start(Fake::new()).await;
    let mut refused = Vec::new();
    for number in 0..14 {
        let key = format!("{number:064x}");
        refused.push(with(&server, "GET", DOCS, &basic(&format!("x:{key}"))).await.status);
    }
    assert_eq!(refused[..10], [401; 10]);
    assert!(refused[10..].contains(&429), "{refused:?}");
}

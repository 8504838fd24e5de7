//! API.md says every route, and shows what is really answered.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{Answer, Fake, Server};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

const DOCUMENT: &str = include_str!("../../API.md");

/// Each `METHOD /path` that a heading or the first column of a table names, in all documents.
fn documented() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for entry in fs::read_dir(folder("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("API") {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let row = line.strip_prefix("### ").or_else(|| line.strip_prefix("| "));
            let first = row.and_then(|row| row.split(['|']).next()).unwrap_or("");
            let first = first.trim().trim_matches('`');
            if first.split_once(" /").is_some_and(|(method, _)| METHODS.contains(&method)) {
                named.insert(first.to_owned());
            }
        }
    }
    named
}

/// Each path that the code has a route for: a route and its description come together.
fn paths() -> BTreeSet<String> {
    web::description()["paths"].as_object().unwrap().keys().cloned().collect()
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[tokio::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let server = Server::start(Fake::new()).await;
    let mut routes = BTreeSet::new();
    for path in paths() {
        let filled = path.replace("{name}", "x").replace(['{', '}'], "");
        let options = server.ask("OPTIONS", &format!("/api/v1{filled}")).await;
        assert_eq!(options.status, 204, "{path}");
        for method in options.header("allow").unwrap().split(',') {
            if !["HEAD", "OPTIONS"].contains(&method) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(routes, documented());
}

const ARCHIVE: &str = "/archives/jerry_nextcloud_20260508";

/// What is asked for the examples: method, path, body.
fn examples() -> Vec<(&'static str, String, &'static str)> {
    let of = |rest: &str| format!("{ARCHIVE}{rest}");
    let job = r#"{"name":"www","config":{"type":"custom_dir","source_path":"/var/www"}}"#;
    vec![
        ("GET", "/health".into(), ""),
        ("GET", "/jobs".into(), ""),
        ("POST", "/jobs".into(), job),
        ("POST", "/jobs/3/run".into(), ""),
        ("GET", "/jobs/3/runs?limit=1".into(), ""),
        ("GET", "/jobs/3/retention".into(), ""),
        ("GET", "/archives?limit=1".into(), ""),
        ("GET", of("/info"), ""),
        ("DELETE", of("?dry_run=1"), ""),
        ("GET", of("/contents?pattern=*.yml"), ""),
        ("POST", of("/restore"), "{}"),
        ("POST", of("/restore"), r#"{"plan":true}"#),
        ("POST", of("/restore"), r#"{"confirm":true,"components":["app"]}"#),
        ("POST", of("/transfer"), r#"{"instance":"tom","mode":"auto"}"#),
        ("GET", "/instances".into(), ""),
        ("GET", "/nodes".into(), ""),
        ("GET", "/workers".into(), ""),
        ("GET", "/store".into(), ""),
        ("POST", "/invites".into(), r#"{"role":"storage","quota_bytes":1000000000}"#),
        ("GET", "/invites".into(), ""),
        ("DELETE", "/nodes/tom?dry_run=1".into(), ""),
        ("GET", "/nodes/tom/grants".into(), ""),
        ("PUT", "/nodes/tom/grants".into(), r#"{"rights":["see_status"],"quota_bytes":null}"#),
        (
            "POST",
            "/nodes/tom/orders".into(),
            r#"{"request":{"job_run":{"job":"docs","wait":true}}}"#,
        ),
        ("GET", "/orders".into(), ""),
        ("GET", "/notices?unread=1".into(), ""),
    ]
}

/// An exchange as the document shows it.
fn shown(method: &str, path: &str, body: &str, answer: &Answer) -> String {
    let json = serde_json::to_string_pretty(&answer.json()).unwrap();
    let body = if body.is_empty() { String::new() } else { format!("\n{body}") };
    format!("```\n{method} /api/v1{path}{body}\n\n{}\n{json}\n```\n", answer.status)
}

#[tokio::test]
async fn the_examples_of_the_document_are_what_is_answered() {
    let server = Server::start(Fake::new()).await;
    let mut missing = String::new();
    for (method, path, body) in examples() {
        let answer = server.send(method, &format!("/api/v1{path}"), body).await;
        let block = shown(method, &path, body, &answer);
        if !DOCUMENT.contains(&block) {
            missing.push_str(&block);
        }
    }
    assert!(missing.is_empty(), "API.md lacks or shows otherwise:\n{missing}");
}

//! The daemon over HTTP: where it is served, who is heard, and what it knows of jobs by number.

mod between;
mod downloads;
mod events;
mod members;
mod nodes;
mod proxied;
mod uploads;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
};

use serde_json::{Value, json};
use tests::support::{Node, PATIENCE, Yard};

/// A key that nobody made.
const WRONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What came back: the number of the status line, and the body.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

/// Sends one request and reads all that comes.
fn talk(stream: impl Read + Write, method: &str, path: &str, key: &str) -> Answer {
    send(stream, method, path, key, "", &[])
}

/// The same with a body of a type.
fn send(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    key: &str,
    kind: &str,
    body: &[u8],
) -> Answer {
    let key =
        if key.is_empty() { String::new() } else { format!("X-BackupManager-Key: {key}\r\n") };
    let head = format!("{method} /api/v1{path} HTTP/1.1\r\nHost: jerry\r\n{key}");
    let bytes = body.len();
    let rest =
        format!("Content-Type: {kind}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
    let rest = if bytes == 0 { "Connection: close\r\n\r\n" } else { &rest };
    stream.write_all(format!("{head}{rest}").as_bytes()).expect("it is sent");
    stream.write_all(body).expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    Answer { status: status.expect("a status"), body }
}

/// A node of that name that serves HTTP.
fn serving(yard: &Yard, name: &str, on: &str) -> Node {
    let mut node = Node::stopped(name, &yard.path(name), &yard.path(&format!("{name}-archives")));
    node.serve = vec!["--http".to_owned(), on.to_owned()];
    node.restart();
    node
}

/// Sends JSON.
fn post(node: &Node, path: &str, key: &str, body: &Value) -> Answer {
    send(connect(node), "POST", path, key, "application/json", body.to_string().as_bytes())
}

fn connect(node: &Node) -> TcpStream {
    let address = node.status()["http"].as_str().expect("it is served").to_owned();
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn ask(node: &Node, method: &str, path: &str, key: &str) -> Answer {
    talk(connect(node), method, path, key)
}

fn get(node: &Node, path: &str, key: &str) -> Answer {
    ask(node, "GET", path, key)
}

/// Makes a key; its text.
fn key(node: &Node, line: &[&str]) -> String {
    let made = node.done(&[&["key", "create"], line].concat());
    let key = made.out.trim_end().to_owned();
    assert_eq!((key.len(), made.out.lines().count()), (64, 1), "{made:?}");
    key
}

fn keys(node: &Node) -> Value {
    node.json(&["key", "list"], "keys")
}

#[test]
fn a_key_works_after_a_restart_and_stops_to_work_when_it_is_revoked() {
    let yard = Yard::new();
    let mut jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let refused = [get(&jerry, "/health", ""), get(&jerry, "/health", WRONG)];
    assert_eq!([refused[0].status, refused[1].status], [401, 401]);
    assert_eq!(refused[0].body, refused[1].body, "no hint which");

    let phone = key(&jerry, &["phone"]);
    let watch = key(&jerry, &["watch", "--read-only"]);
    for key in [&phone, &watch] {
        let health = get(&jerry, "/health", key);
        assert_eq!((health.status, &health.body["instance_name"]), (200, &json!("jerry")));
    }
    let listed = keys(&jerry);
    assert_eq!(listed[0]["name"], "phone");
    assert_eq!(listed[0]["id"], phone[..8]);
    assert_eq!(listed[1]["read_only"], true);
    let status = jerry.done(&["status"]).out;
    assert!(status.contains("\nhttp on: "), "{status}");
    assert!(jerry.status()["disk_bytes"].as_u64() > Some(0));
    assert!(listed[0]["used_ms"].as_u64() > Some(0), "{listed:#}");

    jerry.stop();
    jerry.restart();
    assert_eq!(get(&jerry, "/health", &phone).status, 200);
    assert_eq!(get(&jerry, "/health", &watch).status, 200);
    jerry.done(&["key", "revoke", "phone"]);
    assert_eq!(get(&jerry, "/health", &phone).status, 401, "it was remembered");
    assert_eq!(get(&jerry, "/health", &watch).status, 200);
    jerry.kill();
    jerry.restart();
    assert_eq!(get(&jerry, "/health", &phone).status, 401);
    assert_eq!(keys(&jerry).as_array().expect("a list").len(), 1);
    jerry.ask(&["key", "revoke", "phone"]).fails_with(1, &["there is none"]).hints();

    let log = jerry.log();
    assert!(!log.contains(&phone[8..]) && !log.contains(&watch[8..]), "a key is in the log");
}

#[test]
fn jobs_are_known_by_their_number_and_a_key_to_look_changes_nothing() {
    let yard = Yard::new();
    let source = yard.path("notes");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("a"), b"a").expect("a file");
    let mut jerry = serving(&yard, "jerry", "127.0.0.1:0");
    let (phone, watch) = (key(&jerry, &["phone"]), key(&jerry, &["watch", "--read-only"]));
    jerry.add_job("zebra", &source, &[]);
    jerry.add_job("notes", &source, &[]);
    let archive = jerry.back_up("notes");

    let jobs = get(&jerry, "/jobs", &watch).body;
    let numbers: Vec<_> =
        jobs["jobs"].as_array().expect("a list").iter().map(|job| &job["id"]).collect();
    assert_eq!(numbers, [2, 1], "{jobs:#}");
    let runs = get(&jerry, "/jobs/2/runs", &watch);
    assert_eq!(runs.status, 200, "{runs:?}");
    assert_eq!(runs.body["runs"][0]["job_id"], 2, "{runs:?}");
    assert_eq!(get(&jerry, "/jobs/9/runs", &watch).status, 404);
    let info = get(&jerry, &format!("/archives/{archive}/info"), &watch);
    assert_eq!(info.status, 200, "{info:?}");

    for (method, path) in [("POST", "/jobs/2/run"), ("DELETE", &*format!("/archives/{archive}"))] {
        let refused = ask(&jerry, method, path, &watch);
        assert_eq!(refused.status, 403, "{refused:?}");
        assert!(refused.body["hint"].is_string(), "{refused:?}");
    }
    assert!(jerry.knows(&archive));
    jerry.done(&["archive", "pin", &archive]);
    let path = format!("/archives/{archive}");
    assert_eq!(ask(&jerry, "DELETE", &path, &phone).status, 409, "it is pinned");
    jerry.done(&["archive", "unpin", &archive]);
    let removed = ask(&jerry, "DELETE", &path, &phone);
    assert_eq!(removed.status, 200, "{removed:?}");
    assert!(!jerry.knows(&archive));

    // A number outlives its job, and the daemon.
    jerry.done(&["job", "remove", "zebra"]);
    jerry.stop();
    jerry.restart();
    jerry.add_job("zebra", &source, &[]);
    let shown = jerry.json(&["job", "show", "zebra"], "job");
    assert_eq!(shown["number"], 3, "{shown:#}");
    assert_eq!(get(&jerry, "/jobs/1/runs", &phone).status, 404);
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_what_helps() {
    let yard = Yard::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut jerry = Node::stopped("jerry", &yard.path("jerry"), &yard.path("jerry-archives"));
    jerry.serve = vec!["--http".to_owned(), address.clone()];
    jerry.launch();
    let (code, log) = jerry.ended();
    assert_eq!(code, Some(11), "{log}");
    assert!(log.contains(&address) && log.contains("hint: ") && log.contains("--http"), "{log}");
    drop(taken);
    jerry.restart();
    assert_eq!(jerry.status()["http"], address);
}

#[test]
fn a_unix_socket_serves_too_and_goes_with_the_daemon() {
    let yard = Yard::new();
    let path = yard.path("http.sock");
    let mut jerry = serving(&yard, "jerry", &format!("unix:{}", path.display()));
    assert_eq!(jerry.status()["http"], format!("unix:{}", path.display()));
    let mode = |path: &Path| fs::metadata(path).expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o660);
    let key = key(&jerry, &["nginx"]);
    let over = |key: &str| {
        let stream = UnixStream::connect(&path).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        talk(stream, "GET", "/health", key).status
    };
    assert_eq!((over(&key), over(WRONG)), (200, 401));
    jerry.kill();
    assert!(path.exists(), "a killed daemon leaves it");
    jerry.restart();
    assert_eq!(over(&key), 200);
    jerry.stop();
    assert!(!path.exists());
}

//! Behind a real nginx, with the location that the README gives.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    path::Path,
};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::json;
use tests::support::{Nginx, Node, PATIENCE, Yard};

use super::{Answer, WRONG, key, send, serving, talk};

/// Wrong keys that an address may send before it has to wait.
const WRONG_MAX: usize = 10;

/// The largest part of an upload.
const PART_BYTES_MAX: usize = 64 << 20;

struct Proxied {
    yard: Yard,
    jerry: Node,
    nginx: Nginx,
}

impl Proxied {
    fn new() -> Self {
        let yard = Yard::new();
        let socket = yard.path("http.sock");
        let jerry = serving(&yard, "jerry", &format!("unix:{}", socket.display()));
        let nginx = Nginx::start(&yard.path("nginx"), &location(&socket));
        Self { yard, jerry, nginx }
    }

    /// A connection of the client at one of the loopback's addresses.
    fn client(&self, last: u8) -> TcpStream {
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&stream, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0)).expect("an address");
        let nginx = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.nginx.port);
        connect(&stream, &nginx).expect("nginx listens");
        let stream = TcpStream::from(stream);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// All that comes back, as it comes.
    fn said(&self, last: u8, headers: &str, path: &str) -> String {
        let (mut client, mut text) = (self.client(last), String::new());
        let head =
            format!("GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        client.write_all(head.as_bytes()).expect("it is sent");
        client.read_to_string(&mut text).expect("an answer");
        text
    }

    fn get(&self, last: u8, path: &str, key: &str) -> Answer {
        talk(self.client(last), "GET", path, key)
    }
}

/// The README's words, with the socket of a test.
fn location(socket: &Path) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("there is one");
    let from = readme.find("location /api/v1/ {").expect("the README has it");
    let text = &readme[from..];
    let text = &text[..text.find("\n}\n").expect("it ends") + 3];
    let replaced = text.replace("/run/backupmanager/http.sock", socket.to_str().expect("plain"));
    assert_ne!(replaced, text);
    replaced
}

#[test]
fn the_readme_s_nginx_passes_on_answers_errors_and_the_largest_part_and_no_more() {
    let mut proxied = Proxied::new();
    let key = key(&proxied.jerry, &["phone"]);
    let health = proxied.get(1, "/health", &key);
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")), "{health:?}");
    let refused = proxied.get(1, "/health", "");
    assert_eq!((refused.status, &refused.body["error"]), (401, &json!("unauthorized")));
    // What nginx understands itself it answers with a page of its own.
    for path in
        ["/archives/..%2f..%2fetc/info", "/archives/%2e%2e/info", "/archives/%00/info", "/x"]
    {
        let text = proxied.said(1, &format!("X-BackupManager-Key: {key}\r\n"), path);
        let refused = ["HTTP/1.1 400", "HTTP/1.1 404"].iter().any(|line| text.starts_with(line));
        assert!(refused && !text.contains("root:"), "{path}: {text}");
    }

    let part = vec![7; PART_BYTES_MAX];
    let start = json!({
        "filename": "big.tar", "total_size": PART_BYTES_MAX, "chunk_size": PART_BYTES_MAX,
        "checksum": WRONG
    });
    let (body, json) = (start.to_string(), "application/json");
    let begun =
        send(proxied.client(1), "POST", "/archives/upload/start", &key, json, body.as_bytes());
    let path = format!(
        "/archives/upload/{}/chunk/0",
        begun.body["upload_id"].as_str().unwrap_or_else(|| panic!("{begun:?}"))
    );
    let binary = "application/octet-stream";
    let taken = send(proxied.client(1), "POST", &path, &key, binary, &part);
    assert_eq!((taken.status, &taken.body["missing"]), (200, &json!([])), "{taken:?}");

    // nginx refuses by the length alone, with a page of its own.
    let mut client = proxied.client(1);
    let head =
        format!("POST /api/v1{path} HTTP/1.1\r\nHost: jerry\r\nContent-Length: 90000000\r\n\r\n");
    client.write_all(head.as_bytes()).expect("it is sent");
    let mut start = [0; 12];
    client.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 413");

    proxied.jerry.stop();
    let text = proxied.said(1, "", "/health");
    assert!(text.starts_with("HTTP/1.1 502"), "{text}");
    proxied.jerry.restart();
    assert_eq!(proxied.get(1, "/health", &key).status, 200);
    drop(proxied.yard);
}

#[test]
fn who_guesses_keys_through_nginx_waits_alone_whoever_it_says_to_be() {
    let proxied = Proxied::new();
    let key = key(&proxied.jerry, &["phone"]);
    let wrong = |number: usize| format!("{number:064x}");
    for number in 0..WRONG_MAX {
        assert_eq!(proxied.get(2, "/health", &wrong(number)).status, 401);
    }
    assert_eq!(proxied.get(2, "/health", &wrong(WRONG_MAX)).status, 429);
    assert_eq!(proxied.get(3, "/health", &wrong(WRONG_MAX)).status, 401, "another one");
    assert_eq!(proxied.get(3, "/health", &key).status, 200);

    // It says that it is another one: nginx adds whom it saw, and that is who counts.
    let key = wrong(WRONG_MAX);
    let headers = format!("X-Forwarded-For: 192.0.2.7\r\nX-BackupManager-Key: {key}\r\n");
    let text = proxied.said(2, &headers, "/health");
    assert!(text.starts_with("HTTP/1.1 429"), "{text}");
}

#[test]
fn events_come_through_nginx_as_they_happen() {
    let proxied = Proxied::new();
    let key = key(&proxied.jerry, &["phone"]);
    let source = proxied.yard.path("notes");
    std::fs::create_dir(&source).expect("a folder");
    let mut client = proxied.client(1);
    let head =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nX-BackupManager-Key: {key}\r\n\r\n");
    client.write_all(head.as_bytes()).expect("it is sent");
    let mut text = String::new();
    // nginx would keep them back until it has a buffer full.
    until_said(&mut client, &mut text, "event: hello\n");
    proxied.jerry.add_job("notes", &source, &[]);
    let archive = proxied.jerry.back_up("notes");
    for event in ["event: job.added\n", "event: run.ended\n", "event: archive.added\n", &archive] {
        until_said(&mut client, &mut text, event);
    }
}

/// Reads on until something has come; the client's timeout bounds the wait.
fn until_said(client: &mut TcpStream, text: &mut String, wanted: &str) {
    let mut part = [0; 4_096];
    while !text.contains(wanted) {
        let count = client.read(&mut part).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_ne!(count, 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
}

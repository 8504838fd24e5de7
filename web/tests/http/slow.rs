//! Clients that take their time. The clock of these tests stands until nothing else can happen.

use std::{path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};

use crate::support::{Answer, Fake, GOOD, Server, exchange_with};

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("web-http-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("http")
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn get() -> String {
    format!("GET /api/v1/health HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\r\n")
}

/// How many seconds of the test's clock pass until the server has closed, and what it said.
async fn until_closed(stream: UnixStream, bytes: &[u8]) -> (u64, Vec<u8>) {
    let begun = Instant::now();
    let said = exchange_with(stream, bytes).await;
    (begun.elapsed().as_secs(), said)
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_whole_ends_the_connection() {
    let folder = Folder::new("head");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    for begun in ["", "G", "GET / HTTP/1.1\r\nHost: n\r\nX-A:"] {
        let (seconds, said) = until_closed(folder.connect().await, begun.as_bytes()).await;
        assert_eq!((seconds, said.len()), (10, 0), "{begun:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_has_no_more_time() {
    let folder = Folder::new("drip");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    let mut stream = folder.connect().await;
    let begun = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'y')) {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        assert!(begun.elapsed().as_secs() < 20, "it is still taken");
    }
    assert!(begun.elapsed().as_secs() >= 10);
}

#[tokio::test(start_paused = true)]
async fn a_connection_between_two_requests_is_kept_for_a_minute() {
    let folder = Folder::new("idle");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    let mut stream = folder.connect().await;
    stream.write_all(get().as_bytes()).await.unwrap();
    let mut part = [0; 4_096];
    assert!(stream.read(&mut part).await.unwrap() > 0);
    tokio::time::advance(Duration::from_secs(50)).await;
    let (seconds, said) = until_closed(stream, get().as_bytes()).await;
    assert_eq!(Answer::parse(&said).status, 200);
    assert_eq!(seconds, 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_refused() {
    let folder = Folder::new("body");
    let server = Server::start_at(Fake::new(), &folder.socket());
    let text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"name\""
    );
    let (seconds, said) = until_closed(folder.connect().await, text.as_bytes()).await;
    Answer::parse(&said).refused(408, "timeout");
    assert_eq!(seconds, 30);
    assert_eq!(server.fake.asked.lock().unwrap().clone(), []);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_byte_by_byte_has_two_minutes() {
    let folder = Folder::new("body-drip");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    let (mut read, mut write) = folder.connect().await.into_split();
    let text = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    );
    write.write_all(text.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let drip = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
    });
    let mut said = vec![0; 4_096];
    let count = read.read(&mut said).await.unwrap();
    Answer::parse(&said[..count]).refused(408, "timeout");
    assert_eq!(begun.elapsed().as_secs(), 120);
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn who_reads_no_answer_is_cut_off() {
    let folder = Folder::new("deaf");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    let mut deaf = folder.connect().await;
    let begun = Instant::now();
    let many = get().replace("/health", "/jobs").repeat(100);
    while deaf.write_all(many.as_bytes()).await.is_ok() {}
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_crowd_of_silent_clients_holds_nobody_back() {
    let folder = Folder::new("crowd");
    let _server = Server::start_at(Fake::new(), &folder.socket());
    let mut crowd = Vec::new();
    for _ in 0..500 {
        let mut stream = folder.connect().await;
        stream.write_all(b"GET /").await.unwrap();
        crowd.push(stream);
        let text = get().replace("Host", "Connection: close\r\nHost");
        if crowd.len() % 50 == 0 {
            let said = exchange_with(folder.connect().await, text.as_bytes()).await;
            Answer::parse(&said).ok(200);
        }
    }
}

#[tokio::test]
async fn who_does_not_read_answers_holds_nobody_back() {
    let folder = Folder::new("unread");
    let server = Server::start_at(Fake::new(), &folder.socket());
    let mut deaf = folder.connect().await;
    // Requests until both directions are full.
    let many = get().replace("/health", "/jobs").repeat(100);
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_millis(200), deaf.write_all(many.as_bytes())).await
    {
    }
    let text = get().replace("Host", "Connection: close\r\nHost");
    let said = exchange_with(folder.connect().await, text.as_bytes()).await;
    Answer::parse(&said).ok(200);
    drop(server);
}

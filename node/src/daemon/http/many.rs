//! Ten thousand archives, listed by a client.

use std::collections::BTreeSet;

use protocol::{
    ArchiveId, ChunkId, JobId, Time,
    archive::ArchiveMeta,
    control::{ArchiveRef, KeyCreate},
    record::Fact,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    daemon::{
        handle::Answers,
        keys,
        live::tests::{Sample, node},
    },
    socket::CancelSwitch,
    sys::OsEntropy,
};

const ARCHIVES: usize = 10_000;

/// What listing all of them may add to the process: the list as reports, as JSON and packed.
const GROWN_BYTES_MAX: u64 = 300 << 20;

/// Records alone: nobody reads the archives.
fn publish(node: &Node) {
    let mut meta = ArchiveMeta {
        name: String::new(),
        job: JobId([1; 16]),
        job_name: "docs".to_owned(),
        kind: "custom_dir".to_owned(),
        source: b"/srv/docs".to_vec(),
        root: ChunkId([4; 32]),
        stream_bytes: 1,
        members: 1,
        sha256: Some([7; 32]),
        warnings: 0,
        in_clear: false,
        pinned: false,
        safety: false,
    };
    let mut facts = Sample::put(&node.store, 1).facts();
    let facts = (0..ARCHIVES).map(|number| {
        meta.name = format!("jerry_docs_{number}");
        facts.created = Time(number as u64);
        facts.sealed = meta.seal(&node.key, &mut OsEntropy);
        Fact::Archive(ArchiveId((number as u128).to_be_bytes()), facts.clone())
    });
    node.mesh.say_unstored(facts.collect());
}

struct Client {
    address: std::net::SocketAddr,
    key: String,
}

impl Client {
    /// The body of an answer, as it came.
    async fn raw(&self, path: &str, headers: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let key = &self.key;
        let text = format!(
            "GET /api/v1{path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\
             X-BackupManager-Key: {key}\r\n{headers}\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert!(all.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&all));
        let head = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        all.split_off(head + 4)
    }

    /// Names in a list, and how many there are in all.
    async fn names(&self, path: &str) -> (Vec<String>, u64) {
        names(&self.raw(path, "").await)
    }
}

fn names(json: &[u8]) -> (Vec<String>, u64) {
    let list: Value = serde_json::from_slice(json).unwrap();
    let names = list["archives"].as_array().unwrap().iter();
    let names = names.map(|archive| archive["name"].as_str().unwrap().to_owned());
    (names.collect(), list["total"].as_u64().unwrap())
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn ten_thousand_archives_are_listed_whole_and_in_pages_and_found_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(&dir, "jerry").await;
    publish(&node);
    let (_switch, stop) = CancelSwitch::new();
    let answers = Arc::new(Answers(Arc::clone(&node)));
    let behind: Arc<dyn web::Backend> = Arc::new(Behind::new(answers, Arc::clone(&node), stop));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let create = KeyCreate { name: "phone".parse().unwrap(), read_only: true, metrics_only: false };
    let key = keys::create(Arc::clone(&node), create).await.unwrap().key;
    let client = Client { address, key: key.reveal().to_owned() };
    let served = web::serve(web::Listener::Tcp(listener), behind, std::future::pending());
    let serving = tokio::spawn(served);

    let before = peak_bytes();
    let (whole, total) = client.names("/archives").await;
    assert_eq!((whole.len(), total), (ARCHIVES, ARCHIVES as u64));
    assert_eq!(whole[0], "jerry_docs_9999", "newest first");
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), ARCHIVES);

    let mut paged = Vec::new();
    for offset in (0..ARCHIVES).step_by(900) {
        let path = format!("/archives?limit=900&offset={offset}");
        let (page, total) = client.names(&path).await;
        assert_eq!(total, ARCHIVES as u64);
        paged.extend(page);
    }
    assert!(paged == whole, "pages are pieces of the whole");
    for beyond in [ARCHIVES.to_string(), u64::MAX.to_string()] {
        let (none, _) = client.names(&format!("/archives?limit=5&offset={beyond}")).await;
        assert!(none.is_empty());
    }

    let packed = client.raw("/archives", "Accept-Encoding: gzip\r\n").await;
    let mut plain = Vec::new();
    let mut unpacked = flate2::read::GzDecoder::new(&*packed);
    std::io::Read::read_to_end(&mut unpacked, &mut plain).unwrap();
    assert!(packed.len() * 10 < plain.len(), "{} of {}", packed.len(), plain.len());
    assert!(names(&plain).0 == whole);
    let grown = peak_bytes() - before;
    assert!(grown < GROWN_BYTES_MAX, "{grown} bytes more than before");

    for number in [0, 4_711, ARCHIVES - 1] {
        let name = format!("jerry_docs_{number}").parse().unwrap();
        let found = node.find_archive(&ArchiveRef { name, node_of: None }).unwrap();
        assert_eq!(found.id, ArchiveId((number as u128).to_be_bytes()));
        let id = found.id.to_string().parse().unwrap();
        let same = node.find_archive(&ArchiveRef { name: id, node_of: None }).unwrap();
        assert_eq!(same.id, found.id);
    }
    serving.abort();
}

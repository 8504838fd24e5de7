//! Uploads on a whole node, with real files.

mod ends;
mod limits;
mod parts;

use std::{io, path::PathBuf};

use bytes::Bytes;
use protocol::{
    control::{ArchiveRef, ArchiveReport, Reply, Request, RunKind, RunReport, RunState},
    tar::{END, Member, MemberKind, encode, padding},
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;
use crate::{
    daemon::{handle::Answers, live::tests::node, uploads::table::Uploads},
    db::RunsOf,
    socket::{Caller, EventSink, Handler as _},
};

/// The size of parts in these tests.
const PART: u64 = 64 << 10;

/// A tar of one file that does not compress, and what it says of itself.
fn archive(bytes: usize) -> Vec<u8> {
    let info = br#"{"type":"custom_dir","created_at":"2026-05-08T03:00:00"}"#;
    let data: Vec<u8> =
        (0..bytes as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    tar(&[("data/custom/opt/x", &data), ("backup_info.json", info)])
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, data) in members {
        let mut member = Member::new(MemberKind::File, *path);
        member.data_bytes = data.len() as u64;
        tar.extend(encode(&member));
        tar.extend_from_slice(data);
        tar.resize(tar.len() + padding(data.len() as u64) as usize, 0);
    }
    tar.extend_from_slice(&END);
    tar
}

fn body(pieces: Vec<io::Result<Bytes>>) -> web::PartBody {
    Box::pin(futures::stream::iter(pieces))
}

/// What a client does.
struct Client {
    node: Arc<Node>,
    file: Vec<u8>,
    id: String,
}

impl Client {
    /// Begins to send a file.
    async fn start(node: &Arc<Node>, name: &str, file: Vec<u8>) -> Result<Self, Failure> {
        let sum = hex(&Sha256::digest(&file));
        Self::start_with(node, name, file, sum).await
    }

    async fn start_with(
        node: &Arc<Node>,
        name: &str,
        file: Vec<u8>,
        sha256: String,
    ) -> Result<Self, Failure> {
        let total_bytes = file.len() as u64;
        let filename = name.to_owned();
        let start = UploadStart { filename, total_bytes, part_bytes: PART, sha256 };
        let begun = super::start(Arc::clone(node), start).await?;
        Ok(Self { node: Arc::clone(node), file, id: begun.id })
    }

    fn part(&self, number: u32) -> Bytes {
        let begin = number as usize * PART as usize;
        let end = self.file.len().min(begin + PART as usize);
        Bytes::copy_from_slice(&self.file[begin..end])
    }

    async fn put(&self, number: u32) -> Result<UploadReport, Failure> {
        let part = self.part(number);
        // As a network brings it: in pieces of any size.
        let pieces = part.chunks(10_007).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        self.put_body(number, None, body(pieces.collect())).await
    }

    async fn put_body(
        &self,
        number: u32,
        bytes: Option<u64>,
        body: web::PartBody,
    ) -> Result<UploadReport, Failure> {
        put_part(Arc::clone(&self.node), self.id.clone(), number, bytes, body, ()).await
    }

    async fn put_all(&self) {
        for number in 0..self.show().await.parts {
            self.put(number).await.unwrap();
        }
    }

    async fn show(&self) -> UploadReport {
        show(Arc::clone(&self.node), self.id.clone()).await.unwrap()
    }

    async fn finish(&self) -> Result<UploadReport, Failure> {
        finish(Arc::clone(&self.node), self.id.clone()).await
    }

    async fn cancel(&self) -> Result<(), Failure> {
        cancel(Arc::clone(&self.node), self.id.clone()).await
    }

    fn id(&self) -> UploadId {
        self.id.parse().unwrap()
    }

    fn spool(&self) -> PathBuf {
        self.node.uploads.path(&self.id())
    }
}

/// Asks the node as a command does.
async fn ask(node: &Arc<Node>, request: Request) -> Result<Reply, Failure> {
    let caller = Caller::Local { uid: 0, pid: None };
    Answers(Arc::clone(node)).handle(caller, request, EventSink::deaf()).await
}

fn named_archive(name: &str) -> ArchiveRef {
    ArchiveRef { name: name.parse().unwrap(), node_of: None }
}

async fn show_archive(node: &Arc<Node>, name: &str) -> Option<ArchiveReport> {
    match ask(node, Request::ArchiveShow(named_archive(name))).await {
        Ok(Reply::Archive(archive)) => Some(archive),
        Ok(other) => panic!("{other:?}"),
        Err(failure) if failure.code == FailureCode::NotFound => None,
        Err(failure) => panic!("{failure}"),
    }
}

fn runs(node: &Node) -> Vec<RunReport> {
    node.runs.list(RunsOf::All, None, 100).unwrap()
}

/// What another life of the node would find.
fn reopened(node: &Node) -> Uploads {
    Uploads::open(&node.db, &node.data.uploads()).unwrap()
}

fn files(node: &Node) -> usize {
    std::fs::read_dir(node.data.uploads()).unwrap().count()
}

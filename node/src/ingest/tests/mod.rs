//! Streams through the whole pipeline, into a store and out of it again.

mod hooks;
mod layouts;
mod streamed;
mod tars;

use std::{io::Read as _, path::PathBuf, sync::Arc};

use protocol::{
    ArchiveId,
    contents::Entry,
    key::ArchiveKey,
    object::Link,
    seal::SealChoice,
    tar::{Event, Limits, Parser, TarError},
};
use tempfile::TempDir;

use super::*;
use crate::{
    archive::{ArchiveReader, MissingObject, Objects},
    chunks::StoreOptions,
};

/// A store, and the last archive that was put there.
struct Bench {
    _dir: TempDir,
    store: ChunkStore,
    db: Db,
    key: ArchiveKey,
    last: Option<ReuseIndex>,
    runs: u8,
}

/// The store, as an archive reader wants it.
struct Stored(ChunkStore);

impl Objects for Stored {
    fn get(&self, link: &Link) -> Result<Vec<u8>, MissingObject> {
        let missing = |why: String| MissingObject { id: link.id, why };
        self.0.get(&link.id).map_err(|error| missing(error.to_string()))
    }
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let options = StoreOptions { free_bytes_min: 0, ..StoreOptions::default() };
        let store = ChunkStore::open(&dir.path().join("store"), options).unwrap().0;
        let db = Db::open(&dir.path().join("db")).unwrap();
        let key = ArchiveKey::from_bytes([9; 32]);
        Self { _dir: dir, store, db, key, last: None, runs: 0 }
    }

    /// Puts a stream in, after the last one.
    fn put(
        &mut self,
        feed: impl FnOnce(&mut dyn SourceSink) -> Result<(), IngestError>,
    ) -> Result<Ingested, IngestError> {
        self.runs += 1;
        let previous = self.last.clone();
        let previous = previous.map(|last| Previous::open(&self.store, &self.key, last).unwrap());
        let ingest = Ingest {
            store: &self.store,
            hold: self.store.hold(),
            db: &self.db,
            key: &self.key,
            options: IngestOptions { seal: SealChoice::Auto, level: 1, workers: 2 },
            archive: ArchiveId([self.runs; 16]),
            previous,
            progress: Arc::default(),
        };
        let ((), ingested) = super::ingest(ingest, feed)?;
        self.last = Some(ingested.reuse.clone());
        Ok(ingested)
    }

    fn reader(&self, ingested: &Ingested) -> ArchiveReader {
        let objects = Arc::new(Stored(self.store.clone()));
        ArchiveReader::open(objects, &self.key, &ingested.root).unwrap()
    }

    /// The stream, opened again.
    fn tar(&self, ingested: &Ingested) -> Vec<u8> {
        let mut tar = Vec::new();
        self.reader(ingested).whole(2).read_to_end(&mut tar).unwrap();
        assert_eq!(tar.len() as u64, ingested.stream_bytes);
        tar
    }

    fn entries(&self, ingested: &Ingested) -> Vec<Entry> {
        let mut entries = Vec::new();
        let visit = |entry| {
            entries.push(entry);
            true
        };
        self.reader(ingested).entries(visit).unwrap();
        assert_eq!(entries.len() as u64, ingested.members);
        entries
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> IngestError {
    IngestError::Source { path: PathBuf::from("a test"), source: error.into() }
}

/// The members of a tar: what the parser says of them, and their data.
fn members(tar: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let mut seen: Vec<(Entry, Vec<u8>)> = Vec::new();
    let mut parser = Parser::new(Limits::default());
    let mut note = |event: Event<'_>| {
        match event {
            Event::Member(member, offset) => {
                if let Some((last, _)) = seen.last_mut() {
                    last.span = offset - last.offset;
                }
                seen.push((Entry::of(&member, offset, 0), Vec::new()));
            }
            Event::Data(data) => seen.last_mut().unwrap().1.extend_from_slice(data),
            Event::MemberEnd | Event::End => {}
        }
        Ok::<(), TarError>(())
    };
    parser.push(tar, &mut note).unwrap();
    assert!(parser.has_ended());
    if let Some((last, _)) = seen.last_mut() {
        last.span = tar.len() as u64 - protocol::tar::END.len() as u64 - last.offset;
    }
    seen
}

/// What contents say must be what a parser of the stream finds.
fn check_contents(bench: &Bench, ingested: &Ingested) -> Vec<(Entry, Vec<u8>)> {
    let members = members(&bench.tar(ingested));
    let listed: Vec<_> = members.iter().map(|(entry, _)| entry.clone()).collect();
    assert_eq!(bench.entries(ingested), listed);
    members
}

/// Bytes that no compression or dedup makes smaller.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

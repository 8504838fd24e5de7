//! Turning a source into an archive, in one pass, with bounded memory.
//!
//! ```text
//! source ──segments──► intake ──chunks──► workers (id, known?, seal, store)
//!   ▲                    │                   │
//!   └─ reused? ◄─ reuse  └──slots in order──► committer (manifest, contents, reuse, SHA-256)
//! ```
//!
//! - The *intake* runs on the source's thread. It asks the [`reuse`] index of the job's last archive
//!   whether a segment is there unchanged, and otherwise cuts it into chunks.
//! - *Workers* name, seal and store chunks, one sealer each, as many as there are processors.
//! - The *committer* takes the results in the order of the stream and writes manifest and contents.
//!
//! The way between them is one bounded queue of *slots*, so at most [`SLOTS_MAX`] chunks are in
//! memory whatever the archive's size. Nothing is announced here: the caller publishes the root
//! after [`ingest`] returned, and it returns after the store made everything durable.
//!
//! A member of unknown size (a dump) is *streamed*: the committer leaves a gap in the manifest, as
//! long as its header will be, takes the data, and fills the gap when the size is known. Until it is
//! filled the archive cannot be finished, so a dump that breaks off leaves nothing.
//!
//! A chunk that is new but resembles one of the last archive (same path, or the same bytes at its
//! end) is stored as a difference to it: a nightly dump changes a little everywhere, which defeats
//! every chunker. The base is always a whole chunk, so opening takes two reads at most.

mod committer;
mod intake;
mod layout;
mod name;
mod pool;
mod previous;
mod reuse;
mod tar_source;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use protocol::{
    ArchiveId,
    chunk::{CutSizes, Gear},
    key::ArchiveKey,
    manifest::RootRef,
    seal::SealChoice,
};

pub use layout::{
    BackupInfo, Described, InfoError, Layout, PAYLOAD_PREFIX, Payload, database_of, describe,
    dump_path, sidecar,
};
pub use name::{TakenNames, archive_name, job_stem, safety_name};
pub use previous::Previous;
pub use reuse::{ReuseError, ReuseIndex};
pub use tar_source::{TarReport, TarSourceError, TarSpec, read_tar};

use crate::{
    chunks::{ChunkStore, StoreError, StoreHold},
    db::{Db, DbError},
    source::SourceSink,
};

/// Chunks between the source and the committer, at most 1 MiB each.
const SLOTS_MAX: usize = 24;

/// What an archive is made with.
pub struct IngestOptions {
    /// How chunks are sealed.
    pub seal: SealChoice,
    /// zstd level.
    pub level: i32,
    /// Sealing threads; at least one is started.
    pub workers: usize,
}

/// Where ingest puts things and what it may look at.
pub struct Ingest<'a> {
    /// The chunk store.
    pub store: &'a ChunkStore,
    /// Keeps what this run stores, or finds stored, from being collected. The caller keeps it too,
    /// until the archive is announced.
    pub hold: StoreHold,
    /// The known table.
    pub db: &'a Db,
    /// The origin's key.
    pub key: &'a ArchiveKey,
    /// How to seal.
    pub options: IngestOptions,
    /// The archive that is being made.
    pub archive: ArchiveId,
    /// The job's last archive, when there is one.
    pub previous: Option<Previous>,
    /// Counters that others read while it runs, and the way to stop it.
    pub progress: Arc<Progress>,
}

/// Counters of a running ingest. `stop` makes it end with [`IngestError::Cancelled`].
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the stream so far, reused ones included.
    pub stream_bytes: AtomicU64,
    /// Bytes of the stream that were read.
    pub read_bytes: AtomicU64,
    /// Sealed bytes that were new to the store.
    pub stored_bytes: AtomicU64,
    /// Members so far.
    pub members: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Asks the ingest to stop at the next segment.
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What an ingest made.
#[derive(Debug)]
pub struct Ingested {
    /// The archive's root.
    pub root: RootRef,
    /// Bytes of the tar stream.
    pub stream_bytes: u64,
    /// Chunks in the stream.
    pub chunks: u64,
    /// Members in the stream.
    pub members: u64,
    /// Bytes of the stream whose files were opened and read.
    pub read_bytes: u64,
    /// Plaintext bytes of chunks that were new.
    pub new_bytes: u64,
    /// The part of them that is something backed up, and not what this program adds to every
    /// archive: 0 when nothing new was found.
    pub payload_new_bytes: u64,
    /// Sealed bytes that the store did not have, pages included.
    pub stored_bytes: u64,
    /// Sealed bytes of the whole archive, as a holder must store it.
    pub sealed_bytes: u64,
    /// Objects of the whole archive, each counted once.
    pub objects: u64,
    /// SHA-256 of the stream, when all of it was read, and in its order: not with streamed members.
    pub sha256: Option<[u8; 32]>,
    /// What the next run can reuse.
    pub reuse: ReuseIndex,
}

/// An ingest that could not finish. Nothing of it is visible; what it stored will be used by the
/// next run, or collected.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store refused: full, damaged.
    #[error("the chunk store failed")]
    Store(#[source] StoreError),
    /// The state file refused.
    #[error("the state file failed")]
    Db(#[source] DbError),
    /// A chunk could not be sealed.
    #[error("cannot seal a chunk")]
    Seal(#[source] protocol::seal::SealError),
    /// A manifest could not be written, or the last archive's could not be read.
    #[error("cannot write the manifest, or read the last one")]
    Manifest(#[source] protocol::manifest::ManifestError),
    /// A member could not be listed.
    #[error("cannot list the members")]
    Contents(#[source] protocol::contents::ContentsError),
    /// The source stopped: its folder vanished, cannot be read, the agent died.
    #[error("cannot read {path}")]
    Source {
        /// What was read.
        path: PathBuf,
        /// Why it ended.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A thread of the pipeline died.
    #[error("a thread of the pipeline stopped without saying why")]
    ThreadLost,
}

/// Runs a source through the pipeline. `feed` is called once, on this thread, with the sink; what
/// it returns besides errors is handed back.
///
/// # Errors
/// When the source, the store or the state file fails, or the progress was cancelled. The first
/// cause is reported, not what it led to.
pub fn ingest<R>(
    ingest: Ingest<'_>,
    feed: impl FnOnce(&mut dyn SourceSink) -> Result<R, IngestError>,
) -> Result<(R, Ingested), IngestError> {
    let _hold = ingest.hold;
    let archive = ingest.archive;
    let gear = Arc::new(Gear::new(ingest.key, CutSizes::default()));
    let previous = ingest.previous.map(Arc::new);
    let shared = pool::Shared {
        store: ingest.store,
        db: ingest.db,
        key: ingest.key,
        options: &ingest.options,
        previous: previous.clone(),
        progress: &ingest.progress,
        recent: pool::Recent::default(),
    };
    thread::scope(|scope| {
        let (intake, slots, work) = intake::Intake::new(&shared, gear);
        let work = Arc::new(work);
        for _ in 0..ingest.options.workers.max(1) {
            let (work, shared) = (Arc::clone(&work), &shared);
            scope.spawn(move || pool::work(shared, &work));
        }
        drop(work);
        let shared = &shared;
        let committer = scope.spawn(move || committer::commit(shared, archive, slots));
        let fed = intake.run(feed);
        let committed = committer.join().map_err(|_| IngestError::ThreadLost)?;
        // When both failed the committer's is the cause: the source only saw its queue close.
        match (fed, committed) {
            (_, Err(error)) | (Err(error), _) => Err(error),
            (Ok(fed), Ok(Some(ingested))) => Ok((fed, ingested)),
            (Ok(_), Ok(None)) => Err(IngestError::ThreadLost),
        }
    })
}

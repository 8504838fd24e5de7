//! One execution of a job, from its source to a record that says the archive exists.
//!
//! Blocking; it runs on a thread of its own. Nothing is said to the mesh before every byte of the
//! archive is durable, and the run is a success only after the record is.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use jiff::Zoned;
use protocol::{
    ArchiveId, Entropy as _,
    archive::ArchiveMeta,
    control::{Failure, FailureCode},
    job::{CustomDir, Holders, Job, JobConfig, Seal},
    key::KeyUse,
    record::{ArchiveFacts, Fact, Place},
    seal::SealChoice,
};
use tracing::warn;

use super::{failure, mesh::Change, node::Node, view, workers::Meter};
use crate::{
    agent::AgentError,
    chunks::StoreHold,
    ingest::{
        self, Ingest, IngestError, IngestOptions, Ingested, Layout, PAYLOAD_PREFIX, Previous,
        Progress, ReuseIndex, archive_name,
    },
    socket::EventSink,
    source::{SegmentEnd, SegmentHead, SourceSink, SourceSpec, SourceWarning, Totals, Verdict},
    sys::{self, OsEntropy},
};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// What a run made.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) ingested: Ingested,
    pub(super) warnings: u64,
}

/// A run at work.
pub(super) struct Execution<'a> {
    pub(super) node: &'a Node,
    pub(super) job: &'a Job,
    pub(super) run: u64,
    pub(super) events: &'a EventSink,
    pub(super) progress: Arc<Progress>,
}

impl Execution<'_> {
    /// Runs the job.
    ///
    /// # Errors
    /// When the source cannot be read, the disk is full, or somebody stopped it.
    pub(super) fn execute(&self) -> Result<Made, Failure> {
        let JobConfig::CustomDir(dir) = &self.job.spec.config;
        let spec = self.source(dir);
        let agent = &self.node.agent;
        let totals = agent.measure(&spec).map_err(|error| self.source_failed(&error))?;
        self.line(format!(
            "{} has {} files, {} bytes",
            dir.source_path, totals.files, totals.bytes
        ));
        let now = Zoned::now();
        let layout = self.layout(dir, &totals, &now);
        let archive = ArchiveId(OsEntropy.array());
        // Until the record names the archive, nothing else keeps its chunks from a collection.
        let hold = self.node.store.hold();
        let (warnings, ingested) = self.ingest(hold.clone(), archive, &layout, &spec, &totals)?;
        let name = self.name(&now);
        let reuse = ingested.reuse.save(&self.node.data.reuse(&self.job.id));
        self.announce(archive, &name, dir, &ingested, warnings)?;
        drop(hold);
        if let Err(error) = reuse {
            warn!(%error, job = %self.job.spec.name, "the next run will read everything");
        }
        Ok(Made { name, ingested, warnings })
    }

    fn source(&self, dir: &CustomDir) -> SourceSpec {
        let key = *self.node.key.derive(KeyUse::Reuse);
        let mut spec = SourceSpec::new(&dir.source_path, PAYLOAD_PREFIX, key);
        spec.excludes.clone_from(&dir.excludes);
        spec.never = vec![self.node.data.path().to_owned()];
        spec
    }

    fn layout(&self, dir: &CustomDir, totals: &Totals, now: &Zoned) -> Layout {
        Layout {
            instance: self.node.name.clone(),
            job: self.job.spec.name.to_string(),
            source: PathBuf::from(&dir.source_path),
            created_seconds: now.timestamp().as_second(),
            created_local: now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            bytes: totals.bytes,
            yunohost_version: None,
            restore: dir.restore.as_ref().and_then(|block| serde_json::to_value(block).ok()),
        }
    }

    fn ingest(
        &self,
        hold: StoreHold,
        archive: ArchiveId,
        layout: &Layout,
        spec: &SourceSpec,
        totals: &Totals,
    ) -> Result<(u64, Ingested), Failure> {
        let seal = match self.job.spec.seal {
            Seal::Auto => SealChoice::Auto,
            Seal::None => SealChoice::None,
        };
        let level = i32::from(self.job.spec.level);
        let node = self.node;
        let ingest = Ingest {
            store: &node.store,
            hold,
            db: &node.db,
            key: &node.key,
            options: IngestOptions { seal, level, workers: sys::threads() },
            archive,
            previous: self.previous(),
            progress: Arc::clone(&self.progress),
        };
        let feed = |sink: &mut dyn SourceSink| {
            let mut sink = Watched { sink, execution: self, warnings: 0 };
            let failed = |error: Box<dyn std::error::Error + Send + Sync>| IngestError::Source {
                path: spec.path.clone(),
                source: error,
            };
            layout.begin(&mut sink).map_err(|error| failed(error.into()))?;
            node.agent.read(spec, &mut sink).map_err(|error| failed(error.into()))?;
            Layout::end(&mut sink).map_err(|error| failed(error.into()))?;
            Ok(sink.warnings)
        };
        thread::scope(|scope| {
            let (done, ended) = mpsc::channel::<()>();
            scope.spawn(move || self.tell(totals.bytes, &ended));
            let result = ingest::ingest(ingest, feed);
            drop(done);
            result
        })
        .map_err(|error| self.ingest_failed(&error))
    }

    /// Tells how far it is, until the other end is dropped.
    fn tell(&self, bytes: u64, ended: &mpsc::Receiver<()>) {
        let mut meter = Meter::new(0);
        while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(TELL_EVERY) {
            if self.events.cancel().is_set() {
                self.progress.cancel();
            }
            let at = self.progress.stream_bytes.load(Ordering::Relaxed);
            let mut progress = meter.progress("reading", at, Some(bytes.max(at)));
            progress.done = self.progress.members.load(Ordering::Relaxed);
            self.node.runs.progress(self.run, progress.clone());
            self.events.progress(progress);
        }
    }

    /// The job's last archive, as far as it can still be read; without it everything is read.
    fn previous(&self) -> Option<Previous> {
        let loaded = ReuseIndex::load(&self.node.data.reuse(&self.job.id));
        let index = loaded
            .inspect_err(|error| warn!(%error, "what the last run left cannot be used"))
            .ok()??;
        Previous::open(&self.node.store, &self.node.key, index)
            .inspect_err(|error| warn!(%error, "the last archive cannot be used: all is read"))
            .ok()
    }

    fn name(&self, now: &Zoned) -> String {
        let date = now.strftime("%Y%m%d").to_string();
        let (me, archives) = (self.node.id(), self.node.archive_list());
        let taken = |name: &str| {
            archives.iter().any(|archive| archive.origin == me && archive.title() == name)
        };
        archive_name(&self.node.name, self.job.spec.name.as_str(), &date, taken)
    }

    fn announce(
        &self,
        archive: ArchiveId,
        name: &str,
        dir: &CustomDir,
        made: &Ingested,
        warnings: u64,
    ) -> Result<(), Failure> {
        let meta = ArchiveMeta {
            name: name.to_owned(),
            job: self.job.id,
            job_name: self.job.spec.name.to_string(),
            kind: self.job.spec.config.kind().to_owned(),
            source: Path::new(&dir.source_path).as_os_str().as_bytes().to_vec(),
            root: made.root.chunk,
            stream_bytes: made.stream_bytes,
            members: made.members,
            sha256: made.sha256,
            warnings,
            in_clear: self.job.spec.seal == Seal::None,
        };
        let facts = ArchiveFacts {
            created: sys::now(),
            root: made.root.link,
            sealed_bytes: made.sealed_bytes,
            objects: made.objects,
            copies: self.job.spec.copies,
            place: self.place()?,
            sealed: meta.seal(&self.node.key, &mut OsEntropy),
        };
        self.node.mesh.publish_blocking(vec![Change::Say(Fact::Archive(archive, facts))])
    }

    fn place(&self) -> Result<Place, Failure> {
        let Holders::Named(names) = &self.job.spec.on else { return Ok(Place::Any) };
        self.node.mesh.look(|catalog| {
            let wanted = names.iter().map(|name| {
                view::find_node(catalog, &protocol::control::NodeRef::Name(name.clone()))
            });
            wanted.collect::<Result<_, _>>().map(Place::Named)
        })
    }

    fn line(&self, text: String) {
        self.node.runs.line(self.run, text.clone());
        self.events.line(text);
    }

    fn source_failed(&self, error: &AgentError) -> Failure {
        Failure::caused(FailureCode::Invalid, self.what(), error)
            .hint("check the path, and that the daemon (or its agent) may read it")
    }

    fn ingest_failed(&self, error: &IngestError) -> Failure {
        match error {
            IngestError::Cancelled => {
                Failure::new(FailureCode::Cancelled, self.what(), "somebody stopped it")
            }
            IngestError::Store(error) => failure::store_failure(&self.what(), error),
            IngestError::Db(error) => failure::db_failure(&self.what(), error),
            IngestError::Source { .. } => Failure::caused(FailureCode::Invalid, self.what(), error)
                .hint("check the path, and that the daemon (or its agent) may read it"),
            _ => Failure::caused(FailureCode::Internal, self.what(), error),
        }
    }

    fn what(&self) -> String {
        format!("cannot run {}", self.job.spec.name)
    }
}

/// Passes segments on and notes warnings.
struct Watched<'a, 'b> {
    sink: &'a mut dyn SourceSink,
    execution: &'a Execution<'b>,
    warnings: u64,
}

impl SourceSink for Watched<'_, '_> {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        self.sink.segment(head)
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.sink.data(bytes)
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        self.sink.end(end)
    }

    fn warning(&mut self, warning: SourceWarning) {
        self.warnings += 1;
        let path = warning.path.display().to_string();
        self.execution.node.runs.line(self.execution.run, format!("{path}: {}", warning.what));
        self.execution.events.warning(path, warning.what);
    }
}

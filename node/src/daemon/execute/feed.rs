//! From a source into ingest: progress, warnings, cancellation, and whose failure it was.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use protocol::{
    ArchiveId,
    control::{Failure, FailureCode},
    job::Seal,
    seal::SealChoice,
    tar::Member,
};
use tracing::warn;

use super::Execution;
use crate::{
    chunks::StoreHold,
    daemon::{failure, workers::Meter},
    ingest::{self, Ingest, IngestError, IngestOptions, Ingested, Previous, ReuseIndex},
    source::{SegmentEnd, SegmentHead, SourceSink, SourceWarning, Verdict},
    sys,
};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// The sink of a run: passes segments on and notes warnings.
pub(super) struct Fed<'a, 'b> {
    sink: &'a mut dyn SourceSink,
    execution: &'a Execution<'b>,
    pub(super) warnings: u64,
}

impl Fed<'_, '_> {
    /// A failure of the sink itself. What really happened is with the pipeline; this is told only
    /// when it has nothing to say.
    pub(super) fn stopped(&self, error: &io::Error) -> Failure {
        Failure::caused(FailureCode::Internal, self.execution.what(), error)
    }
}

impl SourceSink for Fed<'_, '_> {
    fn segment(&mut self, head: SegmentHead) -> io::Result<Verdict> {
        self.sink.segment(head)
    }

    fn data(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.sink.data(bytes)
    }

    fn end(&mut self, end: SegmentEnd) -> io::Result<()> {
        self.sink.end(end)
    }

    fn begin_streamed(&mut self, member: Member) -> io::Result<()> {
        self.sink.begin_streamed(member)
    }

    fn end_streamed(&mut self) -> io::Result<()> {
        self.sink.end_streamed()
    }

    fn warning(&mut self, warning: SourceWarning) {
        self.warnings += 1;
        let path = warning.path.display().to_string();
        self.execution.node.runs.line(self.execution.run, format!("{path}: {}", warning.what));
        self.execution.events.warning(path, warning.what);
    }
}

impl Execution<'_> {
    /// Runs a feed through the pipeline. Of several failures the pipeline's own is the cause; that of
    /// the feed counts when the pipeline had none.
    pub(super) fn ingest(
        &self,
        hold: StoreHold,
        archive: ArchiveId,
        bytes: u64,
        feed: impl FnOnce(&mut Fed<'_, '_>) -> Result<(), Failure>,
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
        let mut cause = None;
        let feed = |sink: &mut dyn SourceSink| {
            let mut fed = Fed { sink, execution: self, warnings: 0 };
            feed(&mut fed).map_err(|failure| {
                let source = io::Error::other(failure.to_string()).into();
                cause = Some(failure);
                IngestError::Source { path: self.job.spec.config.subject().into(), source }
            })?;
            Ok(fed.warnings)
        };
        let result = thread::scope(|scope| {
            let (done, ended) = mpsc::channel::<()>();
            scope.spawn(move || self.tell(bytes, &ended));
            let result = ingest::ingest(ingest, feed);
            drop(done);
            result
        });
        result.map_err(|error| match error {
            IngestError::Source { .. } if self.progress.is_cancelled() => self.cancelled(),
            IngestError::Source { .. } if cause.is_some() => {
                cause.unwrap_or_else(|| self.cancelled())
            }
            error => self.ingest_failed(&error),
        })
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

    fn cancelled(&self) -> Failure {
        Failure::new(FailureCode::Cancelled, self.what(), "somebody stopped it")
    }

    fn ingest_failed(&self, error: &IngestError) -> Failure {
        match error {
            IngestError::Cancelled => self.cancelled(),
            IngestError::Store(error) => failure::store_failure(&self.what(), error),
            IngestError::Db(error) => failure::db_failure(&self.what(), error),
            _ => Failure::caused(FailureCode::Internal, self.what(), error),
        }
    }
}

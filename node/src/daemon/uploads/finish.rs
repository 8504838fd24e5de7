//! Finishing an upload: from its parts to an archive, once.
//!
//! The work is a run, with its place in the queue, its transcript and its end in the history. Who
//! asks while it goes on waits for the same end, and it goes on when all of them leave. Nothing of
//! it is stored before it has ended: after a kill the upload is open, with all its parts.

use std::sync::Arc;

use protocol::{
    Entropy as _, JobId,
    control::{Failure, FailureCode, RunKind, RunState, Trigger, UploadReport},
    job::{Job, JobConfig, JobSpec, YnhSystem},
    upload::{Session, State, UploadId},
};
use tokio::sync::watch;
use tracing::warn;

use super::{
    named, refused, report,
    table::{Finishing, Outcome},
};
use crate::{
    daemon::{
        execute::upload::Incoming,
        handle::job,
        node::{Node, blocking},
    },
    socket::EventSink,
    sys::{self, OsEntropy},
};

const WHAT: &str = "cannot finish the upload";

/// Checks all parts and takes them in as an archive.
///
/// # Errors
/// When parts are missing, the bytes are not what was said, they are no archive that can be taken
/// in, or its name is taken.
pub(in crate::daemon) async fn finish(
    node: Arc<Node>,
    upload: String,
) -> Result<UploadReport, Failure> {
    let id = named(&upload)?;
    let mut ended = match begin(&node, id)? {
        Begun::Over(result) => return *result,
        Begun::Wait(ended) => ended,
    };
    let outcome = ended.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    outcome.unwrap_or_else(|| {
        mend(&node, &id, &ended);
        Err(Failure::new(FailureCode::Internal, WHAT, "the work was not finished")
            .hint("its parts are here: finish it again"))
    })
}

enum Begun {
    Over(Box<Result<UploadReport, Failure>>),
    Wait(watch::Receiver<Outcome>),
}

/// Starts the work, unless it is at work or over.
fn begin(node: &Arc<Node>, id: UploadId) -> Result<Begun, Failure> {
    let over = |result| Ok(Begun::Over(Box::new(result)));
    let mut table = node.uploads.lock();
    let entry = table.get_mut(&id).ok_or_else(super::unknown)?;
    match (entry.session.state(), &entry.finishing) {
        (State::Complete, _) => return over(Ok(report(&id, &entry.session))),
        (State::Refused { why }, _) => return over(Err(refused(&id, why))),
        (_, Some(finishing)) => return Ok(Begun::Wait(finishing.ended.clone())),
        (State::Open | State::Finishing, None) => {}
    }
    entry.session.begin_finish().map_err(|error| {
        Failure::caused(FailureCode::Conflict, WHAT, &error)
            .hint("send the missing parts, then finish it again")
    })?;
    let (tell, ended) = watch::channel(None);
    entry.finishing = Some(Finishing { run: None, stop: false, ended: ended.clone() });
    drop(table);
    tokio::spawn(work(Arc::clone(node), id, tell));
    Ok(Begun::Wait(ended))
}

/// Opens an upload again whose work ended without a word.
pub(super) fn mend(node: &Node, id: &UploadId, ended: &watch::Receiver<Outcome>) {
    if let Some(entry) = node.uploads.lock().get_mut(id)
        && entry.finishing.as_ref().is_some_and(|f| f.ended.same_channel(ended))
        && ended.has_changed().is_err()
    {
        entry.finishing = None;
        entry.session.reopen();
    }
}

async fn work(node: Arc<Node>, id: UploadId, tell: watch::Sender<Outcome>) {
    let made = take_in(&node, id).await;
    let settled = blocking(move || {
        let settled = settle(&node, &id, made);
        // Told and let go in one, so that whoever asks in between begins nothing.
        let mut table = node.uploads.lock();
        tell.send_replace(Some(settled));
        if let Some(entry) = table.get_mut(&id) {
            entry.finishing = None;
            entry.session.reopen();
        }
        Ok(())
    });
    if let Err(failure) = settled.await {
        warn!(upload.id = %id, %failure, "an upload was not finished");
    }
}

/// Makes the archive, unless a life of the node before this one has made it.
async fn take_in(node: &Arc<Node>, id: UploadId) -> Result<(), Failure> {
    let (me, archive) = (node.id(), id.archive());
    if node.mesh.look(|catalog| catalog.archive(me, archive).is_some()) {
        return Ok(());
    }
    let incoming = node.uploads.look(&id, |entry| incoming(node, id, &entry.session))?;
    let started = blocking({
        let node = Arc::clone(node);
        move || {
            let job = Arc::new(job_for(&incoming));
            let kind = (RunKind::Upload, Trigger::Hand);
            job::start(&node, job, kind, EventSink::deaf(), move |execution| {
                execution.upload(&incoming)
            })
        }
    });
    let started = started.await?;
    let number = started.run.run;
    let stop = node.uploads.look(&id, |entry| {
        entry.finishing.as_mut().is_some_and(|finishing| {
            finishing.run = Some(number);
            finishing.stop
        })
    })?;
    if stop {
        node.runs.cancel(number);
    }
    let run = started.ended().await?;
    match run.state {
        RunState::Success | RunState::Warnings => Ok(()),
        _ => Err(run.failure.unwrap_or_else(|| {
            let why = format!("run {number} ended without an archive");
            Failure::new(FailureCode::Internal, WHAT, why)
        })),
    }
}

fn incoming(node: &Node, id: UploadId, session: &Session) -> Incoming {
    let spec = session.spec();
    Incoming {
        archive: id.archive(),
        name: spec.archive().clone(),
        file: node.uploads.path(&id),
        bytes: spec.total_bytes(),
        sha256: *spec.sha256(),
    }
}

/// A job that exists only to take one archive in. What it backs up is not known yet and does not
/// matter: the archive says of what kind it is.
fn job_for(incoming: &Incoming) -> Job {
    let now = sys::now();
    let spec = JobSpec::new(incoming.name.clone(), JobConfig::YnhSystem(YnhSystem::default()));
    Job { id: JobId(OsEntropy.array()), spec, created_ms: now, updated_ms: now }
}

/// Notes how it ended. The bytes go after that is durable; those that a crash leaves, at the next
/// start.
fn settle(node: &Node, id: &UploadId, made: Result<(), Failure>) -> Result<UploadReport, Failure> {
    let (uploads, now) = (&node.uploads, sys::now());
    match made {
        Ok(()) => uploads.change(&node.db, id, |session| {
            session.complete(now);
            Ok(())
        })?,
        Err(failure) if failure.code == FailureCode::Mismatch => {
            uploads.change(&node.db, id, |session| {
                session.refuse(&failure.why, now);
                Ok(())
            })?;
            remove_bytes(node, id);
            return Err(refused(id, &failure.why));
        }
        Err(failure) => return Err(failure),
    }
    remove_bytes(node, id);
    uploads.report(id)
}

fn remove_bytes(node: &Node, id: &UploadId) {
    if let Err(error) = node.uploads.spool.remove(id) {
        warn!(upload.id = %id, %error, "the bytes of an upload stay until the next start");
    }
}

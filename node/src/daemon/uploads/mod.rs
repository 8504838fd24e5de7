//! Archives that come over HTTP in parts.
//!
//! The bytes of an upload wait in its *spool*, a file of the data folder. A part is written where it
//! belongs, made durable, and only then noted in the state file and acknowledged: whatever kills the
//! node, a part that was acknowledged is there, and one that was torn is simply missing. When all
//! have come, finishing looks at the whole as at something hostile ([`inspect`]), then takes it in
//! as an archive of this node without a job, pinned, as `archive adopt` does.
//!
//! What is refused then has ended: its bytes are gone and its reason stays for a day. Whatever else
//! goes wrong (a full disk, a name that is taken) leaves the upload as it was, to be finished again.
//!
//! Limits: so many uploads are open, all of them together never promise more than the disk has
//! besides a reserve, and a worker drops those that nobody continues.

mod finish;
pub(super) mod inspect;
mod part;
mod spool;
mod table;
mod worker;

use std::sync::Arc;

use protocol::{
    control::{Failure, FailureCode, Happened, UploadNews, UploadReport, UploadStart, UploadState},
    upload::{Session, Spec, State, UploadId},
};

pub(super) use self::{finish::finish, part::put_part, table::Uploads, worker::run};
use super::{
    handle::archive::hex,
    node::{Node, blocking},
};
use crate::sys::{self, OsEntropy};

/// Uploads that are open at once.
pub(super) const OPEN_MAX: usize = 16;

/// Uploads that have ended and are still told of.
const ENDED_MAX: usize = 64;

/// What uploads leave free on the disk, as plain tars do.
pub(super) const RESERVE_BYTES: u64 = 256 << 20;

/// Begins an upload.
///
/// # Errors
/// When a bound is broken, an archive has that name, too many are open, or the disk has no room.
pub(super) async fn start(node: Arc<Node>, start: UploadStart) -> Result<UploadReport, Failure> {
    const WHAT: &str = "cannot begin the upload";
    let UploadStart { filename, total_bytes, part_bytes, sha256 } = start;
    let spec = Spec::new(&filename, total_bytes, part_bytes, &sha256)
        .map_err(|error| Failure::caused(FailureCode::Invalid, WHAT, &error))?;
    let (me, name) = (node.id(), spec.archive().as_str());
    if node.archive_list().iter().any(|a| a.origin == me && a.title() == name) {
        return Err(taken(WHAT, name));
    }
    let id = UploadId::generate(&mut OsEntropy);
    let session = Session::new(spec, sys::now());
    blocking(move || {
        node.uploads.begin(&node.db, id, session)?;
        node.uploads.report(&id)
    })
    .await
}

/// Every upload that is not forgotten, newest first.
///
/// # Errors
/// Never.
pub(super) async fn list(node: Arc<Node>) -> Result<Vec<UploadReport>, Failure> {
    Ok(node.uploads.reports())
}

/// One upload.
///
/// # Errors
/// When there is none.
pub(super) async fn show(node: Arc<Node>, upload: String) -> Result<UploadReport, Failure> {
    node.uploads.report(&named(&upload)?)
}

/// Drops an upload. One that is being finished is stopped first; an archive that it became stays.
///
/// # Errors
/// When there is none, or the disk refuses.
pub(super) async fn cancel(node: Arc<Node>, upload: String) -> Result<(), Failure> {
    let id = named(&upload)?;
    while let Some((run, mut ended)) = node.uploads.stop(&id)? {
        if let Some(run) = run {
            node.runs.cancel(run);
        }
        // An end without a word is one too.
        let _ = ended.changed().await;
        finish::mend(&node, &id, &ended);
    }
    blocking(move || node.uploads.forget(&node.db, &[id])).await
}

fn named(upload: &str) -> Result<UploadId, Failure> {
    // A text that is no id names nothing, whatever else it is.
    upload.parse().map_err(|_| unknown())
}

fn unknown() -> Failure {
    Failure::new(FailureCode::NotFound, "cannot find the upload", "there is none of that id")
        .hint("it may have expired, or was dropped: begin a new one")
}

fn taken(what: &str, name: &str) -> Failure {
    Failure::new(FailureCode::Exists, what, format!("there is an archive of the name {name}"))
        .hint("rename the file, or remove the archive that is there")
}

fn refused(id: &UploadId, why: &str) -> Failure {
    Failure::new(FailureCode::Mismatch, format!("cannot take upload {id} in"), why)
        .hint("nothing was published and its bytes are gone: begin a new upload")
}

/// How an upload stands, the archive that it became, and why it was refused.
fn standing(id: &UploadId, session: &Session) -> (UploadState, Option<String>, Option<Failure>) {
    match session.state() {
        State::Open if session.received() == 0 => (UploadState::Pending, None, None),
        State::Open => (UploadState::InProgress, None, None),
        State::Finishing => (UploadState::Finishing, None, None),
        State::Complete => {
            (UploadState::Complete, Some(session.spec().archive().to_string()), None)
        }
        State::Refused { why } => (UploadState::Error, None, Some(refused(id, why))),
    }
}

/// An upload as news.
fn told(id: &UploadId, session: &Session) -> Happened {
    let (spec, (state, archive, failure)) = (session.spec(), standing(id, session));
    Happened::Upload(UploadNews {
        id: id.to_string(),
        filename: spec.filename().to_owned(),
        total_bytes: spec.total_bytes(),
        parts: spec.parts(),
        received: session.received(),
        state: Some(state),
        archive,
        failure,
    })
}

/// One that is gone.
fn dropped(id: &UploadId, session: &Session) -> Happened {
    match told(id, session) {
        Happened::Upload(upload) => Happened::Upload(UploadNews { state: None, ..upload }),
        other => other,
    }
}

/// An upload as it is told.
fn report(id: &UploadId, session: &Session) -> UploadReport {
    let (spec, (state, archive, failure)) = (session.spec(), standing(id, session));
    UploadReport {
        id: id.to_string(),
        start: UploadStart {
            filename: spec.filename().to_owned(),
            total_bytes: spec.total_bytes(),
            part_bytes: spec.part_bytes(),
            sha256: hex(spec.sha256()),
        },
        parts: spec.parts(),
        received: session.received(),
        missing: session.missing().take(UploadReport::MISSING_LISTED_MAX).collect(),
        state,
        started_ms: session.started(),
        expires_ms: session.expires(),
        archive,
        failure,
    }
}

#[cfg(test)]
mod tests;

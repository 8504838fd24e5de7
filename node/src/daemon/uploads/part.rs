//! Taking one part.
//!
//! Its bytes go through two buffers of bounded size to their place in the spool, so memory does not
//! depend on the size of parts. A part is written by one at a time; one that is here already is read
//! to its end, counted, and changes nothing.

use std::{fs::File, num::NonZeroU64, os::unix::fs::FileExt as _, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt as _;
use protocol::{
    control::{Failure, FailureCode, UploadReport},
    upload::{Admission, PartError, UploadId},
};
use rustix::fs::{Advice, fadvise};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};
use web::PartBody;

use super::{named, spool::disk_failure};
use crate::{
    daemon::node::{Node, blocking},
    sys,
};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 512 << 10;

/// Parts that are written at once, of all uploads together.
const WRITING_MAX: usize = 32;

/// How long nothing may come.
const IDLE: Duration = Duration::from_secs(60);

/// How long one part may take: the largest at 20 KB a second.
const PART_TIME_MAX: Duration = Duration::from_secs(3_600);

const WHAT: &str = "cannot take the part";

/// Takes one part. `bytes` is what the client says its size is. `place` is given back when nothing
/// is written any more, which may be a moment after the client has left.
///
/// # Errors
/// When there is no such upload or part, it has another size or is cut off, somebody else writes
/// it, or the disk is full. Then it is as missing as before.
pub(in crate::daemon) async fn put_part(
    node: Arc<Node>,
    upload: String,
    number: u32,
    bytes: Option<u64>,
    body: PartBody,
    place: impl Send + Sync + 'static,
) -> Result<UploadReport, Failure> {
    let id = named(&upload)?;
    let place: Place = Arc::new(place);
    let (admission, claim) = claim(&node, id, number, bytes, &place)?;
    let (offset, wanted) = match admission {
        Admission::New { offset, bytes } => (Some(offset), bytes),
        Admission::Known { bytes } => (None, bytes),
    };
    let deadline = Instant::now() + PART_TIME_MAX;
    let mut incoming = Incoming { body, number, wanted, found: 0, deadline };
    match (offset, claim) {
        (Some(offset), Some(claim)) => write(Arc::new(claim), offset, incoming).await?,
        _ => while incoming.next().await?.is_some() {},
    }
    node.uploads.report(&id)
}

/// What is held while a part is being taken.
type Place = Arc<dyn Send + Sync>;

/// The right to write one part, given back when it is dropped.
struct Claim {
    _place: Place,
    node: Arc<Node>,
    id: UploadId,
    number: u32,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(entry) = self.node.uploads.lock().get_mut(&self.id) {
            entry.writing.remove(&self.number);
        }
    }
}

/// Looks whether a part can be taken, and by us.
fn claim(
    node: &Arc<Node>,
    id: UploadId,
    number: u32,
    bytes: Option<u64>,
    place: &Place,
) -> Result<(Admission, Option<Claim>), Failure> {
    let uploads = &node.uploads;
    let admission = uploads.look(&id, |entry| entry.session.admits(number, bytes))?;
    let admission = admission.map_err(|error| refuse(&error))?;
    let Admission::New { bytes, .. } = admission else { return Ok((admission, None)) };
    let free = uploads.spool.free_bytes();
    if free < bytes.saturating_add(uploads.reserve_bytes) {
        let why = format!(
            "it has {bytes} bytes, {free} are free and {} of them stay free",
            uploads.reserve_bytes
        );
        return Err(Failure::new(FailureCode::NoSpace, WHAT, why)
            .hint("free space on the disk of the data folder, then send it again"));
    }
    let busy = |why: String| Err(Failure::new(FailureCode::Busy, WHAT, why));
    let mut table = uploads.lock();
    if table.values().map(|entry| entry.writing.len()).sum::<usize>() >= WRITING_MAX {
        return busy(format!("{WRITING_MAX} parts are being written already"));
    }
    let Some(entry) = table.get_mut(&id) else { return Err(super::unknown()) };
    // It may have come since it was looked at: who wrote it has let it go, so this is the truth.
    let admission = entry.session.admits(number, None).map_err(|error| refuse(&error))?;
    if matches!(admission, Admission::Known { .. }) {
        return Ok((admission, None));
    }
    if !entry.writing.insert(number) {
        return busy(format!("part {number} is being written by another request"));
    }
    let (node, place) = (Arc::clone(node), Arc::clone(place));
    Ok((admission, Some(Claim { _place: place, node, id, number })))
}

/// Writes a part to its place and notes it, each step durable before the next.
async fn write(claim: Arc<Claim>, offset: u64, mut incoming: Incoming) -> Result<(), Failure> {
    let file = blocking({
        let claim = Arc::clone(&claim);
        let failed = |error: std::io::Error| disk_failure(WHAT, &error);
        move || claim.node.uploads.spool.writable(&claim.id).map_err(failed)
    });
    let file = Arc::new(file.await?);
    let mut writer = Writer::new(Arc::clone(&claim), Arc::clone(&file), offset);
    while let Some(bytes) = incoming.next().await? {
        writer.take(&bytes).await?;
    }
    writer.end().await?;
    blocking(move || {
        file.sync_data().map_err(|error| disk_failure(WHAT, &error))?;
        let (node, id, number) = (&claim.node, &claim.id, claim.number);
        node.uploads.change(&node.db, id, |session| {
            session.receive(number, sys::now()).map_err(|error| refuse(&error))
        })
    })
    .await
}

/// Writes to the spool while the next bytes come: one buffer fills, the other one is written.
///
/// Should the request go away meanwhile, the claim stays until the write has ended, so that late
/// bytes never meet those of the next try.
struct Writer {
    claim: Arc<Claim>,
    file: Arc<File>,
    offset: u64,
    buffer: Vec<u8>,
    at_work: Option<JoinHandle<Result<Vec<u8>, std::io::Error>>>,
}

impl Writer {
    fn new(claim: Arc<Claim>, file: Arc<File>, offset: u64) -> Self {
        Self { claim, file, offset, buffer: Vec::with_capacity(BUFFER_BYTES), at_work: None }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.turn().await } else { Ok(()) }
    }

    /// Begins to write what was gathered, once what came before is written.
    async fn turn(&mut self) -> Result<(), Failure> {
        let empty = self.settled().await?;
        let mut full = std::mem::replace(&mut self.buffer, empty);
        let (claim, file, offset) = (Arc::clone(&self.claim), Arc::clone(&self.file), self.offset);
        self.offset += full.len() as u64;
        self.at_work = Some(spawn_blocking(move || {
            let written = file.write_all_at(&full, offset);
            // Dirty pages go to the disk now, and not all at the end: that is what the advice does.
            // Where it is not heard, it only takes longer.
            let _ = fadvise(&file, offset, NonZeroU64::new(full.len() as u64), Advice::DontNeed);
            drop(claim);
            full.clear();
            written.map(|()| full)
        }));
        Ok(())
    }

    /// The buffer that was written, empty.
    async fn settled(&mut self) -> Result<Vec<u8>, Failure> {
        let Some(at_work) = self.at_work.take() else {
            return Ok(Vec::with_capacity(BUFFER_BYTES));
        };
        let died = |error| Failure::caused(FailureCode::Internal, WHAT, &error);
        at_work.await.map_err(died)?.map_err(|error| disk_failure(WHAT, &error))
    }

    /// Writes the rest.
    async fn end(mut self) -> Result<(), Failure> {
        self.turn().await?;
        self.settled().await.map(drop)
    }
}

/// The bytes of a part as they come, counted.
struct Incoming {
    body: PartBody,
    number: u32,
    wanted: u64,
    found: u64,
    deadline: Instant,
}

impl Incoming {
    /// The next bytes; none when all have come, and not one more.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let (number, wanted) = (self.number, self.wanted);
        let invalid = |why: String| Err(Failure::new(FailureCode::Invalid, WHAT, why));
        let next = timeout_at(self.deadline, timeout(IDLE, self.body.next()));
        match next.await {
            Err(_) => invalid(format!("it took more than {} seconds", PART_TIME_MAX.as_secs())),
            Ok(Err(_)) => invalid(format!("nothing came for {} seconds", IDLE.as_secs())),
            Ok(Ok(Some(Err(error)))) => {
                let why = format!("it broke off after {} of {wanted} bytes", self.found);
                Err(Failure::new(FailureCode::Invalid, WHAT, format!("{why}: {error}"))
                    .hint("send it again; what came before is kept"))
            }
            Ok(Ok(Some(Ok(bytes)))) => {
                self.found = self.found.saturating_add(bytes.len() as u64);
                if self.found > wanted {
                    let found = self.found;
                    return Err(refuse(&PartError::Bytes { number, wanted, found }));
                }
                Ok(Some(bytes))
            }
            Ok(Ok(None)) if self.found < wanted => {
                let found = self.found;
                Err(refuse(&PartError::Bytes { number, wanted, found }))
            }
            Ok(Ok(None)) => Ok(None),
        }
    }
}

fn refuse(error: &PartError) -> Failure {
    let code = match error {
        PartError::Over => FailureCode::Conflict,
        PartError::Number { .. } | PartError::Bytes { .. } => FailureCode::Invalid,
    };
    Failure::caused(code, WHAT, error)
}

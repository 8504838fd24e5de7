//! Proving that an archive is here, whole and the one that was made.

use std::{io::Read as _, ops::ControlFlow};

use protocol::{
    SealedId,
    control::{Failure, FailureCode, Verified},
    key::ArchiveKey,
};
use sha2::{Digest as _, Sha256};

use super::{
    live::{self, Walked},
    objects::ArchiveObjects,
    view::Archive,
    workers::Meter,
};
use crate::{
    archive::{ArchiveError, ArchiveReader},
    chunks::{ChunkStore, StoreError},
    daemon::{failure::store_failure, handle::archive::unreadable},
    socket::EventSink,
    sys,
};

/// Missing and damaged objects that are named.
const NAMED_MAX: usize = 100;

/// Objects between two words on how far it is.
const TELL_EVERY: u64 = 256;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Reads every object of an archive from this node's store; where it has the key, opens all of it
/// too and compares the SHA-256 when one is known.
///
/// # Errors
/// When the store itself fails, or somebody stopped it. What is missing or damaged is in the answer.
pub(super) fn verify(
    store: &ChunkStore,
    key: Option<&ArchiveKey>,
    archive: &Archive,
    events: &EventSink,
) -> Result<Verified, Failure> {
    let what = format!("cannot verify archive {}", archive.title());
    let mut meter = Meter::new(0);
    let mut found = Found { store, result: empty(archive) };
    let total = Some(archive.facts.sealed_bytes);
    let mut failed = None;
    let walked = live::closure(store, &archive.facts.root, &mut Walked::default(), &mut |link| {
        if let Err(error) = found.object(&link.id) {
            failed = Some(store_failure(&what, &error));
        }
        if found.result.objects.is_multiple_of(TELL_EVERY) {
            events.progress(meter.progress("verifying", found.result.bytes, total));
            failed = failed.take().or_else(|| check_cancel(events, &what).err());
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(failed) = failed {
        return Err(failed);
    }
    // Roots and pages that cannot be read were named before, and counted there.
    walked.map_err(|error| store_failure(&what, &error))?;
    let mut result = found.result;
    if let (true, Some(key)) = (result.whole(), key) {
        result.sha256_matches = content(store, key, archive, events, &what)?;
    }
    result.duration_ms = meter.elapsed_ms();
    Ok(result)
}

struct Found<'a> {
    store: &'a ChunkStore,
    result: Verified,
}

impl Found<'_> {
    fn object(&mut self, id: &SealedId) -> Result<(), StoreError> {
        let result = &mut self.result;
        match self.store.get(id) {
            Ok(bytes) => {
                result.objects += 1;
                result.bytes += bytes.len() as u64;
            }
            Err(StoreError::Missing { .. }) => {
                result.missing_total += 1;
                note(&mut result.missing, *id);
            }
            Err(StoreError::Damaged { .. }) => {
                result.damaged_total += 1;
                note(&mut result.damaged, *id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn note(list: &mut Vec<SealedId>, id: SealedId) {
    if list.len() < NAMED_MAX {
        list.push(id);
    }
}

/// Opens the whole stream; compares its SHA-256 where one is known.
fn content(
    store: &ChunkStore,
    key: &ArchiveKey,
    archive: &Archive,
    events: &EventSink,
    what: &str,
) -> Result<Option<bool>, Failure> {
    let (Some(root), Some(meta)) = (archive.root(), &archive.meta) else { return Ok(None) };
    let objects = std::sync::Arc::new(ArchiveObjects::local(store));
    let failed = |error: ArchiveError| unreadable(archive, &error);
    let reader = ArchiveReader::open(objects, key, &root).map_err(failed)?;
    let mut stream = reader.whole(sys::threads());
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    let (mut meter, mut bytes) = (Meter::new(0), 0_u64);
    loop {
        let read = stream
            .read(&mut buffer)
            .map_err(|error| Failure::caused(FailureCode::Damaged, what, &error))?;
        if read == 0 {
            break;
        }
        if meta.sha256.is_some() {
            hash.update(&buffer[..read]);
        }
        bytes += read as u64;
        events.progress(meter.progress("opening", bytes, Some(meta.stream_bytes)));
        check_cancel(events, what)?;
    }
    let matches = meta.sha256.map(|sha256| sha256 == <[u8; 32]>::from(hash.finalize()));
    if bytes == meta.stream_bytes { Ok(matches) } else { Ok(Some(false)) }
}

fn empty(archive: &Archive) -> Verified {
    Verified {
        archive: archive.title(),
        objects: 0,
        bytes: 0,
        missing: Vec::new(),
        missing_total: 0,
        damaged: Vec::new(),
        damaged_total: 0,
        sha256_matches: None,
        duration_ms: 0,
    }
}

/// Ends the work when somebody asked for it.
pub(super) fn check_cancel(events: &EventSink, what: &str) -> Result<(), Failure> {
    if events.cancel().is_set() {
        return Err(Failure::new(FailureCode::Cancelled, what, "somebody stopped it"));
    }
    Ok(())
}

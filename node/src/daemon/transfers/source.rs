//! The bytes of an archive for a transfer: any part of its tar, made from the store when it is sent.
//!
//! A part that has to be sent again is made again: nothing is spooled, on disk or in memory.

use std::io::{self, Read as _};

use protocol::control::{Failure, FailureCode};
use sha2::{Digest as _, Sha256};

use crate::{
    archive::Span,
    daemon::handle::archive::Opened,
    instances::{PIECE_BYTES, PartFeed},
    replicate::Cancel,
    sys,
};

/// Bytes hashed at once.
const HASH_BYTES: usize = 1 << 20;

/// Puts `from..to` of the tar into a part. Ends early when nobody wants it any more.
///
/// # Errors
/// When an object is missing or damaged.
pub(super) fn feed(
    opened: &Opened,
    (from, to): (u64, u64),
    feed: &PartFeed,
    what: &str,
) -> Result<(), Failure> {
    let mut stream = opened.reader.stream(vec![Span { from, to }], sys::threads());
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = stream.read(&mut piece).map_err(|error| unreadable(what, &error))?;
        piece.truncate(read);
        if read == 0 || !feed.put(piece.into()) {
            return Ok(());
        }
    }
}

/// The SHA-256 of the whole tar: one pass over it.
///
/// # Errors
/// When an object is missing or damaged, or somebody stopped it.
pub(super) fn sha256(opened: &Opened, stop: &Cancel, what: &str) -> Result<[u8; 32], Failure> {
    let mut stream = opened.reader.whole(sys::threads());
    let (mut hash, mut buffer, mut bytes) = (Sha256::new(), vec![0; HASH_BYTES], 0_u64);
    loop {
        let read = stream.read(&mut buffer).map_err(|error| unreadable(what, &error))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
        if stop.is_cancelled() {
            return Err(Failure::new(FailureCode::Cancelled, what, "it was stopped"));
        }
    }
    if bytes != opened.reader.stream_bytes() {
        let why = "its tar is not as long as its record says";
        return Err(Failure::new(FailureCode::Damaged, what, why));
    }
    Ok(hash.finalize().into())
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::caused(FailureCode::Unreachable, what, error)
        .hint("`archive show` says who has it; connect to a holder")
}

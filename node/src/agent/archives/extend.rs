//! More members for a plain tar.
//!
//! YunoHost writes the tars of apps and of the system itself; what it does not know of is added at
//! their end, where two blocks of zeros say that there is no more. The new end goes to the disk
//! first, then all but the first new block, and that block last: whenever the machine stops, the tar
//! is the old one or the new one. An old one that was stopped at has one block of zeros where two
//! belong: it is read (GNU tar remarks on it), and not added to again.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
};

use protocol::tar::{BLOCK_BYTES, END};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::{ArchiveFileName, Archives, ArchivesError};

/// Most bytes that are added at once.
pub const EXTENSION_BYTES_MAX: usize = 1 << 20;

/// How many zeros may follow the end; Python and GNU tar fill up to 10,240 bytes.
const TAIL_BYTES_MAX: u64 = 1 << 20;

impl Archives {
    /// Puts whole members (`bytes`) in place of the end of a tar, which begins at `at`.
    pub(in crate::agent) fn extend(
        &self,
        name: &ArchiveFileName,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), ArchivesError> {
        let refused = |why| Err(ArchivesError::Refused { name: name.clone(), why });
        let failed = || self.error(format!("add to {name}"));
        if name.stem().is_none() {
            return refused("is no plain tar");
        }
        if self.is_symlink(name) {
            return refused("is a link");
        }
        let block = BLOCK_BYTES;
        let is_whole = !bytes.is_empty() && bytes.len().is_multiple_of(block);
        if !is_whole || bytes.len() > EXTENSION_BYTES_MAX || bytes[..block] == END[..block] {
            return refused("cannot get what are no whole members");
        }
        let file = self.open_file(name.as_str(), OpenOptions::new().read(true).write(true));
        let file = file.map_err(failed())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(ArchivesError::Busy { name: name.clone() }),
            Err(errno) => return Err(failed()(errno.into())),
        }
        if !ends_at(&file, at).map_err(failed())? {
            return refused("does not end there");
        }
        let old_bytes = file.metadata().map_err(failed())?.len();
        write(&file, at, bytes).map_err(|error| {
            put_back(&file, at, old_bytes);
            failed()(error)
        })
    }
}

/// Whether there is nothing but an end of zeros from there on.
fn ends_at(file: &File, at: u64) -> io::Result<bool> {
    let bytes = file.metadata()?.len();
    let tail = bytes.checked_sub(at).filter(|_| at.is_multiple_of(BLOCK_BYTES as u64));
    let Some(tail) = tail.filter(|tail| (END.len() as u64..=TAIL_BYTES_MAX).contains(tail)) else {
        return Ok(false);
    };
    let mut zeros = vec![0; usize::try_from(tail).unwrap_or(0)];
    file.read_exact_at(&mut zeros, at)?;
    Ok(zeros.iter().all(|&byte| byte == 0))
}

fn write(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    let (first, rest) = bytes.split_at(BLOCK_BYTES);
    write_rest(file, at + BLOCK_BYTES as u64, rest)?;
    file.write_all_at(first, at)?;
    // Nothing behind the end, so that the file is what the archive's own stream is, byte by byte.
    file.set_len(at + (bytes.len() + END.len()) as u64)?;
    file.sync_all()
}

/// All but the first block, and the new end; the tar is still the old one.
pub(super) fn write_rest(file: &File, at: u64, rest: &[u8]) -> io::Result<()> {
    let end = at + (rest.len() + END.len()) as u64;
    // Past the old length there are zeros now, and up to it there were.
    file.set_len(end.max(file.metadata()?.len()))?;
    file.write_all_at(rest, at)?;
    file.sync_all()
}

/// As far as it goes: the first block decides, and it is written last.
pub(super) fn put_back(file: &File, at: u64, old_bytes: u64) {
    let put_back = || -> io::Result<()> {
        file.write_all_at(&END[..BLOCK_BYTES], at)?;
        file.set_len(at)?;
        file.set_len(old_bytes)?;
        file.sync_all()
    };
    if let Err(error) = put_back() {
        tracing::warn!(%error, "cannot put the end of an archive back");
    }
}

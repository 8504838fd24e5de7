//! Reading a small file, whole, as it is at one moment.

use std::os::fd::OwnedFd;

use protocol::tar::{MemberKind, SparseMap};
use rustix::io::Errno;

use super::attributes::{self, Attributes, Refused};
use super::holes;
use super::segment::Pending;
use super::stat::FileStat;

/// A file that has grown since `stat` found it small is read up to here.
const GROWN_BYTES_MAX: u64 = 512 << 10;

/// What reading a small file gave; its data is in the buffer.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) stat: FileStat,
    pub(super) sparse: Option<SparseMap>,
    pub(super) attributes: Result<Attributes, Refused>,
    /// Nothing changed since the walk.
    pub(super) is_as_found: bool,
    /// It changed even while it was read for the second time.
    pub(super) is_torn: bool,
}

/// Reads the data of a file into the buffer.
///
/// When it is not the file that the walk found, or changed meanwhile, it is read once more.
pub(super) fn read(
    pending: &Pending,
    buffer: &mut Vec<u8>,
    reader: &mut attributes::Reader,
) -> Result<Small, Errno> {
    let directory = pending.directory.as_ref().ok_or(Errno::NOENT)?;
    let file = directory.file(&pending.name)?;
    let found = pending.stat;
    let mut stat = found;
    if pending.member.data_bytes <= GROWN_BYTES_MAX {
        content(&file, found.bytes, pending.member.sparse.as_ref(), buffer)?;
        let attributes = reader.of_file(&file);
        stat = rustix::fs::fstat(&file)?.into();
        if stat.is_same(&found) && buffer.len() as u64 == pending.member.data_bytes {
            let sparse = pending.member.sparse.clone();
            return Ok(Small { stat, sparse, attributes, is_as_found: true, is_torn: false });
        }
    }
    if stat.kind() != Some(MemberKind::File) {
        return Err(Errno::LOOP);
    }
    let bytes = stat.bytes.min(GROWN_BYTES_MAX);
    let sparse = if stat.may_be_sparse() { holes::map_of(&file, bytes)? } else { None };
    content(&file, bytes, sparse.as_ref(), buffer)?;
    let attributes = reader.of_file(&file);
    let before = std::mem::replace(&mut stat, rustix::fs::fstat(&file)?.into());
    let is_torn = !stat.is_same(&before) || bytes < before.bytes;
    Ok(Small { stat, sparse, attributes, is_as_found: false, is_torn })
}

/// The first `bytes` of a file; of a sparse one its stretches in turn, zeros where they are missing.
fn content(
    file: &OwnedFd,
    bytes: u64,
    sparse: Option<&SparseMap>,
    buffer: &mut Vec<u8>,
) -> Result<(), Errno> {
    buffer.clear();
    let Some(map) = sparse else { return fill(file, 0, bytes, buffer).map(|_| ()) };
    for extent in &map.extents {
        let end = buffer.len() as u64 + extent.bytes;
        fill(file, extent.offset, extent.bytes, buffer)?;
        buffer.resize(usize::try_from(end).map_err(|_| Errno::FBIG)?, 0);
    }
    Ok(())
}

/// Appends `bytes` of a file from an offset on, fewer where it ends before. Says how many.
pub(super) fn fill(
    file: &OwnedFd,
    offset: u64,
    bytes: u64,
    buffer: &mut Vec<u8>,
) -> Result<usize, Errno> {
    let bytes = usize::try_from(bytes).map_err(|_| Errno::FBIG)?;
    let begin = buffer.len();
    buffer.resize(begin + bytes, 0);
    let mut filled = 0;
    while filled < bytes {
        let at = offset + filled as u64;
        match rustix::io::pread(file, &mut buffer[begin + filled..], at) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(error) => {
                buffer.truncate(begin);
                return Err(error);
            }
        }
    }
    buffer.truncate(begin + filled);
    Ok(filled)
}

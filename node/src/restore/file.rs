//! One regular file while it is written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use protocol::tar::{Extent, Member};
use rustix::{
    fs::{Mode, OFlags, ftruncate, openat},
    io::{Errno, pread, pwrite},
};

use super::error::ItemError;

/// The mode of a file that is not complete.
pub(super) const UNFINISHED_FILE: u32 = 0o200;

const READ_BYTES: usize = 256 << 10;

/// A file under a name that is not yet its own, or is its own in a directory that is not yet
/// complete.
pub(super) struct FileWriter {
    fd: OwnedFd,
    /// The name it has now.
    pub(super) name: Vec<u8>,
    /// Where its data goes; the first `extent` of them are complete.
    extents: Vec<Extent>,
    extent: usize,
    /// Bytes written of the current one.
    within: u64,
    real_bytes: u64,
    sparse: bool,
    hasher: Option<blake3::Hasher>,
}

impl FileWriter {
    /// Makes the file; `reread` when its content will be compared at the end.
    pub(super) fn create(
        dir: BorrowedFd<'_>,
        name: &[u8],
        member: &Member,
        reread: bool,
    ) -> Result<Self, ItemError> {
        let extents = extents(member)?;
        let access = if reread { OFlags::RDWR } else { OFlags::WRONLY };
        let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(dir, name, flags, Mode::from_raw_mode(UNFINISHED_FILE))
            .map_err(ItemError::io("make the file"))?;
        Ok(Self {
            fd,
            name: name.to_vec(),
            extents,
            extent: 0,
            within: 0,
            real_bytes: member.real_bytes(),
            sparse: member.sparse.is_some(),
            hasher: reread.then(blake3::Hasher::new),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Writes the next bytes of its data.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), ItemError> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        while !bytes.is_empty() {
            let Some(extent) = self.extents.get(self.extent) else {
                return Err(ItemError::Long);
            };
            let left = extent.bytes - self.within;
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(take);
            write_at(self.fd.as_fd(), now, extent.offset + self.within)?;
            bytes = later;
            self.within += take as u64;
            if take as u64 == left {
                self.extent += 1;
                self.within = 0;
            }
        }
        Ok(())
    }

    /// All data is there: gives it its size, and compares its content when that was asked for.
    /// False when what is read is not what was written.
    pub(super) fn complete(&mut self) -> Result<bool, ItemError> {
        if self.extent < self.extents.len() {
            return Err(ItemError::Short);
        }
        if self.sparse {
            ftruncate(&self.fd, self.real_bytes).map_err(ItemError::io("set its size"))?;
        }
        self.hasher.take().map_or(Ok(true), |hasher| {
            Ok(hasher.finalize() == self.read_again().map_err(ItemError::io("read it again"))?)
        })
    }

    fn read_again(&self) -> Result<blake3::Hash, Errno> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; READ_BYTES];
        for extent in &self.extents {
            let (mut at, end) = (extent.offset, extent.offset + extent.bytes);
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(READ_BYTES);
                match pread(&self.fd, &mut buffer[..want], at) {
                    Ok(0) => return Ok(hasher.finalize()),
                    Ok(bytes) => {
                        hasher.update(&buffer[..bytes]);
                        at += bytes as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(hasher.finalize())
    }
}

fn write_at(fd: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> Result<(), ItemError> {
    while !bytes.is_empty() {
        match pwrite(fd, bytes, offset) {
            Ok(0) => return Err(ItemError::Io { what: "write", errno: Errno::IO }),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(ItemError::Io { what: "write", errno }),
        }
    }
    Ok(())
}

/// Where the data of a member goes, empty stretches left out; checked, since an archive says it.
fn extents(member: &Member) -> Result<Vec<Extent>, ItemError> {
    let Some(map) = &member.sparse else {
        let whole = Extent { offset: 0, bytes: member.data_bytes };
        return Ok(if member.data_bytes == 0 { Vec::new() } else { vec![whole] });
    };
    let (mut end, mut sum) = (0_u64, 0_u64);
    for extent in &map.extents {
        let next = extent.offset.checked_add(extent.bytes).ok_or(ItemError::SparseMap)?;
        if extent.offset < end || next > map.real_bytes {
            return Err(ItemError::SparseMap);
        }
        end = next;
        sum += extent.bytes;
    }
    if sum != member.data_bytes || i64::try_from(map.real_bytes).is_err() {
        return Err(ItemError::SparseMap);
    }
    Ok(map.extents.iter().copied().filter(|extent| extent.bytes > 0).collect())
}

//! A folder as a zip that is written while it is sent.
//!
//! The size and the checksum of a file are known behind it, so they follow in a *descriptor*, and
//! again in the *directory* at the end: APPNOTE 6.3, with zip64 where 32 bits do not do. All data is
//! deflated; of what does not shrink the blocks are stored ones. Symbolic links are kept as Info-ZIP
//! does; a hard link is its file once more, holes are zeros. Pipes and devices are left out, and so are
//! owners, extended attributes and the set-id bits: a tar has them.
//!
//! The directory lies in memory until the end, which is why a zip has a bound and a tar has none.

mod format;
mod packer;

use protocol::{
    contents::Entry,
    tar::{Member, MemberKind, SparseMap},
};

use self::{
    format::{Directory, Listed},
    packer::Packer,
};
use super::{
    DownloadError,
    folder::{Folder, Format, walk},
    member, names,
    pour::Out,
};
use crate::archive::ArchiveReader;

/// The largest directory that is held in memory: some 200,000 files.
pub(super) const DIRECTORY_BYTES_MAX: u64 = 32 << 20;

/// What a member takes of the directory at most.
pub(super) fn directory_bytes(entry: &Entry) -> u64 {
    // Three characters for a byte, where it is no text.
    3 * entry.path.len() as u64 + format::LISTED_BYTES_MAX
}

/// Writes it.
pub(super) fn write(
    reader: &ArchiveReader,
    folder: &Folder,
    out: &mut Out,
) -> Result<(), DownloadError> {
    let mut zip = Zip { out, at: 0, directory: Directory::default(), now: None };
    walk(reader, folder, &mut zip)?;
    let (directory, at) = (std::mem::take(&mut zip.directory), zip.at);
    out.write(&directory.ended(at))
}

struct Zip<'a> {
    out: &'a mut Out,
    /// Bytes written so far.
    at: u64,
    directory: Directory,
    now: Option<Now>,
}

/// The file at hand.
struct Now {
    listed: Listed,
    packer: Packer,
    holes: Holes,
}

impl Zip<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.at += bytes.len() as u64;
        self.out.write(bytes)
    }

    /// A member whose data is known already: a directory, a link.
    fn small(&mut self, mut listed: Listed, data: &[u8]) -> Result<(), DownloadError> {
        listed.known(data);
        self.write(&listed.local())?;
        self.write(data)?;
        self.directory.add(&listed);
        Ok(())
    }

    fn pack(&mut self, now: &mut Now, bytes: &[u8]) -> Result<(), DownloadError> {
        let (at, out) = (&mut self.at, &mut *self.out);
        now.packer.push(bytes, &mut |packed: &[u8]| {
            *at += packed.len() as u64;
            out.write(packed)
        })
    }
}

impl Format for Zip<'_> {
    const HARD_LINKS: bool = false;

    fn name(&self, path: &[u8]) -> Vec<u8> {
        names::in_zip(path).into_bytes()
    }

    fn begin(&mut self, name: Vec<u8>, member: Member) -> Result<(), DownloadError> {
        let listed = |name, mode| Listed::new(name, self.at, mode, member.mtime.seconds);
        match member.kind {
            MemberKind::Directory => {
                let name = [name.as_slice(), b"/"].concat();
                self.small(listed(name, format::DIRECTORY | member.mode & 0o777), &[])
            }
            MemberKind::Symlink => self.small(listed(name, format::SYMLINK | 0o777), &member.link),
            MemberKind::File => {
                let mut listed = listed(name, format::FILE | member.mode & 0o777);
                listed.streamed(member.real_bytes());
                self.write(&listed.local())?;
                let holes = Holes::new(member.sparse, member.data_bytes);
                self.now = Some(Now { listed, packer: Packer::default(), holes });
                Ok(())
            }
            // A hard link came as its file; the rest cannot be said.
            _ => Ok(()),
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        let Some(mut now) = self.now.take() else { return Ok(()) };
        let mut left = bytes;
        while !left.is_empty() {
            let (hole, data_bytes) = now.holes.before(left.len());
            member::zeros(hole, &mut |zeros| self.pack(&mut now, &zeros))?;
            let (data, rest) = left.split_at(data_bytes);
            self.pack(&mut now, data)?;
            left = rest;
        }
        self.now = Some(now);
        Ok(())
    }

    fn end(&mut self) -> Result<(), DownloadError> {
        let Some(mut now) = self.now.take() else { return Ok(()) };
        let hole = now.holes.at_the_end();
        member::zeros(hole, &mut |zeros| self.pack(&mut now, &zeros))?;
        let Now { mut listed, packer, .. } = now;
        let (at, out) = (&mut self.at, &mut *self.out);
        let packed = packer.finish(&mut |packed: &[u8]| {
            *at += packed.len() as u64;
            out.write(packed)
        })?;
        let wanted = listed.plain_bytes;
        if packed.plain_bytes != wanted {
            return Err(DownloadError::Short { wanted, found: packed.plain_bytes });
        }
        listed.packed(&packed);
        self.write(&listed.descriptor())?;
        self.directory.add(&listed);
        Ok(())
    }
}

/// Where in a file its stretches of data belong.
struct Holes {
    map: SparseMap,
    extent: usize,
    /// Bytes of the file so far.
    at: u64,
}

impl Holes {
    fn new(map: Option<SparseMap>, bytes: u64) -> Self {
        let whole = || {
            let extent = protocol::tar::Extent { offset: 0, bytes };
            SparseMap { real_bytes: bytes, extents: vec![extent] }
        };
        Self { map: map.unwrap_or_else(whole), extent: 0, at: 0 }
    }

    /// How long the hole is before the next data, and how much of `bytes` follows without another.
    fn before(&mut self, bytes: usize) -> (u64, usize) {
        while let Some(extent) = self.map.extents.get(self.extent) {
            let end = extent.offset + extent.bytes;
            if end > self.at {
                let hole = extent.offset.saturating_sub(self.at);
                let room = end - self.at - hole;
                let data_bytes = usize::try_from(room).map_or(bytes, |room| room.min(bytes));
                self.at += hole + data_bytes as u64;
                return (hole, data_bytes);
            }
            self.extent += 1;
        }
        // More data than the map has: its size will not be the right one.
        self.at += bytes as u64;
        (0, bytes)
    }

    fn at_the_end(&self) -> u64 {
        self.map.real_bytes.saturating_sub(self.at)
    }
}

#[cfg(test)]
pub(super) mod tests;

//! Reading the data of a large file, piece by piece, to exactly the size its header says.

use std::os::fd::OwnedFd;

use protocol::limits::CHUNK_BYTES_MAX;
use protocol::tar::{Extent, MemberKind, SparseMap, padding};
use rustix::io::Errno;

use super::SourceSink;
use super::holes;
use super::segment::Pending;
use super::small::fill;
use super::stat::FileStat;

/// A large file, open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: OwnedFd,
    pub(super) stat: FileStat,
    pub(super) sparse: Option<SparseMap>,
}

/// How the data of a large file came.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Bytes that came from the file.
    pub(super) bytes: u64,
    /// It had fewer than announced, and zeros took their place.
    pub(super) is_short: bool,
    pub(super) error: Option<Errno>,
}

/// Opens a large file for its header and data, and looks at it anew if it changed.
pub(super) fn open(pending: &Pending) -> Result<Opened, Errno> {
    let directory = pending.directory.as_ref().ok_or(Errno::NOENT)?;
    let file = directory.file(&pending.name)?;
    let stat = FileStat::from(rustix::fs::fstat(&file)?);
    if stat.kind() != Some(MemberKind::File) {
        return Err(Errno::LOOP);
    }
    let sparse = if stat.is_same(&pending.stat) {
        pending.member.sparse.clone()
    } else if stat.may_be_sparse() {
        holes::map_of(&file, stat.bytes)?
    } else {
        None
    };
    Ok(Opened { file, stat, sparse })
}

/// Sends the data and its padding: what the file has of it, zeros for the rest.
pub(super) fn send(
    file: Option<&OwnedFd>,
    sparse: Option<&SparseMap>,
    data_bytes: u64,
    sink: &mut dyn SourceSink,
) -> std::io::Result<Sent> {
    let whole = [Extent { offset: 0, bytes: data_bytes }];
    let extents = sparse.map_or(&whole[..], |map| &map.extents);
    let mut pieces = Pieces { piece: Vec::new(), sink };
    let mut sent = Sent { is_short: file.is_none(), ..Sent::default() };
    for extent in extents {
        let mut at = 0;
        while at < extent.bytes {
            let wanted = pieces.room().min(extent.bytes - at);
            let got = match file.filter(|_| sent.error.is_none()) {
                Some(file) => fill(file, extent.offset + at, wanted, &mut pieces.piece),
                None => Ok(0),
            };
            let got = got.unwrap_or_else(|error| {
                sent.error = Some(error);
                0
            }) as u64;
            sent.bytes += got;
            sent.is_short |= got < wanted;
            pieces.zeros(wanted - got);
            pieces.send_if_full()?;
            at += wanted;
        }
    }
    let mut rest = padding(data_bytes);
    while rest > 0 {
        let zeros = pieces.room().min(rest);
        pieces.zeros(zeros);
        pieces.send_if_full()?;
        rest -= zeros;
    }
    pieces.send()?;
    Ok(sent)
}

/// Bytes on their way to the sink, in pieces of the largest size.
struct Pieces<'a> {
    piece: Vec<u8>,
    sink: &'a mut dyn SourceSink,
}

impl Pieces<'_> {
    /// At least one byte.
    fn room(&self) -> u64 {
        (CHUNK_BYTES_MAX - self.piece.len()) as u64
    }

    fn zeros(&mut self, bytes: u64) {
        // At most the room there is, so it fits.
        self.piece.resize(self.piece.len() + bytes as usize, 0);
    }

    fn send_if_full(&mut self) -> std::io::Result<()> {
        if self.room() == 0 { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> std::io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.sink.data(std::mem::take(&mut self.piece))
    }
}

//! Deflating the data of one file as it comes.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::super::DownloadError;

/// How much of a file says whether it shrinks.
const PROBE_BYTES: usize = 64 << 10;

/// Of what shrinks by less than a twentieth the blocks are stored.
const SHRUNK_PERCENT: usize = 95;

/// Packed bytes that are handed on at once.
const PACKED_BYTES: usize = 32 << 10;

/// A file on its way.
#[derive(Default)]
pub(super) struct Packer {
    crc: Crc,
    /// The beginning of the file, until it is known how to pack it.
    probe: Vec<u8>,
    deflate: Option<Compress>,
    buffer: Vec<u8>,
    packed_bytes: u64,
}

/// What a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) crc: u32,
    pub(super) plain_bytes: u64,
    pub(super) packed_bytes: u64,
}

type Put<'a> = dyn FnMut(&[u8]) -> Result<(), DownloadError> + 'a;

impl Packer {
    /// The next bytes of the file.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        put: &mut Put<'_>,
    ) -> Result<(), DownloadError> {
        if self.deflate.is_none() {
            let (now, rest) = bytes.split_at(bytes.len().min(PROBE_BYTES - self.probe.len()));
            self.probe.extend_from_slice(now);
            bytes = rest;
            if self.probe.len() < PROBE_BYTES {
                return Ok(());
            }
            self.begin(put)?;
        }
        self.deflate(bytes, FlushCompress::None, put)
    }

    /// The file has ended.
    pub(super) fn finish(mut self, put: &mut Put<'_>) -> Result<Packed, DownloadError> {
        if self.deflate.is_none() {
            self.begin(put)?;
        }
        self.deflate(&[], FlushCompress::Finish, put)?;
        let (crc, packed_bytes) = (self.crc.sum(), self.packed_bytes);
        let plain_bytes = self.deflate.as_ref().map_or(0, Compress::total_in);
        Ok(Packed { crc, plain_bytes, packed_bytes })
    }

    fn begin(&mut self, put: &mut Put<'_>) -> Result<(), DownloadError> {
        let probe = std::mem::take(&mut self.probe);
        let level = if shrinks(&probe)? { Compression::fast() } else { Compression::none() };
        self.deflate = Some(Compress::new(level, false));
        self.buffer.reserve(PACKED_BYTES);
        self.deflate(&probe, FlushCompress::None, put)
    }

    fn deflate(
        &mut self,
        mut bytes: &[u8],
        flush: FlushCompress,
        put: &mut Put<'_>,
    ) -> Result<(), DownloadError> {
        self.crc.update(bytes);
        let Some(deflate) = &mut self.deflate else { return Ok(()) };
        loop {
            let before = deflate.total_in();
            let status = deflate
                .compress_vec(bytes, &mut self.buffer, flush)
                .map_err(DownloadError::Packing)?;
            let taken = usize::try_from(deflate.total_in() - before).unwrap_or(bytes.len());
            bytes = bytes.get(taken..).unwrap_or_default();
            let full = self.buffer.len() == self.buffer.capacity();
            let ended = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => bytes.is_empty() && !full,
            };
            if full || ended {
                self.packed_bytes += self.buffer.len() as u64;
                put(&self.buffer)?;
                self.buffer.clear();
            }
            if ended {
                return Ok(());
            }
        }
    }
}

/// Whether it is worth the time.
fn shrinks(probe: &[u8]) -> Result<bool, DownloadError> {
    let mut packed = Vec::with_capacity(probe.len() * SHRUNK_PERCENT / 100);
    let status = Compress::new(Compression::fast(), false)
        .compress_vec(probe, &mut packed, FlushCompress::Finish)
        .map_err(DownloadError::Packing)?;
    Ok(status == Status::StreamEnd)
}

//! zstd, where a cheap probe says that it helps.

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, find_frame_compressed_size, get_error_name, get_frame_content_size,
};

use super::SealError;

/// Below this, trying is as cheap as probing.
const PROBED_BYTES_MIN: usize = 32 << 10;
const SAMPLE_BYTES: usize = 4 << 10;
const SAMPLES: usize = 3;

/// What must be saved to be worth unzipping later: a 32nd.
const GAIN_SHIFT: u32 = 5;

pub(super) fn zstd_error(code: usize) -> SealError {
    SealError::Zstd(get_error_name(code))
}

/// A compressor that is used again and again.
pub(super) struct Zipper {
    context: CCtx<'static>,
    probe: CCtx<'static>,
    out: Vec<u8>,
}

impl Zipper {
    pub(super) fn new(level: i32) -> Self {
        Self { context: at_level(level), probe: at_level(1), out: Vec::new() }
    }

    /// One zstd frame that states its content's size; none when little would be gained.
    pub(super) fn zip(&mut self, plain: &[u8]) -> Result<Option<&[u8]>, SealError> {
        if !self.promises(plain)? {
            return Ok(None);
        }
        // A frame never needs more than the bound; with that room an error is an error.
        self.out.resize(zstd::zstd_safe::compress_bound(plain.len()), 0);
        let bytes = self.context.compress2(&mut self.out[..], plain).map_err(zstd_error)?;
        let worth = bytes <= plain.len() - (plain.len() >> GAIN_SHIFT) && bytes < plain.len();
        Ok(worth.then(|| &self.out[..bytes]))
    }

    fn promises(&mut self, plain: &[u8]) -> Result<bool, SealError> {
        if plain.len() < PROBED_BYTES_MIN {
            return Ok(true);
        }
        let mut zipped = 0;
        for sample in 0..SAMPLES {
            let at = (plain.len() - SAMPLE_BYTES) / (SAMPLES - 1) * sample;
            self.out.resize(zstd::zstd_safe::compress_bound(SAMPLE_BYTES), 0);
            let sample = &plain[at..at + SAMPLE_BYTES];
            zipped += self.probe.compress2(&mut self.out[..], sample).map_err(zstd_error)?;
        }
        let all = SAMPLES * SAMPLE_BYTES;
        Ok(zipped <= all - (all >> GAIN_SHIFT))
    }
}

fn at_level(level: i32) -> CCtx<'static> {
    let mut context = CCtx::create();
    let set = context.set_parameter(CParameter::CompressionLevel(level));
    set.expect("zstd takes every level, clamped to those it has");
    context
}

/// The content of exactly one frame, which must state its size and keep to it.
pub(super) fn unzip(
    context: &mut DCtx<'_>,
    frame: &[u8],
    what: &'static str,
    bytes_max: usize,
) -> Result<Vec<u8>, SealError> {
    let stated = get_frame_content_size(frame).ok().flatten().ok_or(SealError::ZippedLength)?;
    let bytes = usize::try_from(stated).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(SealError::TooLarge { what, bytes, bytes_max });
    }
    if find_frame_compressed_size(frame).map_err(zstd_error)? != frame.len() {
        return Err(SealError::ZippedLength);
    }
    let mut out = vec![0; bytes];
    let written = context.decompress(&mut out[..], frame).map_err(zstd_error)?;
    if written == bytes { Ok(out) } else { Err(SealError::ZippedLength) }
}

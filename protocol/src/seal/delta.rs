//! One chunk as a difference to another: zstd with the base in front, which costs nothing.
//!
//! The contexts live as long as one call: a prefix is borrowed by its context.

use zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound};

use super::{
    SealError,
    zip::{unzip, zstd_error},
};
use crate::limits::CHUNK_BYTES_MAX;

/// Base and chunk together are at most 2 MiB, and all of both must stay in sight.
const WINDOW_LOG: u32 = 21;

/// Tables large enough to remember the whole of a base.
const HASH_LOG: u32 = 19;

pub(super) fn zip(level: i32, plain: &[u8], base: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(WINDOW_LOG),
        CParameter::HashLog(HASH_LOG),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::DeterministicRefPrefix(true),
    ] {
        context.set_parameter(parameter).map_err(zstd_error)?;
    }
    context.ref_prefix(base).map_err(zstd_error)?;
    let mut out = vec![0; compress_bound(plain.len())];
    let bytes = context.compress2(&mut out[..], plain).map_err(zstd_error)?;
    out.truncate(bytes);
    Ok(out)
}

pub(super) fn unzip_onto(frame: &[u8], base: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut context = DCtx::create();
    context.ref_prefix(base).map_err(zstd_error)?;
    unzip(&mut context, frame, "a chunk", CHUNK_BYTES_MAX)
}

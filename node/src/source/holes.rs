//! Where a sparse file has data.

use std::os::fd::AsFd;

use protocol::tar::{Extent, SparseMap};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// The most stretches of data kept of one file, so that its map fits a segment. Beyond it the
/// smallest holes are stored as zeros.
pub const EXTENTS_MAX: usize = 8192;

/// The map of a file of `bytes`; absent when it has no holes.
pub(super) fn map_of(file: impl AsFd, bytes: u64) -> Result<Option<SparseMap>, Errno> {
    let file = file.as_fd();
    let mut extents: Vec<Extent> = Vec::new();
    let (mut at, mut hole_bytes_min) = (0, 1);
    while at < bytes {
        let offset = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(offset) if offset < bytes => offset,
            Ok(_) | Err(Errno::NXIO) => break,
            // The file system cannot say: it is all data.
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
            Err(error) => return Err(error),
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(offset))?.clamp(offset + 1, bytes);
        push(&mut extents, Extent { offset, bytes: at - offset }, hole_bytes_min);
        while extents.len() > EXTENTS_MAX {
            hole_bytes_min *= 2;
            close_holes(&mut extents, hole_bytes_min);
        }
    }
    let is_whole = matches!(extents[..], [Extent { offset: 0, bytes: all }] if all == bytes);
    Ok((!is_whole && bytes > 0).then_some(SparseMap { real_bytes: bytes, extents }))
}

/// Appends a stretch, or lengthens the last one when the hole before it is too small to keep.
fn push(extents: &mut Vec<Extent>, next: Extent, hole_bytes_min: u64) {
    match extents.last_mut() {
        Some(last) if next.offset - (last.offset + last.bytes) < hole_bytes_min => {
            last.bytes = next.offset + next.bytes - last.offset;
        }
        _ => extents.push(next),
    }
}

fn close_holes(extents: &mut Vec<Extent>, hole_bytes_min: u64) {
    for extent in std::mem::take(extents) {
        push(extents, extent, hole_bytes_min);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_holes_are_closed_first() {
        let stretch = |offset, bytes| Extent { offset, bytes };
        let mut extents = vec![stretch(0, 4), stretch(6, 4), stretch(20, 1), stretch(29, 1)];
        close_holes(&mut extents, 4);
        assert_eq!(extents, [stretch(0, 10), stretch(20, 1), stretch(29, 1)]);
        close_holes(&mut extents, 16);
        assert_eq!(extents, [stretch(0, 30)]);
    }
}

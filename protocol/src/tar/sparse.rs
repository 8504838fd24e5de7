//! Maps of sparse files: the decimal one of GNU.sparse 1.0, and what every map must fulfil.
//!
//! The 1.0 map lies at the start of the member's data: the number of stretches, then offset and
//! length of each, one decimal number a line, padded to a block. A file that ends with a hole has a
//! last stretch of no length there, so that readers know where it ends; it is not kept in memory.

use super::{BLOCK_BYTES, Extent, SparseMap, TarError, padding};

/// The map as it lies in the stream, padded.
pub(super) fn encode_map(map: &SparseMap) -> Vec<u8> {
    let end = map.extents.last().map_or(0, |last| last.offset.saturating_add(last.bytes));
    let tail = (end < map.real_bytes || map.extents.is_empty())
        .then_some(Extent { offset: map.real_bytes, bytes: 0 });
    let mut out = format!("{}\n", map.extents.len() + usize::from(tail.is_some())).into_bytes();
    for extent in map.extents.iter().chain(&tail) {
        out.extend_from_slice(format!("{}\n{}\n", extent.offset, extent.bytes).as_bytes());
    }
    out.resize(out.len() + padding(out.len() as u64) as usize, 0);
    out
}

/// Drops stretches of no length and checks the rest: ascending, not overlapping, within the file,
/// and together as long as the data that follows.
pub(super) fn checked(mut map: SparseMap, data_bytes: u64) -> Result<SparseMap, TarError> {
    map.extents.retain(|extent| extent.bytes > 0);
    let (mut end, mut sum) = (0_u64, 0_u64);
    for extent in &map.extents {
        if extent.offset < end {
            return Err(TarError::Sparse("its stretches overlap"));
        }
        end = extent.offset.checked_add(extent.bytes).ok_or(TarError::Sparse("it is too long"))?;
        sum += extent.bytes;
    }
    if end > map.real_bytes || i64::try_from(map.real_bytes).is_err() {
        return Err(TarError::Sparse("it is longer than the file"));
    }
    if sum != data_bytes {
        return Err(TarError::Sparse("it does not add up to the data that follows"));
    }
    Ok(map)
}

/// Reads a 1.0 map block by block.
#[derive(Debug, Default)]
pub(super) struct MapReader {
    number: Option<u64>,
    count: Option<u64>,
    offset: Option<u64>,
    extents: Vec<Extent>,
}

impl MapReader {
    /// Takes the next block; the extents when the map is complete.
    pub(super) fn push(
        &mut self,
        block: &[u8; BLOCK_BYTES],
        extents_max: usize,
    ) -> Result<Option<Vec<Extent>>, TarError> {
        for &byte in block {
            match byte {
                b'0'..=b'9' => self.digit(byte - b'0')?,
                b'\n' => self.line(extents_max)?,
                _ => return Err(TarError::Sparse("it is no list of numbers")),
            }
            if self.count == Some(self.extents.len() as u64) {
                return Ok(Some(std::mem::take(&mut self.extents)));
            }
        }
        Ok(None)
    }

    fn digit(&mut self, digit: u8) -> Result<(), TarError> {
        let number = self.number.unwrap_or(0).checked_mul(10);
        let number = number.and_then(|number| number.checked_add(u64::from(digit)));
        self.number = Some(number.ok_or(TarError::Sparse("a number of it is too large"))?);
        Ok(())
    }

    fn line(&mut self, extents_max: usize) -> Result<(), TarError> {
        let number = self.number.take().ok_or(TarError::Sparse("a line of it is empty"))?;
        match (self.count, self.offset.take()) {
            (None, _) => {
                super::parser::within("sparse map", number, extents_max)?;
                self.count = Some(number);
            }
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => self.extents.push(Extent { offset, bytes: number }),
        }
        Ok(())
    }
}

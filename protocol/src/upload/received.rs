//! Which parts came: one bit for each.

/// A set of part numbers below a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    parts: u32,
    bits: Vec<u8>,
    count: u32,
}

impl Received {
    /// None of so many.
    pub(super) fn none(parts: u32) -> Self {
        Self { parts, bits: vec![0; bytes_of(parts)], count: 0 }
    }

    /// From bits as they are stored; none when they are not of so many parts.
    pub(super) fn from_bits(parts: u32, bits: Vec<u8>) -> Option<Self> {
        let spare = bytes_of(parts) * 8 - parts as usize;
        let fits = bits.len() == bytes_of(parts)
            && bits.last().is_none_or(|last| last.leading_zeros() as usize >= spare);
        let count = bits.iter().map(|byte| byte.count_ones()).sum();
        fits.then_some(Self { parts, bits, count })
    }

    pub(super) fn bits(&self) -> &[u8] {
        &self.bits
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn has(&self, number: u32) -> bool {
        let byte = self.bits.get(number as usize / 8);
        byte.is_some_and(|byte| byte >> (number % 8) & 1 == 1)
    }

    /// Adds one; false when it was there, or there is no such part.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        if number >= self.parts || self.has(number) {
            return false;
        }
        self.bits[number as usize / 8] |= 1 << (number % 8);
        self.count += 1;
        true
    }

    /// Those that have not come, ascending.
    pub(super) fn missing(&self) -> impl Iterator<Item = u32> {
        (0..self.parts).filter(|number| !self.has(*number))
    }
}

fn bytes_of(parts: u32) -> usize {
    parts.div_ceil(8) as usize
}

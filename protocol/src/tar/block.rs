//! One 512-byte header block, as it lies in the stream.

use super::BLOCK_BYTES;

/// A block that is no tar header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The sum of its bytes is not the one it states.
    #[error("the checksum of the tar header is wrong")]
    Checksum,
    /// A number that is neither octal nor base-256, or does not fit.
    #[error("the field {0} of the tar header is no number")]
    Number(&'static str),
}

/// The fields of a header block, undecoded where pax records may say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBlock<'a>(&'a [u8; BLOCK_BYTES]);

impl<'a> HeaderBlock<'a> {
    /// Reads a block whose checksum holds.
    ///
    /// # Errors
    /// When it does not hold: the block is then something else.
    pub fn parse(block: &'a [u8; BLOCK_BYTES]) -> Result<Self, BlockError> {
        let header = Self(block);
        let stated = header.number("checksum", 148, 8)?;
        let sum = |add: fn(u8) -> i64| -> i64 {
            block[..148].iter().chain(&block[156..]).map(|&b| add(b)).sum::<i64>() + 8 * 32
        };
        // Old writers summed signed bytes.
        let matches = |sum: i64| u64::try_from(sum).is_ok_and(|sum| sum == stated);
        if matches(sum(i64::from)) || matches(sum(|b| i64::from(b.cast_signed()))) {
            Ok(header)
        } else {
            Err(BlockError::Checksum)
        }
    }

    /// Whether the block is all zeros, as the two at the end of a stream.
    #[must_use]
    pub fn is_end(block: &[u8; BLOCK_BYTES]) -> bool {
        block.iter().all(|&b| b == 0)
    }

    /// What follows: `0` a file, `x` a pax header for the next member, and so on.
    #[must_use]
    pub fn type_flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, with the prefix of POSIX headers in front.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix: &[u8] = if self.is_posix() { self.text(345, 155) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// The target of a link.
    #[must_use]
    pub fn link(&self) -> &'a [u8] {
        self.text(157, 100)
    }

    /// The owner's name.
    #[must_use]
    pub fn user(&self) -> &'a [u8] {
        if self.has_names() { self.text(265, 32) } else { b"" }
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &'a [u8] {
        if self.has_names() { self.text(297, 32) } else { b"" }
    }

    /// Bytes that follow in the stream, padding not counted.
    ///
    /// # Errors
    /// When the field is no number.
    pub fn stored_bytes(&self) -> Result<u64, BlockError> {
        self.number("size", 124, 12)
    }

    /// Permission bits.
    ///
    /// # Errors
    /// When the field is no number.
    pub fn mode(&self) -> Result<u32, BlockError> {
        self.small("mode", 100, 8)
    }

    /// Owner.
    ///
    /// # Errors
    /// When the field is no number.
    pub fn uid(&self) -> Result<u32, BlockError> {
        self.small("uid", 108, 8)
    }

    /// Group.
    ///
    /// # Errors
    /// When the field is no number.
    pub fn gid(&self) -> Result<u32, BlockError> {
        self.small("gid", 116, 8)
    }

    /// Seconds since 1970; base-256 may say years before it.
    ///
    /// # Errors
    /// When the field is no number.
    pub fn mtime_seconds(&self) -> Result<i64, BlockError> {
        self.signed("mtime", 136, 12)
    }

    /// Major and minor number of a device.
    ///
    /// # Errors
    /// When a field is no number.
    pub fn device(&self) -> Result<(u32, u32), BlockError> {
        Ok((self.small("devmajor", 329, 8)?, self.small("devminor", 337, 8)?))
    }

    fn is_posix(&self) -> bool {
        &self.0[257..263] == b"ustar\0"
    }

    fn has_names(&self) -> bool {
        &self.0[257..262] == b"ustar"
    }

    fn text(&self, at: usize, bytes: usize) -> &'a [u8] {
        let field = &self.0[at..at + bytes];
        field.split(|&b| b == 0).next().unwrap_or(field)
    }

    fn small(&self, what: &'static str, at: usize, bytes: usize) -> Result<u32, BlockError> {
        u32::try_from(self.number(what, at, bytes)?).map_err(|_| BlockError::Number(what))
    }

    fn number(&self, what: &'static str, at: usize, bytes: usize) -> Result<u64, BlockError> {
        u64::try_from(self.signed(what, at, bytes)?).map_err(|_| BlockError::Number(what))
    }

    fn signed(&self, what: &'static str, at: usize, bytes: usize) -> Result<i64, BlockError> {
        parse_number(what, &self.0[at..at + bytes])
    }

    /// The whole block, for the fields that only some dialects have.
    pub(super) fn bytes(&self) -> &'a [u8; BLOCK_BYTES] {
        self.0
    }
}

/// Octal text, or base-256 (first bit set) in two's complement, as GNU tar writes large numbers.
pub(super) fn parse_number(what: &'static str, field: &[u8]) -> Result<i64, BlockError> {
    if field[0] & 0x80 != 0 {
        let first = i128::from(field[0] & 0x7f) - if field[0] & 0x40 != 0 { 0x80 } else { 0 };
        let value = field[1..]
            .iter()
            .try_fold(first, |value, &b| value.checked_mul(256).map(|value| value + i128::from(b)));
        return value.and_then(|v| i64::try_from(v).ok()).ok_or(BlockError::Number(what));
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, &b| match b {
        b'0'..=b'7' => value
            .checked_mul(8)
            .map(|value| value + i64::from(b - b'0'))
            .ok_or(BlockError::Number(what)),
        _ => Err(BlockError::Number(what)),
    })
}

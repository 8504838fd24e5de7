//! The records of a zip, byte by byte, as APPNOTE 6.3 has them. Numbers are little-endian.

use jiff::{Timestamp, civil, tz::TimeZone};

use super::packer::Packed;

/// Kinds of files, as Unix has them in a mode.
pub(super) const FILE: u32 = 0o100_000;
pub(super) const DIRECTORY: u32 = 0o040_000;
pub(super) const SYMLINK: u32 = 0o120_000;

/// What a member takes of the directory beside its name: the record, the time, zip64.
pub(super) const LISTED_BYTES_MAX: u64 = 46 + 9 + 28;

/// What the fields of 32 bits have when zip64 says it.
const IN_ZIP64: u32 = u32::MAX;

/// Files from this size on have zip64 from the beginning: packed they might be larger than plain.
const LARGE_BYTES: u64 = 0xf000_0000;

/// The least that a reader must know: directories and deflate, or zip64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;

/// Made by a Unix, so that the mode counts.
const MADE_BY: u16 = 3 << 8 | VERSION_ZIP64;

/// The name is UTF-8.
const UTF8: u16 = 1 << 11;

/// Sizes and checksum follow the data.
const DESCRIPTOR: u16 = 1 << 3;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A member as the directory has it.
pub(super) struct Listed {
    name: Vec<u8>,
    /// Where its local header begins.
    at: u64,
    mode: u32,
    seconds: i64,
    streamed: bool,
    large: bool,
    crc: u32,
    pub(super) plain_bytes: u64,
    packed_bytes: u64,
}

impl Listed {
    pub(super) fn new(name: Vec<u8>, at: u64, mode: u32, seconds: i64) -> Self {
        let (streamed, large, crc, plain_bytes, packed_bytes) = (false, false, 0, 0, 0);
        Self { name, at, mode, seconds, streamed, large, crc, plain_bytes, packed_bytes }
    }

    /// Its data is this, stored.
    pub(super) fn known(&mut self, data: &[u8]) {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        self.crc = crc.sum();
        (self.plain_bytes, self.packed_bytes) = (data.len() as u64, data.len() as u64);
    }

    /// Its data follows, so many bytes of it.
    pub(super) fn streamed(&mut self, plain_bytes: u64) {
        (self.streamed, self.plain_bytes) = (true, plain_bytes);
        self.large = plain_bytes >= LARGE_BYTES;
    }

    /// Its data came to this.
    pub(super) fn packed(&mut self, packed: &Packed) {
        (self.crc, self.packed_bytes) = (packed.crc, packed.packed_bytes);
    }

    /// The header before the data.
    pub(super) fn local(&self) -> Vec<u8> {
        let mut extra = self.time();
        let sizes = if self.large {
            put(&mut extra, &[&u16(1), &u16(16), &[0; 16]]);
            [IN_ZIP64, IN_ZIP64]
        } else if self.streamed {
            [0, 0]
        } else {
            [field(self.packed_bytes), field(self.plain_bytes)]
        };
        let crc = if self.streamed { 0 } else { self.crc };
        let mut out = Vec::new();
        put(&mut out, &[b"PK\x03\x04", &self.head(self.large), &u32(crc)]);
        put(&mut out, &[&u32(sizes[0]), &u32(sizes[1])]);
        put(&mut out, &[&length(&self.name), &length(&extra), &self.name, &extra]);
        out
    }

    /// What follows the data.
    pub(super) fn descriptor(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, &[b"PK\x07\x08", &u32(self.crc)]);
        if self.large {
            put(&mut out, &[&u64(self.packed_bytes), &u64(self.plain_bytes)]);
        } else {
            put(&mut out, &[&u32(field(self.packed_bytes)), &u32(field(self.plain_bytes))]);
        }
        out
    }

    /// Its record in the directory.
    fn put_record(&self, out: &mut Vec<u8>) {
        let (mut extra, mut zip64) = (self.time(), Vec::new());
        let mut sizes =
            [self.plain_bytes, self.packed_bytes, self.at].map(|number| (number, field(number)));
        // Both sizes or none, and in this order.
        let large = self.large || sizes[..2].iter().any(|(_, field)| *field == IN_ZIP64);
        for (number, (value, field)) in sizes.iter_mut().enumerate() {
            if (large && number < 2) || *field == IN_ZIP64 {
                *field = IN_ZIP64;
                put(&mut zip64, &[&u64(*value)]);
            }
        }
        if !zip64.is_empty() {
            put(&mut extra, &[&u16(1), &length(&zip64), &zip64]);
        }
        let [(_, plain), (_, packed), (_, at)] = sizes;
        // The lower byte is for DOS: a directory.
        let attributes = self.mode << 16 | u32::from(self.mode & DIRECTORY != 0) << 4;
        put(out, &[b"PK\x01\x02", &u16(MADE_BY), &self.head(!zip64.is_empty())]);
        put(out, &[&u32(self.crc), &u32(packed), &u32(plain)]);
        // No comment, the first disk, no text.
        put(out, &[&length(&self.name), &length(&extra), &[0; 6], &u32(attributes), &u32(at)]);
        put(out, &[&self.name, &extra]);
    }

    /// What both headers have at the beginning: version, flags, method, time.
    fn head(&self, zip64: bool) -> Vec<u8> {
        let version = if zip64 { VERSION_ZIP64 } else { VERSION };
        let flags = if self.streamed { UTF8 | DESCRIPTOR } else { UTF8 };
        let method = if self.streamed { DEFLATED } else { STORED };
        let (time, date) = dos_time(self.seconds);
        let mut out = Vec::new();
        put(&mut out, &[&u16(version), &u16(flags), &u16(method), &u16(time), &u16(date)]);
        out
    }

    /// When the content changed, in seconds of Unix, where that fits.
    fn time(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Ok(seconds) = i32::try_from(self.seconds) {
            put(&mut out, &[b"UT", &u16(5), &[1], &seconds.to_le_bytes()]);
        }
        out
    }
}

/// What stands at the end of a zip.
#[derive(Default)]
pub(super) struct Directory {
    records: Vec<u8>,
    count: u64,
}

impl Directory {
    /// One more member.
    pub(super) fn add(&mut self, listed: &Listed) {
        listed.put_record(&mut self.records);
        self.count += 1;
    }

    /// All of it, for a place so many bytes from the beginning.
    pub(super) fn ended(self, at: u64) -> Vec<u8> {
        let (mut out, bytes) = (self.records, 0);
        let bytes: u64 = bytes + out.len() as u64;
        let small = u16::try_from(self.count).unwrap_or(u16::MAX);
        if small == u16::MAX || field(bytes) == IN_ZIP64 || field(at) == IN_ZIP64 {
            let versions = [u16(MADE_BY), u16(VERSION_ZIP64)].concat();
            put(&mut out, &[b"PK\x06\x06", &u64(44), &versions, &[0; 8]]);
            put(&mut out, &[&u64(self.count), &u64(self.count), &u64(bytes), &u64(at)]);
            // Where that begins; one disk.
            put(&mut out, &[b"PK\x06\x07", &u32(0), &u64(at + bytes), &u32(1)]);
        }
        put(&mut out, &[b"PK\x05\x06", &[0; 4], &u16(small), &u16(small)]);
        put(&mut out, &[&u32(field(bytes)), &u32(field(at)), &[0; 2]]);
        out
    }
}

/// A number where it fits, else the word that zip64 has it.
fn field(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(IN_ZIP64)
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Names are paths of at most 16 KiB, tripled; extra fields are some bytes.
fn length(bytes: &[u8]) -> [u8; 2] {
    u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX))
}

fn u16(number: u16) -> [u8; 2] {
    number.to_le_bytes()
}

fn u32(number: u32) -> [u8; 4] {
    number.to_le_bytes()
}

fn u64(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

/// Time and date as DOS has them, in UTC; the nearest that it can say.
fn dos_time(seconds: i64) -> (u16, u16) {
    let time = Timestamp::from_second(seconds).map(|at| TimeZone::UTC.to_datetime(at));
    let first = civil::datetime(1980, 1, 1, 0, 0, 0, 0);
    let last = civil::datetime(2107, 12, 31, 23, 59, 58, 0);
    let time = time.unwrap_or(first).clamp(first, last);
    let number = |part: i8| u16::from(part.unsigned_abs());
    let years = time.year().unsigned_abs().saturating_sub(1980);
    let date = years << 9 | number(time.month()) << 5 | number(time.day());
    (number(time.hour()) << 11 | number(time.minute()) << 5 | (number(time.second()) / 2), date)
}

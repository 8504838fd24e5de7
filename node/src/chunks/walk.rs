//! Walking a pack from frame to frame, over damage.
//!
//! While the frames follow each other, a header whose check is right is believed. Once something is
//! no frame, the walk is *lost*: it looks for the next marker, and believes a frame only when its
//! object has the hash that the header names. So one damaged frame costs one frame.

use std::{fs::File, io, os::unix::fs::FileExt};

use protocol::id::SealedId;

use super::frame::{FRAME_HEADER_BYTES, MARKER, Place, is_object, read_frame_header};

/// How much is read at once when objects are read too.
pub(super) const READ_AHEAD_BYTES: usize = 4 << 20;

/// How much is read at once while the walk is lost.
const SEARCH_BYTES: usize = 64 << 10;

/// How much is hashed in one pack in search of a frame. Only an object made up of false frames for
/// its exact place gets there; then the rest of that pack is given up.
const SEARCH_HASHED_BYTES_MAX: u64 = 4 << 30;

/// What is skipped when the disk cannot read.
const SECTOR_BYTES: u64 = 4096;

/// What lies at the next place of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame; its object was hashed if the walk verifies.
    Frame(SealedId, Place),
    /// A frame whose object is damaged (only when the walk verifies).
    Damaged(SealedId, Place),
    /// A right frame header before bytes that are not its object, met while lost: part of the junk
    /// that is told later.
    Suspect(SealedId, Place),
    /// Bytes that are no frame.
    Junk { bytes: u64 },
}

/// Goes over the frames of one pack.
pub(super) struct Walk<'a> {
    window: Window<'a>,
    pack: u32,
    at: u64,
    end: u64,
    verify: bool,
    lost_since: Option<u64>,
    next: Option<Found>,
    searched_bytes: u64,
}

impl<'a> Walk<'a> {
    /// Over `from..end` of a pack, reading headers only, or everything.
    pub(super) fn new(file: &'a File, pack: u32, from: u64, end: u64, verify: bool) -> Self {
        let ahead = if verify { READ_AHEAD_BYTES } else { FRAME_HEADER_BYTES };
        let window = Window { file, end, ahead, start: 0, filled: 0, bytes: Vec::new() };
        let (next, lost_since) = (None, None);
        Self { window, pack, at: from, end, verify, lost_since, next, searched_bytes: 0 }
    }

    /// The next frame or stretch of junk; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        if let Some(found) = self.next.take() {
            return Ok(Some(found));
        }
        while self.at < self.end {
            match self.step() {
                Ok(Some(found)) => return Ok(Some(self.found(found))),
                Ok(None) => {}
                Err(error) if unreadable(&error) => {
                    self.lose();
                    self.at = (self.at / SECTOR_BYTES + 1) * SECTOR_BYTES;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.lost_since.take().map(|since| Found::Junk { bytes: self.end - since }))
    }

    /// How far it came.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    fn found(&mut self, found: Found) -> Found {
        let (Found::Frame(_, place) | Found::Damaged(_, place)) = found else { return found };
        self.at = place.end();
        let Some(since) = self.lost_since.take() else { return found };
        self.next = Some(found);
        Found::Junk { bytes: u64::from(place.offset) - since }
    }

    fn lose(&mut self) {
        self.lost_since.get_or_insert(self.at);
    }

    fn step(&mut self) -> io::Result<Option<Found>> {
        let header = self.window.get(self.at, FRAME_HEADER_BYTES)?;
        let parsed = read_frame_header(header, self.pack, self.at);
        let Some((id, place)) = parsed.filter(|(_, place)| place.end() <= self.end) else {
            self.lose();
            self.search()?;
            return Ok(None);
        };
        if !self.verify && self.lost_since.is_none() {
            return Ok(Some(Found::Frame(id, place)));
        }
        let good = self.is_good(&id, place)?;
        if good {
            return Ok(Some(Found::Frame(id, place)));
        }
        if self.lost_since.is_none() {
            return Ok(Some(Found::Damaged(id, place)));
        }
        self.search()?;
        Ok(Some(Found::Suspect(id, place)))
    }

    fn is_good(&mut self, id: &SealedId, place: Place) -> io::Result<bool> {
        if self.lost_since.is_some() {
            self.searched_bytes += u64::from(place.bytes);
        }
        let frame_bytes = FRAME_HEADER_BYTES + place.bytes as usize;
        match self.window.get(self.at, frame_bytes) {
            Ok(frame) => {
                Ok(frame.len() == frame_bytes && is_object(id, &frame[FRAME_HEADER_BYTES..]))
            }
            Err(error) if unreadable(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves to the next marker after `at`, or to the end.
    fn search(&mut self) -> io::Result<()> {
        if self.searched_bytes > SEARCH_HASHED_BYTES_MAX {
            self.at = self.end;
            return Ok(());
        }
        let from = self.at + 1;
        let stretch = self.window.get(from, SEARCH_BYTES)?;
        let marker = stretch.windows(MARKER.len()).position(|four| four == MARKER);
        let skipped = match marker {
            Some(at) => at,
            // the last bytes may be the beginning of a marker
            None if stretch.len() == SEARCH_BYTES => SEARCH_BYTES - (MARKER.len() - 1),
            None => stretch.len(),
        };
        self.at = from + skipped as u64;
        Ok(())
    }
}

/// The disk itself cannot give these bytes any more (`EIO`).
pub(super) fn unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// A part of a file in memory.
struct Window<'a> {
    file: &'a File,
    end: u64,
    ahead: usize,
    start: u64,
    filled: usize,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `at` on: `count`, or fewer at the end of the pack.
    fn get(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = count.min(left);
        let inside = at >= self.start && at + count as u64 <= self.start + self.filled as u64;
        if !inside && self.fill(at, count.max(self.ahead).min(left)).is_err() {
            self.fill(at, count)?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        let to = (from + count).min(self.filled);
        Ok(self.bytes.get(from..to).unwrap_or_default())
    }

    fn fill(&mut self, at: u64, count: usize) -> io::Result<()> {
        if self.bytes.len() < count {
            self.bytes.resize(count, 0);
        }
        (self.start, self.filled) = (at, 0);
        while self.filled < count {
            let into = &mut self.bytes[self.filled..count];
            match self.file.read_at(into, at + self.filled as u64) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

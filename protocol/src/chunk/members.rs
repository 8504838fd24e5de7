//! Walking a tar that is a file's content, to cut it at its members.
//!
//! Nothing is decoded beyond what the walk needs: where the next header is, and the path for
//! grouping. When a header is not where it should be, or at the end of the tar, the walk is *lost*
//! and the rest is cut by content. A wrong guess costs deduplication, never bytes.

use super::{FILE_DATA_BYTES_MIN, Grouping, content::ContentCutter};
use crate::tar::{BLOCK_BYTES, block::HeaderBlock, padding};

/// The largest extended header that is read; a larger one ends the walk.
const EXTENDED_BYTES_MAX: u64 = 64 << 10;

/// The most headers before one member's data.
const HEADERS_BYTES_MAX: usize = 256 << 10;

pub(super) struct MemberCutter {
    grouping: Grouping,
    /// The group in the making, then the headers of the member that may end it.
    held: Vec<u8>,
    /// Where that member begins in `held`.
    member_at: usize,
    /// Whole members before it.
    members: usize,
    phase: Phase,
    said: Said,
}

/// What extended headers said of the member to come.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    data_bytes: Option<u64>,
}

enum Phase {
    /// Bytes missing of a header block.
    Header { left: usize },
    /// An extended header's records, from `at` in what is held.
    Extended { flag: u8, at: usize, bytes: usize, left: u64 },
    /// A small member's data and padding.
    Small { left: u64 },
    /// A large member's data.
    Large { left: u64, padding: u64 },
    /// The padding after it.
    Padding { left: u64 },
}

const HEADER: Phase = Phase::Header { left: BLOCK_BYTES };

pub(super) enum Step {
    Walking,
    /// No member where one should be: these bytes were held and belong to the rest.
    Lost(Vec<u8>),
}

impl MemberCutter {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            grouping: Grouping::new(key),
            held: Vec::new(),
            member_at: 0,
            members: 0,
            phase: HEADER,
            said: Said::default(),
        }
    }

    pub(super) fn into_held(self) -> Vec<u8> {
        self.held
    }

    /// Takes some of `rest`, at least one byte.
    pub(super) fn step(
        &mut self,
        rest: &mut &[u8],
        content: &mut ContentCutter,
        out: &mut impl FnMut(Vec<u8>),
    ) -> Step {
        let wanted = match &self.phase {
            Phase::Header { left } => *left as u64,
            Phase::Extended { left, .. }
            | Phase::Small { left }
            | Phase::Large { left, .. }
            | Phase::Padding { left } => *left,
        };
        let taken = usize::try_from(wanted).unwrap_or(usize::MAX).min(rest.len());
        let (now, later) = rest.split_at(taken);
        *rest = later;
        match &mut self.phase {
            Phase::Large { left, padding } => {
                content.push(now, out);
                *left -= taken as u64;
                if *left == 0 {
                    content.finish(out);
                    self.phase = Phase::Padding { left: *padding };
                    self.skip_if_done();
                }
                return Step::Walking;
            }
            Phase::Header { left } => *left -= taken,
            Phase::Extended { left, .. } | Phase::Small { left } | Phase::Padding { left } => {
                *left -= taken as u64;
            }
        }
        self.held.extend_from_slice(now);
        self.advance(out)
    }

    /// Moves on when the phase is complete.
    fn advance(&mut self, out: &mut impl FnMut(Vec<u8>)) -> Step {
        match self.phase {
            Phase::Header { left: 0 } => self.header(out),
            Phase::Extended { flag, at, bytes, left: 0 } => {
                self.said.hear(flag, &self.held[at..at + bytes]);
                self.phase = HEADER;
                Step::Walking
            }
            _ => {
                self.skip_if_done();
                Step::Walking
            }
        }
    }

    /// After data and padding comes the next member.
    fn skip_if_done(&mut self) {
        if let Phase::Small { left: 0 } | Phase::Padding { left: 0 } = self.phase {
            self.phase = HEADER;
            self.member_at = self.held.len();
        }
    }

    /// Judges the block that `held` now ends with.
    fn header(&mut self, out: &mut impl FnMut(Vec<u8>)) -> Step {
        let header = self.held.last_chunk::<BLOCK_BYTES>().map(HeaderBlock::parse);
        let Some(Ok(header)) = header else { return self.lost() };
        let Ok(stated) = header.stored_bytes() else { return self.lost() };
        let flag = header.type_flag();
        if matches!(flag, b'x' | b'g' | b'L' | b'K') {
            let held = self.held.len();
            if stated > EXTENDED_BYTES_MAX || held - self.member_at > HEADERS_BYTES_MAX {
                return self.lost();
            }
            let (bytes, left) = (stated as usize, stated + padding(stated));
            self.phase =
                if left == 0 { HEADER } else { Phase::Extended { flag, at: held, bytes, left } };
            return Step::Walking;
        }
        let said = std::mem::take(&mut self.said);
        // Links, devices, directories and pipes have no data, whatever they state.
        let data = if matches!(flag, b'1'..=b'6') { 0 } else { said.data_bytes.unwrap_or(stated) };
        let path = said.path.unwrap_or_else(|| header.path());
        self.member(&path, data, out);
        Step::Walking
    }

    /// The headers of a member are complete: does it begin a group, does its data go alone?
    fn member(&mut self, path: &[u8], data: u64, out: &mut impl FnMut(Vec<u8>)) {
        let alone = data >= FILE_DATA_BYTES_MIN;
        let inside = if alone { 0 } else { data + padding(data) };
        // Padding before the first member counts with it.
        let from = if self.members == 0 { 0 } else { self.member_at };
        let bytes = (self.held.len() - from) as u64 + inside;
        if self.grouping.begins_new(path, bytes) {
            self.emit(self.member_at, out);
        }
        self.members += 1;
        if alone {
            self.emit(self.held.len(), out);
            self.grouping.reset();
            self.phase = Phase::Large { left: data, padding: padding(data) };
        } else {
            self.phase = Phase::Small { left: inside };
            self.skip_if_done();
        }
    }

    fn emit(&mut self, length: usize, out: &mut impl FnMut(Vec<u8>)) {
        let rest = self.held.split_off(length);
        let group = std::mem::replace(&mut self.held, rest);
        self.members = 0;
        self.member_at = 0;
        if !group.is_empty() {
            out(group);
        }
    }

    fn lost(&mut self) -> Step {
        Step::Lost(std::mem::take(&mut self.held))
    }
}

impl Said {
    fn hear(&mut self, flag: u8, data: &[u8]) {
        match flag {
            b'L' => self.path = data.split(|&b| b == 0).next().map(<[u8]>::to_vec),
            b'x' => {
                for (key, value) in pax_records(data) {
                    match key {
                        b"path" => self.path = Some(value.to_vec()),
                        b"size" => self.data_bytes = decimal(value).or(self.data_bytes),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// `length key=value\n`, as far as they make sense.
fn pax_records(data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let space = rest.iter().position(|&b| b == b' ')?;
        let length = usize::try_from(decimal(&rest[..space])?).ok()?;
        let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
        rest = &rest[length..];
        let equals = record.iter().position(|&b| b == b'=')?;
        Some((&record[..equals], &record[equals + 1..]))
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

//! Reads a tar stream as it comes, in pieces of any size, with bounded memory.
//!
//! Understood are v7, POSIX ustar and pax (`x`, `g`), GNU (`L`, `K`, base-256, old sparse files)
//! and GNU.sparse 0.0, 0.1 and 1.0. At the first block of zeros the stream is over; what follows
//! is not looked at, as GNU tar does not. Whatever the bytes are, the parser answers with events or
//! an error, never with a panic. After an error it is not to be used again.

use super::assemble::{Layout, Started, assemble, old_sparse_extents};
use super::block::HeaderBlock;
use super::pax::Fields;
use super::sparse::{MapReader, checked};
use super::{
    BLOCK_BYTES, EXTENTS_MAX, Extent, Member, PATH_BYTES_MAX, SparseMap, TarError, XATTR_BYTES_MAX,
    padding,
};

/// What a parser refuses to go beyond.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All extended headers of one member together, bytes.
    pub pax_bytes: usize,
    /// A path or a link target, bytes.
    pub path_bytes: usize,
    /// Names and values of one member's extended attributes, bytes.
    pub xattr_bytes: usize,
    /// Stretches of data in one sparse file.
    pub extents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pax_bytes: XATTR_BYTES_MAX + 4 * PATH_BYTES_MAX,
            path_bytes: PATH_BYTES_MAX,
            xattr_bytes: XATTR_BYTES_MAX,
            extents: EXTENTS_MAX,
        }
    }
}

/// What comes out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A member begins; its first header block (an extended one, if it has any) is at the offset.
    Member(Member, u64),
    /// The next bytes of its data, never none; for a sparse file those of its extents in turn.
    Data(&'a [u8]),
    /// The member has all its data.
    MemberEnd,
    /// The stream is over.
    End,
}

/// The parser of one stream.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    state: State,
    /// Bytes taken so far.
    position: u64,
    block: [u8; BLOCK_BYTES],
    filled: usize,
    global: Fields,
    extended: Extended,
}

/// What the extended headers before a member said.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) begin: Option<u64>,
    pub(super) fields: Fields,
    pub(super) gnu_path: Option<Vec<u8>>,
    pub(super) gnu_link: Option<Vec<u8>>,
    bytes: u64,
}

#[derive(Debug)]
enum State {
    Header,
    /// The content of an extended header: which, what came, how much is to come, padding included.
    Body {
        flag: u8,
        bytes: usize,
        body: Vec<u8>,
    },
    /// Extension blocks of an old GNU sparse header.
    OldSparse {
        started: Box<Started>,
        extents: Vec<Extent>,
    },
    /// The map of a GNU.sparse 1.0 member.
    Map {
        started: Box<Started>,
        reader: MapReader,
    },
    Data {
        left: u64,
        padding: u64,
    },
    Skip {
        left: u64,
    },
    Ended,
}

/// Whether a count is within its limit.
pub(super) fn within(what: &'static str, found: u64, max: usize) -> Result<(), TarError> {
    let max = max as u64;
    if found > max { Err(TarError::TooLarge { what, found, max }) } else { Ok(()) }
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Header,
            position: 0,
            block: [0; BLOCK_BYTES],
            filled: 0,
            global: Fields::default(),
            extended: Extended::default(),
        }
    }

    /// Takes the next bytes and tells what they complete.
    ///
    /// # Errors
    /// When the stream is no tar, goes beyond a limit, or `on` fails.
    pub fn push<E: From<TarError>>(
        &mut self,
        mut bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let taken = self.step(bytes, on)?;
            self.position = self.position.saturating_add(taken as u64);
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// When the stream stops within a member. One that stops between two members, without its
    /// blocks of zeros, is accepted, as GNU tar does.
    pub fn finish(&self) -> Result<(), TarError> {
        match self.state {
            State::Ended => Ok(()),
            State::Header if self.filled == 0 && self.extended.begin.is_none() => Ok(()),
            _ => Err(TarError::Truncated),
        }
    }

    /// Whether the end was seen.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes at least one byte; says how many.
    fn step<E: From<TarError>>(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        match &mut self.state {
            State::Ended => Ok(bytes.len()),
            State::Skip { left } => {
                let taken = at_most(bytes, *left);
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::Header;
                }
                Ok(taken)
            }
            State::Data { left, padding } => {
                let taken = at_most(bytes, *left);
                *left -= taken as u64;
                let end = (*left == 0).then_some(*padding);
                on(Event::Data(&bytes[..taken]))?;
                if let Some(padding) = end {
                    on(Event::MemberEnd)?;
                    self.state = skip(padding);
                }
                Ok(taken)
            }
            State::Body { bytes: wanted, body, .. } => {
                let taken = bytes.len().min(*wanted - body.len());
                body.extend_from_slice(&bytes[..taken]);
                if body.len() == *wanted {
                    self.take_body()?;
                }
                Ok(taken)
            }
            State::Header | State::OldSparse { .. } | State::Map { .. } => {
                let taken = bytes.len().min(BLOCK_BYTES - self.filled);
                self.block[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
                self.filled += taken;
                if self.filled == BLOCK_BYTES {
                    self.filled = 0;
                    let begin = self.position.saturating_add(taken as u64) - BLOCK_BYTES as u64;
                    self.take_block(begin, on)?;
                }
                Ok(taken)
            }
        }
    }

    fn take_block<E: From<TarError>>(
        &mut self,
        begin: u64,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let block = self.block;
        match std::mem::replace(&mut self.state, State::Header) {
            State::OldSparse { started, extents } => {
                self.take_extension(&block, started, extents, on)
            }
            State::Map { started, reader } => self.take_map(&block, started, reader, on),
            _ if HeaderBlock::is_end(&block) => {
                self.state = State::Ended;
                on(Event::End)
            }
            _ => self.take_header(&block, begin, on),
        }
    }

    fn take_header<E: From<TarError>>(
        &mut self,
        block: &[u8; BLOCK_BYTES],
        begin: u64,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let header = HeaderBlock::parse(block).map_err(TarError::from)?;
        let flag = header.type_flag();
        match flag {
            b'x' | b'X' | b'g' | b'L' | b'K' => {
                Ok(self.begin_body(flag, header.stored_bytes().map_err(TarError::from)?, begin)?)
            }
            b'V' => Ok(()), // the name of a GNU volume
            _ => {
                let extended = std::mem::take(&mut self.extended);
                let started = assemble(&header, extended, &self.global, begin, &self.limits)?;
                match started.layout {
                    Layout::Plain => self.begin_data(started, None, on),
                    Layout::Map => {
                        let (started, reader) = (Box::new(started), MapReader::default());
                        self.state = State::Map { started, reader };
                        Ok(())
                    }
                    Layout::OldSparse => {
                        let (extents, more) = old_sparse_extents(block)?;
                        self.go_on_old_sparse(Box::new(started), extents, more, on)
                    }
                }
            }
        }
    }

    fn begin_body(&mut self, flag: u8, bytes: u64, begin: u64) -> Result<(), TarError> {
        if flag != b'g' {
            self.extended.begin.get_or_insert(begin);
            self.extended.bytes = self.extended.bytes.saturating_add(bytes);
        }
        within("extended header", self.extended.bytes.max(bytes), self.limits.pax_bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        // Within the limit just checked, so it fits a usize.
        self.state = State::Body { flag, bytes: bytes as usize, body: Vec::new() };
        Ok(())
    }

    fn take_body(&mut self) -> Result<(), TarError> {
        let State::Body { flag, bytes, mut body } =
            std::mem::replace(&mut self.state, State::Header)
        else {
            return Ok(());
        };
        self.state = skip(padding(bytes as u64));
        match flag {
            b'g' => {
                let mut fields = std::mem::take(&mut self.global);
                fields.read(&body, &self.limits)?;
                self.global = fields.for_all();
            }
            b'L' | b'K' => {
                body.truncate(body.iter().position(|&b| b == 0).unwrap_or(body.len()));
                within("path", body.len() as u64, self.limits.path_bytes)?;
                let Extended { gnu_path, gnu_link, .. } = &mut self.extended;
                *(if flag == b'L' { gnu_path } else { gnu_link }) = Some(body);
            }
            _ => self.extended.fields.read(&body, &self.limits)?,
        }
        Ok(())
    }

    fn take_extension<E: From<TarError>>(
        &mut self,
        block: &[u8; BLOCK_BYTES],
        started: Box<Started>,
        mut extents: Vec<Extent>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (found, more) = super::assemble::extension_extents(block)?;
        extents.extend(found);
        within("sparse map", extents.len() as u64, self.limits.extents)?;
        self.go_on_old_sparse(started, extents, more, on)
    }

    fn go_on_old_sparse<E: From<TarError>>(
        &mut self,
        started: Box<Started>,
        extents: Vec<Extent>,
        more: bool,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if more {
            self.state = State::OldSparse { started, extents };
            return Ok(());
        }
        self.begin_data(*started, Some(extents), on)
    }

    fn take_map<E: From<TarError>>(
        &mut self,
        block: &[u8; BLOCK_BYTES],
        mut started: Box<Started>,
        mut reader: MapReader,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let left = started.member.data_bytes.checked_sub(BLOCK_BYTES as u64);
        started.member.data_bytes = left.ok_or(TarError::Sparse("it is longer than the data"))?;
        match reader.push(block, self.limits.extents)? {
            Some(extents) => self.begin_data(*started, Some(extents), on),
            None => {
                self.state = State::Map { started, reader };
                Ok(())
            }
        }
    }

    /// The header is complete: the member is told, and its data begins.
    fn begin_data<E: From<TarError>>(
        &mut self,
        started: Started,
        extents: Option<Vec<Extent>>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Started { mut member, offset, skipped_bytes, .. } = started;
        if let Some(map) = &mut member.sparse {
            let extents = extents.unwrap_or_else(|| std::mem::take(&mut map.extents));
            let map = SparseMap { real_bytes: map.real_bytes, extents };
            member.sparse = Some(checked(map, member.data_bytes)?);
        }
        let left = member.data_bytes;
        on(Event::Member(member, offset))?;
        if left > 0 {
            self.state = State::Data { left, padding: padding(left) };
            return Ok(());
        }
        self.state = skip(skipped_bytes);
        on(Event::MemberEnd)
    }
}

fn at_most(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

fn skip(left: u64) -> State {
    if left == 0 { State::Header } else { State::Skip { left } }
}

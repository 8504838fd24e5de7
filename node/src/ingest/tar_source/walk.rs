//! Going through a tar, member by member, with its bytes as they are.
//!
//! The parser says where members begin and how much data they have; the bytes are kept beside it. It
//! is fed one block at a time while it reads headers, so that after each block it is known where
//! the stream is.

use protocol::{
    chunk::{FILE_DATA_BYTES_MIN, Grouping},
    contents::Entry,
    limits::CHUNK_BYTES_MAX,
    tar::{BLOCK_BYTES, Event, Limits, Member, MemberKind, Parser, TarError, padding},
};

use super::{BACKUP_INFO, INFO, INFO_BYTES_MAX, Input, TarReport, TarSourceError};
use crate::source::{SegmentEnd, SegmentHead, SegmentKind, SourceSink, Verdict};

/// The most bytes before a member: a sparse map of a million stretches has some forty megabytes.
const HELD_BYTES_MAX: usize = 64 << 20;

/// Members that YunoHost writes anew for every archive: in a segment of their own, so that they do
/// not make others new.
const ALWAYS_NEW: [&str; 3] = [INFO, BACKUP_INFO, "backup.csv"];

pub(super) struct Walk<'a> {
    sink: &'a mut dyn SourceSink,
    parser: Parser,
    grouping: Grouping,
    /// The group in the making, then the headers of the member to come.
    held: Vec<u8>,
    /// Where `held` begins in the tar.
    held_at: u64,
    /// The members that begin in it, at their places in the tar.
    entries: Vec<Entry>,
    kind: SegmentKind,
    /// What is left of a small member's data and padding.
    small: usize,
    /// Which description that member is, if it is one.
    reads: Option<Text>,
    pub(super) report: TarReport,
}

/// A member that describes the archive, and is kept to be looked at.
#[derive(Clone, Copy)]
enum Text {
    Info,
    BackupInfo,
}

/// What one piece of the tar told.
#[derive(Default)]
struct Heard {
    member: Option<(Member, u64)>,
    data: Vec<u8>,
    ended: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(key: &[u8; 32], sink: &'a mut dyn SourceSink) -> Self {
        Self {
            sink,
            parser: Parser::new(Limits::default()),
            grouping: Grouping::new(key),
            held: Vec::new(),
            held_at: 0,
            entries: Vec::new(),
            kind: SegmentKind::Members,
            small: 0,
            reads: None,
            report: TarReport::default(),
        }
    }

    /// Takes the next piece; false when the tar is over.
    pub(super) fn step(&mut self, input: &mut Input<'_>) -> Result<bool, TarSourceError> {
        let at = input.at();
        let before = self.held.len();
        let wanted = if self.small > 0 { self.small } else { BLOCK_BYTES };
        input.take(wanted, &mut self.held)?;
        let mut heard = Heard::default();
        let keep_data = self.reads.is_some();
        let mut note = |event: Event<'_>| {
            match event {
                Event::Member(member, offset) => heard.member = Some((member, offset)),
                Event::Data(data) if keep_data => heard.data.extend_from_slice(data),
                Event::End => heard.ended = true,
                Event::Data(_) | Event::MemberEnd => {}
            }
            Ok::<(), TarError>(())
        };
        let pushed = self.parser.push(&self.held[before..], &mut note);
        pushed.map_err(|source| TarSourceError::Damaged { at, source })?;
        if self.small > 0 {
            self.small = 0;
            match self.reads.take() {
                Some(Text::Info) => self.report.info_json = Some(heard.data),
                Some(Text::BackupInfo) => self.report.backup_info = Some(heard.data),
                None => {}
            }
        }
        if heard.ended {
            self.held.truncate(before);
            self.report.bytes = at;
            self.close(at)?;
            return Ok(false);
        }
        match heard.member {
            Some((member, offset)) => self.member(member, offset, input)?,
            None if self.held.len() > HELD_BYTES_MAX => {
                let (found, max) = (self.held.len() as u64, HELD_BYTES_MAX as u64);
                let source = TarError::TooLarge { what: "extended headers", found, max };
                return Err(TarSourceError::Damaged { at, source });
            }
            None => {}
        }
        Ok(true)
    }

    /// The headers of a member are complete, and the stream is behind them.
    fn member(
        &mut self,
        member: Member,
        offset: u64,
        input: &mut Input<'_>,
    ) -> Result<(), TarSourceError> {
        self.report.members += 1;
        let headers = input.at() - offset;
        let data = member.data_bytes;
        let is_frame =
            ALWAYS_NEW.iter().any(|path| path.as_bytes() == member.path) && data <= INFO_BYTES_MAX;
        let is_large = member.kind == MemberKind::File && data >= FILE_DATA_BYTES_MIN && !is_frame;
        let inside = if is_large { 0 } else { data.saturating_add(padding(data)) };
        let kind = if is_frame { SegmentKind::Frame } else { SegmentKind::Members };
        if kind != self.kind {
            self.grouping.reset();
        }
        let begins = self.grouping.begins_new(&member.path, headers.saturating_add(inside));
        if begins || kind != self.kind {
            self.close(offset)?;
            self.kind = kind;
        }
        self.end_last(offset);
        self.look_at(&member);
        // The span of a small one is known for sure when the next begins.
        let span = headers.saturating_add(data).saturating_add(padding(data));
        self.entries.push(Entry::of(&member, offset, span));
        if is_large {
            self.emit(input.at())?;
            self.grouping.reset();
            return self.large(data, input);
        }
        // At most an `info.json`, so it fits.
        self.small = usize::try_from(inside).unwrap_or(usize::MAX);
        Ok(())
    }

    /// Small members may have more behind them than they say: lists of old dump directories.
    fn end_last(&mut self, at: u64) {
        if let Some(last) = self.entries.last_mut() {
            last.span = at - last.offset;
        }
    }

    /// Ends the group before what begins at `at`; headers behind that stay held.
    fn close(&mut self, at: u64) -> Result<(), TarSourceError> {
        self.end_last(at);
        self.emit(at)
    }

    /// Sends what is held up to `at` as one segment.
    fn emit(&mut self, at: u64) -> Result<(), TarSourceError> {
        let length = usize::try_from(at - self.held_at).unwrap_or(usize::MAX);
        let rest = self.held.split_off(length.min(self.held.len()));
        let bytes = std::mem::replace(&mut self.held, rest);
        let mut entries = std::mem::take(&mut self.entries);
        for entry in &mut entries {
            entry.offset -= self.held_at;
        }
        self.held_at = at;
        if bytes.is_empty() {
            return Ok(());
        }
        let head = SegmentHead { fingerprint: None, bytes: bytes.len() as u64, kind: self.kind };
        let send = || {
            if self.sink.segment(head)? == Verdict::Read {
                for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
                    self.sink.data(chunk.to_vec())?;
                }
            }
            self.sink.end(SegmentEnd { entries, stable: false })
        };
        send().map_err(TarSourceError::Sink)
    }

    /// Sends the data of a large file, and its padding, as a segment of its own.
    fn large(&mut self, data: u64, input: &mut Input<'_>) -> Result<(), TarSourceError> {
        let mut left = data + padding(data);
        let kind = SegmentKind::FileData;
        let head = SegmentHead { fingerprint: None, bytes: left, kind };
        self.sink.segment(head).map_err(TarSourceError::Sink)?;
        while left > 0 {
            let at = input.at();
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES_MAX);
            let mut piece = Vec::with_capacity(wanted);
            input.take(wanted, &mut piece)?;
            left -= wanted as u64;
            let pushed = self.parser.push(&piece, &mut |_| Ok::<(), TarError>(()));
            pushed.map_err(|source| TarSourceError::Damaged { at, source })?;
            self.sink.data(piece).map_err(TarSourceError::Sink)?;
        }
        self.held_at = input.at();
        let end = SegmentEnd { entries: Vec::new(), stable: false };
        self.sink.end(end).map_err(TarSourceError::Sink)
    }

    fn look_at(&mut self, member: &Member) {
        let text = match member.path.as_slice() {
            _ if member.kind != MemberKind::File => None,
            path if path == INFO.as_bytes() => Some(Text::Info),
            path if path == BACKUP_INFO.as_bytes() => Some(Text::BackupInfo),
            _ => None,
        };
        // Of several the last counts, as for Python.
        match text {
            Some(Text::Info) => self.report.info_json = None,
            Some(Text::BackupInfo) => {
                self.report.had_backup_info = true;
                self.report.backup_info = None;
            }
            None => {}
        }
        let fits = (1..=INFO_BYTES_MAX).contains(&member.data_bytes);
        self.reads = text.filter(|_| fits);
    }
}

//! One file of an archive: where it is listed, where its bytes lie, and ranges of them.

use std::ops::Range;

use bytes::Bytes;
use protocol::{
    contents::Entry,
    control::RawPath,
    tar::{BLOCK_BYTES, Event, Limits, Member, MemberKind, Parser},
};

use super::{DownloadError, copy, threads};
use crate::archive::{ArchiveError, ArchiveReader, ArchiveStream, Span};

/// How much of a member is read for its headers: nearly always the first is enough.
const HEADERS_BYTES: [u64; 2] = [64 << 10, u64::MAX];

/// Hard links that lead to hard links.
const LINKS_MAX: usize = 40;

/// What holes are made of.
static ZEROS: [u8; 128 << 10] = [0; 128 << 10];

/// The last member of that path that begins before an offset: a later one replaces it.
pub(super) fn last_named(
    reader: &ArchiveReader,
    path: &[u8],
    before: u64,
) -> Result<Option<Entry>, ArchiveError> {
    let pages = reader.contents_pages().iter().rev();
    for page in pages.filter(|page| page.offset < before && page.may_hold(path)) {
        let entries = reader.entries_of(page)?.into_iter().rev();
        let mut named = entries.filter(|entry| entry.offset < before && entry.path == path);
        if let Some(entry) = named.next() {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The file that a hard link is another name of.
pub(super) fn file_of(reader: &ArchiveReader, link: &Entry) -> Result<Entry, DownloadError> {
    let mut at = link.clone();
    for _ in 0..LINKS_MAX {
        match last_named(reader, &at.link, at.offset)? {
            Some(file) if file.kind == MemberKind::File => return Ok(file),
            Some(other) if other.kind == MemberKind::HardLink => at = other,
            _ => break,
        }
    }
    let raw = |path: &[u8]| RawPath(path.to_vec());
    Err(DownloadError::Dangling { path: raw(&link.path), link: raw(&link.link) })
}

/// A file and where its data begins in the stream.
pub(super) struct FileData {
    pub(super) member: Member,
    at: u64,
}

/// Reads the headers of a file.
pub(super) fn locate(reader: &ArchiveReader, entry: &Entry) -> Result<FileData, DownloadError> {
    let elsewhere = || DownloadError::Elsewhere { path: RawPath(entry.path.clone()) };
    for bytes in HEADERS_BYTES {
        let to = entry.offset.saturating_add(entry.span.min(bytes));
        let stream = reader.stream(vec![Span { from: entry.offset, to }], 1);
        let Some((member, header_bytes)) = first_member(stream)? else { continue };
        let fits = header_bytes.saturating_add(member.data_bytes) <= entry.span;
        let is = member.kind == MemberKind::File && member.path == entry.path;
        if !is || !fits || member.real_bytes() != entry.real_bytes {
            return Err(elsewhere());
        }
        return Ok(FileData { member, at: entry.offset + header_bytes });
    }
    Err(elsewhere())
}

/// The member at the beginning of a stream, and how long its headers are.
fn first_member(mut stream: ArchiveStream) -> Result<Option<(Member, u64)>, DownloadError> {
    let mut parser = Parser::new(Limits::default());
    let (mut found, mut at) = (None, 0);
    loop {
        let mut piece = stream.next_piece()?;
        if piece.is_empty() {
            return Ok(None);
        }
        while !piece.is_empty() {
            // A header is told with its last byte, which is that of a block.
            let (block, rest) = piece.split_at(piece.len().min(BLOCK_BYTES - at % BLOCK_BYTES));
            parser.push(block, &mut |event| {
                if let Event::Member(member, _) = event {
                    found.get_or_insert(member);
                }
                Ok::<_, DownloadError>(())
            })?;
            at += block.len();
            piece = rest;
            if let Some(member) = found {
                return Ok(Some((member, at as u64)));
            }
        }
    }
}

impl FileData {
    /// Its data as it lies in the stream, without holes.
    pub(super) fn stored(
        &self,
        reader: &ArchiveReader,
        put: impl FnMut(Bytes) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        copy(reader, vec![Span { from: self.at, to: self.at + self.member.data_bytes }], put)
    }

    /// A range of the file as programs read it, with zeros for holes.
    pub(super) fn read(
        &self,
        reader: &ArchiveReader,
        part: Range<u64>,
        put: &mut impl FnMut(Bytes) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        let Some(map) = &self.member.sparse else {
            let span = Span { from: self.at + part.start, to: self.at + part.end };
            return copy(reader, vec![span], put);
        };
        let mut data_at = self.at;
        let stretches = map.extents.iter().filter_map(move |extent| {
            let begins = data_at;
            data_at += extent.bytes;
            let from = extent.offset.max(part.start);
            let to = (extent.offset + extent.bytes).min(part.end);
            let lies = |offset: u64| begins + (offset - extent.offset);
            (from < to).then(|| (from, Span { from: lies(from), to: lies(to) }))
        });
        let spans = stretches.clone().map(|(_, span)| span).collect();
        let mut data = Taking { stream: reader.stream(spans, threads()), left: Bytes::new() };
        let mut at = part.start;
        for (offset, span) in stretches {
            zeros(offset - at, put)?;
            let bytes = span.to - span.from;
            data.take(bytes, put)?;
            at = offset + bytes;
        }
        zeros(part.end - at, put)
    }
}

/// A hole.
pub(super) fn zeros(
    mut bytes: u64,
    put: &mut impl FnMut(Bytes) -> Result<(), DownloadError>,
) -> Result<(), DownloadError> {
    while bytes > 0 {
        let now = usize::try_from(bytes).unwrap_or(ZEROS.len()).min(ZEROS.len());
        put(Bytes::from_static(&ZEROS[..now]))?;
        bytes -= now as u64;
    }
    Ok(())
}

/// A stream that is taken by so many bytes.
struct Taking {
    stream: ArchiveStream,
    left: Bytes,
}

impl Taking {
    fn take(
        &mut self,
        wanted: u64,
        put: &mut impl FnMut(Bytes) -> Result<(), DownloadError>,
    ) -> Result<(), DownloadError> {
        let mut found = 0;
        while found < wanted {
            if self.left.is_empty() {
                self.left = self.stream.next_bytes()?;
            }
            if self.left.is_empty() {
                return Err(DownloadError::Short { wanted, found });
            }
            let room = usize::try_from(wanted - found).unwrap_or(usize::MAX);
            let now = self.left.split_to(self.left.len().min(room));
            found += now.len() as u64;
            put(now)?;
        }
        Ok(())
    }
}

//! Some members of an archive as a tar stream of their own.
//!
//! The contents say where each wanted member lies, so nothing else is read. Directories above a
//! wanted member come along, for their attributes. A hard link whose first name is not wanted
//! becomes the file itself, under the link's name; further links to it point there.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use protocol::{
    contents::Entry,
    tar::{self, Event, FileTime, Limits, Member, MemberKind, Parser, TarError},
};

use crate::{
    archive::{ArchiveError, ArchiveReader, ArchiveStream, Span},
    restore::{LinkChoice, Links, Selection},
    sys,
};

/// What a selection found.
#[derive(Default)]
pub(super) struct Picked {
    parts: VecDeque<Part>,
    /// Members that were wanted.
    pub(super) members: u64,
    /// Their sizes, bytes.
    pub(super) bytes: u64,
}

enum Part {
    /// Members as they lie.
    Spans(Vec<Span>),
    /// The file at this span, under another name.
    Renamed(Span, Vec<u8>),
    /// A member without data.
    Made(Box<Member>),
}

impl Picked {
    /// Goes through the contents and picks what is wanted; `visit` sees each wanted member.
    ///
    /// # Errors
    /// When the contents cannot be read, or a hard link points to nothing.
    pub(super) fn pick(
        reader: &ArchiveReader,
        selection: Option<&Selection>,
        mut visit: impl FnMut(&Entry),
    ) -> Result<Self, ArchiveError> {
        let mut picking = Picking {
            picked: Self::default(),
            selection,
            links: Links::default(),
            above: Vec::new(),
            renamed: Vec::new(),
        };
        reader.entries(|entry| {
            picking.entry(&entry, &mut visit);
            true
        })?;
        let wanted = std::mem::take(&mut picking.renamed);
        let mut picked = picking.picked;
        resolve(reader, wanted, &mut picked)?;
        Ok(picked)
    }

    /// The spans of the archive that will be read.
    pub(super) fn spans(&self) -> Vec<Span> {
        let spans = self.parts.iter().flat_map(|part| match part {
            Part::Spans(spans) => spans.clone(),
            Part::Renamed(span, _) => vec![*span],
            Part::Made(_) => Vec::new(),
        });
        let mut spans: Vec<_> = spans.collect();
        spans.sort_by_key(|span| span.from);
        spans
    }

    /// The picked members as a tar stream.
    pub(super) fn stream(self, reader: ArchiveReader) -> PickedStream {
        PickedStream { parts: self.parts, reader, now: None, ended: false }
    }

    fn span(&mut self, span: Span) {
        match self.parts.back_mut() {
            Some(Part::Spans(spans)) => match spans.last_mut() {
                Some(last) if last.to == span.from => last.to = span.to,
                _ => spans.push(span),
            },
            _ => self.parts.push_back(Part::Spans(vec![span])),
        }
    }
}

struct Picking<'a> {
    picked: Picked,
    selection: Option<&'a Selection>,
    links: Links,
    /// Directories above the member at hand, and whether they were picked.
    above: Vec<(Entry, bool)>,
    /// Hard links whose data is under a name that is not wanted.
    renamed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Picking<'_> {
    fn entry(&mut self, entry: &Entry, visit: &mut impl FnMut(&Entry)) {
        while self.above.last().is_some_and(|(above, _)| !is_below(&entry.path, &above.path)) {
            self.above.pop();
        }
        let wanted = self.selection.is_none_or(|s| s.takes(&entry.path, entry.kind));
        if wanted {
            visit(entry);
            self.picked.members += 1;
            self.picked.bytes += entry.real_bytes;
            self.take_above();
            self.take(entry);
        }
        if entry.kind == MemberKind::Directory {
            self.above.push((entry.clone(), wanted));
        }
    }

    fn take_above(&mut self) {
        for (above, taken) in &mut self.above {
            if !*taken {
                *taken = true;
                self.picked.span(span_of(above));
            }
        }
    }

    fn take(&mut self, entry: &Entry) {
        let choice = match self.selection {
            Some(selection) => self.links.choose(selection, &member_of(entry)),
            None => LinkChoice::AsItIs,
        };
        match choice {
            LinkChoice::AsItIs => self.picked.span(span_of(entry)),
            LinkChoice::WithDataOf(first) => self.renamed.push((first, entry.path.clone())),
            LinkChoice::To(other) => {
                let member = Member { link: other, ..member_of(entry) };
                self.picked.parts.push_back(Part::Made(Box::new(member)));
            }
        }
    }
}

/// Finds where the files lie whose data is wanted under other names.
fn resolve(
    reader: &ArchiveReader,
    mut wanted: Vec<(Vec<u8>, Vec<u8>)>,
    picked: &mut Picked,
) -> Result<(), ArchiveError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    reader.entries(|entry| {
        if let Some(at) = wanted.iter().position(|(first, _)| *first == entry.path) {
            let (_, name) = wanted.swap_remove(at);
            found.push(Part::Renamed(span_of(&entry), name));
        }
        !wanted.is_empty()
    })?;
    // Before the links that point to the new names.
    let made = |part: &Part| matches!(part, Part::Made(_));
    let (links, members): (VecDeque<_>, VecDeque<_>) =
        std::mem::take(&mut picked.parts).into_iter().partition(made);
    picked.parts = members.into_iter().chain(found).chain(links).collect();
    Ok(())
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn span_of(entry: &Entry) -> Span {
    Span { from: entry.offset, to: entry.offset.saturating_add(entry.span) }
}

fn member_of(entry: &Entry) -> Member {
    let mut member = Member::new(entry.kind, entry.path.clone());
    member.link.clone_from(&entry.link);
    (member.mode, member.uid, member.gid) = (entry.mode, entry.uid, entry.gid);
    member.mtime = FileTime { ..entry.mtime };
    member
}

/// The picked members, as a reader of a tar stream.
pub(super) struct PickedStream {
    parts: VecDeque<Part>,
    reader: ArchiveReader,
    now: Option<Now>,
    ended: bool,
}

enum Now {
    Spans(ArchiveStream),
    Renamed(Box<Renaming>),
    Bytes(io::Cursor<Vec<u8>>),
}

impl Read for PickedStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(now) = &mut self.now {
                let read = match now {
                    Now::Spans(stream) => stream.read(out)?,
                    Now::Renamed(renaming) => renaming.read(out)?,
                    Now::Bytes(bytes) => bytes.read(out)?,
                };
                if read > 0 || out.is_empty() {
                    return Ok(read);
                }
            }
            self.now = match self.parts.pop_front() {
                Some(Part::Spans(spans)) => {
                    Some(Now::Spans(self.reader.stream(spans, sys::threads())))
                }
                Some(Part::Renamed(span, path)) => {
                    let stream = self.reader.stream(vec![span], 1);
                    Some(Now::Renamed(Box::new(Renaming::new(stream, path))))
                }
                Some(Part::Made(member)) => Some(Now::Bytes(io::Cursor::new(tar::encode(&member)))),
                None if !self.ended => {
                    self.ended = true;
                    Some(Now::Bytes(io::Cursor::new(tar::END.to_vec())))
                }
                None => return Ok(0),
            };
        }
    }
}

/// One member on its way to another name.
struct Renaming {
    stream: ArchiveStream,
    parser: Parser,
    path: Vec<u8>,
    data_bytes: u64,
    ready: Vec<u8>,
    at: usize,
}

impl Renaming {
    fn new(stream: ArchiveStream, path: Vec<u8>) -> Self {
        let parser = Parser::new(Limits::default());
        Self { stream, parser, path, data_bytes: 0, ready: Vec::new(), at: 0 }
    }

    fn refill(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.at = 0;
        while self.ready.is_empty() {
            let piece = self.stream.next_piece()?;
            if piece.is_empty() {
                return Ok(false);
            }
            let (ready, path, data_bytes) = (&mut self.ready, &self.path, &mut self.data_bytes);
            let read: Result<(), TarError> = self.parser.push(piece, &mut |event| {
                match event {
                    Event::Member(member, _) => {
                        let member = Member { path: path.clone(), ..member };
                        *data_bytes = member.data_bytes;
                        ready.extend(tar::encode(&member));
                    }
                    Event::Data(data) => ready.extend(data),
                    Event::MemberEnd => {
                        let padding = usize::try_from(tar::padding(*data_bytes)).unwrap_or(0);
                        ready.resize(ready.len() + padding, 0);
                    }
                    Event::End => {}
                }
                Ok(())
            });
            read.map_err(io::Error::other)?;
        }
        Ok(true)
    }
}

impl Read for Renaming {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() && !self.refill()? {
            return Ok(0);
        }
        let taken = out.len().min(self.ready.len() - self.at);
        out[..taken].copy_from_slice(&self.ready[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

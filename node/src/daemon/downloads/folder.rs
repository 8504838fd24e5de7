//! A folder of an archive, member by member, in the order of the tar.
//!
//! One page of the contents after the other says which members lie in it and where, and the spans
//! of those are read as one stream. Names begin at the folder itself: of `a/b`, `a/b/c` is `b/c`.
//! A hard link is sent as one where the format has them and its file is sent too, else as the file.

use std::collections::{BTreeMap, VecDeque};

use protocol::{
    contents::{ContentsPageRef, Entry},
    control::RawPath,
    tar::{Event, FileTime, Limits, Member, MemberKind, Parser},
};

use super::{DownloadError, member, threads};
use crate::archive::{ArchiveReader, Span};

/// Files outside of the folder of which it is remembered under which name they were sent. Those
/// beyond are sent once for each of their names.
const STAND_INS_MAX: usize = 65_536;

/// A folder that is wanted.
pub(super) struct Folder {
    /// Its path; empty for all of the archive.
    path: Vec<u8>,
    /// How much of a path is not told: what lies above the folder.
    above: usize,
}

impl Folder {
    /// By the path of a member, or `.` for all.
    pub(super) fn new(path: &[u8]) -> Self {
        let path = if path == b"." { Vec::new() } else { path.to_vec() };
        let above = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        Self { path, above }
    }

    /// Its own name; none for all of the archive.
    pub(super) fn last(&self) -> Option<&[u8]> {
        Some(&self.path[self.above..]).filter(|name| !name.is_empty())
    }

    /// Whether a path is its own.
    pub(super) fn is(&self, path: &[u8]) -> bool {
        path == self.path
    }

    /// Whether a member lies in it, or is it.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        let rest = path.strip_prefix(self.path.as_slice());
        rest.is_some_and(|rest| self.path.is_empty() || matches!(rest, [] | [b'/', ..]))
    }

    /// Whether such a member may be listed in a page; false is certain.
    pub(super) fn may_be_in(&self, page: &ContentsPageRef) -> bool {
        page.may_hold_below(&self.path)
    }

    /// A path from the folder on.
    fn within<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        path.get(self.above..).unwrap_or_default()
    }
}

/// A format that members are written in.
pub(super) trait Format {
    /// Whether it knows hard links.
    const HARD_LINKS: bool;

    /// What a member is called in it; empty for one that has no name there.
    fn name(&self, path: &[u8]) -> Vec<u8>;

    /// A member begins, under a name.
    fn begin(&mut self, name: Vec<u8>, member: Member) -> Result<(), DownloadError>;

    /// Its next bytes as a tar has them: without holes.
    fn data(&mut self, bytes: &[u8]) -> Result<(), DownloadError>;

    /// It has all its bytes.
    fn end(&mut self) -> Result<(), DownloadError>;
}

/// Hands over every member of a folder.
pub(super) fn walk(
    reader: &ArchiveReader,
    folder: &Folder,
    format: &mut impl Format,
) -> Result<(), DownloadError> {
    let mut walk = Walk {
        reader,
        folder,
        format,
        left: VecDeque::new(),
        stand_ins: BTreeMap::new(),
        named: false,
    };
    for page in reader.contents_pages().iter().filter(|page| folder.may_be_in(page)) {
        let entries = reader.entries_of(page)?.into_iter();
        walk.left = entries.filter(|entry| folder.holds(&entry.path)).collect();
        walk.page()?;
    }
    Ok(())
}

struct Walk<'a, F> {
    reader: &'a ArchiveReader,
    folder: &'a Folder,
    format: &'a mut F,
    /// Members of this page that were not sent yet.
    left: VecDeque<Entry>,
    /// Files outside, and the name under which each was sent.
    stand_ins: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the member at hand has a name, and is sent.
    named: bool,
}

impl<F: Format> Walk<'_, F> {
    fn page(&mut self) -> Result<(), DownloadError> {
        let mut stream = self.reader.stream(spans(&self.left), threads());
        let mut parser = Parser::new(Limits::default());
        loop {
            let piece = stream.next_piece()?;
            if piece.is_empty() {
                break;
            }
            parser.push(piece, &mut |event| self.event(event))?;
        }
        parser.finish()?;
        self.links()?;
        match self.left.pop_front() {
            None => Ok(()),
            Some(entry) => Err(DownloadError::Elsewhere { path: RawPath(entry.path) }),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), DownloadError> {
        match event {
            Event::Member(member, _) => {
                self.links()?;
                let is = |entry: &Entry| {
                    (&entry.path, entry.kind, entry.real_bytes)
                        == (&member.path, member.kind, member.real_bytes())
                };
                if !self.left.pop_front().is_some_and(|entry| is(&entry)) {
                    return Err(DownloadError::Elsewhere { path: RawPath(member.path) });
                }
                let name = self.format.name(self.folder.within(&member.path));
                self.named = !name.is_empty();
                if self.named { self.format.begin(name, member) } else { Ok(()) }
            }
            Event::Data(bytes) if self.named => self.format.data(bytes),
            Event::MemberEnd if self.named => self.format.end(),
            Event::Data(_) | Event::MemberEnd | Event::End => Ok(()),
        }
    }

    /// The hard links that come next: they have no bytes in the stream.
    fn links(&mut self) -> Result<(), DownloadError> {
        while self.left.front().is_some_and(|entry| entry.kind == MemberKind::HardLink) {
            if let Some(link) = self.left.pop_front() {
                self.link(&link)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, link: &Entry) -> Result<(), DownloadError> {
        let name = self.format.name(self.folder.within(&link.path));
        if name.is_empty() {
            return Ok(());
        }
        let is_inside = self.folder.holds(&link.link);
        if F::HARD_LINKS {
            let inside = || self.format.name(self.folder.within(&link.link));
            let stand_in = || self.stand_ins.get(&link.link).cloned();
            let to = if is_inside { Some(inside()) } else { stand_in() };
            if let Some(to) = to {
                self.format.begin(name, Member { link: to, ..member_of(link) })?;
                return self.format.end();
            }
        }
        let file = member::file_of(self.reader, link)?;
        let data = member::locate(self.reader, &file)?;
        self.format.begin(name.clone(), data.member.clone())?;
        data.stored(self.reader, |bytes| self.format.data(&bytes))?;
        if F::HARD_LINKS && self.stand_ins.len() < STAND_INS_MAX {
            self.stand_ins.insert(link.link.clone(), name);
        }
        self.format.end()
    }
}

/// Where the members lie that have something in the stream that is needed.
fn spans(entries: &VecDeque<Entry>) -> Vec<Span> {
    let mut spans = Vec::<Span>::new();
    for entry in entries.iter().filter(|entry| entry.kind != MemberKind::HardLink) {
        let (from, to) = (entry.offset, entry.offset.saturating_add(entry.span));
        match spans.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => spans.push(Span { from, to }),
        }
    }
    spans
}

fn member_of(entry: &Entry) -> Member {
    let mut member = Member::new(entry.kind, entry.path.clone());
    (member.mode, member.uid, member.gid) = (entry.mode, entry.uid, entry.gid);
    member.mtime = FileTime { ..entry.mtime };
    member
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::downloads::names;

    #[test]
    fn a_folder_holds_what_lies_below_it_and_nothing_that_only_begins_so() {
        let folder = Folder::new(b"data/opt");
        for path in [&b"data/opt"[..], b"data/opt/x", b"data/opt/../x", b"data/opt/"] {
            assert!(folder.holds(path), "{path:?}");
        }
        for path in [&b"data"[..], b"data/optional", b"data/op", b"opt", b"", b"x/data/opt"] {
            assert!(!folder.holds(path), "{path:?}");
        }
        assert_eq!(folder.last(), Some(&b"opt"[..]));
        assert_eq!(names::in_zip(folder.within(b"data/opt/x")), "opt/x");
        let all = Folder::new(b".");
        assert!(all.holds(b"x") && all.holds(b"/x") && all.last().is_none());
        assert_eq!(all.within(b"a/b"), b"a/b");
        assert_eq!(Folder::new(b"a").within(b"a/b"), b"a/b");
    }
}

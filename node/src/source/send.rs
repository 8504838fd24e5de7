//! Reading the files of a segment that the sink wants, and sending them.

use std::os::fd::OwnedFd;

use protocol::tar::{FileTime, Member, MemberKind, padding};
use rustix::io::Errno;

use super::attributes::{Attributes, Refused};
use super::fingerprint::Fingerprinter;
use super::gather::set_map;
use super::read::Reader;
use super::segment::{Chunks, Pending};
use super::stat::FileStat;
use super::walk::what;
use super::{SegmentEnd, SegmentHead, SegmentKind, Verdict, large, small};

/// A file changed less than this before it is read could change again without its times telling.
const RACY_SECONDS: i64 = 2;

impl Reader<'_> {
    /// Reads the members and sends them; gives back the large one whose data is to follow.
    pub(super) fn read_members(
        &mut self,
        members: Vec<Pending>,
    ) -> std::io::Result<Option<(Member, large::Opened)>> {
        let now = (self.clock)();
        let mut chunks = Chunks::default();
        let mut stable = members.iter().all(|pending| is_settled(pending.stat.ctime, now));
        let mut last = None;
        for mut pending in members {
            self.settle(&mut pending);
            match pending.member.kind {
                MemberKind::File if pending.is_large => {
                    let Some((member, large)) = self.open_large(&pending) else {
                        stable = false;
                        continue;
                    };
                    stable &= large.stat.is_same(&pending.stat);
                    chunks.push(&member, None, self.sink)?;
                    last = Some((member, large));
                }
                MemberKind::File => match self.read_small(&pending) {
                    Some((member, is_as_found)) => {
                        stable &= is_as_found;
                        chunks.push(&member, Some(&self.buffer), self.sink)?;
                    }
                    None => stable = false,
                },
                MemberKind::HardLink => chunks.push(&pending.member, None, self.sink)?,
                _ => {
                    let found = self.attributes_of(&pending);
                    let mut member = pending.member;
                    self.set_attributes(&mut member, found);
                    chunks.push(&member, None, self.sink)?;
                }
            }
        }
        chunks.send(self.sink)?;
        self.sink.end(SegmentEnd { entries: chunks.entries, stable })?;
        Ok(last)
    }

    /// Reads a small file into the buffer; none when it has gone.
    fn read_small(&mut self, pending: &Pending) -> Option<(Member, bool)> {
        let read = small::read(pending, &mut self.buffer, &mut self.attributes);
        let small = match read {
            Ok(small) => small,
            Err(error) => {
                self.drop_file(pending, error);
                return None;
            }
        };
        self.report.bytes_read += self.buffer.len() as u64;
        let mut member = Member::new(MemberKind::File, pending.member.path.clone());
        self.describe(&mut member, &small.stat);
        member.data_bytes = self.buffer.len() as u64;
        member.sparse = small.sparse;
        if small.is_torn {
            self.warn(&member.path, "changed while it was read".to_owned());
        }
        self.set_attributes(&mut member, small.attributes);
        Some((member, small.is_as_found))
    }

    fn open_large(&mut self, pending: &Pending) -> Option<(Member, large::Opened)> {
        let opened = match large::open(pending) {
            Ok(opened) => opened,
            Err(error) => {
                self.drop_file(pending, error);
                return None;
            }
        };
        let mut member = Member::new(MemberKind::File, pending.member.path.clone());
        self.describe(&mut member, &opened.stat);
        set_map(&mut member, opened.stat.bytes, opened.sparse.clone());
        let found = self.attributes.of_file(&opened.file);
        self.set_attributes(&mut member, found);
        Some((member, opened))
    }

    pub(super) fn large_data(
        &mut self,
        member: &Member,
        large: large::Opened,
    ) -> std::io::Result<()> {
        if member.data_bytes == 0 {
            return Ok(());
        }
        let verdict = self.offer_data(member, &large.stat)?;
        if verdict == Verdict::Reused {
            return self.sink.end(SegmentEnd { entries: Vec::new(), stable: true });
        }
        self.send_data(member, &large.stat, Ok(large.file))
    }

    /// The header went with a segment that is reused, so nothing of the file was opened yet.
    pub(super) fn large_data_behind_reused_header(
        &mut self,
        pending: &Pending,
    ) -> std::io::Result<()> {
        let verdict = self.offer_data(&pending.member, &pending.stat)?;
        if verdict == Verdict::Reused {
            return self.sink.end(SegmentEnd { entries: Vec::new(), stable: true });
        }
        let file = large::open(pending).map(|opened| opened.file);
        self.send_data(&pending.member, &pending.stat, file)
    }

    fn offer_data(&mut self, member: &Member, stat: &FileStat) -> std::io::Result<Verdict> {
        let fingerprint = Fingerprinter::file_data(&self.key, stat, member.sparse.as_ref());
        let bytes = member.data_bytes + padding(member.data_bytes);
        let kind = SegmentKind::FileData;
        self.offer(SegmentHead { fingerprint: Some(fingerprint), bytes, kind })
    }

    fn send_data(
        &mut self,
        member: &Member,
        stat: &FileStat,
        file: Result<OwnedFd, Errno>,
    ) -> std::io::Result<()> {
        let now = (self.clock)();
        let sparse = member.sparse.as_ref();
        let sent = large::send(file.as_ref().ok(), sparse, member.data_bytes, self.sink)?;
        self.report.bytes_read += sent.bytes;
        let after = file.and_then(|file| Ok(FileStat::from(rustix::fs::fstat(&file)?)));
        let trouble = trouble(stat, after, &sent);
        let stable = trouble.is_none() && is_settled(stat.ctime, now);
        if let Some(trouble) = trouble {
            self.warn(&member.path, trouble);
        }
        self.sink.end(SegmentEnd { entries: Vec::new(), stable })
    }

    fn attributes_of(&mut self, pending: &Pending) -> Result<Attributes, Refused> {
        match &pending.directory {
            Some(directory) => self.attributes.of_path(&directory.path_of(&pending.name)),
            None => Ok(Attributes::new()),
        }
    }

    fn set_attributes(&mut self, member: &mut Member, found: Result<Attributes, Refused>) {
        match found {
            Ok(attributes) => member.xattrs = attributes,
            Err(Refused::TooMany) => {
                self.warn(&member.path, "its extended attributes are too large to keep".to_owned());
            }
            Err(Refused::System(error)) => {
                self.warn(
                    &member.path,
                    format!("its extended attributes are lost: {}", what(error)),
                );
            }
        }
    }

    /// A file that cannot be read is no member; another name of it may be the first then.
    fn drop_file(&mut self, pending: &Pending, error: Errno) {
        self.first_names.remove(&pending.stat.key());
        self.warn(&pending.member.path, what(error));
    }
}

/// What went wrong with a large file, if anything did.
fn trouble(
    before: &FileStat,
    after: Result<FileStat, Errno>,
    sent: &large::Sent,
) -> Option<String> {
    let after = match (after, sent.error) {
        (Err(error), _) | (_, Some(error)) => {
            return Some(format!("{}; zeros take its place", what(error)));
        }
        (Ok(after), None) => after,
    };
    let how = match () {
        () if sent.is_short => "shrank",
        () if after.bytes > before.bytes => "grew",
        () if !after.is_same(before) => "changed",
        () => return None,
    };
    Some(format!("{how} while it was read"))
}

/// Whether a change after this ctime would get another ctime. A file with a ctime in the future
/// (the clock was set back) is never settled; an mtime means nothing, since anyone can set it.
fn is_settled(ctime: FileTime, now: i64) -> bool {
    ctime.seconds < now - RACY_SECONDS
}

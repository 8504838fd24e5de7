//! From what the walk found to members that wait for their segment.

use protocol::chunk::FILE_DATA_BYTES_MIN;
use protocol::tar::{Member, MemberKind, SparseMap};
use rustix::io::Errno;

use super::holes;
use super::read::Reader;
use super::segment::Pending;
use super::stat::FileStat;
use super::walk::{Found, what};

impl Reader<'_> {
    /// A member out of what the walk found; nothing, and a warning, if it has gone since.
    pub(super) fn pending(&mut self, found: Found) -> Option<Pending> {
        let Found { directory, name, path, stat } = found;
        let kind = stat.kind()?;
        let mut member = Member::new(kind, path);
        self.describe(&mut member, &stat);
        let mut pending = Pending { directory, name, stat, member, is_large: false };
        if let Err(error) = Self::look_closer(&mut pending) {
            self.warn(&pending.member.path, what(error));
            return None;
        }
        let first = has_names(&stat).then(|| self.first_names.get(&stat.key())).flatten();
        if let Some(first) = first {
            pending.member.kind = MemberKind::HardLink;
            pending.member.link.clone_from(first);
            pending.member.data_bytes = 0;
            pending.member.sparse = None;
            pending.member.device = (0, 0);
            pending.is_large = false;
        }
        Some(pending)
    }

    /// The target of a link; where a sparse file has data.
    fn look_closer(pending: &mut Pending) -> Result<(), Errno> {
        let Pending { directory: Some(directory), name, stat, member, .. } = pending else {
            return Ok(());
        };
        match member.kind {
            MemberKind::Symlink => member.link = directory.link_target(name)?,
            MemberKind::File => {
                member.data_bytes = stat.bytes;
                // One that cannot be opened is noticed when it is to be read.
                let file = stat.may_be_sparse().then(|| directory.file(name).ok()).flatten();
                if let Some(file) = file {
                    set_map(member, stat.bytes, holes::map_of(&file, stat.bytes)?);
                }
                pending.is_large = member.data_bytes >= FILE_DATA_BYTES_MIN;
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a second name the first, if the file has none in the tar any more; remembers the first.
    /// A link, a pipe or a device can have several names as well.
    pub(super) fn settle(&mut self, pending: &mut Pending) {
        let Pending { stat, member, .. } = &*pending;
        if !has_names(stat) {
            return;
        }
        if let Some(first) = self.first_names.get(&stat.key()) {
            if *first != member.path {
                pending.member.link.clone_from(first);
            }
            return;
        }
        self.first_names.insert(stat.key(), member.path.clone());
        if member.kind == MemberKind::HardLink {
            pending.member.kind = stat.kind().unwrap_or(MemberKind::File);
            pending.member.link.clear();
            self.describe(&mut pending.member, &pending.stat);
            // A file that cannot be looked at is noticed when it is to be read.
            let _ = Self::look_closer(pending);
        }
    }

    pub(super) fn describe(&self, member: &mut Member, stat: &FileStat) {
        (member.mode, member.mtime) = (stat.mode & 0o7777, stat.mtime);
        (member.uid, member.gid) = (stat.uid, stat.gid);
        (member.user, member.group) = (self.owners.user(stat.uid), self.owners.group(stat.gid));
        if matches!(member.kind, MemberKind::CharDevice | MemberKind::BlockDevice) {
            member.device = stat.device;
        }
    }

    pub(super) fn count(&mut self, pending: &Pending) {
        self.report.totals.members += 1;
        if pending.member.kind == MemberKind::File {
            self.report.totals.files += 1;
            self.report.totals.bytes += pending.stat.bytes;
        }
    }
}

/// Whether it has more names than one. Directories count those of others.
fn has_names(stat: &FileStat) -> bool {
    stat.links > 1 && stat.kind() != Some(MemberKind::Directory)
}

/// Sets where a file has data, and how much that is.
pub(super) fn set_map(member: &mut Member, bytes: u64, map: Option<SparseMap>) {
    let stored = |map: &SparseMap| map.extents.iter().map(|extent| extent.bytes).sum();
    member.data_bytes = map.as_ref().map_or(bytes, stored);
    member.sparse = map;
}

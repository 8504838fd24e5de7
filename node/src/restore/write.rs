//! Making one member, whatever it is, where it belongs.

use protocol::tar::{Member, MemberKind};
use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};

use super::{
    Extractor, Wanted,
    attributes::{Target, Wish, apply},
    check,
    dirs::{Dirs, Origin, mtime},
    error::ItemError,
    extract::OpenFile,
    file::FileWriter,
    name::{Name, show},
    node::{self, FirstName},
    place::Occupant,
    spec::Check,
};

impl Extractor {
    pub(super) fn begin(&mut self, name: &Name<'_>, member: &Member) -> Result<Wanted, ItemError> {
        if member.kind == MemberKind::Directory {
            self.dirs.go_to_member(&name.0, member, &self.means, &mut self.report)?;
            return Ok(Wanted::Nothing);
        }
        let Some((parents, last)) = name.split() else {
            return Err(ItemError::DirectoryInTheWay);
        };
        if matches!(member.kind, MemberKind::CharDevice | MemberKind::BlockDevice)
            && !self.means.spec.allow_devices
        {
            return Err(ItemError::DeviceNotAllowed);
        }
        self.dirs.go_to(parents, &self.means, &mut self.report)?;
        let occupant = self.place.occupant(&mut self.dirs, last, member, &self.means)?;
        match (occupant, member.kind) {
            (Occupant::Keep(why), _) => self.report.keep(&member.path, why),
            (Occupant::Present, kind) => {
                self.report.present += 1;
                if kind == MemberKind::File {
                    self.written.add(&name.0);
                }
            }
            (occupant, MemberKind::File) => return self.begin_file(name, last, member, occupant),
            (occupant, MemberKind::HardLink) => self.link(name, last, member, occupant)?,
            (occupant, _) => {
                self.made.remove(&name.0);
                let made = self.make_node(last, member, occupant)?;
                self.made.add(&name.0, made);
                self.written.remove(&name.0);
            }
        }
        Ok(Wanted::Nothing)
    }

    fn begin_file(
        &mut self,
        name: &Name<'_>,
        last: &[u8],
        member: &Member,
        occupant: Occupant,
    ) -> Result<Wanted, ItemError> {
        let reread = self.means.spec.check == Check::Content;
        let create = |name: &[u8]| FileWriter::create(self.dirs.fd(), name, member, reread);
        let direct = self.dirs.here().origin == Origin::Fresh;
        let (writer, occupant) = match direct.then(|| create(last)) {
            Some(Ok(writer)) => (writer, Occupant::Nothing),
            // The archive has two members of one name: the later one counts.
            Some(Err(ItemError::Io { errno: Errno::EXIST, .. })) => {
                (create(self.place.temporary())?, Occupant::Replace)
            }
            Some(Err(error)) => return Err(error),
            None => (create(self.place.temporary())?, occupant),
        };
        self.made.remove(&name.0);
        self.written.add(&name.0);
        let (member, name) = (member.clone(), last.to_vec());
        self.open = Some(OpenFile { writer, member, name, occupant, error: None });
        Ok(Wanted::Data)
    }

    pub(super) fn finish_file(&mut self, open: &mut OpenFile) -> Result<(), ItemError> {
        if !open.writer.complete()? {
            self.report.differ(&open.member.path, "the content read back is another".to_owned());
        }
        let target = Target { fd: open.writer.fd(), path_only: false, symlink: false };
        let wish = Wish {
            member: &open.member,
            owner: self.means.owner_of(&open.member),
            made_as: None,
            inherited_acl: self.dirs.here().inherits_acl,
            existed: false,
        };
        let applied = apply(target, &wish, &mut self.report);
        if self.means.spec.check != Check::Nothing {
            check::compare(target, &open.member, applied, &mut self.report);
        }
        if open.writer.name != open.name {
            self.place.rename(&self.dirs, &open.name, open.occupant)?;
        }
        self.report.files += 1;
        Ok(())
    }

    fn make_node(
        &mut self,
        last: &[u8],
        member: &Member,
        occupant: Occupant,
    ) -> Result<(u64, u64), ItemError> {
        let create = |dirs: &Dirs, name: &[u8]| node::create(dirs.fd(), name, member);
        let at = self.place.make(&self.dirs, last, occupant, create)?;
        let finished = node::finish(&mut self.dirs, &at, member, &self.means, &mut self.report);
        let made = if at == last {
            finished?
        } else {
            let rename = |made| {
                self.place.rename(&self.dirs, last, Occupant::Replace)?;
                Ok(made)
            };
            finished.and_then(rename).inspect_err(|_| self.place.discard(&self.dirs, &at))?
        };
        match member.kind {
            MemberKind::Symlink => self.report.symlinks += 1,
            _ => self.report.specials += 1,
        }
        Ok(made)
    }

    fn link(
        &mut self,
        name: &Name<'_>,
        last: &[u8],
        member: &Member,
        occupant: Occupant,
    ) -> Result<(), ItemError> {
        let missing = || ItemError::FirstName(show(&member.link));
        let strip: Vec<&[u8]> = self.strip.iter().map(Vec::as_slice).collect();
        let first = Name::new(&member.link)?.strip(&Name(strip)).ok_or_else(missing)?;
        let (parents, first_name) = first.split().ok_or_else(missing)?;
        if self.written.has(&first.0) == Some(false) && self.made.get(&first.0).is_none() {
            return Err(missing());
        }
        let dir = self.dirs.open_elsewhere(parents, &self.means)?;
        let is_own = |stat: &Stat| self.is_own(&first, stat, member);
        let stat = FirstName::new(&dir, first_name).stat().filter(is_own).ok_or_else(missing)?;
        let first = FirstName::new(&dir, first_name);
        if !first.is_same(&stat, self.dirs.fd(), last) {
            let create = |dirs: &Dirs, name: &[u8]| first.link(dirs.fd(), name);
            let at = self.place.make(&self.dirs, last, occupant, create)?;
            if at != last
                && let Err(error) = self.place.rename(&self.dirs, last, Occupant::Replace)
            {
                self.place.discard(&self.dirs, &at);
                return Err(error);
            }
        }
        if is_regular(&stat) {
            self.made.remove(&name.0);
            self.written.add(&name.0);
        } else {
            self.written.remove(&name.0);
            self.made.add(&name.0, (stat.st_dev, stat.st_ino));
        }
        self.report.hard_links += 1;
        Ok(())
    }

    /// Whether what has a first name is what this restore put there.
    fn is_own(&self, first: &Name<'_>, stat: &Stat, member: &Member) -> bool {
        if !is_regular(stat) {
            return self.made.get(&first.0) == Some((stat.st_dev, stat.st_ino));
        }
        // So many files that this one may have been forgotten: it must at least look like it.
        self.written.has(&first.0).unwrap_or_else(|| mtime(stat) == member.mtime)
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

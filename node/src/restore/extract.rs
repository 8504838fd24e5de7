//! Writing the members of a tar stream beneath the destination.

use std::{
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use protocol::tar::{Member, MemberKind};
use rustix::{
    fs::{CWD, Mode, OFlags, fstat, fstatvfs, mkdirat, openat, syncfs},
    io::Errno,
};

use super::{
    dirs::{Dirs, Origin, UNFINISHED_DIR},
    error::{ItemError, RestoreError},
    file::FileWriter,
    means::Means,
    name::{Name, show},
    place::{Occupant, Place},
    report::RestoreReport,
    seen::{Made, Seen},
    select::Selection,
    spec::RestoreSpec,
};

/// Whether the extractor wants a member's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Give it all with [`Extractor::data`], then call [`Extractor::member_end`].
    Data,
    /// The data may be skipped; given all the same, it is ignored.
    Nothing,
}

/// Writes members beneath a destination, one after the other.
///
/// For each member call [`Self::member`], then [`Self::data`] with its data in pieces of any size
/// (one piece for a small file is fastest), then [`Self::member_end`]; at last [`Self::finish`].
/// Dropped before that, it leaves nothing half under a final name but what a repeated restore
/// recognises (see [`super`]).
pub struct Extractor {
    pub(super) means: Means,
    pub(super) strip: Vec<Vec<u8>>,
    selection: Selection,
    pub(super) dirs: Dirs,
    pub(super) place: Place,
    /// Regular files that were written: hard links may name them.
    pub(super) written: Seen,
    /// Other things that were made, which hard links may name as well.
    pub(super) made: Made,
    pub(super) report: RestoreReport,
    pub(super) open: Option<OpenFile>,
}

/// The file whose data is coming.
pub(super) struct OpenFile {
    pub(super) writer: FileWriter,
    pub(super) member: Member,
    /// Its name at the end, in the directory where `dirs` is.
    pub(super) name: Vec<u8>,
    pub(super) occupant: Occupant,
    /// Why it will not be restored, though its data still comes.
    pub(super) error: Option<ItemError>,
}

impl Extractor {
    /// Opens the destination, or makes it.
    ///
    /// # Errors
    /// When the destination cannot be opened, or a pattern or the prefix to strip is none.
    pub fn new(spec: &RestoreSpec) -> Result<Self, RestoreError> {
        let selection = Selection::new(&spec.patterns, &spec.strip)?;
        let strip = match Name::new(&spec.strip) {
            Ok(strip) => strip,
            Err(ItemError::Empty) => Name(Vec::new()),
            Err(_) => return Err(RestoreError::Prefix { prefix: show(&spec.strip) }),
        };
        let means = Means::new(spec.clone());
        let (root, origin) = open_destination(&spec.destination, means.uid).map_err(|errno| {
            RestoreError::Destination { path: spec.destination.clone(), source: errno.into() }
        })?;
        Ok(Self {
            strip: strip.0.iter().map(|part| part.to_vec()).collect(),
            means,
            selection,
            dirs: Dirs::new(root, origin),
            place: Place::new(),
            written: Seen::new(),
            made: Made::default(),
            report: RestoreReport::default(),
            open: None,
        })
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> &RestoreReport {
        &self.report
    }

    /// A member begins. What goes wrong with it alone is reported and the restore goes on.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn member(&mut self, member: &Member) -> Result<Wanted, RestoreError> {
        self.member_end()?;
        let strip: Vec<&[u8]> = self.strip.iter().map(Vec::as_slice).collect();
        let name = match Name::new(&member.path) {
            Ok(name) => name.strip(&Name(strip)),
            Err(error) => {
                self.report.fail(&member.path, &error);
                return Ok(Wanted::Nothing);
            }
        };
        let taken = self.selection.takes(&member.path, member.kind);
        let Some(name) = name.filter(|name| taken || note_only(name, member)) else {
            self.report.not_selected += 1;
            return Ok(Wanted::Nothing);
        };
        if !taken {
            self.report.not_selected += 1;
            self.dirs.note_unselected(&name.0, member);
            return Ok(Wanted::Nothing);
        }
        match self.begin(&name, member) {
            Ok(wanted) => Ok(wanted),
            Err(error) => self.item_failed(member, &error).map(|()| Wanted::Nothing),
        }
    }

    /// The next bytes of the member's data.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let Some(open) = self.open.as_mut().filter(|open| open.error.is_none()) else {
            return Ok(());
        };
        match open.writer.write(bytes) {
            Ok(()) => self.report.data_bytes += bytes.len() as u64,
            Err(error) if error.is_disk_full() => return Err(self.disk_full(None)),
            Err(error) => open.error = Some(error),
        }
        Ok(())
    }

    /// The member is complete.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn member_end(&mut self) -> Result<(), RestoreError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let result = open.error.take().map_or(Ok(()), Err);
        let result = result.and_then(|()| self.finish_file(&mut open));
        if let Err(error) = result {
            self.place.discard(&self.dirs, &open.writer.name);
            self.item_failed(&open.member, &error)?;
        }
        Ok(())
    }

    /// Every member was given: directories get their attributes, and with `sync` everything is on
    /// the disk when this returns.
    ///
    /// # Errors
    /// When the disk is full, or does not confirm.
    pub fn finish(mut self) -> Result<RestoreReport, RestoreError> {
        self.member_end()?;
        self.dirs.leave_all(&self.means, &mut self.report);
        if self.means.spec.sync {
            syncfs(self.dirs.root()).map_err(|errno| RestoreError::Sync {
                path: self.means.spec.destination.clone(),
                source: errno.into(),
            })?;
        }
        Ok(std::mem::take(&mut self.report))
    }

    fn item_failed(&mut self, member: &Member, error: &ItemError) -> Result<(), RestoreError> {
        if error.is_disk_full() {
            return Err(self.disk_full(Some(member)));
        }
        if let (Ok(name), MemberKind::File) = (Name::new(&member.path), member.kind) {
            let strip: Vec<&[u8]> = self.strip.iter().map(Vec::as_slice).collect();
            if let Some(name) = name.strip(&Name(strip)) {
                self.written.remove(&name.0);
            }
        }
        self.report.fail(&member.path, error);
        Ok(())
    }

    fn disk_full(&mut self, member: Option<&Member>) -> RestoreError {
        let free = fstatvfs(self.dirs.fd()).map_or(0, |s| s.f_bavail.saturating_mul(s.f_frsize));
        let open = self.open.take();
        let member = member.or(open.as_ref().map(|open| &open.member));
        let path = member.map_or_else(PathBuf::new, |member| self.path_of(member));
        let bytes_needed = member.map_or(0, |member| member.data_bytes);
        if let Some(open) = &open {
            self.place.discard(&self.dirs, &open.writer.name);
        }
        RestoreError::DiskFull { path, bytes_needed, bytes_free: free }
    }

    fn path_of(&self, member: &Member) -> PathBuf {
        let path = member.path.strip_prefix(self.means.spec.strip.as_slice());
        let path = path.unwrap_or(&member.path);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        self.means.spec.destination.join(OsStr::from_bytes(path))
    }
}

impl Drop for Extractor {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.place.discard(&self.dirs, &open.writer.name);
        }
    }
}

/// A directory that is not taken may lie above something that is.
fn note_only(name: &Name<'_>, member: &Member) -> bool {
    member.kind == MemberKind::Directory && !name.0.is_empty()
}

/// The destination may be reached through links: who asks for the restore names it.
fn open_destination(path: &Path, uid: u32) -> Result<(OwnedFd, Origin), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let made = mkdirat(CWD, path, Mode::from_raw_mode(UNFINISHED_DIR));
    let fd = openat(CWD, path, flags, Mode::empty())?;
    let stat = fstat(&fd)?;
    let unfinished = stat.st_mode & 0o7777 == UNFINISHED_DIR && stat.st_uid == uid;
    let origin = match made {
        Ok(()) => Origin::Fresh,
        Err(_) if unfinished => Origin::Unfinished,
        Err(_) => Origin::Existing,
    };
    Ok((fd, origin))
}

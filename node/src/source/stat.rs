//! What the system says of a file without opening it.

use protocol::tar::{FileTime, MemberKind};
use rustix::fs::FileType;

/// The fields of `stat` that matter here, in our types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileStat {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) links: u64,
    /// Type and permission bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Major and minor number of a device.
    pub(super) device: (u32, u32),
    pub(super) bytes: u64,
    /// Space it takes, bytes.
    pub(super) disk_bytes: u64,
    pub(super) mtime: FileTime,
    pub(super) ctime: FileTime,
}

impl From<rustix::fs::Stat> for FileStat {
    // The types of the fields are not the same on every machine.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "differs by machine")]
    fn from(stat: rustix::fs::Stat) -> Self {
        let time = |seconds, nanos| FileTime { seconds, nanos };
        Self {
            dev: stat.st_dev as u64,
            ino: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            mode: stat.st_mode as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            device: (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            disk_bytes: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        }
    }
}

impl FileStat {
    /// A directory that exists in the tar only.
    pub(super) fn plain_directory() -> Self {
        Self { mode: FileType::Directory.as_raw_mode() | 0o755, ..Self::default() }
    }

    /// Absent for sockets, which tar cannot say.
    pub(super) fn kind(&self) -> Option<MemberKind> {
        match FileType::from_raw_mode(self.mode) {
            FileType::RegularFile => Some(MemberKind::File),
            FileType::Directory => Some(MemberKind::Directory),
            FileType::Symlink => Some(MemberKind::Symlink),
            FileType::Fifo => Some(MemberKind::Fifo),
            FileType::CharacterDevice => Some(MemberKind::CharDevice),
            FileType::BlockDevice => Some(MemberKind::BlockDevice),
            FileType::Socket | FileType::Unknown => None,
        }
    }

    /// Which file it is, among all names.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    /// Whether it may have holes: it takes less space than it is long.
    pub(super) fn may_be_sparse(&self) -> bool {
        self.disk_bytes < self.bytes
    }

    /// Whether nothing was written to it, and nothing set, between two looks.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let of = |stat: &Self| (stat.key(), stat.bytes, stat.mtime, stat.ctime);
        of(self) == of(other)
    }
}

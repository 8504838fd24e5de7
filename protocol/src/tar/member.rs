//! What one entry of a tar stream says.

use serde::{Deserialize, Serialize};

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MemberKind {
    /// A regular file; its data follows.
    File,
    /// Another name of a file that came earlier; `link` is that member's path.
    HardLink,
    /// A symbolic link; `link` is its target, byte for byte.
    Symlink,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// A time with the precision that file systems keep.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct FileTime {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000; they count forwards, also before 1970.
    pub nanos: u32,
}

/// A stretch of a sparse file that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the file, bytes.
    pub offset: u64,
    /// How long it is, bytes.
    pub bytes: u64,
}

/// Where a file has data; everything between is a hole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseMap {
    /// The size of the file with its holes, bytes.
    pub real_bytes: u64,
    /// Ascending, not overlapping, within `real_bytes`.
    pub extents: Vec<Extent>,
}

/// One entry of a tar stream, without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative, without `./` in front and without `/` at the end; not always UTF-8.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// The target of a link; empty otherwise.
    pub link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky (07777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The owner's name where the machine knew one; empty otherwise.
    pub user: Vec<u8>,
    /// The group's name where the machine knew one; empty otherwise.
    pub group: Vec<u8>,
    /// When the content last changed.
    pub mtime: FileTime,
    /// File data in the stream after the header (and after the sparse map), without padding: for a
    /// sparse file the sum of its extents. Zero for everything but files.
    pub data_bytes: u64,
    /// Present for a file with holes.
    pub sparse: Option<SparseMap>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes, name and raw value as the kernel gives them, sorted by name. ACLs and
    /// capabilities are among them (`system.posix_acl_access`, `security.capability`).
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Member {
    /// A member of a kind and a path, owned by root, with nothing else set.
    #[must_use]
    pub fn new(kind: MemberKind, path: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind,
            link: Vec::new(),
            mode: if kind == MemberKind::Directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            user: Vec::new(),
            group: Vec::new(),
            mtime: FileTime::default(),
            data_bytes: 0,
            sparse: None,
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    /// The size a person sees: with holes, without headers.
    #[must_use]
    pub fn real_bytes(&self) -> u64 {
        self.sparse.as_ref().map_or(self.data_bytes, |map| map.real_bytes)
    }
}

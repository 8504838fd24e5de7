//! Extended attributes: the user's, the trusted ones, capabilities and ACLs.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// The most that the attributes of one file may have in an archive, names and values, bytes. With
/// the longest path and the largest map, a member stays below one chunk.
pub const ATTRIBUTES_BYTES_MAX: usize = 256 << 10;

/// What the kernel allows for a list of names, and for one value.
const KERNEL_BYTES_MAX: usize = 64 << 10;

/// Names and raw values, sorted by name.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Why attributes are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooMany,
    System(Errno),
}

/// Reads attributes, with its buffers.
#[derive(Debug)]
pub(super) struct Reader {
    names: Vec<u8>,
    value: Vec<u8>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { names: vec![0; KERNEL_BYTES_MAX], value: vec![0; KERNEL_BYTES_MAX] }
    }

    /// Those of an open file: one call for a file without any.
    pub(super) fn of_file(&mut self, file: impl AsFd) -> Result<Attributes, Refused> {
        let file = file.as_fd();
        let list = rustix::fs::flistxattr(file, &mut self.names[..]);
        self.collect(list, |name, value| rustix::fs::fgetxattr(file, name, value))
    }

    /// Those of whatever is at the path, which is not followed.
    pub(super) fn of_path(&mut self, path: &[u8]) -> Result<Attributes, Refused> {
        let list = rustix::fs::llistxattr(path, &mut self.names[..]);
        self.collect(list, |name, value| rustix::fs::lgetxattr(path, name, value))
    }

    fn collect(
        &mut self,
        list: Result<usize, Errno>,
        get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
    ) -> Result<Attributes, Refused> {
        let bytes = match list {
            Ok(bytes) => bytes,
            // The file system has none, or the file has gone, which others notice.
            Err(Errno::NOTSUP | Errno::NOENT | Errno::PERM | Errno::ACCESS) => 0,
            Err(error) => return Err(Refused::System(error)),
        };
        let mut attributes = Attributes::new();
        let mut total = 0;
        for name in self.names[..bytes].split(|&b| b == 0).filter(|name| is_kept(name)) {
            // One that vanished or may not be read is not there for us.
            let Ok(bytes) = get(name, &mut self.value) else { continue };
            total += name.len() + bytes;
            if total > ATTRIBUTES_BYTES_MAX {
                return Err(Refused::TooMany);
            }
            attributes.push((name.to_vec(), self.value[..bytes].to_vec()));
        }
        attributes.sort_unstable();
        Ok(attributes)
    }
}

fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || name == b"security.capability"
        || name == b"system.posix_acl_access"
        || name == b"system.posix_acl_default"
}

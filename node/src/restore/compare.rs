//! Comparing two directory trees in every byte and attribute.
//!
//! For the demo, for tests and for people who want to see it: independent of the extractor and of
//! what an archive says. Times of access and change of status are not compared, nor the size of
//! directories; holes are compared by what the files take on the disk, within a tolerance.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::fs::{lgetxattr, llistxattr};

/// How many differences are told; more would not be read.
pub const DIFFERENCES_MAX: usize = 10_000;

/// Allocation may differ by this much, bytes: file systems allocate in steps of their own.
const ALLOCATION_TOLERANCE_BYTES: u64 = 128 << 10;
const READ_BYTES: usize = 256 << 10;
const XATTR_BYTES_MAX: usize = 64 << 10;
const STAT_BLOCK_BYTES: u64 = 512;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, relative to both trees; empty for the trees themselves.
    pub path: PathBuf,
    /// What: `content`, `mode`, `only in one`, …
    pub what: &'static str,
    /// How it is in the first tree.
    pub first: String,
    /// How it is in the second tree.
    pub second: String,
}

/// Compares two trees (or two files); no difference means that they are the same. The first
/// [`DIFFERENCES_MAX`] are told. What cannot be read is a difference.
#[must_use]
pub fn compare_trees(first: &Path, second: &Path) -> Vec<Difference> {
    let mut comparison =
        Comparison { first, second, links: [BTreeMap::new(), BTreeMap::new()], found: Vec::new() };
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        if comparison.found.len() >= DIFFERENCES_MAX {
            break;
        }
        match comparison.entry(&path) {
            Ok(below) => waiting.extend(below.into_iter().rev()),
            Err(error) => comparison.differ(&path, "cannot be read", error.to_string(), ""),
        }
    }
    comparison.found
}

struct Comparison<'a> {
    first: &'a Path,
    second: &'a Path,
    /// For files of several names: device and inode, and the name that came first.
    links: [BTreeMap<(u64, u64), PathBuf>; 2],
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn differ(
        &mut self,
        path: &Path,
        what: &'static str,
        first: impl Into<String>,
        second: impl Into<String>,
    ) {
        let (first, second) = (first.into(), second.into());
        self.found.push(Difference { path: path.to_owned(), what, first, second });
    }

    /// Compares one entry of both trees; gives what lies below it in both.
    fn entry(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let (a, b) = (under(self.first, path), under(self.second, path));
        let (first, second) = (fs::symlink_metadata(&a)?, fs::symlink_metadata(&b)?);
        if kind(&first) != kind(&second) {
            self.differ(path, "kind", kind(&first), kind(&second));
            return Ok(Vec::new());
        }
        self.attributes(path, &first, &second);
        let (x, y) = (xattrs(&a)?, xattrs(&b)?);
        if x != y {
            self.differ(path, "extended attributes", show_xattrs(&x), show_xattrs(&y));
        }
        if first.is_file() {
            self.file(path, (&a, &first), (&b, &second))?;
        } else if first.is_symlink() {
            let (x, y) = (fs::read_link(&a)?, fs::read_link(&b)?);
            if x != y {
                self.differ(path, "target", x.to_string_lossy(), y.to_string_lossy());
            }
        } else if first.is_dir() {
            return self.names(path, &a, &b);
        } else if first.rdev() != second.rdev() {
            self.differ(path, "device", first.rdev().to_string(), second.rdev().to_string());
        }
        Ok(Vec::new())
    }

    fn attributes(&mut self, path: &Path, first: &Metadata, second: &Metadata) {
        let owner = |data: &Metadata| format!("{}:{}", data.uid(), data.gid());
        let mode = |data: &Metadata| format!("{:04o}", data.mode() & 0o7777);
        let time = |data: &Metadata| format!("{}.{:09}", data.mtime(), data.mtime_nsec());
        let pairs: [(&'static str, String, String); 3] = [
            ("owner", owner(first), owner(second)),
            ("mode", mode(first), mode(second)),
            ("time", time(first), time(second)),
        ];
        for (what, a, b) in pairs {
            if a != b {
                self.differ(path, what, a, b);
            }
        }
        let a = group(&mut self.links[0], path, first);
        let b = group(&mut self.links[1], path, second);
        if a != b {
            self.differ(path, "same file as", a.to_string_lossy(), b.to_string_lossy());
        }
    }

    fn file(
        &mut self,
        path: &Path,
        (a, first): (&Path, &Metadata),
        (b, second): (&Path, &Metadata),
    ) -> io::Result<()> {
        if first.len() != second.len() {
            self.differ(path, "size", first.len().to_string(), second.len().to_string());
        } else if let Some(at) = first_difference(a, b)? {
            self.differ(path, "content", format!("differs at byte {at}"), "");
        }
        let taken = |data: &Metadata| data.blocks() * STAT_BLOCK_BYTES;
        let sparse = |data: &Metadata| taken(data) + ALLOCATION_TOLERANCE_BYTES < data.len();
        let (x, y) = (taken(first), taken(second));
        if (sparse(first) || sparse(second)) && x.abs_diff(y) > ALLOCATION_TOLERANCE_BYTES + x / 8 {
            self.differ(path, "bytes on the disk", x.to_string(), y.to_string());
        }
        Ok(())
    }

    /// Names in only one are differences; those in both are gone into.
    fn names(&mut self, path: &Path, a: &Path, b: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names: BTreeMap<_, [bool; 2]> = BTreeMap::new();
        for (side, dir) in [a, b].into_iter().enumerate() {
            for entry in fs::read_dir(dir)? {
                names.entry(entry?.file_name()).or_default()[side] = true;
            }
        }
        let mut both = Vec::new();
        for (name, sides) in names {
            match sides {
                [true, true] => both.push(path.join(name)),
                [first, _] => {
                    let word = |here| if here { "there" } else { "missing" };
                    self.differ(&path.join(name), "only in one", word(first), word(!first));
                }
            }
        }
        Ok(both)
    }
}

/// Joining an empty path would add a slash.
fn under(tree: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { tree.to_owned() } else { tree.join(path) }
}

fn kind(data: &Metadata) -> &'static str {
    let kind = data.file_type();
    match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "symbolic link",
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () if kind.is_char_device() => "character device",
        () => "block device",
    }
}

/// The first name of a file with several names in this tree; empty for a file with one.
fn group(links: &mut BTreeMap<(u64, u64), PathBuf>, path: &Path, data: &Metadata) -> PathBuf {
    if data.is_dir() || data.nlink() < 2 {
        return PathBuf::new();
    }
    let first = links.entry((data.dev(), data.ino())).or_insert_with(|| path.to_owned());
    if first == path { PathBuf::new() } else { first.clone() }
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut list = vec![0; XATTR_BYTES_MAX];
    let bytes = match llistxattr(path, list.as_mut_slice()) {
        Ok(bytes) => bytes,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    list.truncate(bytes);
    let mut value = vec![0; if bytes == 0 { 0 } else { XATTR_BYTES_MAX }];
    let mut all = BTreeMap::new();
    for name in list.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let bytes = lgetxattr(path, name, value.as_mut_slice())?;
        all.insert(name.to_vec(), value[..bytes].to_vec());
    }
    Ok(all)
}

fn show_xattrs(all: &BTreeMap<Vec<u8>, Vec<u8>>) -> String {
    let one = |(name, value): (&Vec<u8>, &Vec<u8>)| {
        let start: Vec<String> = value.iter().take(32).map(|b| format!("{b:02x}")).collect();
        format!("{}={}", String::from_utf8_lossy(name), start.concat())
    };
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The offset of the first byte that differs in two files of one size.
fn first_difference(a: &Path, b: &Path) -> io::Result<Option<u64>> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut x, mut y) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut offset = 0;
    loop {
        let bytes = a.read(&mut x)?;
        if bytes == 0 {
            return Ok(None);
        }
        b.read_exact(&mut y[..bytes])?;
        if x[..bytes] != y[..bytes] {
            let at = x[..bytes].iter().zip(&y).take_while(|(x, y)| x == y).count();
            return Ok(Some(offset + at as u64));
        }
        offset += bytes as u64;
    }
}

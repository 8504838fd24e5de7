//! Going through a tree: depth first, names in the order of their bytes, a directory before what is
//! in it.
//!
//! Every step is relative to an open directory and follows no link, so a tree that is changed
//! meanwhile cannot lead out of the source, and its depth has no limit but that of the path in the
//! tar. At most [`OPEN_MAX`] directories of the way down are open; one that was closed is opened
//! again through `..` of the one below, and must be the same.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

use protocol::tar::{MemberKind, PATH_BYTES_MAX};
use rustix::io::Errno;

use super::directory::{Directory, Name};
use super::excludes::Excludes;
use super::open::append;
use super::stat::FileStat;
use super::{SourceError, SourceSpec, SourceWarning};

/// Directories of the way down that stay open.
const OPEN_MAX: usize = 64;

/// File systems of the kernel, which have nothing to keep and where reading can block or act:
/// proc, sys, cgroup (two), debugfs, tracefs, securityfs, bpf, pstore, efivarfs, configfs, selinux.
const KERNEL_FILE_SYSTEMS: [u64; 12] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0x6265_6570,
    0xf97c_ff8c,
];

/// A file of the source.
#[derive(Debug)]
pub(super) struct Found {
    /// Where `name` is; absent for directories above the source.
    pub(super) directory: Option<Rc<Directory>>,
    pub(super) name: CString,
    /// Its path in the tar.
    pub(super) path: Vec<u8>,
    pub(super) stat: FileStat,
}

/// What the walk comes across.
#[derive(Debug)]
pub(super) enum Step {
    Found(Found),
    Warning(SourceWarning),
}

/// One directory on the way down.
#[derive(Debug)]
struct Frame {
    /// Absent while closed for being far up.
    directory: Option<Rc<Directory>>,
    name: CString,
    key: (u64, u64),
    names: std::vec::IntoIter<Name>,
    /// How long the path of the directory above is.
    above_bytes: usize,
}

/// A walk through one source.
#[derive(Debug)]
pub(super) struct Walk {
    excludes: Excludes,
    never: Vec<(u64, u64)>,
    only_device: Option<u64>,
    prefix_bytes: usize,
    root_bytes: usize,
    frames: Vec<Frame>,
    /// The path in the tar of the directory that is gone through.
    path: Vec<u8>,
    queue: VecDeque<Step>,
    /// How many members come before the source itself.
    above: usize,
}

impl Walk {
    pub(super) fn new(spec: &SourceSpec) -> Result<Self, SourceError> {
        let excludes = Excludes::new(&spec.excludes)?;
        let never = spec.never.iter().filter_map(|path| rustix::fs::stat(path).ok());
        let never: Vec<_> = never.map(|stat| FileStat::from(stat).key()).collect();
        let opened = super::open::open(spec)?;
        if opened.root.is_some() && never.contains(&opened.stat.key()) {
            return Err(SourceError::Own { path: spec.path.clone() });
        }
        let is_named = opened.path.len() > spec.prefix.len();
        let mut walk = Self {
            excludes,
            never,
            only_device: spec.one_file_system.then_some(opened.stat.dev),
            prefix_bytes: spec.prefix.len(),
            root_bytes: opened.path.len(),
            frames: Vec::new(),
            path: Vec::new(),
            above: opened.first.len() - usize::from(is_named),
            queue: opened.first.into_iter().map(Step::Found).collect(),
        };
        if let Some(root) = opened.root {
            let fail =
                |error: Errno| SourceError::Open { path: spec.path.clone(), source: error.into() };
            let names = root.names().map_err(fail)?;
            walk.push(root, CString::default(), &opened.stat, names, opened.path);
        }
        Ok(walk)
    }

    /// How many members, the first ones, are directories above the source.
    pub(super) fn above(&self) -> usize {
        self.above
    }

    /// The next file or warning; none when all of the source was seen.
    pub(super) fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.queue.pop_front() {
                return Some(step);
            }
            match self.frames.last_mut()?.names.next() {
                Some(name) => {
                    if let Some(step) = self.visit(name) {
                        return Some(step);
                    }
                }
                None => self.leave(),
            }
        }
    }

    /// Where a path of the tar lies on this machine.
    pub(super) fn real_path(&self, path: &[u8]) -> PathBuf {
        let mut real = b"/".to_vec();
        let below = &path[self.prefix_bytes.min(path.len())..];
        real.extend_from_slice(below.strip_prefix(b"/").unwrap_or(below));
        PathBuf::from(OsString::from_vec(real))
    }

    fn visit(&mut self, Name { name, is_directory }: Name) -> Option<Step> {
        let above = self.frames.last()?.directory.clone()?;
        let mut path = Vec::with_capacity(self.path.len() + 1 + name.as_bytes().len());
        path.extend_from_slice(&self.path);
        append(&mut path, name.to_bytes());
        if path.len() > PATH_BYTES_MAX {
            return Some(self.warning(&path, "left out: its path is too long".to_owned()));
        }
        let mut known = None;
        let is_directory = match is_directory {
            Some(is_directory) => is_directory,
            None => match above.stat_of(&name) {
                Ok(stat) => known.insert(stat).kind() == Some(MemberKind::Directory),
                Err(error) => return Some(self.warning(&path, what(error))),
            },
        };
        let below_root = if self.root_bytes == 0 { 0 } else { self.root_bytes + 1 };
        if self.excludes.matches(&path[below_root..], is_directory) {
            return None;
        }
        if is_directory {
            return self.enter(above, name, path);
        }
        match known.map_or_else(|| above.stat_of(&name), Ok) {
            Ok(stat) if stat.kind().is_none() => Some(self.warning(&path, "socket ignored".into())),
            Ok(stat) => Some(Step::Found(Found { directory: Some(above), name, path, stat })),
            Err(error) => Some(self.warning(&path, what(error))),
        }
    }

    /// Opens a directory before it is told, since what vanished is no member.
    fn enter(&mut self, above: Rc<Directory>, name: CString, path: Vec<u8>) -> Option<Step> {
        let opened = above.directory(&name).and_then(|directory| {
            let stat = directory.stat()?;
            Ok((Rc::new(directory), stat))
        });
        let (directory, stat) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let warning = self.warning(&path, what(error));
                return Some(match above.stat_of(&name) {
                    Ok(stat) if stat.kind() == Some(MemberKind::Directory) => {
                        self.queue.push_back(warning);
                        Step::Found(Found { directory: None, name, path, stat })
                    }
                    _ => warning,
                });
            }
        };
        if self.never.contains(&stat.key()) {
            return None;
        }
        if self.is_gone_through(&directory, &stat) {
            match directory.names() {
                Ok(names) => self.push(directory, name.clone(), &stat, names, path.clone()),
                Err(error) => {
                    let warning = self.warning(&path, what(error));
                    self.queue.push_back(warning);
                }
            }
        }
        Some(Step::Found(Found { directory: Some(above), name, path, stat }))
    }

    fn is_gone_through(&self, directory: &Directory, stat: &FileStat) -> bool {
        if self.only_device.is_some_and(|device| device != stat.dev) {
            return false;
        }
        let is_mount = self.frames.last().is_some_and(|frame| frame.key.0 != stat.dev);
        let is_kernels = || {
            rustix::fs::fstatfs(directory).is_ok_and(|system| {
                let magic = u64::try_from(system.f_type).unwrap_or(0) & 0xffff_ffff;
                KERNEL_FILE_SYSTEMS.contains(&magic)
            })
        };
        !(is_mount && is_kernels())
    }

    fn push(
        &mut self,
        directory: Rc<Directory>,
        name: CString,
        stat: &FileStat,
        names: Vec<Name>,
        path: Vec<u8>,
    ) {
        let above_bytes = std::mem::replace(&mut self.path, path).len();
        let names = names.into_iter();
        let directory = Some(directory);
        self.frames.push(Frame { directory, name, key: stat.key(), names, above_bytes });
        // The first stays open: it is the way back to all others.
        if let Some(far @ 1..) = self.frames.len().checked_sub(OPEN_MAX) {
            self.frames[far].directory = None;
        }
    }

    /// Goes back up; opens the directory there again if it was closed.
    fn leave(&mut self) {
        let Some(left) = self.frames.pop() else { return };
        self.path.truncate(left.above_bytes);
        let Some(above) = self.frames.last() else { return };
        if above.directory.is_some() {
            return;
        }
        let through_below = left.directory.and_then(|below| below.directory(c"..").ok());
        let is_same =
            |directory: &Directory| directory.stat().is_ok_and(|stat| stat.key() == above.key);
        let found = through_below.filter(is_same).or_else(|| self.open_from_top().filter(is_same));
        if found.is_none() {
            let warning = self.warning(&self.path, "moved while it was read".to_owned());
            self.queue.push_back(warning);
        }
        if let Some(above) = self.frames.last_mut() {
            if found.is_none() {
                above.names = Vec::new().into_iter();
            }
            above.directory = found.map(Rc::new);
        }
    }

    /// The last directory on the way, by all names from the source down.
    fn open_from_top(&self) -> Option<Directory> {
        let (top, below) = self.frames.split_first()?;
        let mut here: Option<Directory> = None;
        for frame in below {
            let above = here.as_ref().or(top.directory.as_deref())?;
            here = Some(above.directory(&frame.name).ok()?);
        }
        here
    }

    fn warning(&self, path: &[u8], what: String) -> Step {
        Step::Warning(SourceWarning { path: self.real_path(path), what })
    }
}

/// An error of one file in a few words.
pub(super) fn what(error: Errno) -> String {
    match error {
        Errno::NOENT => "vanished".to_owned(),
        Errno::ACCESS | Errno::PERM => "permission denied".to_owned(),
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => "replaced while it was read".to_owned(),
        error => std::io::Error::from(error).to_string(),
    }
}

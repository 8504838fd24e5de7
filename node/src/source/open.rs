//! Opening a source: its own path, and the members that lie above it in the tar.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::rc::Rc;

use rustix::io::Errno;

use super::directory::Directory;
use super::stat::FileStat;
use super::walk::Found;
use super::{SourceError, SourceSpec};

/// A source that is there.
#[derive(Debug)]
pub(super) struct Opened {
    /// The directories above the source in the tar, then the source itself.
    pub(super) first: Vec<Found>,
    /// The source, when it is a directory.
    pub(super) root: Option<Rc<Directory>>,
    pub(super) stat: FileStat,
    /// The path of the source in the tar.
    pub(super) path: Vec<u8>,
}

/// Opens what a spec names.
pub(super) fn open(spec: &SourceSpec) -> Result<Opened, SourceError> {
    let fail = |error: Errno| SourceError::Open { path: spec.path.clone(), source: error.into() };
    let parts = components(&spec.path)?;
    let mut first = prefix_members(&spec.prefix);
    let mut path = spec.prefix.clone();
    let mut real = std::path::PathBuf::from("/");
    for (at, part) in parts.iter().enumerate() {
        append(&mut path, part.as_bytes());
        real.push(part);
        if at + 1 < parts.len() {
            let stat = rustix::fs::stat(&real).map_err(fail)?.into();
            first.push(Found {
                directory: None,
                name: CString::default(),
                path: path.clone(),
                stat,
            });
        }
    }
    let root = match Directory::open(&spec.path) {
        Ok(directory) => Some(Rc::new(directory)),
        Err(Errno::NOTDIR) => None,
        Err(error) => return Err(fail(error)),
    };
    let (directory, name, stat) = match &root {
        Some(root) => (Rc::clone(root), c".".to_owned(), root.stat().map_err(fail)?),
        None => single_file(spec)?,
    };
    if !parts.is_empty() {
        first.push(Found { directory: Some(directory), name, path: path.clone(), stat });
    }
    Ok(Opened { first, root, stat, path })
}

/// A source that is one file: the directory it really lies in, and its name there.
fn single_file(spec: &SourceSpec) -> Result<(Rc<Directory>, CString, FileStat), SourceError> {
    let path = || spec.path.clone();
    let fail = |error: Errno| SourceError::Open { path: path(), source: error.into() };
    let real = spec.path.canonicalize();
    let real = real.map_err(|source| SourceError::Open { path: path(), source })?;
    let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(SourceError::Kind { path: path() });
    };
    let directory = Directory::open(parent).map_err(fail)?;
    let name = CString::new(name.as_bytes()).map_err(|_| fail(Errno::INVAL))?;
    let stat = directory.stat_of(&name).map_err(fail)?;
    if stat.kind() != Some(protocol::tar::MemberKind::File) {
        return Err(SourceError::Kind { path: path() });
    }
    Ok((Rc::new(directory), name, stat))
}

/// The names on the way from the root to the source.
fn components(path: &Path) -> Result<Vec<&OsStr>, SourceError> {
    let refuse = || SourceError::NotAbsolute { path: path.to_owned() };
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err(refuse());
    }
    let name = |part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(refuse()),
    };
    parts.map(name).collect()
}

/// `data`, then `data/custom`: they are in the tar alone.
fn prefix_members(prefix: &[u8]) -> Vec<Found> {
    let mut path = Vec::new();
    let mut members = Vec::new();
    for part in prefix.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
        append(&mut path, part);
        let stat = FileStat::plain_directory();
        members.push(Found { directory: None, name: CString::default(), path: path.clone(), stat });
    }
    members
}

/// Goes one name down.
pub(super) fn append(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

//! Which members a restore takes.
//!
//! A pattern is what people know from `.gitignore` and from the excludes of a job, and names what
//! to *take*:
//!
//! - beginning with `/`: an original path, `/opt/app/x`, or a glob on it, `/opt/app/*.conf`;
//! - otherwise a name or a path at any depth: `*.txt`, `docs/*.txt`, `opt/app/x`, and also a member
//!   path as the archive's contents show it, `data/custom/opt/app/x`;
//! - ending with `/`: directories only: `etc/`;
//! - `*` and `?` do not cross a `/`, `**` does, `[…]` is one of some letters. A path that is spelled
//!   out is taken as it is first, so that a file called `a[1].txt` is found by its name.
//!
//! What lies beneath a directory that is taken is taken too. There is no negation: `!` and `#` are
//! letters.

use std::{collections::BTreeMap, ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use protocol::tar::{Member, MemberKind};

use super::name::Name;

/// How many patterns one restore may have.
pub const PATTERNS_MAX: usize = 1000;
/// How long one may be, bytes.
pub const PATTERN_BYTES_MAX: usize = 8192;

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Its syntax is wrong.
    #[error("the pattern {pattern:?} cannot be understood")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        #[source]
        source: ignore::Error,
    },
    /// An empty one, which is a slip more likely than a wish.
    #[error("an empty pattern selects nothing")]
    Empty,
    /// There are too many, or one is too long.
    #[error("at most {PATTERNS_MAX} patterns of {PATTERN_BYTES_MAX} bytes are allowed")]
    TooMany,
}

/// The members that a restore takes.
pub struct Selection {
    /// Spelled out: member paths and original paths, with whether only a directory is meant.
    exact: BTreeMap<Vec<u8>, bool>,
    original_exact: BTreeMap<Vec<u8>, bool>,
    /// On the member path.
    anywhere: Gitignore,
    /// On the original path.
    original: Gitignore,
    strip: Vec<u8>,
    all: bool,
}

impl Selection {
    /// Understands patterns; none at all takes everything. `strip` is what of a member's path is
    /// not part of the original path.
    ///
    /// # Errors
    /// When a pattern is none, or there are too many.
    pub fn new(patterns: &[String], strip: &[u8]) -> Result<Self, SelectionError> {
        if patterns.len() > PATTERNS_MAX || patterns.iter().any(|p| p.len() > PATTERN_BYTES_MAX) {
            return Err(SelectionError::TooMany);
        }
        let mut anywhere = GitignoreBuilder::new("");
        let mut original = GitignoreBuilder::new("");
        let (mut exact, mut original_exact) = (BTreeMap::new(), BTreeMap::new());
        for pattern in patterns {
            let error = |source| SelectionError::Pattern { pattern: pattern.clone(), source };
            if pattern.is_empty() {
                return Err(SelectionError::Empty);
            }
            let spelled = pattern.trim_matches('/').as_bytes().to_vec();
            let directory = pattern.ends_with('/');
            if let Some(rest) = pattern.strip_prefix('/') {
                original_exact.insert(spelled, directory);
                original
                    .add_line(
                        None,
                        &format!(
                            "/{}",
                            if rest.is_empty() { "**".to_owned() } else { escaped(rest) }
                        ),
                    )
                    .map_err(error)?;
            } else {
                exact.insert(spelled, directory);
                let line = format!("**/{}", escaped(pattern));
                anywhere.add_line(None, &line).map_err(error)?;
            }
        }
        let build = |builder: GitignoreBuilder| {
            let pattern = patterns.join(" ");
            builder.build().map_err(|source| SelectionError::Pattern { pattern, source })
        };
        let (anywhere, original) = (build(anywhere)?, build(original)?);
        let (strip, all) = (trimmed(strip).to_vec(), patterns.is_empty());
        Ok(Self { exact, original_exact, anywhere, original, strip, all })
    }

    /// Whether it takes everything.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Whether a member with this path is taken.
    #[must_use]
    pub fn takes(&self, path: &[u8], kind: MemberKind) -> bool {
        if self.all {
            return true;
        }
        let path = trimmed(path);
        let directory = kind == MemberKind::Directory;
        let original = self.original_of(path);
        is_spelled(&self.exact, path, directory)
            || original.is_some_and(|path| is_spelled(&self.original_exact, path, directory))
            || matches(&self.anywhere, path, directory)
            || original.is_some_and(|path| matches(&self.original, path, directory))
    }

    /// The path of a hard link's first name when that is not taken though the link is: its data is
    /// needed all the same, see [`Links`].
    #[must_use]
    pub fn needs<'a>(&self, member: &'a Member) -> Option<&'a [u8]> {
        let needed = member.kind == MemberKind::HardLink
            && self.takes(&member.path, member.kind)
            && !self.takes(&member.link, MemberKind::File);
        needed.then_some(member.link.as_slice())
    }

    fn original_of<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        if self.strip.is_empty() {
            return Some(path);
        }
        let rest = path.strip_prefix(self.strip.as_slice())?;
        rest.strip_prefix(b"/").or(rest.is_empty().then_some(rest))
    }
}

/// What becomes of a hard link when only some members are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkChoice {
    /// It stays as it is: its first name is taken, or it is no hard link.
    AsItIs,
    /// Its first name is not taken, and it is the first of its file that is: it becomes a regular
    /// file with the attributes and data of the member at this path.
    WithDataOf(Vec<u8>),
    /// Its first name is not taken, another name already is: it becomes a hard link to that one.
    To(Vec<u8>),
}

/// Decides, over the taken members in the order of the stream, what hard links become.
#[derive(Debug, Default)]
pub struct Links {
    stand_ins: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Links {
    /// Decides for one taken member.
    pub fn choose(&mut self, selection: &Selection, member: &Member) -> LinkChoice {
        let Some(first) = selection.needs(member) else {
            return LinkChoice::AsItIs;
        };
        if let Some(path) = self.stand_ins.get(first) {
            return LinkChoice::To(path.clone());
        }
        self.stand_ins.insert(first.to_vec(), member.path.clone());
        LinkChoice::WithDataOf(first.to_vec())
    }
}

fn trimmed(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

fn is_spelled(spelled: &BTreeMap<Vec<u8>, bool>, path: &[u8], directory: bool) -> bool {
    let whole = |path: &[u8], directory| spelled.get(path).is_some_and(|only| directory || !only);
    let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
    whole(path, directory) || slashes.into_iter().any(|at| whole(&path[..at], true))
}

fn matches(patterns: &Gitignore, path: &[u8], directory: bool) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    !patterns.is_empty()
        && !path.as_os_str().is_empty()
        && Name::new(path.as_os_str().as_bytes()).is_ok()
        && patterns.matched_path_or_any_parents(path, directory).is_ignore()
}

/// As a line of a `.gitignore` that has no other meaning: no comment, no negation, spaces kept.
fn escaped(pattern: &str) -> String {
    let kept = pattern.trim_end_matches(' ');
    format!("{kept}{}", "\\ ".repeat(pattern.len() - kept.len()))
}

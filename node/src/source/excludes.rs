//! Which files are left out: patterns as in a .gitignore at the top of the source.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::SourceError;

/// The compiled patterns of a source.
#[derive(Debug)]
pub(super) struct Excludes(Gitignore);

impl Excludes {
    pub(super) fn new(patterns: &[String]) -> Result<Self, SourceError> {
        // The root `.` says that paths are relative to the source already.
        let mut builder = GitignoreBuilder::new(".");
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|source| SourceError::Pattern { pattern: pattern.clone(), source })?;
        }
        let all = || patterns.join(" ");
        let compiled =
            builder.build().map_err(|source| SourceError::Pattern { pattern: all(), source })?;
        Ok(Self(compiled))
    }

    /// Whether the file at this path, relative to the source, is left out. What is below an
    /// excluded directory is never asked for.
    pub(super) fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        !self.0.is_empty() && self.0.matched(OsStr::from_bytes(path), is_directory).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_a_gitignore() {
        let patterns = ["*.tmp", "!keep.tmp", "cache/", "/top-only", "a/**/z", "# no", ""];
        let excludes = Excludes::new(&patterns.map(str::to_owned)).unwrap();
        for (path, is_directory, left_out) in [
            ("x.tmp", false, true),
            ("d/e/x.tmp", false, true),
            ("d/keep.tmp", false, false),
            ("cache", true, true),
            ("d/cache", true, true),
            ("cache", false, false),
            ("top-only", false, true),
            ("d/top-only", false, false),
            ("a/b/c/z", false, true),
            ("plain", false, false),
        ] {
            assert_eq!(excludes.matches(path.as_bytes(), is_directory), left_out, "{path}");
        }
        assert!(excludes.matches(b"odd\xff.tmp", false));
        assert!(!Excludes::new(&[]).unwrap().matches(b"x.tmp", false));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = Excludes::new(&["{a,b".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "the exclude pattern \"{a,b\" is not valid");
    }
}

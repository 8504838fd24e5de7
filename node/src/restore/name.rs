//! A member's path, taken apart into names that cannot lead elsewhere.

use super::error::ItemError;

/// How many directories deep a member may lie.
pub(super) const DEPTH_MAX: usize = 4096;

/// The parts of a path beneath the destination; none is the destination itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name<'a>(pub(super) Vec<&'a [u8]>);

impl<'a> Name<'a> {
    /// Takes a path apart.
    pub(super) fn new(path: &'a [u8]) -> Result<Self, ItemError> {
        if path.is_empty() {
            return Err(ItemError::Empty);
        }
        if path[0] == b'/' {
            return Err(ItemError::Absolute);
        }
        if path.contains(&0) {
            return Err(ItemError::Nul);
        }
        let parts = path.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b"."));
        let parts: Vec<_> = parts.take(DEPTH_MAX + 1).collect();
        if parts.contains(&&b".."[..]) {
            return Err(ItemError::DotDot);
        }
        if parts.len() > DEPTH_MAX {
            return Err(ItemError::Deep(DEPTH_MAX));
        }
        Ok(Self(parts))
    }

    /// The name without the parts of `front`; none when it does not begin with them.
    pub(super) fn strip(&self, front: &Name<'_>) -> Option<Self> {
        let begins = self.0.starts_with(&front.0);
        begins.then(|| Self(self.0[front.0.len()..].to_vec()))
    }

    /// The directory and the last part; none for the destination itself.
    pub(super) fn split(&self) -> Option<(&[&'a [u8]], &'a [u8])> {
        self.0.split_last().map(|(last, parents)| (parents, *last))
    }
}

/// For messages: paths are not always UTF-8.
pub(super) fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert!(matches!(Name::new(b"/etc/passwd"), Err(ItemError::Absolute)));
        assert!(matches!(Name::new(b"a/../../b"), Err(ItemError::DotDot)));
        assert!(matches!(Name::new(b".."), Err(ItemError::DotDot)));
        assert!(matches!(Name::new(b"a\0b"), Err(ItemError::Nul)));
        assert!(matches!(Name::new(b""), Err(ItemError::Empty)));
        let deep = b"a/".repeat(DEPTH_MAX + 1);
        assert!(matches!(Name::new(&deep), Err(ItemError::Deep(_))));
    }

    #[test]
    fn dots_and_doubled_slashes_say_nothing() {
        assert_eq!(Name::new(b"./a//b/./c/").expect("safe").0, [b"a", b"b", b"c"]);
        assert_eq!(Name::new(b"..a/b..").expect("safe").0, [&b"..a"[..], b"b.."]);
    }

    #[test]
    fn a_prefix_is_whole_parts() {
        let strip = Name::new(b"data/custom").expect("safe");
        let name = |path| Name::new(path).expect("safe");
        assert_eq!(name(b"data/custom/opt").strip(&strip), Some(name(b"opt")));
        assert_eq!(name(b"data/customs/opt").strip(&strip), None);
        assert_eq!(name(b"data/custom").strip(&strip), Some(Name(Vec::new())));
    }
}

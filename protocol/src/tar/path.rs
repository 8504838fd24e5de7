//! Paths of members: how they are normalised, and which of them are safe to write.

/// A path that could lead out of the destination, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all.
    #[error("the path of a member is empty")]
    Empty,
    /// It begins at the root.
    #[error("the path of a member is absolute")]
    Absolute,
    /// It goes upwards.
    #[error("the path of a member has a `..` in it")]
    Upwards,
    /// It has a zero byte in it, which no file system takes.
    #[error("the path of a member has a zero byte in it")]
    Zero,
}

/// The components of a path that stays below wherever it is put.
///
/// Empty components and `.` are left out; the path `.` has no component and names the destination
/// itself. Links that lie in the way are the writer's concern.
///
/// # Errors
/// When the path is absolute, empty, goes upwards or has a zero byte.
pub fn safe_path(path: &[u8]) -> Result<Vec<&[u8]>, PathError> {
    match path {
        [] => return Err(PathError::Empty),
        [b'/', ..] => return Err(PathError::Absolute),
        _ if path.contains(&0) => return Err(PathError::Zero),
        _ => {}
    }
    let components = path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".");
    components.map(|part| if part == b".." { Err(PathError::Upwards) } else { Ok(part) }).collect()
}

/// Without `./` in front and `/` at the end; the root of a tree is `.`.
pub(super) fn normalise(mut path: Vec<u8>) -> Vec<u8> {
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    let mut rest = path.as_slice();
    while let Some(after) = rest.strip_prefix(b"./") {
        rest = without_slashes(after);
    }
    match rest {
        [] if !path.is_empty() => b".".to_vec(),
        rest if rest.len() == path.len() => path,
        rest => rest.to_vec(),
    }
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let begin = path.iter().position(|&b| b != b'/').unwrap_or(path.len());
    &path[begin..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for (path, error) in [
            (&b""[..], PathError::Empty),
            (b"/etc/passwd", PathError::Absolute),
            (b"..", PathError::Upwards),
            (b"a/../b", PathError::Upwards),
            (b"a/..", PathError::Upwards),
            (b"a\0b", PathError::Zero),
        ] {
            assert_eq!(safe_path(path), Err(error), "{path:?}");
        }
        assert_eq!(safe_path(b"a//./b/..c/"), Ok(vec![&b"a"[..], b"b", b"..c"]));
        assert_eq!(safe_path(b"."), Ok(vec![]));
    }

    #[test]
    fn dot_in_front_and_slash_behind_are_dropped() {
        for (path, normal) in [
            (&b"./a/b/"[..], &b"a/b"[..]),
            (b"././/a", b"a"),
            (b"./", b"."),
            (b".", b"."),
            (b"/", b"/"),
            (b"/a//", b"/a"),
            (b".a", b".a"),
            (b"", b""),
        ] {
            assert_eq!(normalise(path.to_vec()), normal, "{path:?}");
        }
    }
}

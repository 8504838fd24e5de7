//! Names of users and groups, for people who read the tar on another machine.
//!
//! They come from /etc/passwd and /etc/group; users of a directory service have their number only,
//! and it is the number that restore goes by.

use std::collections::HashMap;
use std::path::Path;

/// The names this machine knows.
#[derive(Debug, Default)]
pub(super) struct Owners {
    users: HashMap<u32, Vec<u8>>,
    groups: HashMap<u32, Vec<u8>>,
}

impl Owners {
    /// Those of this machine; none where the files cannot be read.
    pub(super) fn load() -> Self {
        let names = |path| std::fs::read(Path::new(path)).map(|text| names(&text));
        Self {
            users: names("/etc/passwd").unwrap_or_default(),
            groups: names("/etc/group").unwrap_or_default(),
        }
    }

    pub(super) fn user(&self, uid: u32) -> Vec<u8> {
        self.users.get(&uid).cloned().unwrap_or_default()
    }

    pub(super) fn group(&self, gid: u32) -> Vec<u8> {
        self.groups.get(&gid).cloned().unwrap_or_default()
    }
}

/// Lines of `name:password:number:…`; of two names with one number the first counts.
fn names(text: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut names = HashMap::new();
    for line in text.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b':');
        let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) else { continue };
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        if let Some(number) = number {
            names.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lines_are_passed_over() {
        let names = names(b"root:x:0:0::/root:/bin/sh\n\n+::::\ntoor:x:0:\nwww:x:33:\nbad:x:-1:\n");
        assert_eq!(names.len(), 2);
        assert_eq!((&names[&0][..], &names[&33][..]), (&b"root"[..], &b"www"[..]));
    }
}

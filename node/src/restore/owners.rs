//! Which numbers a member's owner gets on this machine.

use std::{collections::BTreeMap, fs, path::Path};

use protocol::tar::Member;

use super::spec::Owners;

/// How much of `/etc/passwd` and `/etc/group` is read, bytes.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// The names that this machine knows, when they are asked for.
pub(super) struct OwnerTable {
    users: BTreeMap<Vec<u8>, u32>,
    groups: BTreeMap<Vec<u8>, u32>,
}

impl OwnerTable {
    /// Reads the machine's lists; those of a directory server are not asked.
    pub(super) fn new(owners: Owners) -> Self {
        let read = |path| match owners {
            Owners::Numeric => BTreeMap::new(),
            Owners::ByName => ids(path),
        };
        Self { users: read(Path::new("/etc/passwd")), groups: read(Path::new("/etc/group")) }
    }

    /// User and group for a member.
    pub(super) fn of(&self, member: &Member) -> (u32, u32) {
        (
            self.users.get(&member.user).copied().unwrap_or(member.uid),
            self.groups.get(&member.group).copied().unwrap_or(member.gid),
        )
    }
}

/// `name:x:id:…` lines.
fn ids(path: &Path) -> BTreeMap<Vec<u8>, u32> {
    let small = fs::metadata(path).is_ok_and(|data| data.len() <= LIST_BYTES_MAX);
    let text = if small { fs::read(path).unwrap_or_default() } else { Vec::new() };
    let line = |line: &[u8]| {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().filter(|name| !name.is_empty())?.to_vec();
        let id = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        Some((name, id))
    };
    text.split(|&b| b == b'\n').filter_map(line).collect()
}

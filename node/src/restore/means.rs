//! What a restore needs to know, and how it decides.

use protocol::tar::Member;
use rustix::fs::Stat;

use super::{
    dirs::mtime,
    name::Name,
    owners::OwnerTable,
    spec::{Overwrite, RestoreSpec},
};

/// What a restore needs to know and does not change.
pub(super) struct Means {
    pub(super) spec: RestoreSpec,
    pub(super) uid: u32,
    owners: OwnerTable,
    /// The path of the source beneath the destination.
    source: Vec<Vec<u8>>,
    /// What is stripped is the path of the source itself: the destination, if it is made, gets the
    /// attributes of the source. Otherwise its member is one of those above.
    pub(super) destination_is_source: bool,
}

impl Means {
    pub(super) fn new(spec: RestoreSpec) -> Self {
        let source = |spec: &RestoreSpec| {
            let strip = Name::new(&spec.strip).unwrap_or(Name(Vec::new()));
            let name = Name::new(&spec.source).ok()?.strip(&strip)?;
            Some(name.0.iter().map(|part| part.to_vec()).collect())
        };
        Self {
            uid: rustix::process::geteuid().as_raw(),
            owners: OwnerTable::new(spec.owners),
            destination_is_source: same_path(&spec.strip, &spec.source),
            source: source(&spec).unwrap_or_default(),
            spec,
        }
    }

    pub(super) fn owner_of(&self, member: &Member) -> (u32, u32) {
        self.owners.of(member)
    }

    /// The member path of a path beneath the destination, for messages.
    pub(super) fn member_path(&self, path: &[u8]) -> Vec<u8> {
        let strip = self.spec.strip.strip_suffix(b"/").unwrap_or(&self.spec.strip);
        if strip.is_empty() { path.to_vec() } else { [strip, b"/", path].concat() }
    }

    /// Whether what exists makes room for a member.
    pub(super) fn may_replace(&self, member: &Member, existing: &Stat) -> bool {
        match self.spec.overwrite {
            Overwrite::Refuse => false,
            Overwrite::Replace | Overwrite::Changed => true,
            Overwrite::KeepNewer => mtime(existing) <= member.mtime,
        }
    }

    /// Whether a directory that exists gets a member's attributes: not one above the source.
    pub(super) fn may_change_dir(&self, member: &Member, way: &[&[u8]], existing: &Stat) -> bool {
        let above =
            way.len() < self.source.len() && self.source.iter().zip(way).all(|(a, b)| a == b);
        !above && self.may_replace(member, existing)
    }
}

fn same_path(a: &[u8], b: &[u8]) -> bool {
    let parts = |path| Name::new(path).map_or_else(|_| Vec::new(), |name| name.0);
    parts(a) == parts(b)
}

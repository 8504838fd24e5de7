//! Archives, who holds them, and what they say of themselves.

use protocol::{
    NodeId,
    control::{
        ArchiveInfo, ArchiveReport, Contents, ContentsEntry, EntryKind, Holder, HolderState,
        Removed,
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Iso, iso, iso_file, iso_or_none};

/// An archive that this node can open.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Archive")]
pub(crate) struct ArchiveView {
    name: String,
    /// The kind of the job that made it.
    #[serde(rename = "type")]
    kind: Option<String>,
    app: Option<String>,
    /// The node that made it.
    instance_name: String,
    created_at: Iso,
    /// Its size as a tar.
    size_bytes: Option<u64>,
    /// Of the tar; null until it was read whole.
    sha256: Option<String>,
    /// Where it lies.
    #[serde(rename = "where")]
    place: Place,
    id: String,
    node_id: NodeId,
    job_name: Option<String>,
    /// What was backed up: a path, an app, databases.
    source: Option<String>,
    /// The plain tar in the archives folder, when there is one.
    file: Option<String>,
    /// Its members.
    entries: Option<u64>,
    /// Bytes that a whole copy needs.
    sealed_bytes: u64,
    /// It is kept whatever the retention says.
    pinned: bool,
    /// On other nodes.
    copies_wanted: u8,
    /// Anything unusual.
    notes: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Place {
    /// Whether all of it lies on the node that was asked.
    local: bool,
    holders: Vec<HolderView>,
}

/// A node that has, or will have, an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Holder")]
pub(crate) struct HolderView {
    node: String,
    node_id: NodeId,
    state: HolderState,
    have_bytes: u64,
    /// Until then it does not drop them.
    locked_until: Option<Iso>,
}

impl From<Holder> for HolderView {
    fn from(holder: Holder) -> Self {
        Self {
            node: holder.node.name,
            node_id: holder.node.id,
            state: holder.state,
            have_bytes: holder.have_bytes,
            locked_until: iso_or_none(holder.locked_until_ms),
        }
    }
}

impl ArchiveView {
    /// As seen from a node; none for an archive that is sealed from it.
    pub(crate) fn new(archive: ArchiveReport, here: NodeId) -> Option<Self> {
        let whole_here = |h: &Holder| h.node.id == here && h.state == HolderState::Whole;
        let local = archive.holders.iter().any(whole_here);
        let holders = archive.holders.into_iter().map(HolderView::from).collect();
        let source = archive.source.map(|source| source.to_string());
        Some(Self {
            name: archive.name?,
            app: match archive.kind.as_deref() {
                Some("ynh_app") => source.clone(),
                Some("ynh_system") => Some("system".to_owned()),
                _ => archive.job.clone(),
            },
            kind: archive.kind,
            instance_name: archive.origin.name,
            created_at: iso(archive.created_ms),
            size_bytes: archive.stream_bytes,
            sha256: archive.sha256,
            place: Place { local, holders },
            id: archive.id.to_string(),
            node_id: archive.origin.id,
            job_name: archive.job,
            source,
            file: archive.tar.and_then(|tar| file_name(&tar.to_string())),
            entries: archive.entries,
            sealed_bytes: archive.sealed_bytes,
            pinned: archive.pinned,
            copies_wanted: archive.copies_wanted,
            notes: archive.notes,
        })
    }
}

/// The last part of a path: where the archives folder lies is the node's own business.
fn file_name(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The fields of the archive's `backup_info.json`, whatever they are; and what is known of it here.
/// What both may call so is ours: the texts come from the archive.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ArchiveInfo")]
pub(crate) struct InfoView {
    /// `info.json` as `YunoHost` has it; null when there is none.
    yunohost: Option<Map<String, Value>>,
    /// As in the list.
    archive: ArchiveView,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl InfoView {
    /// As seen from a node; none for an archive that is sealed from it.
    pub(crate) fn new(info: ArchiveInfo, here: NodeId) -> Option<Self> {
        let archive = ArchiveView::new(info.archive, here)?;
        let known = serde_json::to_value(&archive).ok()?;
        let mut fields = object(info.backup_info.as_deref()).unwrap_or_default();
        for key in ["instance_name", "app", "type", "created_at", "name", "size_bytes", "sha256"] {
            fields.entry(key).or_insert_with(|| known[key].clone());
        }
        fields.retain(|key, _| !["yunohost", "archive"].contains(&key.as_str()));
        Some(Self { yunohost: object(info.info.as_deref()), archive, fields })
    }
}

fn object(text: Option<&str>) -> Option<Map<String, Value>> {
    serde_json::from_str(text?).ok()
}

/// A page of members.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Contents")]
pub(crate) struct ContentsView {
    archive_name: String,
    entries: Vec<EntryView>,
    /// `from` of the next page; none after the last.
    next: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Entry")]
struct EntryView {
    /// In the archive; bytes that are no UTF-8 stand as `\\xNN`.
    path: String,
    #[serde(rename = "type")]
    kind: EntryKind,
    /// Where a link points.
    link: Option<String>,
    /// Octal digits.
    mode: String,
    uid: u32,
    gid: u32,
    size_bytes: u64,
    /// It can be before 1970, and then have a sign and six digits of the year.
    modified_at: String,
}

impl From<Contents> for ContentsView {
    fn from(contents: Contents) -> Self {
        Self {
            archive_name: contents.archive,
            entries: contents.entries.into_iter().map(EntryView::from).collect(),
            next: contents.next,
        }
    }
}

impl From<ContentsEntry> for EntryView {
    fn from(entry: ContentsEntry) -> Self {
        Self {
            path: entry.path.to_string(),
            kind: entry.kind,
            link: Some(entry.link.to_string()).filter(|link| !link.is_empty()),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size_bytes: entry.bytes,
            modified_at: iso_file(entry.mtime).to_string(),
        }
    }
}

/// What the removal of an archive did, or would do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Removed")]
pub(crate) struct RemovedView {
    name: String,
    /// Nothing was changed.
    dry_run: bool,
    /// What no other archive needs.
    freed_bytes: u64,
    /// Copies elsewhere.
    replicas: Vec<HolderView>,
}

impl From<Removed> for RemovedView {
    fn from(removed: Removed) -> Self {
        Self {
            name: removed.archive,
            dry_run: removed.dry_run,
            freed_bytes: removed.freed_bytes,
            replicas: removed.replicas.into_iter().map(HolderView::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_only_its_last_part_is_told() {
        assert_eq!(file_name("/home/x/a.tar").as_deref(), Some("a.tar"));
        assert_eq!(file_name("/home/x/"), None);
    }

    #[test]
    fn a_text_that_is_no_object_is_none() {
        for text in [None, Some(""), Some("[1]"), Some("\"x\""), Some("{")] {
            assert_eq!(object(text), None);
        }
    }
}

//! Plain tars that no job of this node made: by hand, in the webadmin, before an upgrade, by a job
//! of another program. They are shown with what their description says, and never pruned.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
};

use protocol::{
    Time,
    control::{Failure, ForeignArchive},
};
use serde_json::Value;

use super::{Node, folder_failure, tar_stem};
use crate::agent::{ArchiveFile, ArchiveFileName, FailureKind};

/// The largest description that is read.
const INFO_BYTES_MAX: u64 = 1 << 20;

/// How many apps and parts of one archive are told.
const CONTAINS_MAX: usize = 200;

/// How long a text of a foreign description may be, characters.
const TEXT_CHARS_MAX: usize = 500;

/// The foreign archives of the folder, by name.
///
/// # Errors
/// When the folder cannot be read.
pub(in crate::daemon) fn list(node: &Node) -> Result<Vec<ForeignArchive>, Failure> {
    let files = match node.agent.list_archives() {
        Ok(files) => files,
        Err(error) if error.kind() == FailureKind::NotFound => Vec::new(),
        Err(error) => return Err(folder_failure("cannot list the archives folder", &error)),
    };
    let ours: BTreeSet<String> = node.tars.names().into_values().collect();
    let mut found: BTreeMap<String, ArchiveFile> = BTreeMap::new();
    for file in files {
        let Some(name) = tar_stem(&file.name).filter(|name| !ours.contains(name)) else { continue };
        // A compressed archive has a link beside it, which is the same archive.
        found.entry(name).or_insert(file);
    }
    Ok(found.into_iter().map(|(name, file)| describe(node, name, &file)).collect())
}

fn describe(node: &Node, name: String, file: &ArchiveFile) -> ForeignArchive {
    told(&read_info(node, &name).unwrap_or_default(), name, file)
}

fn told(info: &Value, name: String, file: &ArchiveFile) -> ForeignArchive {
    let created = info["created_at"].as_f64().filter(|seconds| (0.0..1e11).contains(seconds));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let created = created.map(|seconds| Time((seconds * 1_000.0) as u64));
    let modified = u64::try_from(file.modified.seconds).unwrap_or(0).saturating_mul(1_000);
    let keys = |part: &str| {
        let object = info[part].as_object().into_iter().flatten();
        object.map(|(key, _)| cut(key)).collect::<Vec<_>>()
    };
    let contains = [keys("apps"), keys("system")].concat();
    ForeignArchive {
        pre_upgrade: ["-pre-upgrade1", "-pre-upgrade2"].iter().any(|end| name.ends_with(end)),
        name,
        file: file.name.to_string(),
        bytes: file.bytes,
        created_ms: created.unwrap_or(Time(modified)),
        description: info["description"].as_str().map(cut).unwrap_or_default(),
        contains: contains.into_iter().take(CONTAINS_MAX).collect(),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// A door for the tests that feed parsers foreign bytes: what a description says of a file.
pub fn told_by(info: &[u8], name: &str, file: &ArchiveFile) -> ForeignArchive {
    told(&serde_json::from_slice(info).unwrap_or_default(), name.to_owned(), file)
}

/// What lies beside the tar; it is only a description, so whatever is wrong with it is no error.
fn read_info(node: &Node, name: &str) -> Option<Value> {
    let file = ArchiveFileName::new(format!("{name}.info.json")).ok()?;
    let open = node.agent.open_archive(&file).ok()?;
    let mut text = Vec::new();
    open.take(INFO_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

//! What a restore is asked to do.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happens to something that already has the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overwrite {
    /// It stays, and is reported; directories that exist keep their attributes.
    #[default]
    Refuse,
    /// The archive's version takes its place.
    Replace,
    /// The archive's version takes its place unless it is a regular file of the same size, time,
    /// mode and owner.
    Changed,
    /// The archive's version takes its place unless the existing one was changed later.
    KeepNewer,
}

/// Whose files they become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owners {
    /// The numbers in the archive.
    #[default]
    Numeric,
    /// The user and group of this machine with the names in the archive; the numbers where a name
    /// is missing here.
    ByName,
}

/// Symbolic links in the place of parent directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkRule {
    /// Never followed.
    #[default]
    Refuse,
    /// Followed under the conditions that the module's page states.
    FollowSystem,
}

/// How much is compared after writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Check {
    /// Nothing.
    Nothing,
    /// Size, mode, owner, time, extended attributes, link target: asked back from the file system.
    #[default]
    Attributes,
    /// That, and the content is read again and compared with what was written.
    Content,
}

/// One restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSpec {
    /// The directory beneath which everything is written; `/` is in place. It is made when it is
    /// missing (its parent must exist).
    #[serde(with = "path_bytes")]
    pub destination: PathBuf,
    /// The front of member paths that is dropped: `data/custom`. Members that do not lie beneath it
    /// are not restored; empty restores all.
    #[serde(with = "serde_bytes")]
    pub strip: Vec<u8>,
    /// The member path of what was backed up: `data/custom/opt/app`. Directories above it are made
    /// where they are missing and left alone where they exist. Empty: none is above.
    #[serde(with = "serde_bytes")]
    pub source: Vec<u8>,
    /// Which members ([`super::Selection`]); empty selects all.
    pub patterns: Vec<String>,
    /// What happens to existing files.
    pub overwrite: Overwrite,
    /// Whose files they become.
    pub owners: Owners,
    /// Symbolic links in the place of parent directories.
    pub links: LinkRule,
    /// Whether devices are made: true for one's own archives, false for foreign ones.
    pub allow_devices: bool,
    /// How much is compared after writing.
    pub check: Check,
    /// Whether the end waits until everything is on the disk.
    pub sync: bool,
}

impl RestoreSpec {
    /// A restore of a whole archive of one's own, existing files refused. Links among the
    /// directories are followed in place only.
    #[must_use]
    pub fn new(destination: impl Into<PathBuf>) -> Self {
        let destination = destination.into();
        let in_place = destination == Path::new("/");
        Self {
            destination,
            strip: Vec::new(),
            source: Vec::new(),
            patterns: Vec::new(),
            overwrite: Overwrite::default(),
            owners: Owners::default(),
            links: if in_place { LinkRule::FollowSystem } else { LinkRule::Refuse },
            allow_devices: true,
            check: Check::default(),
            sync: true,
        }
    }
}

/// Paths as bytes: they are not always UTF-8.
mod path_bytes {
    use super::{
        Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, Path, PathBuf, Serializer,
    };

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(path.as_os_str().as_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(from)?;
        Ok(OsString::from_vec(bytes.into_vec()).into())
    }
}

//! The JSON in and beside an archive: `backup_info.json`, which is ours, and `info.json`, which is
//! YunoHost's.

use serde_json::{Value, json};

use super::YUNOHOST_VERSION_ASSUMED;

/// What `backup_info.json` says: the keys of 000, and two more that only archives with something to
/// say in them have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupInfo {
    /// Name of the node.
    pub instance: String,
    /// Where its pages are, when that is known.
    pub instance_url: Option<String>,
    /// What is backed up: the app, `system`, the database, the job's name.
    pub app: String,
    /// The job's kind.
    pub kind: String,
    /// When the run began, local time, ISO 8601 without an offset.
    pub created_local: String,
    /// Version of the YunoHost that runs here.
    pub yunohost_version: Option<String>,
    /// Each database, and where its dump lies. [`super::Layout`] fills it in.
    pub databases: Vec<(String, String)>,
    /// The job's `restore` block, verbatim.
    pub restore: Option<Value>,
}

impl BackupInfo {
    /// The JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut info = json!({
            "instance_name": self.instance,
            "instance_url": self.instance_url,
            "app": self.app,
            "type": self.kind,
            "created_at": self.created_local,
            "backupmanager_version": env!("CARGO_PKG_VERSION"),
            "yunohost_version": self.yunohost(),
        });
        if !self.databases.is_empty() {
            let dump = |(name, file): &(String, String)| json!({ "name": name, "file": file });
            info["databases"] = self.databases.iter().map(dump).collect();
        }
        if let Some(restore) = &self.restore {
            info["restore"] = restore.clone();
        }
        info
    }

    /// The content of the member.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        pretty(&self.json())
    }

    pub(super) fn yunohost(&self) -> &str {
        self.yunohost_version.as_deref().unwrap_or(YUNOHOST_VERSION_ASSUMED)
    }
}

pub(super) fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// An `info.json` that YunoHost could not use.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// No JSON.
    #[error("the info.json in the archive is no JSON")]
    Json(#[source] serde_json::Error),
    /// A key is not there, or not what it should be.
    #[error("the info.json in the archive has no {key} that YunoHost could use")]
    Key {
        /// Which.
        key: &'static str,
    },
}

/// What an `info.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What the archive is, for people.
    pub description: String,
    /// When it was made, seconds since 1970.
    pub created_seconds: i64,
    /// Size of what is in it, bytes; 0 when it is not said.
    pub bytes: u64,
    /// The apps in it.
    pub apps: Vec<String>,
    /// The parts of the system in it.
    pub parts: Vec<String>,
    /// Version of the YunoHost that made it.
    pub yunohost_version: Option<String>,
}

/// Reads an `info.json`, ours or YunoHost's.
///
/// # Errors
/// When it lacks what `yunohost backup info` and `restore` cannot do without.
pub fn describe(inner: &[u8]) -> Result<Described, InfoError> {
    let info: Value = serde_json::from_slice(inner).map_err(InfoError::Json)?;
    let missing = |key| move || InfoError::Key { key };
    let description = info["description"].as_str().ok_or_else(missing("description"))?;
    let created = info["created_at"].as_f64().filter(|at| at.is_finite());
    let keys = |key: &'static str| -> Result<Vec<String>, InfoError> {
        let object = info[key].as_object().ok_or_else(missing(key))?;
        Ok(object.keys().cloned().collect())
    };
    let (apps, parts) = (keys("apps")?, keys("system")?);
    Ok(Described {
        description: description.to_owned(),
        // Beyond what a number can say it is cut, which is far from any date.
        created_seconds: created.ok_or_else(missing("created_at"))? as i64,
        bytes: info["size"].as_u64().unwrap_or(0),
        apps,
        parts,
        yunohost_version: info["from_yunohost_version"].as_str().map(str::to_owned),
    })
}

/// What lies beside a tar as `NAME.info.json`: the `info.json` in it, byte for byte, as YunoHost
/// itself copies it.
///
/// # Errors
/// When YunoHost could not use it: better none than one that breaks its list.
pub fn sidecar(inner: &[u8]) -> Result<Vec<u8>, InfoError> {
    describe(inner).map(|_| inner.to_vec())
}

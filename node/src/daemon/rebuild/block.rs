//! What an archive says of itself, read with care: anybody may have written it.

use protocol::job::{CustomDir, JobConfig, JobSpec, Name, RestoreBlock};
use serde_json::Value;

use super::known::Commands;

/// The apps and the parts of the system that an `info.json` lists, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) apps: Vec<String>,
    pub(super) parts: Vec<String>,
}

/// What YunoHost's own description lists; nothing when it is none.
pub(super) fn listed(info: &[u8]) -> Listed {
    let info: Value = serde_json::from_slice(info).unwrap_or_default();
    let names = |key: &str| {
        let names = info[key].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        names.filter(|name| is_word(name)).collect()
    };
    Listed { apps: names("apps"), parts: names("system") }
}

/// What YunoHost itself allows in the names of apps and parts.
fn is_word(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=80).contains(&name.len()) && name.chars().all(inner) && !name.starts_with('-')
}

/// The restore block in a `backup_info.json`, held to the rules of a job's configuration.
pub(super) fn embedded(backup_info: &[u8]) -> Result<Option<RestoreBlock>, String> {
    let info: Value = serde_json::from_slice(backup_info).map_err(|error| error.to_string())?;
    let Some(block) = info.get("restore").filter(|block| !block.is_null()) else {
        return Ok(None);
    };
    let block: RestoreBlock =
        serde_json::from_value(block.clone()).map_err(|error| error.to_string())?;
    check(&block)?;
    Ok(Some(block))
}

fn check(block: &RestoreBlock) -> Result<(), String> {
    let dir = CustomDir { restore: Some(block.clone()), ..CustomDir::new("/") };
    let name = "restored".parse::<Name>().map_err(|error| error.to_string())?;
    let spec = JobSpec::new(name, JobConfig::CustomDir(dir));
    spec.validate().map_err(|error| error.to_string())
}

/// What a restore does besides files, and its commands.
///
/// Accounts, units and ports are those of the time of the archive. Commands of a node's own archive
/// are those that its job has now: what lies in a tar may be old, and a tar can be exchanged.
pub(super) fn merge(
    embedded: Option<RestoreBlock>,
    local: Option<&CustomDir>,
) -> (RestoreBlock, Commands) {
    let of_local = local.map(|dir| dir.restore.clone().unwrap_or_default());
    let mut block = match (embedded, &of_local) {
        (Some(block), _) => block,
        (None, Some(block)) => block.clone(),
        (None, None) => RestoreBlock::default(),
    };
    let old = std::mem::take(&mut block.post_restore_commands);
    let commands = match of_local {
        Some(block) => Commands { lines: block.post_restore_commands, of_job: true },
        None => Commands { lines: old, of_job: false },
    };
    (block, commands)
}

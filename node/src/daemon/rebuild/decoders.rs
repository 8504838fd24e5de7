//! Doors to what an archive says of itself, see [`crate::decoders`].

use protocol::job::RestoreBlock;

use super::block;

/// The names of apps, and of parts of the system, that an `info.json` lists.
pub fn listed_names(info: &[u8]) -> (Vec<String>, Vec<String>) {
    let block::Listed { apps, parts } = block::listed(info);
    (apps, parts)
}

/// The restore block of a `backup_info.json`.
///
/// # Errors
/// When it is no JSON, or a block that no job may have.
pub fn embedded_block(backup_info: &[u8]) -> Result<Option<RestoreBlock>, String> {
    block::embedded(backup_info)
}

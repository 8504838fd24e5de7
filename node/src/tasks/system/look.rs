//! Looking at the machine before anything is changed.

use std::path::Path;

use super::{
    Answer, Found, LOOKED_PATHS_MAX, Machine, TaskError, TaskIo, Wanted, account, invalid,
    permissions, unit,
};
use crate::sys;

/// What there is of what is wanted. Changes nothing.
pub(super) fn look(
    machine: &Machine,
    wanted: &Wanted,
    io: &TaskIo<'_>,
) -> Result<Answer, TaskError> {
    if wanted.paths.len() > LOOKED_PATHS_MAX {
        return Err(invalid("too many paths to look at in one task"));
    }
    let user = match &wanted.user {
        Some(name) => account::user(name, io)?,
        None => None,
    };
    let owner_exists = match &wanted.owner {
        Some(owner) => match permissions::owner(owner, io) {
            Ok(_) => true,
            Err(TaskError::NotFound { .. }) => false,
            Err(error) => return Err(error),
        },
        None => false,
    };
    let unit_installed = match &wanted.unit {
        Some(name) => machine.units().join(unit::file_name(name)?).symlink_metadata().is_ok(),
        None => false,
    };
    Ok(Answer {
        user: user.map(|user| format!("{}:{}", user.home, user.shell)),
        owner_exists,
        unit_installed,
        systemd_runs: machine.systemd_runs(),
        paths: wanted.paths.iter().map(|path| found(path)).collect(),
    })
}

fn found(path: &Path) -> Found {
    let there = path.metadata();
    let nearest = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    Found {
        exists: path.symlink_metadata().is_ok(),
        is_directory: there.is_ok_and(|there| there.is_dir()),
        free_bytes: sys::free_bytes(nearest),
    }
}

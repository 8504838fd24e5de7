//! Making the account that a service runs as.

use std::path::Path;

use protocol::job::SystemUser;

use super::{TaskError, TaskIo, account, invalid};
use crate::tasks::{Answer, process::Program};

/// Makes a system account with a group of the same name.
///
/// Its home is not made: where it is part of what was backed up the files bring it, with the owner
/// and mode that it had.
pub(super) fn make(user: &SystemUser, io: TaskIo<'_>) -> Result<Answer, TaskError> {
    account::check_name(&user.name)?;
    check_path(&user.home)?;
    check_path(&user.shell)?;
    if let Some(there) = account::user(&user.name, &io)? {
        return Ok(compare(user, &there));
    }
    let mut useradd = Program::new("useradd")
        .args(["--system", "--no-create-home", "--home-dir", &user.home])
        .args(["--shell", &user.shell]);
    useradd = match account::group(&user.name, &io)? {
        Some(_) => useradd.args(["--gid", &user.name]),
        None => useradd.arg("--user-group"),
    };
    useradd.args(["--", &user.name]).run(io)?.success("useradd")?;
    Ok(Answer::Done)
}

/// An account that exists is left as it is: somebody may rely on it.
fn compare(wanted: &SystemUser, there: &account::Account) -> Answer {
    let mut lines = Vec::new();
    for (what, wanted, is) in
        [("home", &wanted.home, &there.home), ("shell", &wanted.shell, &there.shell)]
    {
        if wanted != is {
            lines.push(format!("its {what} is {is}, not {wanted}, and stays so"));
        }
    }
    if lines.is_empty() { Answer::Unchanged } else { Answer::Partly(lines) }
}

/// What fits a field of `/etc/passwd`.
fn check_path(path: &str) -> Result<(), TaskError> {
    let hidden = |c: char| c == ':' || c.is_control();
    let up = path.split('/').any(|part| part == "..");
    if Path::new(path).is_absolute() && !path.contains(hidden) && !up {
        Ok(())
    } else {
        Err(invalid(format!("{path:?} is no path that an account can have")))
    }
}

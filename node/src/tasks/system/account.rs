//! Accounts of this machine, as the system knows them.

use super::{TaskError, TaskIo, invalid};
use crate::tasks::process::Program;

/// As long as `useradd` takes them.
const NAME_BYTES_MAX: usize = 32;

/// What `getent` ends with when there is no such entry.
const NOT_FOUND: i32 = 2;

/// A user.
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) home: String,
    pub(super) shell: String,
}

/// A name that is safe as an argument and in a line of `/etc/passwd`.
pub(super) fn check_name(name: &str) -> Result<(), TaskError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let good = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(inner);
    if good && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        Err(invalid(format!("{name:?} is not the name of a user or group")))
    }
}

/// The user of a name, where there is one.
pub(super) fn user(name: &str, io: &TaskIo<'_>) -> Result<Option<Account>, TaskError> {
    let Some(fields) = entry("passwd", name, io)? else { return Ok(None) };
    let (Some(uid), Some(home), Some(shell)) = (number(&fields, 2), fields.get(5), fields.get(6))
    else {
        return Err(nonsense(name));
    };
    Ok(Some(Account { uid, home: home.clone(), shell: shell.clone() }))
}

/// The number of a group, where there is one.
pub(super) fn group(name: &str, io: &TaskIo<'_>) -> Result<Option<u32>, TaskError> {
    let Some(fields) = entry("group", name, io)? else { return Ok(None) };
    number(&fields, 2).map(Some).ok_or_else(|| nonsense(name))
}

/// The fields of an entry. A directory server may be asked for it, so it goes through `getent`.
fn entry(list: &str, name: &str, io: &TaskIo<'_>) -> Result<Option<Vec<String>>, TaskError> {
    check_name(name)?;
    let quiet = TaskIo { input: None, output: None, line: &mut |_| {}, cancelled: io.cancelled };
    let ended = Program::new("getent").args([list, name]).run(quiet)?;
    if ended.code == NOT_FOUND {
        return Ok(None);
    }
    let ended = ended.success("getent")?;
    // A name of digits is looked up as a number too: only an entry of that very name counts.
    let lines = ended.stdout.iter().map(|line| line.split(':').map(str::to_owned).collect());
    Ok(lines.into_iter().find(|fields: &Vec<String>| fields.first().is_some_and(|f| f == name)))
}

fn number(fields: &[String], at: usize) -> Option<u32> {
    fields.get(at)?.parse().ok()
}

fn nonsense(name: &str) -> TaskError {
    let why = format!("the entry of {name} is not complete");
    TaskError::Nonsense { program: "getent".to_owned(), why }
}

//! What every part of a job's configuration is checked for.

use super::{JobError, PATH_BYTES_MAX};

/// How much of a refused text an error repeats, characters.
const SHOWN_CHARS_MAX: usize = 80;

pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

pub(super) fn count(what: &'static str, count: usize, count_max: usize) -> Result<(), JobError> {
    if count > count_max { Err(JobError::TooMany { what, count, count_max }) } else { Ok(()) }
}

pub(super) fn absolute(what: &'static str, path: &str) -> Result<(), JobError> {
    let why = if !path.starts_with('/') {
        "is not an absolute path"
    } else if path.len() > PATH_BYTES_MAX {
        "is longer than any path can be"
    } else if path.contains('\0') {
        "has a zero byte in it"
    } else if path.split('/').any(|part| part == "..") {
        "has '..' in it"
    } else {
        return Ok(());
    };
    Err(JobError::Path { what, path: shown(path), why })
}

pub(super) fn refuse(what: &'static str, text: &str, why: &'static str) -> Result<(), JobError> {
    Err(JobError::Text { what, text: shown(text), why })
}

pub(super) fn text(what: &'static str, text: &str, bytes_max: usize) -> Result<(), JobError> {
    if text.trim().is_empty() {
        refuse(what, text, "is empty")
    } else if text.len() > bytes_max {
        refuse(what, text, "is too long")
    } else if text.contains(['\0', '\n', '\r']) {
        refuse(what, text, "has a line break or a zero byte in it")
    } else {
        Ok(())
    }
}

pub(super) fn account(what: &'static str, name: &str) -> Result<(), JobError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=32).contains(&name.len()) && name.chars().all(inner) && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        refuse(what, name, "is not the name of a user or group")
    }
}

//! What may become an argument: checked once more by whoever starts the program.
//!
//! YunoHost itself allows more in names of archives, and then cannot delete what it made; these
//! rules are narrower. None lets a text begin with `-`, which would be an option.

use super::Selection;
use crate::tasks::TaskError;

/// The longest name of an archive, as YunoHost's code has it.
const ARCHIVE_BYTES_MAX: usize = 50;

/// The longest name of an app or a part.
const WORD_BYTES_MAX: usize = 80;

/// The longest description or comment, bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// Most parts in one call.
const PARTS_MAX: usize = 100;

fn refuse(what: &str, text: &str, why: &str) -> Result<(), TaskError> {
    let text: String = text.chars().take(WORD_BYTES_MAX).collect();
    Err(TaskError::Invalid { what: format!("{what} {text:?} {why}") })
}

/// The name of an archive: letters, digits, `.`, `_`, `-`; no dot at either end.
pub(super) fn archive(name: &str) -> Result<(), TaskError> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let good = (1..=ARCHIVE_BYTES_MAX).contains(&name.len()) && name.bytes().all(inner);
    if good && !name.starts_with(['.', '-']) && !name.ends_with('.') {
        Ok(())
    } else {
        refuse("the archive name", name, "is none that YunoHost could delete again")
    }
}

fn word(what: &str, name: &str) -> Result<(), TaskError> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let good = (1..=WORD_BYTES_MAX).contains(&name.len()) && name.bytes().all(inner);
    if good && !name.starts_with('-') {
        Ok(())
    } else {
        refuse(what, name, "is not a name that YunoHost gives")
    }
}

pub(super) fn app(app: &str) -> Result<(), TaskError> {
    word("the app", app)
}

pub(super) fn selection(what: &Selection) -> Result<(), TaskError> {
    match what {
        Selection::App(name) => app(name),
        Selection::System(parts) if parts.len() > PARTS_MAX => {
            let what = format!("{} parts are named, at most {PARTS_MAX} can be", parts.len());
            Err(TaskError::Invalid { what })
        }
        Selection::System(parts) => parts.iter().try_for_each(|part| word("the part", part)),
    }
}

/// A line for people.
pub(super) fn text(what: &str, text: &str) -> Result<(), TaskError> {
    if text.starts_with('-') {
        refuse(what, text, "begins with '-'")
    } else if text.len() > TEXT_BYTES_MAX {
        refuse(what, text, "is too long")
    } else if text.contains(char::is_control) {
        refuse(what, text, "has a control character in it")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_or_look_like_options_are_refused() {
        for name in ["", ".", "..", ".a", "a.", "-a", "--force", "a/b", "../a", "a b", "é", "a\n"]
        {
            assert!(matches!(archive(name), Err(TaskError::Invalid { .. })), "{name:?}");
        }
        assert!(archive(&"x".repeat(51)).is_err());
        for name in ["a", "jerry_nextcloud__2_20260508", "x-pre-upgrade1", "1.0", &"x".repeat(50)] {
            archive(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for name in ["", "-", "--purge", "a b", "a.b", "a/b", "a;b", &"x".repeat(81)] {
            assert!(app(name).is_err(), "{name:?}");
            assert!(selection(&Selection::System(vec![name.to_owned()])).is_err(), "{name:?}");
            assert!(selection(&Selection::App(name.to_owned())).is_err(), "{name:?}");
        }
        assert!(selection(&Selection::System(vec!["data_home".to_owned(); 101])).is_err());
        for line in ["-x", "a\nb", "a\0b", "\u{1b}[31m", &"x".repeat(1_001)] {
            assert!(text("the comment", line).is_err(), "{line:?}");
        }
        text("the comment", "Café d'Alice: backup").unwrap();
    }
}

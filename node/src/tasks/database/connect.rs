//! How a server is reached without a password in sight, and what its programs are called here.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::super::TaskError;

/// The largest file with a password, bytes.
const OPTIONS_BYTES_MAX: u64 = 64 << 10;

/// A file with a password that nobody else can read.
pub(super) struct Options {
    pub(super) path: String,
    /// What must not be repeated.
    pub(super) secrets: Vec<String>,
}

impl Options {
    /// Looks whether the file may be used.
    ///
    /// # Errors
    /// When it is not a plain file of ours (or root's) that nobody else may read.
    pub(super) fn open(path: &str) -> Result<Self, TaskError> {
        let refuse = |why: &str| TaskError::Invalid {
            what: format!("the options file {path:?} is not used: {why}"),
        };
        if !Path::new(path).is_absolute() {
            return Err(refuse("its path is not absolute"));
        }
        let io = |source| TaskError::Io { what: format!("read the options file {path:?}"), source };
        let at = fs::symlink_metadata(path).map_err(io)?;
        if !at.is_file() {
            return Err(refuse("it is not a regular file"));
        }
        let owner = at.uid();
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(refuse("it belongs to another user"));
        }
        let mode = at.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let why = format!("others than its owner may use it (mode {mode:o}; chmod 600 it)");
            return Err(refuse(&why));
        }
        if at.len() > OPTIONS_BYTES_MAX {
            return Err(refuse("it is too large"));
        }
        let text = fs::read(path).map_err(io)?;
        let secrets = secrets(&String::from_utf8_lossy(&text));
        Ok(Self { path: path.to_owned(), secrets })
    }
}

/// The passwords in a file: `password = …` of `my.cnf`, the fifth field of `.pgpass`.
fn secrets(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '[']) {
            return None;
        }
        if let Some((key, value)) = line.split_once('=')
            && key.trim().starts_with("password")
        {
            return Some(value.trim().trim_matches(['"', '\'']).to_owned());
        }
        let password = line.splitn(5, ':').nth(4)?;
        Some(password.replace("\\:", ":").replace("\\\\", "\\"))
    };
    text.lines().filter_map(of_line).filter(|secret| !secret.is_empty()).collect()
}

/// The first of these programs that is installed, else the last, whose absence is then the error.
pub(super) fn installed(names: [&'static str; 2]) -> &'static str {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| env::split_paths(&path).any(|dir| dir.join(name).is_file());
    names.iter().find(is_there).copied().unwrap_or(names[1])
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{Options, secrets};

    #[test]
    fn passwords_are_found_in_both_formats() {
        let my_cnf = "[client]\nuser=bob\npassword = \"s3 cr=et\"\n# password=no\n";
        assert_eq!(secrets(my_cnf), ["s3 cr=et"]);
        assert_eq!(secrets("localhost:*:db:bob:a\\:b\n"), ["a:b"]);
        assert!(secrets("[client]\nuser=bob\n").is_empty());
    }

    #[test]
    fn an_options_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("my.cnf");
        fs::write(&path, "[client]\npassword=secret\n").expect("written");
        let path = path.to_str().expect("plain");
        let open = |mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
            Options::open(path).map(|options| options.secrets).map_err(|error| error.to_string())
        };
        for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
            let error = open(mode).expect_err("others may use it");
            assert!(error.contains(&format!("mode {mode:o}")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(open(0o600).expect("only its owner"), ["secret"]);
        assert_eq!(open(0o400).expect("only its owner"), ["secret"]);
    }

    #[test]
    fn an_options_file_is_a_plain_file_with_an_absolute_path() {
        let dir = tempfile::tempdir().expect("a folder");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("linked");
        for (path, why) in [
            ("my.cnf", "not absolute"),
            (dir.path().to_str().expect("plain"), "not a regular file"),
            (link.to_str().expect("plain"), "not a regular file"),
            ("/nowhere/my.cnf", "read the options file"),
        ] {
            let error = Options::open(path).err().expect("refused").to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

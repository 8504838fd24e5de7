//! As whom the programs run: never as root where a dump is loaded.
//!
//! `psql` is a shell for whoever it listens to, and what is in a dump was written by others. When we
//! are root, the programs run as the system's user that the server knows the job's user by, and
//! where a password or another machine is what counts, as the administrator's, else as nobody. They
//! cannot read a file of ours with a password, and get a copy.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown},
    path::PathBuf,
};

use super::{
    super::{
        super::{TaskError, process},
        Server,
        connect::Options,
    },
    ADMINISTRATOR, CLIENT,
};

/// Who has no rights at all.
const NOBODY: &str = "nobody";

/// The system's user, and what it was given.
pub(super) struct Whom {
    /// None when we are not root: as ourselves.
    pub(super) account: Option<String>,
    /// Its file with the password.
    pub(super) passfile: Option<PathBuf>,
    /// Takes the copy away at the end.
    _folder: Option<tempfile::TempDir>,
    is_root: bool,
}

impl Whom {
    pub(super) fn choose(server: &Server, options: Option<&Options>) -> Result<Self, TaskError> {
        let own = options.map(|options| PathBuf::from(&options.path));
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { account: None, passfile: own, _folder: None, is_root: false });
        }
        let is_vouched_for = options.is_none() && server.host.is_none();
        let (account, ids) = if is_vouched_for {
            let user = server.user.as_deref().unwrap_or(ADMINISTRATOR);
            (user, process::ids(user)?)
        } else {
            match process::ids(ADMINISTRATOR) {
                Ok(ids) => (ADMINISTRATOR, ids),
                Err(_) => (NOBODY, process::ids(NOBODY)?),
            }
        };
        let copy = own.map(|own| {
            let what = format!("give {account} a copy of {}", own.display());
            copy(&own, ids).map_err(|source| TaskError::Io { what, source })
        });
        let (folder, passfile) = copy.transpose()?.unzip();
        let account = Some(account.to_owned());
        Ok(Self { account, passfile, _folder: folder, is_root: ids.0 == 0 })
    }

    /// Refuses to let root read a dump.
    pub(super) fn not_root(&self) -> Result<(), TaskError> {
        if !self.is_root {
            return Ok(());
        }
        let what = format!(
            "a dump is not loaded with {CLIENT} as root: choose another user of the server, or \
             one with a password"
        );
        Err(TaskError::Invalid { what })
    }
}

/// A copy that only this user can read, in a folder that only it can pass.
fn copy(from: &PathBuf, (user, group): (u32, u32)) -> io::Result<(tempfile::TempDir, PathBuf)> {
    let text = fs::read(from)?;
    let closed = fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("backupmanager-").permissions(closed).tempdir()?;
    let path = folder.path().join("pgpass");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&text)?;
    chown(&path, Some(user), Some(group))?;
    chown(folder.path(), Some(user), Some(group))?;
    Ok((folder, path))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    };

    use super::{
        super::super::{Engine, Server, connect::Options},
        Whom,
    };

    fn server(user: Option<&str>, host: Option<&str>) -> Server {
        Server {
            engine: Engine::Postgresql,
            user: user.map(str::to_owned),
            socket: None,
            host: host.map(str::to_owned),
            port: None,
            options_file: None,
        }
    }

    #[test]
    fn nothing_that_reads_a_dump_is_root() {
        for at in [server(None, None), server(None, Some("db")), server(Some("root"), Some("db"))] {
            let whom = Whom::choose(&at, None).expect("there is one");
            assert_ne!(whom.account.as_deref(), Some("root"));
            whom.not_root().expect("it may load");
        }
        let root = Whom::choose(&server(Some("root"), None), None).expect("it may dump");
        assert!(root.not_root().is_err());
    }

    #[test]
    fn a_copy_of_the_password_is_for_its_reader_alone_and_goes_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("pgpass");
        fs::write(&path, "*:*:*:bob:hush\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let options = Options::open(path.to_str().expect("plain")).expect("it may be used");
        let whom = Whom::choose(&server(Some("bob"), None), Some(&options)).expect("there is one");
        let copy = whom.passfile.clone().expect("a copy");
        assert_eq!(fs::read_to_string(&copy).expect("it is there"), "*:*:*:bob:hush\n");
        for (path, mode) in [(copy.as_path(), 0o600), (copy.parent().expect("a folder"), 0o700)] {
            let at = fs::metadata(path).expect("it is there");
            assert_eq!(at.permissions().mode() & 0o777, mode);
            assert_ne!(at.uid(), 0);
        }
        drop(whom);
        assert!(!copy.exists());
        assert!(path.exists());
    }
}

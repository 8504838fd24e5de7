//! Ssh as this node uses it: its own key, host keys that are pinned, programs without a shell.
//!
//! The key pair is made by `ssh-keygen` when it is first needed. A host key is looked at once, when
//! an instance is added: whoever adds it gives its fingerprint or compares the one that is told.
//! From then on no other is taken, and no configuration of this machine's users is read.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use protocol::control::{Failure, FailureCode, SshAccount, SshAdd, SshReport};
use serde::{Deserialize, Serialize};

use crate::tasks::{
    TaskError, TaskIo,
    process::{Ended, Program},
};

/// The key of this node, below its data folder.
const KEY_FILE: &str = "backupmanager_ed25519";

/// How long the short programs may take.
const SHORT: Duration = Duration::from_secs(60);

/// The most that is taken of what a host shows as its keys.
const SCAN_BYTES_MAX: usize = 64 << 10;

/// An account with the host key that it must show.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::daemon) struct StoredSsh {
    pub(in crate::daemon) account: SshAccount,
    /// A line of `known_hosts`.
    known_host: String,
}

/// Looks at an account that is to be used: makes the own key, and pins the host's.
///
/// # Errors
/// When a program is missing, the host does not answer, or its key is another than it should be.
pub(in crate::daemon) fn look(
    data: &Path,
    name: &str,
    add: &SshAdd,
    what: &str,
) -> Result<(StoredSsh, SshReport), Failure> {
    let failed = |error: &TaskError| task_failure(what, error);
    let public_key = public_key(data, name).map_err(|error| failed(&error))?;
    let account = add.account.clone();
    let lines = scan(&account).map_err(|error| failed(&error))?;
    let unknown = || {
        let why = format!("{account} shows no host key");
        Failure::new(FailureCode::Unreachable, what, why)
            .hint("see whether its ssh server runs and can be reached from here")
    };
    // Ed25519 comes first, where there is one.
    let mut shown = Vec::new();
    for line in lines {
        shown.push((fingerprint(&line).map_err(|error| failed(&error))?, line));
    }
    let found = match &add.fingerprint {
        None => shown.into_iter().next().ok_or_else(unknown)?,
        Some(wanted) => {
            let first = shown.first().map(|(print, _)| print.clone()).ok_or_else(unknown)?;
            let right = shown.into_iter().find(|(print, _)| print == wanted);
            right.ok_or_else(|| {
                let why = format!("{account} shows the host key {first}, not {wanted}");
                Failure::new(FailureCode::Refused, what, why)
                    .hint("compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there")
            })?
        }
    };
    let (fingerprint, known_host) = found;
    let report = SshReport { account: account.clone(), fingerprint, public_key };
    Ok((StoredSsh { account, known_host }, report))
}

/// The own public key; the pair is made when there is none.
fn public_key(data: &Path, name: &str) -> Result<String, TaskError> {
    let folder = data.join("keys");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(TaskError::Data)?;
    let key = folder.join(KEY_FILE);
    if !key.exists() {
        let comment = format!("backupmanager@{name}");
        let program = Program::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f"])
            .arg(&key);
        run(program.limit(SHORT), None)?.success("ssh-keygen")?;
    }
    let program = Program::new("ssh-keygen").args(["-y", "-f"]).arg(&key).limit(SHORT);
    let ended = run(program, None)?.success("ssh-keygen")?;
    Ok(ended.stdout.join(" ").trim().to_owned())
}

/// The lines of `known_hosts` that a host shows, Ed25519 first.
fn scan(account: &SshAccount) -> Result<Vec<String>, TaskError> {
    let port = account.port.to_string();
    let program = Program::new("ssh-keyscan")
        .args(["-T", "10", "-p", &port, "-t", "ed25519,ecdsa,rsa", "--", &account.host])
        .limit(SHORT);
    let mut shown = Vec::new();
    let io =
        TaskIo { input: None, output: Some(&mut shown), line: &mut |_| {}, cancelled: &|| false };
    // It fails when only one of the kinds of keys is not there.
    program.run(io)?;
    shown.truncate(SCAN_BYTES_MAX);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    let mut lines: Vec<_> =
        shown.lines().filter(|line| !line.starts_with('#') && line.contains(" ")).collect();
    lines.sort_by_key(|line| !line.contains("ssh-ed25519"));
    Ok(lines.into_iter().map(str::to_owned).collect())
}

/// `SHA256:…` of a line of `known_hosts`.
fn fingerprint(line: &str) -> Result<String, TaskError> {
    let program = Program::new("ssh-keygen").args(["-l", "-E", "sha256", "-f", "-"]).limit(SHORT);
    let ended = run(program, Some(line))?.success("ssh-keygen")?;
    let said = ended.stdout.join(" ");
    let print = said.split_whitespace().find(|word| word.starts_with("SHA256:"));
    print.map(str::to_owned).ok_or_else(|| {
        TaskError::Data(io::Error::new(
            io::ErrorKind::InvalidData,
            "a host key without fingerprint",
        ))
    })
}

pub(in crate::daemon) fn run(program: Program, input: Option<&str>) -> Result<Ended, TaskError> {
    run_until(program, input, &|| false)
}

pub(in crate::daemon) fn run_until(
    program: Program,
    input: Option<&str>,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Ended, TaskError> {
    let mut bytes = input.map(str::as_bytes);
    let input = bytes.as_mut().map(|bytes| bytes as &mut (dyn io::Read + Send));
    program.run(TaskIo { input, output: None, line: &mut |_| {}, cancelled })
}

/// Options of `ssh` and `sftp` that leave nothing to the machine's configuration.
pub(in crate::daemon) struct SshOptions {
    key: PathBuf,
    known: PathBuf,
}

impl SshOptions {
    /// Puts the host key of an account where the programs find it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::daemon) fn new(data: &Path, number: u64, ssh: &StoredSsh) -> io::Result<Self> {
        let folder = data.join("keys");
        let known = folder.join(format!("known_host_{number}"));
        let new = folder.join(format!("known_host_{number}.new"));
        fs::write(&new, format!("{}\n", ssh.known_host))?;
        fs::rename(&new, &known)?;
        Ok(Self { key: folder.join(KEY_FILE), known })
    }

    /// As arguments; a path with a space or quote in it cannot be one of `rsync -e`.
    pub(in crate::daemon) fn arguments(&self) -> Option<Vec<String>> {
        let plain = |path: &Path| {
            let text = path.to_str()?.to_owned();
            let odd = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '%' | '\\' | '$');
            (!text.contains(odd)).then_some(text)
        };
        let mut all = vec!["-F".to_owned(), "/dev/null".to_owned(), "-i".to_owned()];
        all.push(plain(&self.key)?);
        let known = format!("UserKnownHostsFile={}", plain(&self.known)?);
        for option in [
            known.as_str(),
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "ConnectTimeout=15",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
        ] {
            all.extend(["-o".to_owned(), option.to_owned()]);
        }
        Some(all)
    }
}

/// What to tell of a program that failed.
pub(in crate::daemon) fn task_failure(what: &str, error: &TaskError) -> Failure {
    let (code, hint) = match error {
        TaskError::Missing { .. } => {
            (FailureCode::Unsupported, "install openssh-client and rsync on this machine")
        }
        TaskError::Cancelled => (FailureCode::Cancelled, "begin it again"),
        TaskError::Failed { said, .. } if said.contains("Host key verification failed") => (
            FailureCode::Refused,
            "its host key is another than before: remove the instance and add it again if that is \
             right",
        ),
        TaskError::Failed { said, .. } if said.contains("Permission denied") => (
            FailureCode::Unreachable,
            "add this node's public key (`instance show`) to the account's authorized_keys",
        ),
        _ => (FailureCode::Unreachable, "see whether the ssh account can be reached from here"),
    };
    Failure::caused(code, what, error).hint(hint)
}

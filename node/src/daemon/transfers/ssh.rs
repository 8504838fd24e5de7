//! One attempt to put an archive on an instance's machine by rsync.
//!
//! The tar is written once into the data folder, because rsync reads files, and goes to a hidden
//! name that has the tar's SHA-256 in it: an attempt after a cut appends to what is there, and rsync
//! compares the whole of it in the end. Only then `sftp` renames it in the way that never replaces a
//! file, the `info.json` first, so that a tar that is seen is whole and described.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use protocol::control::{Failure, FailureCode, TransferState};

use super::{
    http::{digest, note},
    row::Row,
    work::{Trouble, wanted},
};
use crate::{
    daemon::{
        export,
        handle::archive::{self, Opened, hex},
        instances::{SshOptions, StoredSsh, run_until, task_failure},
        node::{Node, blocking},
    },
    replicate::Cancel,
    socket::{CancelSwitch, EventSink},
    sys,
    tasks::{TaskError, process::Program},
};

/// How long one attempt may take; what it sent stays.
const RSYNC_LIMIT: Duration = Duration::from_secs(24 * 3_600);

/// How long a rename may take.
const SFTP_LIMIT: Duration = Duration::from_secs(120);

/// Room that is left on the disk of the data folder.
const FREE_BYTES_MIN: u64 = 512 << 20;

/// One attempt, on a thread that may block.
struct Attempt {
    what: String,
    ssh: StoredSsh,
    options: Vec<String>,
    /// The tar and its description, as they lie here and arrive there.
    folder: PathBuf,
    tar: String,
    info: String,
    title: String,
    total: u64,
    stop: Cancel,
}

pub(super) async fn send(node: &Arc<Node>, row: &Row, stop: &Cancel) -> Result<(), Trouble> {
    let (id, name) = (row.report.id, &row.report.instance);
    let what = format!("cannot transfer archive {} to {name}", row.report.archive);
    let number = row.instance.unwrap_or_default();
    let gone = || Trouble::Never(Failure::new(FailureCode::NotFound, &what, "it has no account"));
    let ssh = node.instances.ssh(number).ok_or_else(gone)?;
    let here =
        |error: &io::Error| Trouble::here(Failure::caused(FailureCode::Internal, &what, error));
    let options = SshOptions::new(node.data.path(), number, &ssh).map_err(|error| here(&error))?;
    let odd = || {
        let why =
            "the path of the data folder has a space or a quote in it, which rsync cannot take";
        Trouble::Never(Failure::new(FailureCode::Unsupported, &what, why))
    };
    let options = options.arguments().ok_or_else(odd)?;
    let wanted = wanted(row).map_err(Trouble::Never)?;
    let opened = Arc::new(archive::open(node, &wanted).await.map_err(Trouble::here)?);
    let total = opened.reader.stream_bytes();
    let sha256 = match &row.report.sha256 {
        Some(sha256) => sha256.clone(),
        None => digest(node, id, &opened, stop, &what).await?,
    };
    let title = opened.archive.title();
    let hidden = |end: &str| format!(".{title}.{}.{end}", &sha256[..16]);
    let (tar, info, folder) = (hidden("part"), hidden("info"), node.transfers.spool(id));
    let stop = stop.clone();
    let attempt = Attempt { what, ssh, options, folder, tar, info, title, total, stop };
    let attempt = attempt.spool(&opened, &sha256).await?;
    note(node, id, |row| row.report.state = TransferState::Sending).await?;
    let rounds = blocking(move || Ok(attempt.carry_out())).await;
    rounds.map_err(Trouble::here)?
}

impl Attempt {
    /// Writes the tar and its description here, unless an earlier attempt did.
    async fn spool(self, opened: &Arc<Opened>, sha256: &str) -> Result<Self, Trouble> {
        let (switch, cancel) = CancelSwitch::new();
        let (stop, opened, sha256) = (self.stop.clone(), Arc::clone(opened), sha256.to_owned());
        let watching = tokio::spawn(async move {
            stop.cancelled().await;
            switch.cancel();
        });
        let events = EventSink::deaf().stopped_by(cancel);
        let spooled = blocking(move || {
            self.spool_here(&opened, &sha256, &events)?;
            Ok(self)
        });
        let spooled = spooled.await;
        watching.abort();
        spooled.map_err(Trouble::here)
    }

    fn spool_here(&self, opened: &Opened, sha256: &str, events: &EventSink) -> Result<(), Failure> {
        let failed = |error: &io::Error| {
            let full = error.kind() == io::ErrorKind::StorageFull;
            let code = if full { FailureCode::NoSpace } else { FailureCode::Internal };
            Failure::caused(code, &self.what, error)
        };
        let (tar, info) = (self.folder.join(&self.tar), self.folder.join(&self.info));
        if tar.exists() && info.exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|error| failed(&error))?;
        if sys::free_bytes(&self.folder) < self.total.saturating_add(FREE_BYTES_MIN) {
            let why = format!("its tar of {} bytes does not fit the data folder", self.total);
            return Err(Failure::new(FailureCode::NoSpace, &self.what, why)
                .hint("free room there, or send it with --mode http, which needs none"));
        }
        let new = self.folder.join("new");
        let file = fs::File::create(&new).map_err(|error| failed(&error))?;
        let copied = export::copy_to(opened, &file, events, &self.what)?;
        if hex(&copied.sha256) != *sha256 {
            let why = "its bytes are not those of its SHA-256";
            return Err(Failure::new(FailureCode::Damaged, &self.what, why));
        }
        file.sync_all()
            .and_then(|()| fs::write(&info, &copied.info))
            .and_then(|()| fs::rename(&new, &tar))
            .map_err(|error| failed(&error))
    }

    fn carry_out(&self) -> Result<(), Trouble> {
        if self.is_there()? {
            return Ok(());
        }
        self.rsync().map_err(|error| Trouble::here(task_failure(&self.what, &error)))?;
        let (path, title) = (&self.ssh.account.path, &self.title);
        // What does not become a file of its own yet was renamed by an earlier attempt.
        let batch = format!(
            "-rename -l {path}/{} {path}/{title}.info.json\nrename -l {path}/{} {path}/{title}.tar\n",
            self.info, self.tar
        );
        self.sftp(&batch).map_err(|error| Trouble::here(task_failure(&self.what, &error)))?;
        Ok(())
    }

    /// Whether the tar is there already. One of another size is somebody else's.
    fn is_there(&self) -> Result<bool, Trouble> {
        let list = format!("ls -ln {}/{}.tar\n", self.ssh.account.path, self.title);
        let said = match self.sftp(&list) {
            Ok(said) => said,
            Err(TaskError::Failed { said, .. }) if said.contains("not found") => return Ok(false),
            Err(error) => return Err(Trouble::here(task_failure(&self.what, &error))),
        };
        let line = said.iter().find(|line| line.starts_with('-'));
        let bytes = line.and_then(|line| line.split_whitespace().nth(4)?.parse::<u64>().ok());
        if bytes == Some(self.total) {
            return Ok(true);
        }
        let why = format!("{}.tar is there already, and is another", self.title);
        Err(Trouble::Never(Failure::new(FailureCode::Exists, &self.what, why)))
    }

    fn rsync(&self) -> Result<(), TaskError> {
        let account = &self.ssh.account;
        let host = bracketed(&account.host);
        let shell = format!("ssh -p {} {}", account.port, self.options.join(" "));
        // With this process it dies: two of them must never write to one file.
        let program = Program::new("setpriv")
            .args(["--pdeathsig", "KILL", "rsync", "--append-verify", "--timeout=120"])
            .args(["--secluded-args", "--chmod=F640", "-e", &shell, "--"])
            .arg(self.folder.join(&self.info))
            .arg(self.folder.join(&self.tar))
            .arg(format!("{}@{host}:{}/", account.user, account.path))
            .limit(RSYNC_LIMIT);
        let stop = self.stop.clone();
        run_until(program, None, &move || stop.is_cancelled())?.success("rsync").map(drop)
    }

    fn sftp(&self, batch: &str) -> Result<Vec<String>, TaskError> {
        let account = &self.ssh.account;
        let program = Program::new("sftp")
            .args(["-b", "-", "-P", &account.port.to_string()])
            .args(&self.options)
            .args(["--", &format!("{}@{}", account.user, bracketed(&account.host))])
            .limit(SFTP_LIMIT);
        let stop = self.stop.clone();
        let ended = run_until(program, Some(batch), &move || stop.is_cancelled())?;
        Ok(ended.success("sftp")?.stdout)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

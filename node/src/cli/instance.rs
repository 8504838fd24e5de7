//! `backupmanager instance …`

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use protocol::{
    control::{
        ApiKey, CertificatePin, Failure, FailureCode, InstanceAdd, InstanceRun, InstanceUrl, Reply,
        Request, SshAccount, SshAdd,
    },
    job::Name,
};
use zeroize::Zeroizing;

use super::{Exit, Stop, session::Session, view};
use crate::config::ARCHIVES_DEFAULT;

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager instance add tom https://tom.example.org --key-file tom.key
  backupmanager instance list
  backupmanager instance run tom nightly
  backupmanager archive transfer jerry_notes_20260508 --to-instance tom";

/// The longest text that is read for a key: its digits and a line break or two.
const KEY_TEXT_BYTES_MAX: u64 = 1_024;

#[derive(Debug, Subcommand)]
pub(super) enum Instance {
    /// Know a server that is reached by the HTTP interface alone
    Add(Box<Add>),
    /// All instances and how they are
    #[command(after_help = "\
Examples:
  backupmanager instance list
  backupmanager instance list --json | jq '.instances[] | select(.state != \"online\")'")]
    List,
    /// One instance: how it is, its jobs
    #[command(after_help = "Examples:\n  backupmanager instance show tom")]
    Show(Which),
    /// Forget an instance and its key
    #[command(after_help = "\
Examples:
  backupmanager instance remove tom --yes

Archives that were sent to it stay there. To make its key useless, revoke it there.")]
    Remove {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// The jobs of an instance, as it last told them
    #[command(after_help = "Examples:\n  backupmanager instance jobs tom")]
    Jobs(Which),
    /// Have an instance run one of its jobs now
    #[command(after_help = "\
Examples:
  backupmanager instance run tom nightly
  backupmanager instance run tom 3")]
    Run {
        #[command(flatten)]
        which: Which,
        /// The job's name there, or its number
        job: String,
    },
}

/// Which instance.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// Name of the instance, or its number
    instance: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager instance add tom https://tom.example.org --key-file tom.key
  backupmanager instance add tom https://tom.example.org
      then paste the key; this way it is in no list of processes and no history
  backupmanager instance add box https://192.0.2.7:8443 --ssh bm@192.0.2.7 --ssh-path /srv/archives

The key is what the instance shows once when it makes one. It is kept encrypted and never shown.
--pin takes one certificate and no other, also one that nobody signed:
  openssl x509 -in cert.pem -noout -fingerprint -sha256
--ssh is for large archives: compare the host key that is shown then with the one that the server has
(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and put the public key that is shown into the
account's authorized_keys.")]
pub(super) struct Add {
    /// What to call it here
    name: Name,
    /// Where it is: an address that begins with https
    url: InstanceUrl,
    /// A file with its key, or - for the standard input [default: -]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// SHA-256 of the only certificate to take from it [default: what the machine trusts]
    #[arg(long, value_name = "SHA256")]
    pin: Option<CertificatePin>,
    /// Account for archives of 2 GB and more, such as bm@tom.example.org:22
    #[arg(long, value_name = "USER@HOST[:PORT]", value_parser = account)]
    ssh: Option<SshAccount>,
    /// Folder of archives there
    #[arg(long, value_name = "DIR", requires = "ssh", default_value = ARCHIVES_DEFAULT)]
    ssh_path: String,
    /// Fingerprint of its host key, SHA256:… [default: the one it shows now]
    #[arg(long, value_name = "SHA256:…", requires = "ssh")]
    ssh_host_key: Option<String>,
}

fn account(text: &str) -> Result<SshAccount, String> {
    let wrong = || "expected USER@HOST or USER@HOST:PORT".to_owned();
    let (user, rest) = text.split_once('@').ok_or_else(wrong)?;
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(22), |port| port.parse().map_err(|_| wrong()))?;
    let (user, host) = (user.to_owned(), host.to_owned());
    Ok(SshAccount { user, host, port, path: String::new() })
}

impl Instance {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Add(add) => add.run(session),
            Self::List => session.run(Request::InstanceList),
            Self::Show(Which { instance }) => session.run(Request::InstanceShow { instance }),
            Self::Remove { which: Which { instance }, yes } => {
                session.confirm(yes, &format!("Forget the instance {instance} and its key?"))?;
                session.run(Request::InstanceRemove { instance })
            }
            Self::Jobs(Which { instance }) => jobs(session, instance),
            Self::Run { which: Which { instance }, job } => {
                session.run(Request::InstanceRun(InstanceRun { instance, job }))
            }
        }
    }
}

/// For people only the jobs; a program finds them in the instance.
fn jobs(session: &mut Session, instance: Name) -> Result<Exit, Stop> {
    let reply = session.ask(Request::InstanceShow { instance })?;
    match &reply {
        Reply::Instance(instance) if !session.json => {
            session.print_text(&view::instance_jobs(instance, &session.style))?;
            Ok(session.exit(&reply))
        }
        _ => session.print(&reply),
    }
}

impl Add {
    fn run(self: Box<Self>, session: &mut Session) -> Result<Exit, Stop> {
        let key = match self.key_file.as_deref() {
            Some(path) if path != Path::new("-") => read_key(File::open(path), path)?,
            _ => {
                if session.can_ask() {
                    session.note("Paste the key of the instance, then press Enter:");
                }
                read_line(session.can_ask())?
            }
        };
        let Self { name, url, pin, ssh, ssh_path, ssh_host_key, .. } = *self;
        let ssh = ssh.map(|account| SshAdd {
            account: SshAccount { path: ssh_path, ..account },
            fingerprint: ssh_host_key,
        });
        session.run(Request::InstanceAdd(InstanceAdd { name, url, key, pin, ssh }))
    }
}

fn read_key(file: io::Result<File>, path: &Path) -> Result<ApiKey, Stop> {
    let mut text = Zeroizing::new(String::new());
    let read = file.and_then(|file| file.take(KEY_TEXT_BYTES_MAX).read_to_string(&mut text));
    let unread = |error: io::Error| {
        let why = format!("{}: {error}", path.display());
        Stop::Failure(Failure::new(FailureCode::Invalid, "cannot read the key", why))
    };
    read.map_err(unread)?;
    parsed(&text)
}

/// From a terminal one line, from a pipe all there is.
fn read_line(is_terminal: bool) -> Result<ApiKey, Stop> {
    let mut text = Zeroizing::new(String::new());
    if is_terminal {
        io::stdin().read_line(&mut text)?;
    } else {
        io::stdin().lock().take(KEY_TEXT_BYTES_MAX).read_to_string(&mut text)?;
    }
    parsed(&text)
}

fn parsed(text: &str) -> Result<ApiKey, Stop> {
    text.trim().parse().map_err(|error| {
        let failure = Failure::caused(FailureCode::Invalid, "cannot use the key", &error);
        Stop::Usage(failure.hint("copy it whole from where the instance shows it"))
    })
}

//! `backupmanager key …`

use clap::{Args, Subcommand};
use protocol::{
    control::{KeyCreate, Reply, Request},
    job::Name,
};

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager key create phone-app
  backupmanager key create monitoring --read-only
  backupmanager key create prometheus --metrics
  backupmanager key list
  backupmanager key revoke monitoring";

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key for a program that asks over HTTP
    Create(Create),
    /// All keys, never their text
    #[command(after_help = "\
Examples:
  backupmanager key list
  backupmanager key list --json | jq -r '.keys[] | select(.used_ms == null) | .id'

A use is noted when a key is checked: the first time after the daemon started or keys changed, at
most once an hour. In between it is remembered, so a key may have been used later than it says.")]
    List,
    /// No longer take a key, from now on
    #[command(after_help = "\
Examples:
  backupmanager key revoke monitoring
  backupmanager key revoke 1f2e3d4c")]
    Revoke {
        /// Its name, or its id where several have that name
        key: Name,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager key create phone-app
  backupmanager key create monitoring --read-only
  (umask 077; backupmanager key create phone-app -q > key.txt)

The key is printed once and cannot be shown again. Clients send it as X-BackupManager-Key. Who has
it may do all that the API can, restoring and removing included; with --read-only, look; with
--metrics, read /metrics and nothing else.")]
pub(super) struct Create {
    /// What to call it: the program that uses it
    name: Name,
    /// It may look at everything and change nothing
    #[arg(long)]
    read_only: bool,
    /// It may read /metrics and nothing else: for Prometheus
    #[arg(long, conflicts_with = "read_only")]
    metrics: bool,
}

impl Key {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Create(create) => create.run(session),
            Self::List => session.run(Request::KeyList),
            Self::Revoke { key } => session.run(Request::KeyRevoke { key }),
        }
    }
}

impl Create {
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let Self { name, read_only, metrics } = self;
        // Of what it may, it changes nothing.
        let read_only = read_only || metrics;
        let create = KeyCreate { name, read_only, metrics_only: metrics };
        let reply = session.ask(Request::KeyCreate(create))?;
        let exit = session.print(&reply)?;
        if let Reply::KeyCreated(created) = &reply {
            let id = &created.report.id;
            session.note(&format!(
                "This is the only time that key {id} is shown. It is a secret: keep it as one.\n\
                 `backupmanager key revoke {id}` ends it."
            ));
        }
        Ok(exit)
    }
}

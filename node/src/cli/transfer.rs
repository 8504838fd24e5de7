//! `backupmanager transfer …`

use clap::{Args, Subcommand};
use protocol::control::Request;

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager archive transfer jerry_notes_20260508 --to-instance tom
  backupmanager transfer list
  backupmanager transfer show 3
  backupmanager transfer cancel 3";

#[derive(Debug, Subcommand)]
pub(super) enum Transfer {
    /// Transfers to instances, the newest first
    #[command(after_help = "\
Examples:
  backupmanager transfer list
  backupmanager transfer list --json | jq '.transfers[] | select(.state == \"failed\")'")]
    List,
    /// One transfer: how far it is, what went wrong
    #[command(after_help = "Examples:\n  backupmanager transfer show 3")]
    Show(Which),
    /// Stop a transfer; what the instance had of it is dropped there
    #[command(after_help = "Examples:\n  backupmanager transfer cancel 3")]
    Cancel(Which),
}

/// Which transfer.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Which {
    /// Number of the transfer
    transfer: u64,
}

impl Transfer {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        session.run(match self {
            Self::List => Request::TransferList,
            Self::Show(Which { transfer }) => Request::TransferShow { transfer },
            Self::Cancel(Which { transfer }) => Request::TransferCancel { transfer },
        })
    }
}

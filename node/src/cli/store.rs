//! `backupmanager store …`

use clap::Subcommand;
use protocol::control::Request;

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager store stats
  backupmanager store check --read-data
  backupmanager store gc --dry-run";

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// How full the store is
    #[command(after_help = "Examples:\n  backupmanager store stats --json")]
    Stats,
    /// Whether packs, index and archives fit together
    #[command(after_help = "\
Examples:
  backupmanager store check
      fast: every frame and the index
  backupmanager store check --read-data
      slow: every byte is read and hashed")]
    Check {
        /// Read and hash every object too
        #[arg(long)]
        read_data: bool,
    },
    /// Make the index again from the packs alone
    #[command(after_help = "\
Examples:
  backupmanager store rebuild

For an index that is damaged or lost. The packs are read, never changed.")]
    Rebuild,
    /// Free what no archive needs any more
    #[command(after_help = "\
Examples:
  backupmanager store gc --dry-run
  backupmanager store gc")]
    Gc {
        /// Only say what would be freed
        #[arg(long)]
        dry_run: bool,
    },
}

impl Store {
    fn request(self) -> Request {
        match self {
            Self::Stats => Request::StoreStats,
            Self::Check { read_data } => Request::StoreCheck { read_data },
            Self::Rebuild => Request::StoreRebuild,
            Self::Gc { dry_run } => Request::StoreGc { dry_run },
        }
    }

    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        session.run(self.request())
    }
}

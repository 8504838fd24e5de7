//! `backupmanager run …`

use clap::Subcommand;
use protocol::{
    control::{PAGE_ENTRIES_MAX, Request, RunList},
    job::Name,
};

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager run list
  backupmanager run list --job notes --limit 5
  backupmanager run show 12";

#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// The last runs, the newest at the end
    #[command(after_help = "Examples:\n  backupmanager run list --job notes --limit 5")]
    List {
        /// Of this job only
        #[arg(long, value_name = "NAME")]
        job: Option<Name>,
        /// The newest so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_ENTRIES_MAX)))]
        limit: u32,
    },
    /// One run with all it said
    #[command(after_help = "Examples:\n  backupmanager run show 12")]
    Show {
        /// Number of the run
        run: u64,
    },
    /// Stop a run; what it stored so far is used by the next one
    #[command(after_help = "Examples:\n  backupmanager run cancel 12")]
    Cancel {
        /// Number of the run
        run: u64,
    },
}

impl Run {
    fn request(self) -> Request {
        match self {
            Self::List { job, limit } => Request::RunList(RunList { job, limit }),
            Self::Show { run } => Request::RunShow { run },
            Self::Cancel { run } => Request::RunCancel { run },
        }
    }

    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        session.run(self.request())
    }
}

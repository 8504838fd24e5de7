//! `backupmanager run …`

use clap::Subcommand;
use protocol::{
    control::{PAGE_ENTRIES_MAX, Reply, Request, RunList},
    job::Name,
};

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager run list
  backupmanager run list --job notes --limit 5
  backupmanager run show 12
  backupmanager run cancel 12";

#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// The last runs, the newest first
    #[command(after_help = "\
Examples:
  backupmanager run list --job notes --limit 5
  backupmanager run list --before 120
      the twenty before run 120")]
    List {
        /// Of this job only
        #[arg(long, value_name = "NAME")]
        job: Option<Name>,
        /// Older than this run
        #[arg(long, value_name = "RUN")]
        before: Option<u64>,
        /// The newest so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_ENTRIES_MAX)))]
        limit: u32,
    },
    /// One run: what it did, how fast, and all it said
    #[command(after_help = "\
Examples:
  backupmanager run show 12
  backupmanager run show 12 --json | jq -r '.run.transcript[].text'")]
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
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::List { job, before, limit } => list(session, RunList { job, before, limit }),
            Self::Show { run } => session.run(Request::RunShow { run }),
            Self::Cancel { run } => session.run(Request::RunCancel { run }),
        }
    }
}

fn list(session: &mut Session, list: RunList) -> Result<Exit, Stop> {
    let limit = list.limit;
    let reply = session.ask(Request::RunList(list))?;
    let exit = session.print(&reply)?;
    if let Reply::Runs(runs) = &reply
        && let Some(oldest) = runs.last().filter(|run| run.run > 1)
        && runs.len() as u64 >= u64::from(limit)
        && !session.json
    {
        session.note(&format!("older ones: --before {}", oldest.run));
    }
    Ok(exit)
}

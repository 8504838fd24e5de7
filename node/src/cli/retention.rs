//! `backupmanager retention …`

use clap::Subcommand;
use protocol::{
    control::{Prune, Request},
    job::Name,
};

use super::{Exit, Stop, session::Session};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager retention preview
  backupmanager retention preview notes
  backupmanager retention apply notes

The rule of a job is set with `job edit NAME --retention RULE`. Whatever it says, the last good
archive of a job stays, and so does what is pinned. What no job of this node has is never touched.";

#[derive(Debug, Subcommand)]
pub(super) enum Retention {
    /// What the rules of the jobs keep and drop, and why; changes nothing
    #[command(after_help = "\
Examples:
  backupmanager retention preview
  backupmanager retention preview notes
  backupmanager retention preview --json | jq -r '.pruned.verdicts[] | select(.keep | not)'")]
    Preview {
        /// Of this job only
        job: Option<Name>,
    },
    /// Drop what the rules do not keep; the next `store gc` frees its chunks
    #[command(after_help = "\
Examples:
  backupmanager retention apply --dry-run
  backupmanager retention apply notes --yes

This happens by itself after each run and every hour; it is for a rule that was changed just now.")]
    Apply {
        /// Of this job only
        job: Option<Name>,
        /// Only say what would be dropped
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl Retention {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Preview { job } => session.run(Request::Prune(Prune { job, dry_run: true })),
            Self::Apply { job, dry_run, yes } => {
                let whose = job.as_ref().map_or("every job".to_owned(), ToString::to_string);
                let question = format!("Drop what the retention of {whose} does not keep?");
                session.confirm(yes || dry_run, &question)?;
                session.run(Request::Prune(Prune { job, dry_run }))
            }
        }
    }
}

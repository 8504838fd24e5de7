//! `backupmanager job …`

mod add;
mod around;
mod changes;
mod config;
mod database;
mod edit;
mod policy;
mod timing;

use clap::Subcommand;
use jiff::tz::TimeZone;
use protocol::{
    control::{JobReport, JobRun, Jobs, Page, Reply, Request},
    job::{JobError, JobSpec, Name},
    schedule::ScheduleError,
};

use super::{Exit, Stop, session::Session};
use add::Add;
use config::Kind;
use edit::Edit;

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager job add custom_dir notes /srv/notes --exclude '*.tmp' --copies 1
  backupmanager job add ynh_app cloud nextcloud --cron '0 3 * * *' --retention gfs
  backupmanager job add mysql shop shop_db --cron @daily --retention daily:7
  backupmanager job run notes --wait
  backupmanager job edit notes --add-exclude cache/ --copies 2
  backupmanager job list";

#[derive(Debug, Subcommand)]
pub(super) enum Job {
    /// Add a job: an app, the system, a directory, databases
    #[command(after_help = add::EXAMPLES)]
    Add(Add),
    /// Change a job; what is not named stays
    Edit(Box<Edit>),
    /// All jobs of this node
    #[command(after_help = "\
Examples:
  backupmanager job list
  backupmanager job list --json | jq -r '.jobs.jobs[].job.spec.name'")]
    List,
    /// One job: what it says, when it runs next, how it fares
    #[command(after_help = "\
Examples:
  backupmanager job show notes
  backupmanager job show notes --json | jq .job.job.spec
      what `job edit notes --spec FILE` takes")]
    Show {
        /// Name of the job
        name: Name,
    },
    /// What a job of a kind could name on this machine: apps, parts, databases
    #[command(after_help = "\
Examples:
  backupmanager job choices ynh_app
  backupmanager job choices postgresql --json | jq -r '.choices.choices[].id'")]
    Choices {
        /// The kind of job
        #[arg(value_enum)]
        kind: Kind,
    },
    /// Run a job now
    #[command(after_help = "\
Examples:
  backupmanager job run notes
      returns as soon as it has begun
  backupmanager job run notes --wait
      shows its progress and ends with it: 0 done, 3 with warnings, 1 failed")]
    Run {
        /// Name of the job
        name: Name,
        /// Return when it has ended
        #[arg(long)]
        wait: bool,
    },
    /// Forget a job; its archives stay
    #[command(after_help = "Examples:\n  backupmanager job remove notes")]
    Remove {
        /// Name of the job
        name: Name,
    },
}

impl Job {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Add(add) => {
                let spec = add.spec()?;
                session.run(Request::JobAdd(spec))
            }
            Self::Edit(edit) => edit.run(session),
            Self::List => list(session),
            Self::Show { name } => session.run(Request::JobShow { job: name }),
            Self::Choices { kind } => {
                session.run(Request::JobChoices { kind: kind.word().to_owned() })
            }
            Self::Run { name, wait } => session.run(Request::JobRun(JobRun { job: name, wait })),
            Self::Remove { name } => session.run(Request::JobRemove { job: name }),
        }
    }
}

/// All pages as one list.
fn list(session: &mut Session) -> Result<Exit, Stop> {
    let mut jobs: Vec<JobReport> = Vec::new();
    let mut from = Some(0);
    while let Some(at) = from {
        match session.ask(Request::JobList(Page { from: at, ..Page::FIRST }))? {
            Reply::Jobs(page) => {
                jobs.extend(page.jobs);
                // Another node may say anything.
                from = page.next.filter(|next| *next > at);
            }
            other => return session.print(&other),
        }
    }
    session.print(&Reply::Jobs(Jobs { jobs, next: None }))
}

/// The daemon checks too; here it is wrong usage, with its exit code and a hint.
fn checked(spec: JobSpec) -> Result<JobSpec, Stop> {
    match spec.validate().and_then(|()| known_zone(&spec)) {
        Ok(()) => Ok(spec),
        Err(error) => {
            let hint = match &error {
                JobError::Schedule(ScheduleError::Zone { .. }) => {
                    "`timedatectl list-timezones` lists them"
                }
                JobError::Schedule(_) => {
                    "it is minute, hour, day, month and weekday, as in '0 3 * * *', or @daily"
                }
                JobError::Retention(_) => "as in count:10, daily:7 or gfs:7,4,3",
                _ => "`backupmanager job add KIND --help` shows examples",
            };
            Err(Stop::refused("cannot use this job", &error, hint))
        }
    }
}

/// Whether this machine has rules for the time zone.
fn known_zone(spec: &JobSpec) -> Result<(), JobError> {
    match spec.schedule.as_ref().and_then(|schedule| schedule.zone.as_ref()) {
        Some(zone) if TimeZone::get(zone).is_err() => {
            Err(JobError::Schedule(ScheduleError::Zone { zone: zone.clone() }))
        }
        _ => Ok(()),
    }
}

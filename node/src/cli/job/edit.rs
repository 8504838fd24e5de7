//! `backupmanager job edit …`

use std::path::PathBuf;

use clap::Args;
use protocol::{
    control::{JobEdit, Reply, Request},
    job::{JobConfig, JobSpec, Name},
};

use super::{
    super::{Exit, Stop, session::Session},
    changes::{AppChanges, DatabaseChanges, DirChanges, SystemChanges},
    checked,
    config::{self, Kind},
    policy::Policy,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job edit notes --copies 2
  backupmanager job edit notes --add-exclude '*.log' --remove-exclude '*.tmp'
  backupmanager job edit notes --cron '0 3 * * *' --time-zone Europe/Paris --random-delay 10m
  backupmanager job edit notes --clear-before --before 'systemctl stop notes'
  backupmanager job edit shop --add-database shop_stats --retention gfs
  backupmanager job edit notes --rename diary --disable
  backupmanager job edit notes --spec job.json")]
pub(in crate::cli) struct Edit {
    /// Name of the job
    name: Name,
    /// Replace the whole job by what a JSON file says, - for the input
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Default, PartialEq, Args)]
struct Changes {
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Read what is backed up, and how, from a JSON file, - for the input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run it only when asked
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Undo --disable
    #[arg(long)]
    enable: bool,
    /// Forget its schedule
    #[arg(long, conflicts_with_all = ["cron", "time_zone", "random_delay"])]
    no_schedule: bool,
    /// Forget its commands before a run; those named beside it are new
    #[arg(long)]
    clear_before: bool,
    /// Forget its commands after a run; those named beside it are new
    #[arg(long)]
    clear_after: bool,
    #[command(flatten)]
    kinds: Kinds,
    #[command(flatten)]
    policy: Policy,
}

/// The changes that one kind of job knows.
#[derive(Debug, Default, PartialEq, Args)]
struct Kinds {
    #[command(flatten)]
    dir: DirChanges,
    #[command(flatten)]
    app: AppChanges,
    #[command(flatten)]
    system: SystemChanges,
    #[command(flatten)]
    database: DatabaseChanges,
}

fn refused(why: impl std::fmt::Display, hint: &str) -> Stop {
    Stop::usage("cannot edit the job", why, hint)
}

impl Edit {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let changes = self.changes != Changes::default();
        if self.spec.is_some() && changes {
            return Err(refused("--spec replaces all of it", "name no other change beside --spec"));
        }
        if self.spec.is_none() && !changes {
            let hint = "`backupmanager job edit --help` shows what can be changed";
            return Err(refused("no change was named", hint));
        }
        let whole = self.spec.map(|file| config::read_spec(&file)).transpose()?;
        let found = session.ask(Request::JobShow { job: self.name.clone() })?;
        let Reply::Job(report) = found else {
            return session.print(&found);
        };
        let based_on_ms = report.job.updated_ms;
        let spec = match whole {
            Some(spec) => checked(spec)?,
            None => self.changes.apply(report.job.spec)?,
        };
        session.run(Request::JobEdit(JobEdit { job: self.name, spec, based_on_ms }))
    }
}

impl Changes {
    fn apply(self, mut spec: JobSpec) -> Result<JobSpec, Stop> {
        if let Some(file) = &self.config {
            if self.kinds != Kinds::default() {
                let hint = "change the file, or leave it out";
                return Err(refused("--config replaces what the other options change", hint));
            }
            spec.config = config::read(file, Kind::of(&spec.config))?;
        }
        self.kinds.apply(&mut spec)?;
        spec.name = self.rename.unwrap_or(spec.name);
        spec.enabled = self.enable || (spec.enabled && !self.disable);
        if self.no_schedule {
            spec.schedule = None;
        }
        if self.clear_before {
            spec.before.clear();
        }
        if self.clear_after {
            spec.after.clear();
        }
        self.policy.apply(&mut spec)?;
        checked(spec)
    }
}

impl Kinds {
    /// The first options that are named and not of this kind.
    fn of_another(&self, config: &JobConfig) -> Option<(&'static str, &'static str)> {
        let kind = config.kind();
        let named = [
            (self.dir != DirChanges::default(), "custom_dir", DirChanges::OPTIONS),
            (self.app != AppChanges::default(), "ynh_app", AppChanges::OPTIONS),
            (self.system != SystemChanges::default(), "ynh_system", SystemChanges::OPTIONS),
            (
                self.database != DatabaseChanges::default(),
                "mysql or postgresql",
                DatabaseChanges::OPTIONS,
            ),
        ];
        let other = |of: &str| !of.split(" or ").any(|one| one == kind);
        named.into_iter().find(|(named, of, _)| *named && other(of)).map(|(_, of, all)| (of, all))
    }

    fn apply(self, spec: &mut JobSpec) -> Result<(), Stop> {
        if let Some((of, options)) = self.of_another(&spec.config) {
            let kind = spec.config.kind();
            let why = format!("{} is a {kind} job, and {options} are for {of} jobs", spec.name);
            return Err(refused(why, "`backupmanager job edit --help` shows what fits which kind"));
        }
        match &mut spec.config {
            JobConfig::CustomDir(dir) => self.dir.apply(dir),
            JobConfig::YnhApp(app) => {
                self.app.apply(app);
                Ok(())
            }
            JobConfig::YnhSystem(system) => self.system.apply(system),
            JobConfig::Mysql(databases) | JobConfig::Postgresql(databases) => {
                self.database.apply(databases)
            }
        }
    }
}

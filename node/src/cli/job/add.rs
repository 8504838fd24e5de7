//! `backupmanager job add …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use protocol::job::{CustomDir, JobConfig, JobSpec, Name, YnhApp, YnhSystem};

use super::{
    super::Stop,
    checked,
    config::{self, Kind},
    database::{AddDatabases, MYSQL_EXAMPLES, POSTGRESQL_EXAMPLES},
    policy::Policy,
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  backupmanager job add ynh_app cloud nextcloud --cron '0 3 * * *' --retention gfs
  backupmanager job add ynh_system system --cron '30 2 * * 0'
  backupmanager job add custom_dir notes /srv/notes --exclude '*.tmp' --exclude cache/
  backupmanager job add postgresql shop shop_db --retention daily:7
  backupmanager job add --spec job.json";

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(in crate::cli) struct Add {
    #[command(subcommand)]
    kind: Option<AddKind>,
    /// Read the whole job from a JSON file, - for the input: see protocol/JOBS.md
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum AddKind {
    /// Back an app of YunoHost up
    #[command(name = "ynh_app")]
    YnhApp(Box<AddApp>),
    /// Back the YunoHost system up: its configuration, users, mail, certificates
    #[command(name = "ynh_system")]
    YnhSystem(Box<AddSystem>),
    /// Back a directory up
    #[command(name = "custom_dir")]
    CustomDir(Box<AddCustomDir>),
    /// Back databases of a MySQL or MariaDB server up
    #[command(name = "mysql", after_help = MYSQL_EXAMPLES)]
    Mysql(Box<AddDatabases>),
    /// Back databases of a PostgreSQL server up
    #[command(name = "postgresql", after_help = POSTGRESQL_EXAMPLES)]
    Postgresql(Box<AddDatabases>),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job add ynh_app cloud nextcloud --cron '0 3 * * *' --time-zone Europe/Paris
  backupmanager job add ynh_app cloud nextcloud --core-only --before 'systemctl stop cron'
  backupmanager job add ynh_app wiki --config wiki.json

`backupmanager job choices ynh_app` lists the apps. A configuration is JSON, as in
  { \"app_id\": \"nocodb\", \"core_only\": false }")]
struct AddApp {
    /// Name of the job: A-Z a-z 0-9 . _ -, at most 50
    name: Name,
    /// Id of the app: the name in `yunohost app list`
    #[arg(required_unless_present = "config")]
    app: Option<String>,
    /// Leave out what the app's packager calls data
    #[arg(long)]
    core_only: bool,
    /// Read the app, and whether its data is left out, from a JSON file, - for the input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policy: Policy,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job add ynh_system system --cron @weekly
  backupmanager job add ynh_system mail data_mail conf_ynh_settings --retention count:10
  backupmanager job add ynh_system system --config system.json

`backupmanager job choices ynh_system` lists the parts. A configuration is JSON, as in
  { \"parts\": [] }")]
struct AddSystem {
    /// Name of the job: A-Z a-z 0-9 . _ -, at most 50
    name: Name,
    /// The parts to back up [default: all of them]
    parts: Vec<String>,
    /// Read the parts from a JSON file, - for the input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policy: Policy,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job add custom_dir notes /srv/notes
  backupmanager job add custom_dir app /opt/app --exclude '*.tmp' --exclude cache/ --copies 1
  backupmanager job add custom_dir app /opt/app --copies 2 --on tom --on ann
  backupmanager job add custom_dir app /opt/app --cron '0 3 * * 1' --retention gfs:7,4,3
  backupmanager job add custom_dir hermes --config hermes.json

A configuration is JSON with the keys source_path, excludes and restore, as in
  { \"source_path\": \"/opt/app\", \"excludes\": [\"cache/\", \"*.tmp\"],
    \"restore\": { \"permissions\": { \"owner\": \"app:app\", \"mode\": \"750\" } } }
restore says what a restore does besides putting the files back: see protocol/JOBS.md.")]
struct AddCustomDir {
    /// Name of the job: A-Z a-z 0-9 . _ -, at most 50
    name: Name,
    /// What to back up
    #[arg(required_unless_present = "config")]
    path: Option<PathBuf>,
    /// Leave out what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Read path, excludes and restore block from a JSON file, - for the input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policy: Policy,
}

impl Add {
    pub(super) fn spec(self) -> Result<JobSpec, Stop> {
        let (name, config, policy) = match (self.kind, self.spec) {
            (Some(_), Some(_)) => {
                let why = "--spec says all of a job, its kind too";
                return Err(Stop::usage("cannot add a job", why, "name no kind beside --spec"));
            }
            (Some(AddKind::YnhApp(add)), None) => add.parts()?,
            (Some(AddKind::YnhSystem(add)), None) => add.parts()?,
            (Some(AddKind::CustomDir(add)), None) => add.parts()?,
            (Some(AddKind::Mysql(add)), None) => add.parts(Kind::Mysql)?,
            (Some(AddKind::Postgresql(add)), None) => add.parts(Kind::Postgresql)?,
            (None, Some(file)) => return checked(config::read_spec(&file)?),
            (None, None) => {
                let hint = "`backupmanager job add --help` shows the kinds";
                return Err(Stop::usage("cannot add a job", "no kind was named", hint));
            }
        };
        let mut spec = JobSpec::new(name, config);
        policy.apply(&mut spec)?;
        checked(spec)
    }
}

/// What a job is made of, before its policy is applied.
pub(super) type Parts = (Name, JobConfig, Policy);

impl AddApp {
    fn parts(self) -> Result<Parts, Stop> {
        let read = self.config.map(|file| config::read(&file, Kind::YnhApp)).transpose()?;
        let mut app = match read {
            Some(JobConfig::YnhApp(app)) => app,
            _ => YnhApp { app_id: String::new(), core_only: false },
        };
        app.app_id = self.app.unwrap_or(app.app_id);
        app.core_only |= self.core_only;
        Ok((self.name, JobConfig::YnhApp(app), self.policy))
    }
}

impl AddSystem {
    fn parts(self) -> Result<Parts, Stop> {
        let read = self.config.map(|file| config::read(&file, Kind::YnhSystem)).transpose()?;
        let mut system = match read {
            Some(JobConfig::YnhSystem(system)) => system,
            _ => YnhSystem::default(),
        };
        system.parts.extend(self.parts);
        Ok((self.name, JobConfig::YnhSystem(system), self.policy))
    }
}

impl AddCustomDir {
    fn parts(self) -> Result<Parts, Stop> {
        let read = self.config.map(|file| config::read(&file, Kind::CustomDir)).transpose()?;
        let mut dir = match read {
            Some(JobConfig::CustomDir(dir)) => dir,
            _ => CustomDir::new(String::new()),
        };
        if let Some(path) = &self.path {
            dir.source_path = config::path(path)?;
        }
        dir.excludes.extend(self.exclude);
        Ok((self.name, JobConfig::CustomDir(dir), self.policy))
    }
}

//! `backupmanager job …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use protocol::{
    control::{JobEdit, JobRun, Reply, Request},
    job::{CustomDir, Holders, JobConfig, JobSpec, Name, Seal},
};

use super::{Exit, Stop, session::Session, value};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager job add custom_dir notes /srv/notes --exclude '*.tmp' --copies 1
  backupmanager job run notes --wait
  backupmanager job edit notes --add-exclude cache/ --copies 2
  backupmanager job list";

/// A file with a restore block is small; a mistake in the path must not fill the memory.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Job {
    /// Add a job
    #[command(subcommand, after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Change a job; what is not named stays
    Edit(Edit),
    /// All jobs of this node
    #[command(after_help = "Examples:\n  backupmanager job list\n  backupmanager job list --json")]
    List,
    /// One job and how it fares
    #[command(after_help = "Examples:\n  backupmanager job show notes")]
    Show {
        /// Name of the job
        name: Name,
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

const ADD_EXAMPLES: &str = "\
Examples:
  backupmanager job add custom_dir notes /srv/notes --exclude '*.tmp' --exclude cache/";

#[derive(Debug, Subcommand)]
pub(super) enum Add {
    /// Back a directory up
    #[command(name = "custom_dir")]
    CustomDir(AddCustomDir),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job add custom_dir notes /srv/notes
  backupmanager job add custom_dir app /opt/app --exclude '*.tmp' --exclude cache/ --copies 1
  backupmanager job add custom_dir app /opt/app --copies 2 --on tom --on ann
  backupmanager job add custom_dir hermes --config hermes.json

A configuration is JSON with the keys source_path, excludes and restore, as in
  { \"source_path\": \"/opt/app\", \"excludes\": [\"cache/\", \"*.tmp\"] }")]
pub(super) struct AddCustomDir {
    /// Name of the job: A-Z a-z 0-9 . _ -, at most 50
    name: Name,
    /// What to back up
    #[arg(required_unless_present = "config")]
    path: Option<PathBuf>,
    /// Leave out what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Read path, excludes and restore block from a JSON file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policy: Policy,
}

#[derive(Debug, Default, Args)]
struct Policy {
    /// How many copies on other nodes [default when adding: 0]
    #[arg(long, value_name = "N")]
    copies: Option<u8>,
    /// Put copies on this node, several times for several; `any` for wherever there is room
    #[arg(long, value_name = "NODE")]
    on: Vec<Name>,
    /// Encrypt what is stored; `none` lets every holder read it [default when adding: auto]
    #[arg(long, value_enum)]
    seal: Option<SealWord>,
    /// zstd level, 1 to 19 [default when adding: 1]
    #[arg(long, value_name = "N")]
    level: Option<i8>,
    /// Keep plain tars of the newest N archives in the archives folder [default when adding: 0]
    #[arg(long, value_name = "N")]
    keep_tar: Option<u16>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SealWord {
    Auto,
    None,
}

impl Policy {
    fn apply(self, spec: &mut JobSpec) -> Result<(), Stop> {
        if let Some(copies) = self.copies {
            spec.copies = copies;
        }
        if !self.on.is_empty() {
            spec.on = holders(self.on)?;
        }
        if let Some(seal) = self.seal {
            spec.seal = match seal {
                SealWord::Auto => Seal::Auto,
                SealWord::None => Seal::None,
            };
        }
        spec.level = self.level.unwrap_or(spec.level);
        spec.keep_tar = self.keep_tar.unwrap_or(spec.keep_tar);
        Ok(())
    }
}

fn holders(names: Vec<Name>) -> Result<Holders, Stop> {
    match names.iter().filter(|name| name.as_str() == "any").count() {
        0 => Ok(Holders::Named(names.into_iter().collect())),
        count if count == names.len() => Ok(Holders::Any),
        _ => {
            let hint = "say --on any alone, or name nodes only";
            Err(Stop::usage("cannot place the copies", "`any` stands beside named nodes", hint))
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager job edit notes --copies 2
  backupmanager job edit notes --add-exclude '*.log' --remove-exclude '*.tmp'
  backupmanager job edit notes --rename diary --disable")]
pub(super) struct Edit {
    /// Name of the job
    name: Name,
    /// A new name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Back this up instead
    #[arg(long)]
    path: Option<PathBuf>,
    /// One more pattern to leave out
    #[arg(long, value_name = "PATTERN")]
    add_exclude: Vec<String>,
    /// A pattern not to leave out any more
    #[arg(long, value_name = "PATTERN")]
    remove_exclude: Vec<String>,
    /// Read path, excludes and restore block from a JSON file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "add_exclude", "remove_exclude"])]
    config: Option<PathBuf>,
    /// Run it only when asked
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Undo --disable
    #[arg(long)]
    enable: bool,
    #[command(flatten)]
    policy: Policy,
}

impl Job {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Add(Add::CustomDir(add)) => {
                let spec = add.spec()?;
                note_not_applied(session, &spec);
                session.run(Request::JobAdd(spec))
            }
            Self::Edit(edit) => edit.run(session),
            Self::List => session.run(Request::JobList),
            Self::Show { name } => session.run(Request::JobShow { job: name }),
            Self::Run { name, wait } => session.run(Request::JobRun(JobRun { job: name, wait })),
            Self::Remove { name } => session.run(Request::JobRemove { job: name }),
        }
    }
}

fn note_not_applied(session: &Session, spec: &JobSpec) {
    let keys = spec.config.not_applied();
    if !keys.is_empty() {
        session.note(&format!(
            "note: {} of the restore block are kept with the job; this version restores files only",
            keys.join(", ")
        ));
    }
}

impl AddCustomDir {
    fn spec(self) -> Result<JobSpec, Stop> {
        let mut dir = match &self.config {
            Some(file) => read_config(file)?,
            None => CustomDir::new(String::new()),
        };
        if let Some(path) = &self.path {
            dir.source_path = source_path(path)?;
        }
        dir.excludes.extend(self.exclude);
        let mut spec = JobSpec::new(self.name, JobConfig::CustomDir(dir));
        self.policy.apply(&mut spec)?;
        checked(spec)
    }
}

/// The daemon checks too; here it is wrong usage, with its exit code and a hint.
fn checked(spec: JobSpec) -> Result<JobSpec, Stop> {
    let hint = "`backupmanager job add custom_dir --help` shows examples";
    match spec.validate() {
        Ok(()) => Ok(spec),
        Err(error) => Err(Stop::usage("cannot use this job", error, hint)),
    }
}

fn source_path(path: &Path) -> Result<String, Stop> {
    let path = value::absolute(path)?;
    path.into_os_string().into_string().map_err(|path| {
        let why = format!("{} is not UTF-8", path.display());
        Stop::usage("cannot use this path", why, "back up the directory above it")
    })
}

fn read_config(file: &Path) -> Result<CustomDir, Stop> {
    use std::io::Read;
    let hint = "the keys are source_path, excludes and restore";
    let refuse = |why: String| {
        Stop::usage(format!("cannot use the configuration {}", file.display()), why, hint)
    };
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(CONFIG_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| refuse(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))
}

impl Edit {
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        if !self.changes() {
            let hint = "`backupmanager job edit --help` shows what can be changed";
            return Err(Stop::usage("cannot edit the job", "no change was named", hint));
        }
        let name = self.name.clone();
        let found = session.ask(Request::JobShow { job: name.clone() })?;
        let Reply::Job(report) = found else {
            return session.print(&found);
        };
        let based_on_ms = report.job.updated_ms;
        let spec = self.apply(report.job.spec)?;
        note_not_applied(session, &spec);
        session.run(Request::JobEdit(JobEdit { job: name, spec, based_on_ms }))
    }

    fn changes(&self) -> bool {
        let policy = &self.policy;
        self.rename.is_some()
            || self.path.is_some()
            || !self.add_exclude.is_empty()
            || !self.remove_exclude.is_empty()
            || self.config.is_some()
            || self.disable
            || self.enable
            || policy.copies.is_some()
            || !policy.on.is_empty()
            || policy.seal.is_some()
            || policy.level.is_some()
            || policy.keep_tar.is_some()
    }

    fn apply(self, mut spec: JobSpec) -> Result<JobSpec, Stop> {
        let JobConfig::CustomDir(dir) = &mut spec.config;
        if let Some(file) = &self.config {
            *dir = read_config(file)?;
        }
        if let Some(path) = &self.path {
            dir.source_path = source_path(path)?;
        }
        for pattern in &self.remove_exclude {
            let Some(at) = dir.excludes.iter().position(|known| known == pattern) else {
                let why = format!("{pattern:?} is none of its excludes");
                let hint = "`backupmanager job show NAME` lists them";
                return Err(Stop::usage("cannot edit the job", why, hint));
            };
            dir.excludes.remove(at);
        }
        dir.excludes.extend(self.add_exclude);
        spec.name = self.rename.unwrap_or(spec.name);
        spec.enabled = self.enable || (spec.enabled && !self.disable);
        self.policy.apply(&mut spec)?;
        checked(spec)
    }
}

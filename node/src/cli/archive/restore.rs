//! `backupmanager archive restore …`: the plan first, then a yes, then the work.
//!
//! Into a folder of its own a restore can do no harm, and begins at once. In place, the plan is
//! asked for, shown, and confirmed at the terminal; a script says `--yes` beforehand. What was shown is
//! what is restored: the plan's consent goes with the request.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, ValueEnum};
use protocol::control::{
    ArchiveRestore, Component, Failure, FailureCode, Overwrite, Reply, Request, RestorePlan,
};

use super::{
    super::{Exit, Stop, session::Session, value, view},
    Which,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager archive restore jerry_notes_20260508 --plan
      only shows what would be done, and the --consent that binds a later restore to it
  backupmanager archive restore jerry_notes_20260508
      shows it, asks, and puts everything back where it was
  backupmanager archive restore jerry_notes_20260508 --path 'diary.md' --to /tmp/notes
      one file, elsewhere
  backupmanager archive restore jerry_hermes_20260508 --component files,systemd_service
      no databases, no commands, nothing else
  backupmanager archive restore jerry_mysql_shop_20260508 --rename-database shop=shop_before
      beside the database that is there
  backupmanager archive restore jerry_notes_20260508 --node-of jerry --to /srv/notes
      of another server, fetched from whoever holds it

A safety archive of what will be replaced is made first. An archive of another server is not
trusted: see what its plan says, then decide about --trust and --confirm-commands.")]
pub(in crate::cli) struct Restore {
    #[command(flatten)]
    which: Which,
    /// These parts of it only, separated by commas [default: all that it has]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    component: Vec<ComponentWord>,
    /// Only what matches, as in a .gitignore; several times for several
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// Restore files under this folder, nothing else [default: where it came from]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Only show what would be done
    #[arg(long, alias = "dry-run")]
    plan: bool,
    /// What happens to files that are there already
    #[arg(long, value_enum, default_value = "changed", value_name = "WHICH")]
    overwrite: OverwriteWord,
    /// Load a dump into a database of another name; several times for several
    #[arg(long, value_name = "OLD=NEW", value_parser = renamed)]
    rename_database: Vec<(String, String)>,
    /// Make no safety archive of what will be replaced first
    #[arg(long)]
    no_safety: bool,
    /// This archive of another server is not hostile
    #[arg(long)]
    trust: bool,
    /// The commands of the archive, which the plan shows, may run
    #[arg(long)]
    confirm_commands: bool,
    /// Restore what this plan showed or nothing: the `consent` of an earlier --plan
    #[arg(long, value_name = "HEX", value_parser = consent, conflicts_with = "plan")]
    consent: Option<String>,
    /// Return as soon as it has begun
    #[arg(long, conflicts_with = "plan")]
    no_wait: bool,
    /// Do not ask before anything is replaced where it came from
    #[arg(long, short)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverwriteWord {
    /// Those that differ from the archive are replaced
    Changed,
    /// All are written again
    Always,
    /// None is touched
    Never,
}

impl From<OverwriteWord> for Overwrite {
    fn from(word: OverwriteWord) -> Self {
        match word {
            OverwriteWord::Changed => Self::Changed,
            OverwriteWord::Always => Self::Always,
            OverwriteWord::Never => Self::Never,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ComponentWord {
    /// An app of YunoHost
    App,
    /// Parts of the YunoHost system
    System,
    /// The account that the service runs as
    SystemUser,
    /// Files
    Files,
    /// The owner and mode of the restored directory
    Permissions,
    /// Databases
    Databases,
    /// The systemd unit
    SystemdService,
    /// Open ports
    Firewall,
    /// The commands that end a restore
    Commands,
}

impl From<ComponentWord> for Component {
    fn from(word: ComponentWord) -> Self {
        match word {
            ComponentWord::App => Self::App,
            ComponentWord::System => Self::System,
            ComponentWord::SystemUser => Self::SystemUser,
            ComponentWord::Files => Self::Files,
            ComponentWord::Permissions => Self::Permissions,
            ComponentWord::Databases => Self::Databases,
            ComponentWord::SystemdService => Self::SystemdService,
            ComponentWord::Firewall => Self::Firewall,
            ComponentWord::Commands => Self::Commands,
        }
    }
}

fn renamed(text: &str) -> Result<(String, String), String> {
    match value::pair(text) {
        Ok((old, new)) if !new.is_empty() => Ok((old, new)),
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

fn consent(text: &str) -> Result<String, String> {
    if ArchiveRestore::is_consent(text) {
        return Ok(text.to_owned());
    }
    Err("expected the `consent` that `archive restore --plan` shows".to_owned())
}

impl Restore {
    fn request(&self) -> Result<ArchiveRestore, Stop> {
        Ok(ArchiveRestore {
            archive: self.which.clone().archive(),
            patterns: self.path.clone(),
            to: self.to.as_deref().map(value::raw).transpose()?,
            plan: self.plan,
            overwrite: self.overwrite.into(),
            components: self.component.iter().copied().map(Component::from).collect(),
            rename_databases: self.renames()?,
            no_safety: self.no_safety,
            trust: self.trust,
            confirm_commands: self.confirm_commands,
            consent: self.consent.clone(),
            wait: !self.no_wait,
        })
    }

    fn renames(&self) -> Result<BTreeMap<String, String>, Stop> {
        let mut renames = BTreeMap::new();
        for (old, new) in &self.rename_database {
            if renames.insert(old.clone(), new.clone()).is_some() {
                let why = format!("{old:?} is given two new names");
                let hint = "restore twice to have it twice";
                return Err(Stop::usage("cannot rename the databases", why, hint));
            }
        }
        Ok(renames)
    }

    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let mut request = self.request()?;
        let harmless = self.plan || self.to.is_some();
        let unseen = self.yes && (session.quiet || session.json || session.orders());
        if harmless || unseen {
            return session.run(Request::ArchiveRestore(request));
        }
        let asked = Request::ArchiveRestore(ArchiveRestore { plan: true, ..request.clone() });
        match session.ask(asked)? {
            Reply::RestorePlan(plan) => {
                self.decide(session, &plan)?;
                // What was read is what is restored, whatever has that name by now.
                request.consent.get_or_insert(plan.consent);
            }
            other => return session.print(&other),
        }
        session.run(Request::ArchiveRestore(request))
    }

    /// Shows the plan, and goes on only when nothing stands in the way and somebody wants it.
    fn decide(&self, session: &Session, plan: &RestorePlan) -> Result<(), Stop> {
        session.note(&view::planned(plan));
        let what = || format!("cannot restore {}", self.which.name);
        if plan.conflicts.total > 0 {
            let why = format!("{} things stand in the way", plan.conflicts.total);
            let failure = Failure::new(FailureCode::Conflict, what(), why);
            return Err(failure.hint("the plan lists them, `--plan` shows it again").into());
        }
        if self.yes || self.touches_nothing(plan) {
            return Ok(());
        }
        if !session.can_ask() {
            let why = "it replaces what is there, and there is no terminal to ask at";
            let hint = "look at it with --plan, then say --yes";
            return Err(Stop::usage(what(), why, hint));
        }
        session.confirm(false, &format!("Put {} back like that?", self.which.name))
    }

    /// Whether files are added, none is replaced, and nothing else is done.
    fn touches_nothing(&self, plan: &RestorePlan) -> bool {
        let mut components = plan.steps.iter().filter_map(|step| step.component);
        self.overwrite == OverwriteWord::Never && components.all(|one| one == Component::Files)
    }
}

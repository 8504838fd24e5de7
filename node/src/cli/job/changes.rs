//! Changes that make sense for one kind of job only.

use std::path::PathBuf;

use clap::Args;
use protocol::job::{CustomDir, Databases, YnhApp, YnhSystem};

use super::{
    super::Stop,
    config,
    database::{self, Server},
};

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Of a custom_dir job")]
pub(super) struct DirChanges {
    /// Back this up instead
    #[arg(long)]
    path: Option<PathBuf>,
    /// One more pattern to leave out
    #[arg(long, value_name = "PATTERN")]
    add_exclude: Vec<String>,
    /// A pattern not to leave out any more
    #[arg(long, value_name = "PATTERN")]
    remove_exclude: Vec<String>,
}

impl DirChanges {
    pub(super) const OPTIONS: &str = "--path, --add-exclude, --remove-exclude";

    pub(super) fn apply(self, dir: &mut CustomDir) -> Result<(), Stop> {
        if let Some(path) = &self.path {
            dir.source_path = config::path(path)?;
        }
        remove("excludes", &mut dir.excludes, &self.remove_exclude)?;
        dir.excludes.extend(self.add_exclude);
        Ok(())
    }
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Of a ynh_app job")]
pub(super) struct AppChanges {
    /// Back this app up instead
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    /// Leave out what the app's packager calls data
    #[arg(long, conflicts_with = "no_core_only")]
    core_only: bool,
    /// Undo --core-only
    #[arg(long)]
    no_core_only: bool,
}

impl AppChanges {
    pub(super) const OPTIONS: &str = "--app, --core-only, --no-core-only";

    pub(super) fn apply(self, app: &mut YnhApp) {
        if let Some(id) = self.app {
            app.app_id = id;
        }
        app.core_only = self.core_only || (app.core_only && !self.no_core_only);
    }
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Of a ynh_system job")]
pub(super) struct SystemChanges {
    /// One more part
    #[arg(long, value_name = "PART")]
    add_part: Vec<String>,
    /// A part not to back up any more
    #[arg(long, value_name = "PART")]
    remove_part: Vec<String>,
    /// All parts that there are
    #[arg(long, conflicts_with_all = ["add_part", "remove_part"])]
    all_parts: bool,
}

impl SystemChanges {
    pub(super) const OPTIONS: &str = "--add-part, --remove-part, --all-parts";

    pub(super) fn apply(self, system: &mut YnhSystem) -> Result<(), Stop> {
        if self.all_parts {
            system.parts.clear();
        }
        let named = !system.parts.is_empty();
        remove("parts", &mut system.parts, &self.remove_part)?;
        system.parts.extend(self.add_part);
        if named && system.parts.is_empty() && !self.all_parts {
            let why = "no part would be left, and a job without parts backs all of them up";
            return Err(Stop::usage("cannot edit the job", why, "say --all-parts for all of them"));
        }
        Ok(())
    }
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Of a mysql or postgresql job")]
pub(super) struct DatabaseChanges {
    /// One more database; ends --all
    #[arg(long, value_name = "DATABASE")]
    add_database: Vec<String>,
    /// A database not to back up any more
    #[arg(long, value_name = "DATABASE")]
    remove_database: Vec<String>,
    /// Every database that the server has when the run begins, in place of those named
    #[arg(long, conflicts_with_all = ["add_database", "remove_database"])]
    all: bool,
    /// Of all, leave this one out too
    #[arg(long, value_name = "DATABASE")]
    exclude_database: Vec<String>,
    /// Of all, do not leave this one out any more
    #[arg(long, value_name = "DATABASE")]
    include_database: Vec<String>,
    /// Reach the server as when nothing is said; what is named beside it holds
    #[arg(long)]
    default_server: bool,
    #[command(flatten)]
    server: Server,
}

impl DatabaseChanges {
    pub(super) const OPTIONS: &str = "--add-database, --remove-database, --all, \
        --exclude-database, --include-database, --default-server, --user, --server-socket, --host, \
        --port, --options-file, --compress";

    pub(super) fn apply(self, databases: &mut Databases) -> Result<(), Stop> {
        if self.all {
            databases.all = true;
            databases.database = None;
            databases.databases.clear();
        }
        if !self.add_database.is_empty() && databases.all {
            databases.all = false;
            databases.excludes.clear();
        }
        let mut named: Vec<String> = databases.named().into_iter().map(str::to_owned).collect();
        remove("databases", &mut named, &self.remove_database)?;
        databases.database = None;
        databases.databases.clear();
        database::name(databases, named.into_iter().chain(self.add_database));
        let mut excludes: Vec<String> =
            std::mem::take(&mut databases.excludes).into_iter().collect();
        remove("excludes", &mut excludes, &self.include_database)?;
        databases.excludes = excludes.into_iter().chain(self.exclude_database).collect();
        if self.default_server {
            database::forget_server(databases);
        }
        self.server.apply(databases)
    }
}

/// Takes out what is named; what is not there is a mistake that should be known.
fn remove(what: &str, known: &mut Vec<String>, named: &[String]) -> Result<(), Stop> {
    for name in named {
        let Some(at) = known.iter().position(|one| one == name) else {
            let why = format!("{name:?} is none of its {what}");
            let hint = "`backupmanager job show NAME` lists them";
            return Err(Stop::usage("cannot edit the job", why, hint));
        };
        known.remove(at);
    }
    Ok(())
}

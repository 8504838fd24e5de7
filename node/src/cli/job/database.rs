//! Jobs of databases: which ones, how their server is reached, how the dumps lie in the archive.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use protocol::job::{Databases, DumpFormat, JobConfig, Name};

use super::{
    super::Stop,
    add::Parts,
    config::{self, Kind},
    policy::Policy,
};

pub(super) const MYSQL_EXAMPLES: &str = "\
Examples:
  backupmanager job add mysql shop shop_db --cron '0 3 * * *'
  backupmanager job add mysql all --all --exclude-database test
  backupmanager job add mysql shop shop_db --host db.lan --options-file /root/shop.cnf
  backupmanager job add mysql shop --config shop.json

`backupmanager job choices mysql` lists the databases. Without --host the server is reached through
its socket, as root, without a password. A configuration is JSON, as in
  { \"database\": \"shop_db\", \"user\": \"shop\" }";

pub(super) const POSTGRESQL_EXAMPLES: &str = "\
Examples:
  backupmanager job add postgresql shop shop_db --cron '0 3 * * *'
  backupmanager job add postgresql all --all --exclude-database scratch
  backupmanager job add postgresql shop shop_db --host db --user shop --options-file /root/pass
  backupmanager job add postgresql shop --config shop.json

`backupmanager job choices postgresql` lists the databases. Without --host the server is reached
through its socket, as postgres, without a password. A configuration is JSON, as in
  { \"database\": \"shop_db\", \"user\": \"postgres\" }";

#[derive(Debug, Args)]
pub(super) struct AddDatabases {
    /// Name of the job: A-Z a-z 0-9 . _ -, at most 50
    name: Name,
    /// The databases to back up
    #[arg(value_name = "DATABASE", required_unless_present_any = ["config", "all", "database"])]
    databases: Vec<String>,
    /// The same as an option, several times for several
    #[arg(long, value_name = "DATABASE")]
    database: Vec<String>,
    /// Every database that the server has when the run begins
    #[arg(long, conflicts_with_all = ["databases", "database"])]
    all: bool,
    /// Of all, leave this one out; several times for several
    #[arg(long, value_name = "DATABASE")]
    exclude_database: Vec<String>,
    /// Read databases and server from a JSON file, - for the input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    policy: Policy,
}

#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "The database server")]
pub(super) struct Server {
    /// Connect as this user [default: root, or postgres, through the local socket]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The server's socket; for PostgreSQL the folder it is in [default: the usual one]
    #[arg(long, value_name = "PATH", conflicts_with = "host")]
    server_socket: Option<PathBuf>,
    /// A server on another machine
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Its port
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The file with the password (my.cnf, .pgpass): of root or the agent's user, closed to others
    #[arg(long, value_name = "FILE")]
    options_file: Option<PathBuf>,
    /// Compress each dump by itself; only plain ones share what did not change
    /// [default when adding: none]
    #[arg(long, value_enum)]
    compress: Option<CompressWord>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum CompressWord {
    None,
    Gzip,
    Bzip2,
    Zstd,
}

impl From<CompressWord> for DumpFormat {
    fn from(word: CompressWord) -> Self {
        match word {
            CompressWord::None => Self::None,
            CompressWord::Gzip => Self::Gzip,
            CompressWord::Bzip2 => Self::Bzip2,
            CompressWord::Zstd => Self::Zstd,
        }
    }
}

impl Server {
    /// What is not named stays. A host takes the place of a socket, and the other way round.
    pub(super) fn apply(self, databases: &mut Databases) -> Result<(), Stop> {
        if let Some(socket) = &self.server_socket {
            databases.socket = Some(config::path(socket)?);
            databases.host = None;
        }
        if let Some(host) = self.host {
            databases.host = Some(host);
            databases.socket = None;
        }
        if let Some(file) = &self.options_file {
            databases.options_file = Some(config::path(file)?);
        }
        databases.user = self.user.or(databases.user.take());
        databases.port = self.port.or(databases.port);
        databases.compress = self.compress.map_or(databases.compress, DumpFormat::from);
        Ok(())
    }
}

/// Forgets how the server is reached: through its usual socket again.
pub(super) fn forget_server(databases: &mut Databases) {
    databases.user = None;
    databases.socket = None;
    databases.host = None;
    databases.port = None;
    databases.options_file = None;
}

/// One database is written as one, several as a list: both are allowed, and this is shorter.
pub(super) fn name(databases: &mut Databases, names: impl IntoIterator<Item = String>) {
    let mut all: std::collections::BTreeSet<String> = std::mem::take(&mut databases.databases);
    all.extend(databases.database.take());
    all.extend(names);
    if all.len() == 1 {
        databases.database = all.pop_first();
    } else {
        databases.databases = all;
    }
}

impl AddDatabases {
    pub(super) fn parts(self, kind: Kind) -> Result<Parts, Stop> {
        let read = self.config.map(|file| config::read(&file, kind)).transpose()?;
        let mut databases = match read {
            Some(JobConfig::Mysql(databases) | JobConfig::Postgresql(databases)) => databases,
            _ => Databases::default(),
        };
        name(&mut databases, self.databases.into_iter().chain(self.database));
        databases.all |= self.all;
        databases.excludes.extend(self.exclude_database);
        self.server.apply(&mut databases)?;
        let config = match kind {
            Kind::Postgresql => JobConfig::Postgresql(databases),
            _ => JobConfig::Mysql(databases),
        };
        Ok((self.name, config, self.policy))
    }
}

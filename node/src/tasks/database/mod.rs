//! Database servers: what they have, dumps of it, and dumps put back.
//!
//! All is done by the servers' own programs. A *dump* is what `mysqldump` or `pg_dump` writes, with
//! one line before it ([`head`]): a comment for SQL, JSON for us, with what those programs leave out
//! (character set or locale, owner, grants, settings of the database). A dump streams from its
//! program to the caller, and from the caller to the client program; nothing of it lies on disk. It
//! is whole when every program ended with 0 and the last thing it says is that it is complete.
//!
//! A load never writes into the database that is asked for. It fills a *scratch* database beside it,
//! whose name comes from the name of the other, and only a scratch database that took all of a whole
//! dump gets the name. What a killed load leaves behind is removed by the next one.
//!
//! Limits: no user is ever made that stays, so that no password hash is in a dump. Grants and
//! owners come back for users that exist, and the others are named in a warning. `FLOAT` columns of
//! `MySQL` come back with the six digits that its dump program writes. A dump is SQL, which does what
//! it says with the rights of the connecting user: whether its origin is trusted is asked before.

mod connect;
pub(crate) mod decoders;
mod head;
mod mysql;
mod pipeline;
mod postgresql;
mod query;
mod target;

use std::{sync::Mutex, time::Duration};

use protocol::job::{Databases, DumpFormat};
use serde::{Deserialize, Serialize};

pub(crate) use self::target::why_not;

use self::query::Talk;
use super::{TaskError, TaskIo};

/// Which sort of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// `MySQL` or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgresql,
}

/// How to reach a server: the connection part of a job's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Which sort.
    pub engine: Engine,
    /// As [`Databases`] has them.
    pub user: Option<String>,
    /// The socket, or its folder.
    pub socket: Option<String>,
    /// Another machine.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The file with the password.
    pub options_file: Option<String>,
}

impl Server {
    /// The server that a job means.
    #[must_use]
    pub fn of(engine: Engine, databases: &Databases) -> Self {
        Self {
            engine,
            user: databases.user.clone(),
            socket: databases.socket.clone(),
            host: databases.host.clone(),
            port: databases.port,
            options_file: databases.options_file.clone(),
        }
    }
}

/// What to do with a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatabaseTask {
    /// Which databases it has, its own left out. [`Answer::Databases`].
    List(Server),
    /// Write one database to the output, as SQL: consistent, with routines, triggers, events, owner
    /// and grants. [`Answer::Dumped`].
    Dump {
        /// The server.
        server: Server,
        /// The database.
        database: String,
        /// How the output is compressed.
        format: DumpFormat,
    },
    /// Read a dump from the input into a database. [`Answer::Loaded`].
    Load {
        /// The server.
        server: Server,
        /// The database to load it into.
        database: String,
        /// The database that it was made of.
        dumped_from: String,
        /// How the input is compressed.
        format: DumpFormat,
        /// Whether a database of that name may be replaced.
        replace: bool,
    },
}

/// One database of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// About how large it is.
    pub bytes: u64,
    /// Who owns it, where the server knows owners.
    pub owner: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The databases, by name.
    Databases(Vec<Database>),
    /// The dump is complete.
    Dumped {
        /// Bytes of SQL before compression.
        bytes: u64,
        /// What was left out, or will not come back.
        warnings: Vec<String>,
    },
    /// The dump is loaded.
    Loaded {
        /// Whether the database was made, rather than replaced.
        created: bool,
        /// What could not be put back: an owner that does not exist here.
        warnings: Vec<String>,
    },
}

pub(super) fn perform(task: &DatabaseTask, io: TaskIo<'_>) -> Result<Answer, TaskError> {
    let TaskIo { input, output, line, cancelled } = io;
    let talk = Talk { line: Mutex::new(line), cancelled };
    match task {
        DatabaseTask::List(server) => match server.engine {
            Engine::Mysql => mysql::Client::new(server, &talk)?.databases(),
            Engine::Postgresql => postgresql::Client::new(server, &talk)?.databases(),
        }
        .map(Answer::Databases),
        DatabaseTask::Dump { server, database, format } => {
            let output = output.ok_or_else(|| no("output"))?;
            let (bytes, warnings) = match server.engine {
                Engine::Mysql => {
                    mysql::Client::new(server, &talk)?.dump(database, *format, output)?
                }
                Engine::Postgresql => {
                    postgresql::Client::new(server, &talk)?.dump(database, *format, output)?
                }
            };
            Ok(Answer::Dumped { bytes, warnings })
        }
        DatabaseTask::Load { server, database, dumped_from, format, replace } => {
            let input = input.ok_or_else(|| no("input"))?;
            if let Some(what) = why_not(server.engine, dumped_from, database) {
                return Err(TaskError::Invalid { what });
            }
            let load = Load { database, dumped_from, format: *format, replace: *replace };
            match server.engine {
                Engine::Mysql => mysql::Client::new(server, &talk)?.load(&load, input),
                Engine::Postgresql => postgresql::Client::new(server, &talk)?.load(&load, input),
            }
        }
    }
}

/// What to load, and where.
struct Load<'a> {
    database: &'a str,
    dumped_from: &'a str,
    format: DumpFormat,
    replace: bool,
}

fn no(what: &str) -> TaskError {
    TaskError::Invalid { what: format!("a task with a dump needs an {what}") }
}

/// The error for a database that is not there.
fn unknown(database: &str, there_are: &[Database]) -> TaskError {
    let names: Vec<_> = there_are.iter().map(|database| database.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    TaskError::NotFound {
        what: format!("there is no database {database:?} on the server, which has: {names}"),
    }
}

/// The error for a database that is in the way.
fn in_the_way(database: &str) -> TaskError {
    TaskError::Conflict {
        what: format!("the database {database:?} exists, and is not to be replaced"),
    }
}

/// How long one program may take: the largest dump on the slowest machine, and still an end.
const LIMIT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What the names of our scratch databases begin with.
const SCRATCH: &str = "bm_restore_";

/// What the names of databases begin with that have been replaced and are about to be dropped.
const REPLACED: &str = "bm_replaced_";

/// The name of the database that stands beside another: no longer than any server allows.
fn beside(prefix: &str, database: &str) -> String {
    let hash = blake3::hash(database.as_bytes()).to_hex();
    format!("{prefix}{}", &hash[..16])
}

/// Whether a database is one of those that a load makes for itself.
fn is_ours(name: &str) -> bool {
    [SCRATCH, REPLACED].iter().any(|prefix| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.len() == 16 && rest.chars().all(|c| c.is_ascii_hexdigit()))
    })
}

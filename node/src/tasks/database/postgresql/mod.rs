//! PostgreSQL.
//!
//! A local server knows its administrator as the system's user `postgres`, which our programs run
//! as when we are root; a job that names another user and no file with a password is run as the
//! system's user of that name. Root never reads a dump ([`whom`]), and `psql` takes nothing but SQL
//! from one where it can be told so ([`restrict`]). Names of databases are given to the programs inside a connection
//! string, since a bare name with `=` in it would be taken for one.
//!
//! A dump is of one snapshot and has the owners and rights of everything inside the database; roles
//! that do not exist where it is loaded are made for as long as that takes, without a login, and
//! then what they own goes to the connecting user. The loaded scratch database and the one that it
//! replaces change their names in one transaction, so there is always one or the other. A dump is
//! not loaded in one transaction: the scratch database is dropped where that fails, and a lock on
//! each of many thousand tables is more than a server allows.
//!
//! The database `postgres` is listed as any other: people keep data in it.

mod dump;
mod load;
mod restrict;
mod roles;
mod whom;

use super::{
    super::{TaskError, process::Program},
    Database, Server,
    connect::Options,
    is_ours,
    query::{Talk, insist},
};

pub(super) use self::restrict::Restricted;
use self::whom::Whom;

/// The administrator of a server and of the system's user for it.
pub(super) const ADMINISTRATOR: &str = "postgres";

/// What new databases are copies of.
pub(super) const TEMPLATES: [&str; 2] = ["template0", "template1"];

/// Where questions about the server are asked.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// How long connecting may take, seconds.
const CONNECT_SECONDS: &str = "20";

const CLIENT: &str = "psql";
const DUMPER: &str = "pg_dump";

/// One server, and how its programs are started for it.
pub(super) struct Client<'a> {
    server: &'a Server,
    options: Option<Options>,
    whom: Whom,
    talk: &'a Talk<'a>,
}

impl<'a> Client<'a> {
    pub(super) fn new(server: &'a Server, talk: &'a Talk<'a>) -> Result<Self, TaskError> {
        let options = server.options_file.as_deref().map(Options::open).transpose()?;
        let whom = Whom::choose(server, options.as_ref())?;
        Ok(Self { server, options, whom, talk })
    }

    /// The databases that one can connect to, without templates and our scratch.
    pub(super) fn databases(&self) -> Result<Vec<Database>, TaskError> {
        let sql = "SELECT json_build_object('name', datname, 'bytes', CASE WHEN \
                   has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END, \
                   'owner', pg_get_userbyid(datdba)) FROM pg_database WHERE datallowconn AND NOT \
                   datistemplate ORDER BY datname;";
        let said = self.ask(MAINTENANCE[0], sql)?;
        let all: Vec<Database> = said.lines().map(parsed).collect::<Result<_, _>>()?;
        Ok(all.into_iter().filter(|database| !is_ours(&database.name)).collect())
    }

    /// Whether the server has a database, and may be one that nobody connects to.
    fn has(&self, database: &str) -> Result<bool, TaskError> {
        let it = text(database);
        let sql = format!("SELECT count(*) FROM pg_database WHERE datname ={it};");
        Ok(self.ask(Self::maintenance(database), &sql)?.trim() != "0")
    }

    /// Where to ask about the server when `database` itself must not be in use.
    fn maintenance(database: &str) -> &'static str {
        if database == MAINTENANCE[0] { MAINTENANCE[1] } else { MAINTENANCE[0] }
    }

    /// The client program in a database.
    fn client(&self, database: &str) -> Program {
        self.connected(CLIENT, database)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1"])
    }

    /// A program that is told how to reach the server.
    fn connected(&self, program: &str, database: &str) -> Program {
        let server = self.server;
        let mut program = Program::new(program)
            .limit(super::LIMIT)
            .env("PGCONNECT_TIMEOUT", CONNECT_SECONDS)
            .env("PGAPPNAME", "backupmanager");
        let user = server.user.as_deref().unwrap_or(ADMINISTRATOR);
        if let Some(options) = &self.options {
            program = options.secrets.iter().fold(program, Program::secret);
        }
        if let Some(passfile) = &self.whom.passfile {
            program = program.env("PGPASSFILE", passfile);
        }
        if let Some(account) = &self.whom.account {
            program = program.user(account);
        }
        let port = server.port.map(|port| port.to_string());
        let host = server.host.as_ref().or(server.socket.as_ref());
        let given = [
            ("dbname", Some(database)),
            ("user", Some(user)),
            ("host", host.map(String::as_str)),
            ("port", port.as_deref()),
        ];
        let given = given.iter().filter_map(|(key, value)| {
            let value = (*value)?.replace('\\', "\\\\").replace('\'', "\\'");
            Some(format!("{key}='{value}'"))
        });
        let string = given.collect::<Vec<_>>().join(" ");
        program.arg("--no-password").arg(format!("--dbname={string}"))
    }

    /// What a database answers.
    fn ask(&self, database: &str, sql: &str) -> Result<String, TaskError> {
        let program = self.client(database).env("PGCLIENTENCODING", "UTF8");
        self.talk.ask(CLIENT, program, sql).map_err(unreachable)
    }

    /// Tells a database something even when the caller wants no more.
    fn insist(&self, database: &str, sql: &str) -> Result<String, TaskError> {
        insist(CLIENT, self.client(database).env("PGCLIENTENCODING", "UTF8"), sql)
    }
}

/// Says of a failure to connect what it is.
fn unreachable(error: TaskError) -> TaskError {
    let signs = ["No such file or directory", "Connection refused", "could not translate host"];
    match error {
        TaskError::Failed { said, .. }
            if said.contains("connection to server") && signs.iter().any(|s| said.contains(s)) =>
        {
            TaskError::NoServer { what: format!("no PostgreSQL server answers: {said}") }
        }
        error => error,
    }
}

fn parsed<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, TaskError> {
    serde_json::from_str(json.trim())
        .map_err(|error| TaskError::Nonsense { program: CLIENT.to_owned(), why: error.to_string() })
}

/// A name in a statement.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in a statement, whatever the server's mode of quoting is.
fn text(text: &str) -> String {
    format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{name, text};

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(name("a\"; DROP DATABASE b; --"), "\"a\"\"; DROP DATABASE b; --\"");
        assert_eq!(text(r"a\'; b"), r" E'a\\''; b'");
    }
}

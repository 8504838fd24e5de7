//! `MySQL` and MariaDB.
//!
//! Root is known to a local server by the socket. Tables whose engine has no transactions (`MyISAM`,
//! Aria) are not part of the snapshot that a dump is of, and named in a warning.
//!
//! A load fills a scratch database first. Only when it took a whole dump, the tables move into the
//! place of the old ones by `RENAME TABLE`, which copies nothing; routines, triggers, events and
//! views, which cannot be moved, are made once more from their definitions. The old ones have been
//! set aside in the same way, and are put back where that fails; should the machine stop just there,
//! they are in a database that the next load names. Events of the dump may already fire in the
//! scratch database.
//!
//! `mariadb-dump` 10.11 cannot dump the events of a database with a quotation mark in its name: that
//! is an error, and no dump.

mod dump;
mod here;
mod load;
mod place;
mod statement;

use super::{
    super::{TaskError, process::Program},
    Database, Server,
    connect::{Options, installed},
    is_ours,
    query::{Talk, insist},
};

pub(super) use self::here::Reader;

/// What it has for itself.
pub(super) const OWN: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// The longest statement, bytes: the most that client and server allow. A BLOB of a third of that
/// still fits, being dumped as hexadecimal digits.
const PACKET_BYTES_MAX: u64 = 1 << 30;

/// How long connecting may take, seconds.
const CONNECT_SECONDS: u32 = 20;

/// The names of a program at MariaDB and at `MySQL`.
const CLIENT: [&str; 2] = ["mariadb", "mysql"];
const DUMPER: [&str; 2] = ["mariadb-dump", "mysqldump"];

/// One server, and how its programs are started for it.
pub(super) struct Client<'a> {
    server: &'a Server,
    options: Option<Options>,
    talk: &'a Talk<'a>,
}

impl<'a> Client<'a> {
    pub(super) fn new(server: &'a Server, talk: &'a Talk<'a>) -> Result<Self, TaskError> {
        let options = server.options_file.as_deref().map(Options::open).transpose()?;
        Ok(Self { server, options, talk })
    }

    /// The databases that are not the server's own, nor our scratch.
    pub(super) fn databases(&self) -> Result<Vec<Database>, TaskError> {
        let sql = "SELECT s.SCHEMA_NAME, CAST(COALESCE(SUM(t.DATA_LENGTH + t.INDEX_LENGTH), 0) AS \
                   UNSIGNED) FROM information_schema.SCHEMATA s LEFT JOIN information_schema.TABLES \
                   t ON t.TABLE_SCHEMA = s.SCHEMA_NAME GROUP BY 1 ORDER BY 1;";
        let rows = self.rows(sql)?;
        let database = |row: Vec<String>| {
            let [name, bytes] = <[String; 2]>::try_from(row).map_err(|row| nonsense(&row))?;
            let bytes = bytes.parse().map_err(|_| nonsense(&[bytes]))?;
            Ok(Database { name, bytes, owner: None })
        };
        let all: Vec<Database> = rows.into_iter().map(database).collect::<Result<_, _>>()?;
        let own = |name: &str| OWN.contains(&name.to_ascii_lowercase().as_str()) || is_ours(name);
        Ok(all.into_iter().filter(|database| !own(&database.name)).collect())
    }

    /// The client program, in no database.
    fn client(&self) -> Program {
        self.connected(installed(CLIENT))
            .arg(format!("--connect-timeout={CONNECT_SECONDS}"))
            // Of its own commands only those for the character set and the delimiter.
            .args(["--batch", "--binary-mode", "--local-infile=0"])
            .args(["--skip-column-names", "--default-character-set=utf8mb4"])
            .arg(format!("--max-allowed-packet={PACKET_BYTES_MAX}"))
    }

    /// A program that is told how to reach the server.
    fn connected(&self, name: &str) -> Program {
        let mut program = Program::new(name).limit(super::LIMIT);
        if let Some(options) = &self.options {
            // Must be the first.
            program = program.arg(format!("--defaults-extra-file={}", options.path));
            program = options.secrets.iter().fold(program, Program::secret);
        }
        let server = self.server;
        let port = server.port.map(|port| port.to_string());
        let given = [
            ("user", &server.user),
            ("socket", &server.socket),
            ("host", &server.host),
            ("port", &port),
        ];
        for (option, value) in given {
            if let Some(value) = value {
                program = program.arg(format!("--{option}={value}"));
            }
        }
        match (&server.host, &server.socket) {
            (Some(_), _) => program.arg("--protocol=tcp"),
            (None, Some(_)) => program.arg("--protocol=socket"),
            (None, None) => program,
        }
    }

    /// What the server answers.
    fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, TaskError> {
        let said = self.talk.ask(installed(CLIENT), self.client(), sql).map_err(unreachable)?;
        let row = |line: &str| line.split('\t').map(unescaped).collect();
        Ok(said.lines().map(row).collect())
    }

    /// Like [`rows`](Self::rows), of one column.
    fn column(&self, sql: &str) -> Result<Vec<String>, TaskError> {
        Ok(self.rows(sql)?.into_iter().flatten().collect())
    }

    /// Tells the server something even when the caller wants no more.
    fn insist(&self, sql: &str) -> Result<(), TaskError> {
        insist(installed(CLIENT), self.client(), sql).map(|_| ())
    }
}

/// Says of a failure to connect what it is.
fn unreachable(error: TaskError) -> TaskError {
    match error {
        TaskError::Failed { said, .. }
            if ["ERROR 2002", "ERROR 2003", "ERROR 2005"].iter().any(|e| said.contains(e)) =>
        {
            TaskError::NoServer { what: format!("no MySQL or MariaDB server answers: {said}") }
        }
        error => error,
    }
}

fn nonsense(row: &[String]) -> TaskError {
    let program = installed(CLIENT).to_owned();
    TaskError::Nonsense { program, why: format!("it answered {row:?}") }
}

/// A name in a statement.
fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text in a statement, whatever the server's mode of quoting is.
fn text(text: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::from("CONVERT(0x");
    for byte in text.bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    if text.is_empty() {
        return "''".to_owned();
    }
    hex + " USING utf8mb4)"
}

/// A value as the client writes it in batch mode.
fn unescaped(value: &str) -> String {
    let (mut plain, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{name, text, unescaped};

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(name("a`; DROP DATABASE b; --"), "`a``; DROP DATABASE b; --`");
        assert_eq!(text("a'é"), "CONVERT(0x6127c3a9 USING utf8mb4)");
        assert_eq!(text(""), "''");
    }

    #[test]
    fn values_of_the_client_are_read() {
        assert_eq!(unescaped(r"a\tb\nc\\d\0é\"), "a\tb\nc\\d\0é\\");
    }
}

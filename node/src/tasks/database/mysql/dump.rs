//! Dumping one database.

use std::io::Write;

use protocol::job::DumpFormat;

use super::{
    super::{
        super::TaskError,
        connect::installed,
        head::{self, Grant, Head},
        pipeline::{Guard, Stage},
        unknown,
    },
    CLIENT, Client, DUMPER, PACKET_BYTES_MAX, name, nonsense, text,
};

/// The last line of a whole dump.
pub(super) const LAST_WORDS: &str = "-- Dump completed";

/// How many tables a warning names.
const NAMED_MAX: usize = 10;

impl Client<'_> {
    /// Dumps a database; bytes of SQL, and warnings.
    pub(in super::super) fn dump(
        &self,
        database: &str,
        format: DumpFormat,
        output: &mut (dyn Write + Send),
    ) -> Result<(u64, Vec<String>), TaskError> {
        let there_are = self.databases()?;
        if !there_are.iter().any(|there| there.name == database) {
            return Err(unknown(database, &there_are));
        }
        let mut warnings = self.warnings(database)?;
        let (charset, collation) = self.charset(database)?;
        let grants = match self.grants(database) {
            Ok(grants) => grants,
            Err(TaskError::Failed { said, .. }) => {
                warnings.push(format!("who has rights on {database:?} may not be read: {said}"));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let database_name = database.to_owned();
        let head = head::Mysql { database: database_name, charset, collation, grants };
        let stage = Stage {
            name: installed(DUMPER),
            program: self.dumper().args(["--triggers", "--", database]),
            last_words: LAST_WORDS,
            guard: Guard::Here,
        };
        let bytes = stage.dump(self.talk, &Head::Mysql(head), format, output)?;
        Ok((bytes, warnings))
    }

    /// The dump program: one snapshot, row by row, the same bytes for the same data.
    pub(super) fn dumper(&self) -> super::Program {
        self.connected(installed(DUMPER))
            .args(["--single-transaction", "--quick", "--skip-dump-date", "--hex-blob"])
            .args(["--routines", "--events", "--tz-utc", "--no-tablespaces", "--comments"])
            // Whatever the options of the machine say: no `CREATE DATABASE` and no `USE`.
            .args(["--skip-databases", "--skip-all-databases", "--quote-names"])
            .args(["--default-character-set=utf8mb4"])
            .arg(format!("--max-allowed-packet={PACKET_BYTES_MAX}"))
    }

    /// What the dump will not be able to keep its word for.
    fn warnings(&self, database: &str) -> Result<Vec<String>, TaskError> {
        let tables = |what: &str| {
            self.column(&format!(
                "SELECT t.TABLE_NAME FROM information_schema.TABLES t LEFT JOIN \
                 information_schema.ENGINES e ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = {} AND \
                 {what} ORDER BY 1;",
                text(database)
            ))
        };
        let plain =
            tables("t.TABLE_TYPE = 'BASE TABLE' AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'")?;
        let versioned = tables("t.TABLE_TYPE = 'SYSTEM VERSIONED'")?;
        let mut warnings = Vec::new();
        if !plain.is_empty() {
            warnings.push(format!(
                "{} of {database:?} have no transactions: what is written to them during the dump \
                 may be in it by half",
                named(&plain)
            ));
        }
        if !versioned.is_empty() {
            warnings.push(format!(
                "{} of {database:?} keep their history, of which the dump has the present only",
                named(&versioned)
            ));
        }
        Ok(warnings)
    }

    /// Character set and collation of new tables.
    pub(super) fn charset(&self, database: &str) -> Result<(String, String), TaskError> {
        let row = self.column(&format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM \
             information_schema.SCHEMATA WHERE SCHEMA_NAME = {};",
            text(database)
        ))?;
        let [charset, collation] = <[String; 2]>::try_from(row).map_err(|row| nonsense(&row))?;
        Ok((charset, collation))
    }

    /// Who may do what with the database or something in it. Grants on patterns of names that are
    /// more than this one are not the database's. Needs to read the server's own tables.
    fn grants(&self, database: &str) -> Result<Vec<Grant>, TaskError> {
        let users = self.rows(&format!(
            "SELECT User, Host FROM mysql.db WHERE Db IN ({0}, {1}) UNION SELECT User, Host FROM \
             mysql.tables_priv WHERE Db = {0} UNION SELECT User, Host FROM mysql.procs_priv WHERE \
             Db = {0} ORDER BY 1, 2;",
            text(database),
            text(&pattern(database))
        ))?;
        let mut grants = Vec::new();
        for user in users {
            let [user, host] = <[String; 2]>::try_from(user).map_err(|row| nonsense(&row))?;
            // PUBLIC and roles of MariaDB have no host.
            let whose = account(&user, &host);
            for line in self.column(&format!("SHOW GRANTS FOR {whose};"))? {
                grants.extend(parse(&line, database, &user, &host));
            }
        }
        Ok(grants)
    }

    /// Of these accounts those that the server has.
    pub(super) fn accounts(&self) -> Result<Vec<(String, String)>, TaskError> {
        let rows = self.rows("SELECT User, Host FROM mysql.user;")?;
        let pair = |row: Vec<String>| {
            let [user, host] = <[String; 2]>::try_from(row).map_err(|row| nonsense(&row))?;
            Ok((user, host))
        };
        rows.into_iter().map(pair).collect()
    }

    /// The name of the client program, for errors.
    pub(super) fn client_name(&self) -> &'static str {
        installed(CLIENT)
    }
}

/// A user, or a role, in a statement.
pub(super) fn account(user: &str, host: &str) -> String {
    let quoted = if user.is_empty() { "''".to_owned() } else { name(user) };
    if host.is_empty() { quoted } else { format!("{quoted}@{}", name(host)) }
}

/// A name as it stands where the server would otherwise read `_` and `%` as wildcards.
pub(super) fn pattern(database: &str) -> String {
    database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// Reads `GRANT privileges ON [kind] database.thing TO …` of what is in this database.
fn parse(line: &str, database: &str, user: &str, host: &str) -> Option<Grant> {
    let rest = line.strip_prefix("GRANT ")?;
    for of in [database.to_owned(), pattern(database)] {
        for kind in ["", "TABLE", "FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY"] {
            let gap = if kind.is_empty() { "" } else { " " };
            let place = format!(" ON {kind}{gap}{}.", name(&of));
            let Some((privileges, thing)) = rest.split_once(&place) else { continue };
            let (thing, end) = thing.rsplit_once(" TO ")?;
            let on = match thing {
                "*" => None,
                quoted => {
                    let inner = quoted.strip_prefix('`')?.strip_suffix('`')?;
                    Some(inner.replace("``", "`"))
                }
            };
            return Some(Grant {
                user: user.to_owned(),
                host: host.to_owned(),
                privileges: privileges.to_owned(),
                kind: kind.to_owned(),
                on,
                may_grant: end.ends_with(" WITH GRANT OPTION"),
            });
        }
    }
    None
}

fn named(tables: &[String]) -> String {
    let shown = tables[..tables.len().min(NAMED_MAX)].join(", ");
    match tables.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => format!("the tables {shown} and {more} more"),
        _ => format!("the tables {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{named, parse, pattern};

    #[test]
    fn grants_on_the_database_are_read_and_no_others() {
        let read = |line: &str| parse(line, "my_db", "u", "localhost");
        let all = read(r"GRANT ALL PRIVILEGES ON `my\_db`.* TO `u`@`localhost` WITH GRANT OPTION");
        let all = all.expect("it is on the database");
        assert_eq!(
            (all.privileges.as_str(), all.on, all.may_grant),
            ("ALL PRIVILEGES", None, true)
        );
        let one = read("GRANT SELECT (`a`, `b``c`), INSERT ON `my_db`.`t``1` TO `u`@`localhost`");
        let one = one.expect("it is on a table");
        assert_eq!(one.privileges, "SELECT (`a`, `b``c`), INSERT");
        assert_eq!((one.on.as_deref(), one.may_grant), (Some("t`1"), false));
        let run = read("GRANT EXECUTE ON FUNCTION `my_db`.`f` TO `u`@`localhost`").expect("it is");
        assert_eq!((run.kind.as_str(), run.on.as_deref()), ("FUNCTION", Some("f")));
        for other in [
            "GRANT USAGE ON *.* TO `u`@`localhost` IDENTIFIED BY PASSWORD '*94BD'",
            "GRANT SELECT ON `mydb`.* TO `u`@`localhost`",
            "GRANT SELECT ON `my_db2`.* TO `u`@`localhost`",
            "GRANT `role` TO `u`@`localhost`",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn wildcards_in_a_name_are_escaped() {
        assert_eq!(pattern(r"a_b%c\d"), r"a\_b\%c\\d");
    }

    #[test]
    fn a_long_list_of_tables_is_cut() {
        let tables: Vec<_> = (0..12).map(|n| format!("t{n}")).collect();
        assert_eq!(named(&tables[..2]), "the tables t0, t1");
        assert!(named(&tables).ends_with("t9 and 2 more"));
    }
}

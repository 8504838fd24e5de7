//! Loading a dump: into a scratch database, which then takes the name.

use std::io::Read;

use super::{
    super::{
        super::{TaskError, process::Program},
        Answer, Load, REPLACED, SCRATCH, beside,
        head::{self, Head},
        in_the_way, pipeline,
        pipeline::{Guard, Stage},
    },
    CLIENT, Client,
    dump::LAST_WORDS,
    name, restrict, text,
};

/// How often the swap is tried while others connect.
const SWAPS: u32 = 5;

/// The settings whose value is a list of names, which is stored as it is written.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

impl Client<'_> {
    /// Loads a dump.
    pub(in super::super) fn load(
        &self,
        load: &Load<'_>,
        input: &mut (dyn Read + Send),
    ) -> Result<Answer, TaskError> {
        self.whom.not_root()?;
        let exists = self.has(load.database)?;
        if exists && !load.replace {
            return Err(in_the_way(load.database));
        }
        let at = Self::maintenance(load.database);
        let [scratch, replaced] = [SCRATCH, REPLACED].map(|prefix| beside(prefix, load.database));
        let mut drops = format!("DROP DATABASE IF EXISTS {} WITH (FORCE);\n", name(&scratch));
        if exists {
            // Of a load that ended between the swap and this.
            drops += &format!("DROP DATABASE IF EXISTS {} WITH (FORCE);\n", name(&replaced));
        }
        self.ask(at, &drops)?;
        let done = self.fill(load, at, &scratch, input).and_then(|warnings| {
            self.swap(load.database, at, &scratch, exists.then_some(replaced.as_str()))?;
            Ok(Answer::Loaded { created: !exists, warnings })
        });
        let left = if done.is_ok() { &replaced } else { &scratch };
        let drop_it = format!("DROP DATABASE IF EXISTS {} WITH (FORCE);", name(left));
        if let Err(error) = self.insist(at, &drop_it) {
            tracing::warn!(%error, database = left, "a database stays until the next load");
        }
        self.remove_stand_ins(at);
        done
    }

    /// Makes the scratch database and reads the dump into it; warnings.
    fn fill(
        &self,
        load: &Load<'_>,
        at: &str,
        scratch: &str,
        input: &mut (dyn Read + Send),
    ) -> Result<Vec<String>, TaskError> {
        let prepare = |head: Option<Head>| {
            let head = match head {
                Some(Head::Postgresql(head)) => Some(head),
                None => None,
                Some(Head::Mysql(_)) => {
                    let what = "the dump is of MySQL or MariaDB, and the server is not".to_owned();
                    return Err(TaskError::Invalid { what });
                }
            };
            let missing = match &head {
                Some(head) => self.missing_roles(at, head)?,
                None => Vec::new(),
            };
            if !missing.is_empty() {
                self.stand_in(at, &missing)?;
            }
            let warnings = self.create(at, scratch, head.as_ref())?;
            let guard = match self.knows_restrict().then(restrict::key).transpose() {
                Ok(key) => key.map_or(Guard::None, Guard::Restricted),
                Err(source) => {
                    return Err(TaskError::Io { what: "make a random key".to_owned(), source });
                }
            };
            let stage = Stage {
                name: CLIENT,
                program: self.client(scratch),
                last_words: LAST_WORDS,
                guard,
            };
            Ok(((head, missing, warnings), stage))
        };
        let (head, missing, mut warnings) = pipeline::load(self.talk, load.format, input, prepare)?;
        match &head {
            Some(head) => self.ask(at, &database_settings(scratch, head)).map(|_| ())?,
            None => warnings.push(format!(
                "the dump of {:?} does not say who owned it and with which settings",
                load.dumped_from
            )),
        }
        self.take_over(scratch, &missing)?;
        warnings.extend(missing.iter().map(|role| {
            let database = load.database;
            format!(
                "the role {role} does not exist here: what it owned in {database:?} belongs to \
                     the user that loaded it, and its rights are gone"
            )
        }));
        Ok(warnings)
    }

    /// Makes the database with its locale; with the server's where that is not installed.
    fn create(
        &self,
        at: &str,
        scratch: &str,
        head: Option<&head::Postgresql>,
    ) -> Result<Vec<String>, TaskError> {
        let begin = format!("CREATE DATABASE {} TEMPLATE template0", name(scratch));
        let Some(head) = head else {
            return self.ask(at, &(begin + ";")).map(|_| Vec::new());
        };
        let mut locale =
            format!(" LC_COLLATE{} LC_CTYPE{}", text(&head.collate), text(&head.ctype));
        if head.provider.as_deref() == Some("i")
            && let Some(icu) = &head.icu
        {
            locale += &format!(" LOCALE_PROVIDER icu ICU_LOCALE{}", text(icu));
        }
        let end = format!(" ENCODING{} OWNER {};", text(&head.encoding), name(&head.owner));
        match self.ask(at, &format!("{begin}{locale}{end}")) {
            Ok(_) => Ok(Vec::new()),
            Err(TaskError::Failed { said, .. }) if said.contains("locale") => {
                self.ask(at, &format!("{begin}{end}"))?;
                Ok(vec![format!(
                    "the locale {:?} is not installed here, the server's is used: texts may sort \
                     otherwise",
                    head.collate
                )])
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `psql` is one that can be told to take no commands of its own.
    fn knows_restrict(&self) -> bool {
        let help = self.talk.ask(CLIENT, Program::new(CLIENT).arg("--help=commands"), "");
        help.is_ok_and(|help| help.contains("\\restrict "))
    }

    /// Gives the scratch database its name, the one that had it another, in one transaction.
    fn swap(
        &self,
        database: &str,
        at: &str,
        scratch: &str,
        replaced: Option<&str>,
    ) -> Result<(), TaskError> {
        let mut sql = String::new();
        if let Some(replaced) = replaced {
            sql += &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {};\n\
                 BEGIN; ALTER DATABASE {} RENAME TO {};\n",
                text(database),
                name(database),
                name(replaced)
            );
        } else {
            sql += "BEGIN;\n";
        }
        sql += &format!("ALTER DATABASE {} RENAME TO {}; COMMIT;\n", name(scratch), name(database));
        let mut tries = 1;
        loop {
            // The server itself waits five seconds for connections to end.
            match self.ask(at, &sql) {
                Ok(_) => return Ok(()),
                Err(TaskError::Failed { said, .. })
                    if tries < SWAPS && said.contains("being accessed by other users") =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The statements for what `pg_dump` leaves out.
fn database_settings(scratch: &str, head: &head::Postgresql) -> String {
    let it = name(scratch);
    let mut sql = String::new();
    if let Some(comment) = &head.comment {
        sql += &format!("COMMENT ON DATABASE {it} IS{};\n", text(comment));
    }
    if head.limit != -1 {
        sql += &format!("ALTER DATABASE {it} CONNECTION LIMIT {};\n", head.limit);
    }
    for setting in head.settings.iter().flatten() {
        let Some((key, value)) = setting.split_once('=') else { continue };
        let value = if LISTS.contains(&key) { format!(" {value}") } else { text(value) };
        sql += &format!("ALTER DATABASE {it} SET {} TO{value};\n", setting_name(key));
    }
    let Some(acl) = &head.acl else { return sql };
    sql += &format!("REVOKE ALL ON DATABASE {it} FROM PUBLIC;\n");
    sql += &format!("REVOKE ALL ON DATABASE {it} FROM {};\n", name(&head.owner));
    for privilege in acl {
        let to = privilege.to.as_ref().map_or("PUBLIC".to_owned(), |role| name(role));
        let end = if privilege.may_grant { " WITH GRANT OPTION" } else { "" };
        sql += &format!("GRANT {} ON DATABASE {it} TO {to}{end};\n", privilege.privilege);
    }
    sql
}

/// `work_mem` or `my.setting`.
fn setting_name(key: &str) -> String {
    key.split('.').map(name).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::{super::super::head, database_settings};

    #[test]
    fn settings_of_a_database_are_statements() {
        let head = head::Postgresql {
            owner: "o'x".to_owned(),
            limit: 5,
            settings: Some(vec![
                "search_path=\"$user\", public".to_owned(),
                "my.word=it's; x".to_owned(),
            ]),
            acl: Some(vec![head::Privilege {
                to: None,
                privilege: "CONNECT".to_owned(),
                may_grant: false,
            }]),
            ..head::Postgresql::default()
        };
        let expected = "\
            ALTER DATABASE \"s\" CONNECTION LIMIT 5;\n\
            ALTER DATABASE \"s\" SET \"search_path\" TO \"$user\", public;\n\
            ALTER DATABASE \"s\" SET \"my\".\"word\" TO E'it''s; x';\n\
            REVOKE ALL ON DATABASE \"s\" FROM PUBLIC;\n\
            REVOKE ALL ON DATABASE \"s\" FROM \"o'x\";\n\
            GRANT CONNECT ON DATABASE \"s\" TO PUBLIC;\n";
        assert_eq!(database_settings("s", &head), expected);
    }
}

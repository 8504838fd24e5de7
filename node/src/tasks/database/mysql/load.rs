//! Loading a dump: into a scratch database, and from there to its place ([`super::place`]).

use std::{collections::BTreeSet, io::Read};

use super::{
    super::{
        super::TaskError,
        Answer, Load, SCRATCH, beside,
        connect::installed,
        head,
        head::Head,
        in_the_way, pipeline,
        pipeline::{Guard, Stage},
    },
    Client, DUMPER, PACKET_BYTES_MAX,
    dump::{LAST_WORDS, account, pattern},
    here, name, text,
};

/// How many names of things are given to a program at once.
const NAMES_AT_ONCE: usize = 500;

/// What is in the scratch database, and the statements that make again what cannot be moved.
pub(super) struct Loaded {
    pub(super) tables: Vec<String>,
    pub(super) triggers: Vec<String>,
    pub(super) definitions: String,
}

impl Client<'_> {
    /// Loads a dump.
    pub(in super::super) fn load(
        &self,
        load: &Load<'_>,
        input: &mut (dyn Read + Send),
    ) -> Result<Answer, TaskError> {
        let exists = self.has(load.database)?;
        if exists && !load.replace {
            return Err(in_the_way(load.database));
        }
        self.nothing_aside(load.database)?;
        let scratch = beside(SCRATCH, load.database);
        let loaded = self.with_large_packets(|| self.fill(load, &scratch, input));
        let prepared = loaded.and_then(|head| Ok((head, self.look(&scratch)?)));
        let (head, loaded) = match prepared {
            Ok(prepared) => prepared,
            Err(why) => {
                // Nothing but the scratch database was touched.
                self.drop_scratch(&scratch);
                return Err(why);
            }
        };
        self.put_in_place(load.database, exists, &scratch, &loaded)?;
        let mut warnings = self.grant(load, head.as_ref())?;
        warnings.extend(self.definers(load.database)?);
        Ok(Answer::Loaded { created: !exists, warnings })
    }

    /// Makes the scratch database and reads the dump into it.
    fn fill(
        &self,
        load: &Load<'_>,
        scratch: &str,
        input: &mut (dyn Read + Send),
    ) -> Result<Option<head::Mysql>, TaskError> {
        let prepare = |head: Option<Head>| {
            let head = match head {
                Some(Head::Mysql(head)) => Some(head),
                None => None,
                Some(Head::Postgresql(_)) => {
                    let what = "the dump is of PostgreSQL, and the server is not".to_owned();
                    return Err(TaskError::Invalid { what });
                }
            };
            let charset = head.as_ref().map_or_else(String::new, |head| {
                format!(" CHARACTER SET {} COLLATE {}", name(&head.charset), name(&head.collation))
            });
            let scratch = name(scratch);
            self.rows(&format!(
                "DROP DATABASE IF EXISTS {scratch}; CREATE DATABASE {scratch}{charset};"
            ))?;
            Ok((head, self.reader(scratch.trim_matches('`'))))
        };
        pipeline::load(self.talk, load.format, input, prepare)
    }

    /// The client that reads a dump into a database.
    fn reader(&self, database: &str) -> Stage {
        let program = self.client().arg(format!("--database={database}"));
        Stage { name: self.client_name(), program, last_words: LAST_WORDS, guard: Guard::Here }
    }

    /// Lets the server take the longest statements while `act` connects. That is a setting of the
    /// server and not of a connection, so it is set back; whoever may not set it goes on without.
    fn with_large_packets<T>(
        &self,
        act: impl FnOnce() -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        let was = self.column("SELECT @@GLOBAL.max_allowed_packet;")?.into_iter().next();
        let was = was.and_then(|was| was.parse::<u64>().ok()).unwrap_or(PACKET_BYTES_MAX);
        let set = |bytes: u64| self.insist(&format!("SET GLOBAL max_allowed_packet = {bytes};"));
        let is_raised = was < PACKET_BYTES_MAX && set(PACKET_BYTES_MAX).is_ok();
        let done = act();
        if is_raised && let Err(error) = set(was) {
            tracing::warn!(%error, "max_allowed_packet of the server stays raised");
        }
        done
    }

    /// What the scratch database has.
    pub(super) fn look(&self, scratch: &str) -> Result<Loaded, TaskError> {
        let of = |what: &str, of: &str| {
            self.column(&format!(
                "SELECT {what}_NAME FROM information_schema.{what}S WHERE {what}_SCHEMA = {}{of} \
                 ORDER BY 1;",
                text(scratch)
            ))
        };
        let tables = of("TABLE", " AND TABLE_TYPE <> 'VIEW'")?;
        let views = of("TABLE", " AND TABLE_TYPE = 'VIEW'")?;
        let triggers = of("TRIGGER", "")?;
        let bare = ["--no-data", "--no-create-info", "--triggers", "--", scratch];
        let mut definitions = self.definitions(&bare, &[])?;
        // Views last: what they call has to be there.
        let bare =
            ["--no-data", "--skip-triggers", "--skip-routines", "--skip-events", "--", scratch];
        for views in views.chunks(NAMES_AT_ONCE) {
            definitions.push_str(&self.definitions(&bare, views)?);
        }
        Ok(Loaded { tables, triggers, definitions })
    }

    fn definitions(&self, options: &[&str], names: &[String]) -> Result<String, TaskError> {
        let dumper = installed(DUMPER);
        let said = self.talk.ask(dumper, self.dumper().args(options).args(names), "")?;
        if said.trim_end().ends_with(LAST_WORDS) {
            // Around what has another character set stands the name of the scratch database.
            return here::all(&said).map_err(TaskError::Data);
        }
        let why = "the definitions break off".to_owned();
        Err(TaskError::Nonsense { program: dumper.to_owned(), why })
    }

    pub(super) fn drop_scratch(&self, scratch: &str) {
        let sql = format!("SET foreign_key_checks = 0; DROP DATABASE IF EXISTS {};", name(scratch));
        if let Err(error) = self.insist(&sql) {
            tracing::warn!(%error, scratch, "a scratch database stays until the next load");
        }
    }

    /// Grants what the dump says to those who exist; a warning for each of the others.
    fn grant(&self, load: &Load<'_>, head: Option<&head::Mysql>) -> Result<Vec<String>, TaskError> {
        let Some(head) = head else {
            let from = load.dumped_from;
            return Ok(vec![format!("the dump of {from:?} does not say who had which rights")]);
        };
        if head.grants.is_empty() {
            return Ok(Vec::new());
        }
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(TaskError::Failed { said, .. }) => {
                return Ok(vec![format!("rights are not put back, users may not be read: {said}")]);
            }
            Err(error) => return Err(error),
        };
        let mut warnings = BTreeSet::new();
        for grant in &head.grants {
            if !accounts.iter().any(|(user, host)| *user == grant.user && *host == grant.host) {
                warnings.insert(format!(
                    "{}@{} does not exist here, and gets no rights on {:?}",
                    grant.user, grant.host, load.database
                ));
                continue;
            }
            if let Err(error) = self.insist(&statement(grant, load.database)) {
                warnings.insert(format!(
                    "{}@{} did not get {} on {:?}: {error}",
                    grant.user, grant.host, grant.privileges, load.database
                ));
            }
        }
        Ok(warnings.into_iter().collect())
    }

    /// Warns of what runs as somebody who does not exist, and so will not run.
    fn definers(&self, database: &str) -> Result<Vec<String>, TaskError> {
        let of = |what: &str| {
            format!(
                "SELECT DEFINER FROM information_schema.{what}S WHERE {what}_SCHEMA = {} AND \
                 DEFINER <> ''",
                text(database)
            )
        };
        let views = of("VIEW").replace("VIEW_SCHEMA", "TABLE_SCHEMA");
        let sql = format!(
            "{views} UNION {} UNION {} UNION {} ORDER BY 1;",
            of("ROUTINE"),
            of("TRIGGER"),
            of("EVENT")
        );
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(TaskError::Failed { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let known = |definer: &String| {
            accounts.iter().any(|(user, host)| {
                *definer == format!("{user}@{host}") || (host.is_empty() && definer == user)
            })
        };
        let missing = self.column(&sql)?.into_iter().filter(|definer| !known(definer));
        Ok(missing
            .map(|definer| {
                format!(
                    "{definer} does not exist here: what is defined by it in {database:?} does not \
                     work until it does"
                )
            })
            .collect())
    }
}

fn statement(grant: &head::Grant, database: &str) -> String {
    let place = match &grant.on {
        None => format!("{}.*", name(&pattern(database))),
        Some(thing) => format!("{} {}.{}", grant.kind, name(database), name(thing)),
    };
    let end = if grant.may_grant { " WITH GRANT OPTION" } else { "" };
    let who = account(&grant.user, &grant.host);
    format!("GRANT {} ON {place} TO {who}{end};", grant.privileges)
}

//! Giving a loaded scratch database the place of another.
//!
//! A database cannot get another name, so its tables move, and what cannot be moved is made again
//! from its definitions. What was there is *set aside* in the same way, and dropped when all that is
//! new is in place; where something of that fails, it is put back. It is somewhere at every moment:
//! where putting it back fails as well, the error says in which database it is, and no further load
//! touches that.
//!
//! Limits: a database whose tables are referred to by foreign keys of others is dropped rather than
//! set aside, since those keys would go with it; where the swap then fails, the loaded tables stay.

use super::{
    super::{super::TaskError, REPLACED, beside, in_the_way},
    Client,
    load::Loaded,
    name, text,
};

/// What the server says when a database exists.
const EXISTS: &str = "ERROR 1007";

/// Why nothing is in place, and what there is instead.
enum Left {
    /// What was there before.
    Old(TaskError),
    /// What was loaded, in part in the scratch database.
    Loaded(TaskError),
}

impl From<TaskError> for Left {
    fn from(why: TaskError) -> Self {
        Self::Old(why)
    }
}

/// What has been set aside.
struct Aside {
    /// The database that it is in.
    at: String,
    charset: (String, String),
    had: Loaded,
}

impl Client<'_> {
    /// Whether the server has a database, and may be its own: as the server compares names.
    pub(super) fn has(&self, database: &str) -> Result<bool, TaskError> {
        let name = text(database);
        let count = self.column(&format!(
            "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE IF(@@lower_case_table_names = 0, \
             CAST(SCHEMA_NAME AS BINARY) = CAST({name} AS BINARY), LOWER(SCHEMA_NAME) = \
             LOWER({name}));"
        ))?;
        Ok(count != ["0"])
    }

    /// Refuses where what a database had before a restore that failed would be lost by another.
    pub(super) fn nothing_aside(&self, database: &str) -> Result<(), TaskError> {
        let aside = beside(REPLACED, database);
        if !self.has(&aside)? {
            return Ok(());
        }
        Err(TaskError::Conflict {
            what: format!(
                "the database {aside:?} has what {database:?} was before a restore that did not \
                 end well: move its tables back or drop it, then try again"
            ),
        })
    }

    /// Moves what is loaded into the place. From here on it is not stopped by the caller.
    pub(super) fn put_in_place(
        &self,
        database: &str,
        exists: bool,
        scratch: &str,
        loaded: &Loaded,
    ) -> Result<(), TaskError> {
        let done = if exists {
            self.replace(database, scratch, loaded)
        } else {
            self.appear(database, scratch, loaded)
        };
        match done {
            Err(Left::Loaded(why)) => Err(TaskError::Conflict {
                what: format!(
                    "the dump was loaded, but {database:?} is not complete: {why}; what of it is \
                     not there is in the database {scratch:?}"
                ),
            }),
            Err(Left::Old(why)) => {
                self.drop_scratch(scratch);
                Err(why)
            }
            Ok(()) => {
                self.drop_scratch(scratch);
                Ok(())
            }
        }
    }

    /// Where nothing was. A database that somebody made meanwhile stays.
    fn appear(&self, database: &str, scratch: &str, loaded: &Loaded) -> Result<(), Left> {
        let charset = self.charset(scratch)?;
        self.make(database, &charset).map_err(|why| match why {
            TaskError::Failed { said, .. } if said.contains(EXISTS) => in_the_way(database),
            why => why,
        })?;
        self.move_into(scratch, database, loaded).map_err(Left::Loaded)
    }

    fn replace(&self, database: &str, scratch: &str, loaded: &Loaded) -> Result<(), Left> {
        let charset = self.charset(scratch)?;
        let place = || {
            self.make(database, &charset)?;
            self.move_into(scratch, database, loaded)
        };
        if self.is_referred_to(database)? {
            let drop_it = format!("SET foreign_key_checks = 0; DROP DATABASE {};", name(database));
            self.insist(&drop_it)?;
            return place().map_err(Left::Loaded);
        }
        let aside = self.set_aside(database)?;
        if let Err(why) = place() {
            return Err(Left::Old(self.put_back(database, &aside, &why)));
        }
        self.drop_scratch(&aside.at);
        Ok(())
    }

    /// Makes an empty database, which must not be there.
    fn make(
        &self,
        database: &str,
        (charset, collation): &(String, String),
    ) -> Result<(), TaskError> {
        let (it, charset, collation) = (name(database), name(charset), name(collation));
        self.insist(&format!("CREATE DATABASE {it} CHARACTER SET {charset} COLLATE {collation};"))
    }

    /// Moves the tables, and makes again what cannot be moved.
    fn move_into(&self, from: &str, to: &str, what: &Loaded) -> Result<(), TaskError> {
        self.insist(&(moves(from, to, what) + &remakes(to, what)))
    }

    /// Moves what a database has out of the way, which is then gone.
    fn set_aside(&self, database: &str) -> Result<Aside, TaskError> {
        let aside = Aside {
            at: beside(REPLACED, database),
            charset: self.charset(database)?,
            had: self.look(database).or_else(|why| {
                // A view that lost its table cannot be dumped. That is why one restores.
                tracing::warn!(%why, database, "its views and routines cannot be set aside");
                let [tables, triggers] = self.tables_and_triggers(database)?;
                Ok::<_, TaskError>(Loaded { tables, triggers, definitions: String::new() })
            })?,
        };
        let stays = |why: TaskError, and: String| TaskError::Conflict {
            what: format!(
                "the dump was loaded, but what {database:?} has cannot be set aside: {why}{and}"
            ),
        };
        self.make(&aside.at, &aside.charset).map_err(|why| stays(why, String::new()))?;
        if let Err(why) = self.insist(&moves(database, &aside.at, &aside.had)) {
            // Its tables move all or none. Its triggers may be gone.
            let triggers = self.insist(&remakes(database, &aside.had));
            let _ = self.insist(&format!("DROP DATABASE {};", name(&aside.at)));
            let and = triggers.err().map(|why| format!("; some triggers are lost: {why}"));
            return Err(stays(why, and.unwrap_or_default()));
        }
        if let Err(why) = self.insist(&remakes(&aside.at, &aside.had)) {
            tracing::warn!(%why, database, "its views and routines are not set aside");
        }
        match self.insist(&format!("DROP DATABASE {};", name(database))) {
            Ok(()) => Ok(aside),
            Err(why) => Err(self.put_back(database, &aside, &why)),
        }
    }

    /// Puts back what was set aside; the error for that it had to.
    fn put_back(&self, database: &str, aside: &Aside, why: &TaskError) -> TaskError {
        let (it, at) = (name(database), name(&aside.at));
        let dropped =
            self.insist(&format!("SET foreign_key_checks = 0; DROP DATABASE IF EXISTS {it};"));
        let back = dropped
            .and_then(|()| self.make(database, &aside.charset))
            .and_then(|()| self.insist(&moves(&aside.at, database, &aside.had)))
            .and_then(|()| self.insist(&remakes(database, &aside.had)))
            .and_then(|()| self.insist(&format!("DROP DATABASE {at};")));
        match back {
            Ok(()) => TaskError::Conflict {
                what: format!(
                    "the dump was loaded, but cannot take the place of {database:?}, which is as \
                     it was: {why}"
                ),
            },
            Err(and) => TaskError::Conflict {
                what: format!(
                    "the dump was loaded, but cannot take the place of {database:?}: {why}; what \
                     was there is in the database {:?}, since it cannot be put back: {and}",
                    aside.at
                ),
            },
        }
    }

    /// Whether tables of other databases refer to it.
    fn is_referred_to(&self, database: &str) -> Result<bool, TaskError> {
        let name = text(database);
        let count = self.column(&format!(
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
             UNIQUE_CONSTRAINT_SCHEMA = {name} AND CONSTRAINT_SCHEMA <> {name};"
        ))?;
        Ok(count != ["0"])
    }

    fn tables_and_triggers(&self, database: &str) -> Result<[Vec<String>; 2], TaskError> {
        let it = text(database);
        let tables = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {it} AND \
             TABLE_TYPE <> 'VIEW';"
        );
        let triggers = format!(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {it};"
        );
        Ok([self.column(&tables)?, self.column(&triggers)?])
    }
}

/// The statements that move tables, which triggers do not let go.
fn moves(from: &str, to: &str, what: &Loaded) -> String {
    let (from, to) = (name(from), name(to));
    let mut sql = String::from("SET foreign_key_checks = 0;\n");
    for trigger in &what.triggers {
        sql += &format!("DROP TRIGGER IF EXISTS {from}.{};\n", name(trigger));
    }
    if !what.tables.is_empty() {
        let moves = what.tables.iter().map(|table| format!("{from}.{0} TO {to}.{0}", name(table)));
        sql += &format!("RENAME TABLE {};\n", moves.collect::<Vec<_>>().join(", "));
    }
    sql
}

/// The statements that make the rest.
fn remakes(at: &str, what: &Loaded) -> String {
    format!("SET foreign_key_checks = 0;\nUSE {};\n{}", name(at), what.definitions)
}

//! The line before a dump: for SQL a comment, for us what the dump programs leave out.
//!
//! `-- backupmanager dump 1: {JSON}`. Whoever loads a dump with the client program alone loses
//! nothing but that.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read},
};

use serde::{Deserialize, Serialize};

use super::super::TaskError;

/// What the line begins with.
const BEGINNING: &str = "-- backupmanager dump 1: ";

/// The longest line, bytes: grants on ten thousand tables.
const HEAD_BYTES_MAX: u64 = 8 << 20;

/// What is said about the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Head {
    Mysql(Mysql),
    Postgresql(Postgresql),
}

/// A database of `MySQL` or MariaDB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mysql {
    pub(super) database: String,
    pub(super) charset: String,
    pub(super) collation: String,
    #[serde(default)]
    pub(super) grants: Vec<Grant>,
}

/// What one user may do with one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) user: String,
    pub(super) host: String,
    /// As they are written in a `GRANT`.
    pub(super) privileges: String,
    /// Nothing, or `FUNCTION` and the like.
    pub(super) kind: String,
    /// A table or routine; the whole database without one.
    pub(super) on: Option<String>,
    pub(super) may_grant: bool,
}

/// A database of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Postgresql {
    pub(super) database: String,
    pub(super) owner: String,
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    /// `c` or `i`, where the server knows several.
    pub(super) provider: Option<String>,
    pub(super) icu: Option<String>,
    pub(super) limit: i64,
    pub(super) comment: Option<String>,
    /// `name=value`.
    pub(super) settings: Option<Vec<String>>,
    /// None when nothing was ever granted or revoked.
    pub(super) acl: Option<Vec<Privilege>>,
    /// Every role that the dump names.
    pub(super) roles: Option<Vec<String>>,
    /// What else the server says, for those who read dumps.
    #[serde(flatten)]
    pub(super) more: BTreeMap<String, serde_json::Value>,
}

/// What a role may do with the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Privilege {
    /// Everybody without one.
    pub(super) to: Option<String>,
    pub(super) privilege: String,
    pub(super) may_grant: bool,
}

impl Head {
    /// The line with its break.
    pub(super) fn line(&self) -> Result<String, TaskError> {
        let json = serde_json::to_string(self).map_err(|error| TaskError::Data(error.into()))?;
        Ok(format!("{BEGINNING}{json}\n"))
    }

    /// Reads it from the beginning of a dump; none where the dump was made by somebody else. What
    /// is read beside it is given back.
    pub(super) fn read(dump: &mut dyn BufRead) -> Result<(Option<Self>, Vec<u8>), TaskError> {
        let mut first = Vec::new();
        let mut limited = (&mut *dump).take(BEGINNING.len() as u64);
        limited.read_to_end(&mut first).map_err(TaskError::Data)?;
        if first != BEGINNING.as_bytes() {
            return Ok((None, first));
        }
        let mut json = Vec::new();
        dump.take(HEAD_BYTES_MAX).read_until(b'\n', &mut json).map_err(TaskError::Data)?;
        let head = serde_json::from_slice(&json)
            .map_err(|error| TaskError::Data(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Ok((Some(head), Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Head, Mysql, Postgresql};

    #[test]
    fn a_head_is_one_line_that_reads_back() {
        let database = "a'b\n`c` \\ é 🦀".to_owned();
        for head in [
            Head::Mysql(Mysql { database: database.clone(), ..Mysql::default() }),
            Head::Postgresql(Postgresql { database, ..Postgresql::default() }),
        ] {
            let line = head.line().expect("written");
            assert_eq!(line.matches('\n').count(), 1);
            let dump = format!("{line}SELECT 1;\n");
            let mut rest = dump.as_bytes();
            assert_eq!(Head::read(&mut rest).expect("read"), (Some(head), Vec::new()));
            assert_eq!(rest, b"SELECT 1;\n");
        }
    }

    #[test]
    fn a_dump_without_a_head_loses_nothing() {
        for dump in ["", "--", "-- MySQL dump 10.13 and more", "-- backupmanager dump 2: {}"] {
            let mut rest = dump.as_bytes();
            let (head, first) = Head::read(&mut rest).expect("read");
            assert_eq!(head, None);
            assert_eq!([first.as_slice(), rest].concat(), dump.as_bytes());
        }
    }

    #[test]
    fn a_broken_head_is_an_error() {
        for dump in ["-- backupmanager dump 1: {\n", "-- backupmanager dump 1: "] {
            assert!(Head::read(&mut dump.as_bytes()).is_err(), "{dump}");
        }
    }
}

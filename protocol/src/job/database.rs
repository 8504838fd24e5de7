//! The job kinds that back up databases: `MySQL` or MariaDB, and PostgreSQL.
//!
//! No password is ever part of a job. A node reaches its server through the local socket, as the
//! user that the server knows by the operating system's word (root, `postgres`); where that is not
//! possible, the job names an option file, which the client programs read themselves and which only
//! its owner may read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use super::PATH_BYTES_MAX;
use super::{
    JobError,
    check::{absolute, count, refuse},
};

/// Most databases that a job may name.
pub const DATABASES_MAX: usize = 1_000;

/// The longest name of a database or a user, bytes: `MySQL`'s 64 characters of four bytes.
const NAME_BYTES_MAX: usize = 256;

/// Databases of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::some_or_all)
)]
#[serde(deny_unknown_fields)]
pub struct Databases {
    /// The database, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::DATABASE), length(max = NAME_BYTES_MAX)))]
    pub database: Option<String>,
    /// The databases, when they are several.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = DATABASES_MAX),
            inner(regex(pattern = crate::schema::DATABASE), length(max = NAME_BYTES_MAX))
        )
    )]
    pub databases: BTreeSet<String>,
    /// Every database that the server has when the run begins, its own excepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Of all, leave these out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = DATABASES_MAX),
            inner(regex(pattern = crate::schema::DATABASE), length(max = NAME_BYTES_MAX))
        )
    )]
    pub excludes: BTreeSet<String>,
    /// The user to connect as, where it is not the one that the operating system vouches for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::DATABASE), length(max = NAME_BYTES_MAX)))]
    pub user: Option<String>,
    /// The server's socket (for PostgreSQL the folder it is in), where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub socket: Option<String>,
    /// A server on another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::HOST)))]
    pub host: Option<String>,
    /// Its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A file with the password, in the server's own format (`my.cnf`, `.pgpass`), that nobody but
    /// its owner may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub options_file: Option<String>,
    /// Compress each dump by itself, as 004 did. Dumps in plain are what dedup works on.
    #[serde(default, skip_serializing_if = "DumpFormat::is_plain")]
    pub compress: DumpFormat,
}

/// How a dump lies in the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DumpFormat {
    /// As the dump program writes it: `NAME.sql`.
    #[default]
    None,
    /// `NAME.sql.gz`.
    Gzip,
    /// `NAME.sql.bz2`.
    Bzip2,
    /// `NAME.sql.zst`.
    Zstd,
}

impl DumpFormat {
    /// Whether dumps are kept as they come.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::None
    }

    /// What is added to a dump's file name.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
        }
    }
}

impl Databases {
    /// One database, reached in the usual way.
    #[must_use]
    pub fn one(database: impl Into<String>) -> Self {
        Self { database: Some(database.into()), ..Self::default() }
    }

    /// The databases that are named, each once.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&str> {
        self.database.iter().chain(&self.databases).map(String::as_str).collect()
    }

    pub(super) fn validate(&self) -> Result<(), JobError> {
        let named = self.named();
        count("databases", named.len(), DATABASES_MAX)?;
        count("excludes", self.excludes.len(), DATABASES_MAX)?;
        if self.all != named.is_empty() {
            let shown = named.first().copied().unwrap_or_default();
            return refuse("databases", shown, "name at least one, or ask for all, not both");
        }
        if !self.all && !self.excludes.is_empty() {
            let shown = self.excludes.first().map_or("", String::as_str);
            return refuse("excludes", shown, "makes sense only where all databases are asked for");
        }
        let names = named.iter().copied().chain(self.excludes.iter().map(String::as_str));
        for name in names.chain(self.user.as_deref()) {
            database_name(name)?;
        }
        for (what, path) in [("socket", &self.socket), ("options_file", &self.options_file)] {
            path.as_ref().map_or(Ok(()), |path| absolute(what, path))?;
        }
        if self.host.is_some() && self.socket.is_some() {
            return refuse("socket", "", "cannot be named beside a host");
        }
        match &self.host {
            Some(host) if !is_host(host) => refuse("host", host, "is no name of a machine"),
            _ => Ok(()),
        }
    }
}

/// Whatever servers allow, without what could lead out of a folder or be taken for an option.
fn database_name(name: &str) -> Result<(), JobError> {
    let why = if name.is_empty() || name.len() > NAME_BYTES_MAX {
        "is empty or too long"
    } else if name.contains('/') || name.chars().any(char::is_control) {
        "has a slash or a control character in it"
    } else if name.starts_with(['-', '.']) {
        "begins with a dash or a dot"
    } else {
        return Ok(());
    };
    refuse("databases", name, why)
}

fn is_host(host: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    (1..=255).contains(&host.len()) && host.chars().all(inner) && !host.starts_with('-')
}

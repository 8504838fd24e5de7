//! The job kinds that back up what `YunoHost` knows: one app, or parts of the system.

use serde::{Deserialize, Serialize};

use super::{
    JobError,
    check::{count, refuse},
};

/// Most parts that a job may name.
pub const PARTS_MAX: usize = 100;

/// The longest name of an app or a part, bytes.
const NAME_BYTES_MAX: usize = 80;

/// One app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct YnhApp {
    /// Its id: `nextcloud`, `wordpress__2`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::PART)))]
    pub app_id: String,
    /// Leave out what the app's packager calls data (`BACKUP_CORE_ONLY`).
    #[serde(default)]
    pub core_only: bool,
}

/// Parts of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct YnhSystem {
    /// Their names (`data_home`, `conf_ldap`); without any, all that there are.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = PARTS_MAX), inner(regex(pattern = crate::schema::PART))))]
    pub parts: Vec<String>,
}

impl YnhApp {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        word("app_id", &self.app_id)
    }
}

impl YnhSystem {
    pub(super) fn validate(&self) -> Result<(), JobError> {
        count("parts", self.parts.len(), PARTS_MAX)?;
        self.parts.iter().try_for_each(|part| word("parts", part))
    }
}

/// What `YunoHost` itself allows in the names of apps and hooks.
fn word(what: &'static str, name: &str) -> Result<(), JobError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
    {
        Ok(())
    } else {
        refuse(what, name, "is not a name that YunoHost gives")
    }
}

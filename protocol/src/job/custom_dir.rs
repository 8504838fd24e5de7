//! The job kind that backs up a directory: its configuration and the rules for each key.

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use super::PATH_BYTES_MAX;
use super::{
    JobError,
    check::{absolute, account, count, refuse, text},
};

/// Most exclude patterns of one job.
pub const EXCLUDES_MAX: usize = 1_000;

/// The longest exclude pattern, bytes.
pub const EXCLUDE_BYTES_MAX: usize = 1_024;

/// Most commands after a restore.
pub const RESTORE_COMMANDS_MAX: usize = 50;

/// The longest command after a restore, bytes.
pub const RESTORE_COMMAND_BYTES_MAX: usize = 4_096;

/// A directory (or a single file) and what is left out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomDir {
    /// Absolute path of what is backed up.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub source_path: String,
    /// Patterns as in a .gitignore, relative to `source_path`: `cache/`, `*.tmp`, `!keep.tmp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = EXCLUDES_MAX),
            inner(regex(pattern = crate::schema::TEXT), length(max = EXCLUDE_BYTES_MAX))
        )
    )]
    pub excludes: Vec<String>,
    /// What a restore does besides putting the files back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreBlock>,
}

/// What a restore does besides putting the files back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RestoreBlock {
    /// A user that is made when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_user: Option<SystemUser>,
    /// A unit that is installed and started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd_service: Option<SystemdService>,
    /// Owner and mode of the restored directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Commands that run last, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = RESTORE_COMMANDS_MAX),
            inner(regex(pattern = crate::schema::TEXT), length(max = RESTORE_COMMAND_BYTES_MAX))
        )
    )]
    pub post_restore_commands: Vec<String>,
    /// Ports to open in YunoHost's firewall.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = FIREWALL_PORTS_MAX)))]
    pub firewall_ports: Vec<FirewallPort>,
}

/// A port that the restored service needs open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FirewallPort {
    /// Its number.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// Over what.
    #[serde(default)]
    pub protocol: PortProtocol,
}

/// What a port is open for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortProtocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// Both.
    Both,
}

/// Most ports of a restore block.
pub const FIREWALL_PORTS_MAX: usize = 100;

/// A user of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SystemUser {
    /// Login name.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ACCOUNT)))]
    pub name: String,
    /// Home directory.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub home: String,
    /// Login shell.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub shell: String,
}

/// A systemd unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SystemdService {
    /// Name of the unit, with or without `.service`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::UNIT)))]
    pub name: String,
    /// Where its file lies among the restored ones.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::ABSOLUTE), length(max = PATH_BYTES_MAX)))]
    pub service_file: String,
}

/// Owner and mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// `user` or `user:group`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::OWNER)))]
    pub owner: String,
    /// Octal digits, as chmod takes them.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = crate::schema::OCTAL)))]
    pub mode: String,
}

impl CustomDir {
    /// A directory of which everything is backed up.
    #[must_use]
    pub fn new(source_path: impl Into<String>) -> Self {
        Self { source_path: source_path.into(), excludes: Vec::new(), restore: None }
    }

    pub(super) fn validate(&self) -> Result<(), JobError> {
        absolute("source_path", &self.source_path)?;
        count("excludes", self.excludes.len(), EXCLUDES_MAX)?;
        for pattern in &self.excludes {
            text("exclude pattern", pattern, EXCLUDE_BYTES_MAX)?;
        }
        self.restore.as_ref().map_or(Ok(()), RestoreBlock::validate)
    }
}

impl RestoreBlock {
    fn validate(&self) -> Result<(), JobError> {
        if let Some(user) = &self.system_user {
            account("system_user.name", &user.name)?;
            absolute("system_user.home", &user.home)?;
            absolute("system_user.shell", &user.shell)?;
        }
        if let Some(unit) = &self.systemd_service {
            unit_name(&unit.name)?;
            absolute("systemd_service.service_file", &unit.service_file)?;
        }
        if let Some(permissions) = &self.permissions {
            let (user, group) =
                permissions.owner.split_once(':').unwrap_or((&permissions.owner, "root"));
            account("permissions.owner", user)?;
            account("permissions.owner", group)?;
            octal(&permissions.mode)?;
        }
        count("firewall_ports", self.firewall_ports.len(), FIREWALL_PORTS_MAX)?;
        if self.firewall_ports.iter().any(|open| open.port == 0) {
            return refuse("firewall_ports", "0", "is no port");
        }
        count("post_restore_commands", self.post_restore_commands.len(), RESTORE_COMMANDS_MAX)?;
        self.post_restore_commands
            .iter()
            .try_for_each(|c| text("post_restore_commands", c, RESTORE_COMMAND_BYTES_MAX))
    }
}

fn unit_name(name: &str) -> Result<(), JobError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':');
    if (1..=200).contains(&name.len()) && name.chars().all(inner) && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        refuse("systemd_service.name", name, "is not the name of a unit")
    }
}

fn octal(mode: &str) -> Result<(), JobError> {
    let digits = mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if digits && matches!(mode.len(), 3 | 4) {
        Ok(())
    } else {
        refuse("permissions.mode", mode, "is not three or four octal digits")
    }
}

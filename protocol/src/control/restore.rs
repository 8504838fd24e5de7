//! Getting an archive back: as a plain tar, or its files where they were or elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ArchiveRef, Issues, NodeName, RawPath, RequestError, request::range};

/// A plain tar that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveExport {
    /// Which archive.
    pub archive: ArchiveRef,
    /// A file to write, or an existing directory, in which it is called `NAME.tar`. Absolute.
    pub to: RawPath,
    /// Replace a file that is there.
    pub overwrite: bool,
}

/// The plain tar is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Which archive.
    pub archive: String,
    /// The tar.
    pub tar: RawPath,
    /// The `.info.json` beside it.
    pub info: RawPath,
    /// Size of the tar.
    pub bytes: u64,
    /// SHA-256 of the tar in hex.
    pub sha256: String,
    /// Sealed bytes that came from other nodes.
    pub fetched_bytes: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// What happens to files that are there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Overwrite {
    /// Those that differ from the archive are replaced.
    #[default]
    Changed,
    /// All are written again.
    Always,
    /// None is touched.
    Never,
}

/// A part of what an archive can bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// An app of `YunoHost`.
    App,
    /// Parts of the `YunoHost` system.
    System,
    /// The account that a service runs as.
    SystemUser,
    /// Files, with owners, modes and attributes as archived.
    Files,
    /// The owner and mode that the restore block names.
    Permissions,
    /// Databases.
    Databases,
    /// The unit: installed, enabled, started.
    SystemdService,
    /// Open ports.
    Firewall,
    /// The commands that end a restore.
    Commands,
}

impl Component {
    /// All, in the order of a restore.
    pub const ALL: [Self; 9] = [
        Self::App,
        Self::System,
        Self::SystemUser,
        Self::Files,
        Self::Permissions,
        Self::Databases,
        Self::SystemdService,
        Self::Firewall,
        Self::Commands,
    ];

    /// As it is written in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::System => "system",
            Self::SystemUser => "system_user",
            Self::Files => "files",
            Self::Permissions => "permissions",
            Self::Databases => "databases",
            Self::SystemdService => "systemd_service",
            Self::Firewall => "firewall",
            Self::Commands => "commands",
        }
    }
}

/// What to put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRestore {
    /// Which archive.
    pub archive: ArchiveRef,
    /// Members that match one of them; all without any.
    pub patterns: Vec<String>,
    /// The folder to restore under; none for the place they came from. Absolute. Under a folder,
    /// only files are restored: dumps as files too.
    pub to: Option<RawPath>,
    /// Only say what would be done.
    pub plan: bool,
    /// What happens to files that are there already.
    pub overwrite: Overwrite,
    /// These components only; without any, all that the archive has.
    #[serde(default)]
    pub components: BTreeSet<Component>,
    /// Load a dump into a database of another name.
    #[serde(default)]
    pub rename_databases: BTreeMap<String, String>,
    /// Do not make a safety archive of what is there first.
    #[serde(default)]
    pub no_safety: bool,
    /// An administrator says that this archive of another node is not hostile.
    #[serde(default)]
    pub trust: bool,
    /// An administrator has seen the commands of the archive, and lets them run.
    #[serde(default)]
    pub confirm_commands: bool,
    /// The [`RestorePlan::consent`] of the plan that was looked at: the restore is refused when the
    /// archive brings anything else by now. Without it, whatever the archive brings is restored.
    #[serde(default)]
    pub consent: Option<String>,
    /// Answer when it has ended, with its progress as events, instead of when it has begun.
    #[serde(default = "yes")]
    pub wait: bool,
}

fn yes() -> bool {
    true
}

/// Most databases that a restore may rename.
pub const RENAMED_MAX: usize = 1_000;

/// Length of a consent: a hash of 32 bytes in hex.
pub const CONSENT_CHARS: usize = 64;

impl ArchiveRestore {
    /// Everything of an archive, to where it came from.
    #[must_use]
    pub fn all(archive: ArchiveRef) -> Self {
        Self {
            archive,
            patterns: Vec::new(),
            to: None,
            plan: false,
            overwrite: Overwrite::default(),
            components: BTreeSet::new(),
            rename_databases: BTreeMap::new(),
            no_safety: false,
            trust: false,
            confirm_commands: false,
            consent: None,
            wait: true,
        }
    }

    pub(super) fn validate(&self) -> Result<(), RequestError> {
        let renamed = self.rename_databases.len() as u64;
        range("rename_databases", renamed, 0, RENAMED_MAX as u64)?;
        match &self.consent {
            Some(consent) if !Self::is_consent(consent) => Err(RequestError::Consent),
            _ => Ok(()),
        }
    }

    /// Whether a text can be the consent of a plan.
    #[must_use]
    pub fn is_consent(text: &str) -> bool {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == CONSENT_CHARS && text.bytes().all(is_digit)
    }
}

/// One step of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStep {
    /// What it belongs to; none for a step around them (fetching, the safety archive).
    pub component: Option<Component>,
    /// What is done, for people: `make the account hermes-agent`.
    pub what: String,
    /// More about it, one line each: the commands to run, what is replaced.
    pub detail: Vec<String>,
}

/// What a restore would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// Which archive.
    pub archive: String,
    /// Its origin.
    pub origin: NodeName,
    /// Whether it came from another node and nobody has said that it may be trusted.
    pub hostile: bool,
    /// What the archive can bring back.
    pub components: Vec<Component>,
    /// The folder it would restore under; `/` for in place.
    pub destination: RawPath,
    /// Members that would be restored.
    pub entries: u64,
    /// Their sizes.
    pub bytes: u64,
    /// Of them, not there now.
    pub creates: u64,
    /// Of them, there and to be replaced.
    pub replaces: u64,
    /// Of them, there and left alone.
    pub keeps: u64,
    /// Sealed bytes that are not here and would be fetched.
    pub fetch_bytes: u64,
    /// From whom.
    pub fetch_from: Vec<NodeName>,
    /// What would be done, in order.
    pub steps: Vec<RestoreStep>,
    /// What stands in the way: while there is any, nothing is begun.
    pub conflicts: Issues,
    /// What will not be as it was.
    pub concerns: Issues,
    /// Names what the archive brings and this plan would carry out, in hex. Whoever gives it back in
    /// [`ArchiveRestore::consent`] gets that, or a refusal.
    pub consent: String,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Done.
    Done,
    /// Done, with something to read.
    Warnings,
    /// There was nothing to do: it was so already.
    Unchanged,
    /// Not done.
    Failed,
    /// Not begun, because one before it failed.
    Skipped,
}

/// A step that was carried out, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which.
    pub step: RestoreStep,
    /// How it went.
    pub state: StepState,
    /// What there is to say about it.
    pub said: Vec<String>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Which archive.
    pub archive: String,
    /// The folder it restored under; `/` for in place.
    pub destination: RawPath,
    /// Members restored.
    pub entries: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// Members that were left alone because of what was there.
    pub kept: u64,
    /// Sealed bytes that came from other nodes.
    pub fetched_bytes: u64,
    /// Whether all was read again and compared.
    pub compared: bool,
    /// What differs from the archive after all.
    pub differs: Issues,
    /// What could not be set: owners without the rights for it, attributes of another file system.
    pub not_set: Issues,
    /// The steps, in order.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// The archive that was made first, to be able to go back.
    #[serde(default)]
    pub safety: Option<String>,
    /// The run that it is in the history as.
    #[serde(default)]
    pub run: Option<u64>,
    /// How long it took.
    pub duration_ms: u64,
}

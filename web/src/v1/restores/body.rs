//! What a restore is asked with.

use std::collections::{BTreeMap, BTreeSet};

use protocol::control::{ArchiveRef, ArchiveRestore, Component, Overwrite, RawPath};
use serde::Deserialize;

use crate::ApiError;

/// The body of a restore.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Body {
    components: BTreeSet<Component>,
    paths: Vec<String>,
    destination: Option<RawPath>,
    plan: bool,
    confirm: bool,
    overwrite: Overwrite,
    rename_databases: BTreeMap<String, String>,
    no_safety: bool,
    trust: bool,
    confirm_commands: bool,
    consent: Option<String>,
}

impl Body {
    /// The same as the node is asked.
    pub(super) fn restore(self, archive: ArchiveRef) -> Result<ArchiveRestore, ApiError> {
        if !self.plan && !self.confirm {
            let error = ApiError::invalid("a restore changes this machine and is not confirmed");
            return Err(
                error.hint("\"plan\": true shows what it would do, \"confirm\": true does it")
            );
        }
        Ok(ArchiveRestore {
            archive,
            patterns: self.paths,
            to: self.destination,
            plan: self.plan,
            overwrite: self.overwrite,
            components: self.components,
            rename_databases: self.rename_databases,
            no_safety: self.no_safety,
            trust: self.trust,
            confirm_commands: self.confirm_commands,
            consent: self.consent,
            wait: true,
        })
    }
}

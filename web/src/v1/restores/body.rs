//! What a restore is asked with.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    control::{
        ArchiveRef, ArchiveRestore, Component, Overwrite, PATTERN_BYTES_MAX, PATTERNS_MAX,
        RENAMED_MAX, RawPath,
    },
    schema::{CONSENT, RAW_ABSOLUTE},
};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;

use crate::ApiError;

/// The body of a restore.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RestoreBody", transform = meant)]
pub(super) struct Body {
    /// Only these.
    components: BTreeSet<Component>,
    /// Only members that match one of these patterns.
    #[schemars(length(max = PATTERNS_MAX), inner(length(min = 1, max = PATTERN_BYTES_MAX)))]
    paths: Vec<String>,
    /// A folder to restore under, absolute; only files are restored there.
    #[schemars(with = "Option<String>", regex(pattern = RAW_ABSOLUTE))]
    destination: Option<RawPath>,
    /// Answer with the plan, change nothing.
    plan: bool,
    /// Must be true for anything else than a plan.
    confirm: bool,
    /// What happens to files that are there.
    overwrite: Overwrite,
    /// Load a dump into a database of another name.
    #[schemars(extend("maxProperties" = RENAMED_MAX))]
    rename_databases: BTreeMap<String, String>,
    /// Make no safety archive first.
    no_safety: bool,
    /// An archive of another node is not hostile.
    trust: bool,
    /// Somebody has read the commands of the archive of another node: run them.
    confirm_commands: bool,
    /// The `consent` of a plan: restore what it showed or nothing.
    #[schemars(regex(pattern = CONSENT))]
    consent: Option<String>,
}

/// A plan is asked for, or a restore that is confirmed.
fn meant(schema: &mut Schema) {
    let says = |key: &str| json!({ "required": [key], "properties": { key: { "const": true } } });
    schema.insert("anyOf".to_owned(), json!([says("plan"), says("confirm")]));
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

//! A request that was not carried out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why not, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// An argument makes no sense or breaks a bound.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// A thing of that name exists already.
    Exists,
    /// It was changed meanwhile, or its state does not allow it.
    Conflict,
    /// The caller may not do this.
    Refused,
    /// Something else is at work on it; trying again later may help.
    Busy,
    /// No node that could help answered.
    Unreachable,
    /// Bytes are damaged or missing.
    Damaged,
    /// What came is not what it was said to be: another checksum, or nothing that can be taken.
    Mismatch,
    /// The disk or a quota is full.
    NoSpace,
    /// Somebody asked to stop.
    Cancelled,
    /// This version cannot do it.
    Unsupported,
    /// The file system, another program or this one failed.
    Internal,
}

/// A request that was not carried out: what, why, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why not, for programs.
    pub code: FailureCode,
    /// What was not done: `cannot restore nextcloud_20260508`.
    pub what: String,
    /// The reason: `chunk 3fa9… is missing: no holder answered`.
    pub why: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: FailureCode, what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { code, what: what.into(), why: why.to_string(), hint: None }
    }

    /// A failure whose reason is an error with all that caused it, joined by `: `.
    pub fn caused(
        code: FailureCode,
        what: impl Into<String>,
        error: &dyn std::error::Error,
    ) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why.push_str(": ");
            why.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { code, what: what.into(), why, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Failure {}
